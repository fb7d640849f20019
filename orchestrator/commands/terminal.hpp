// SPDX-License-Identifier: GPL-2.0-or-later
// This file shows a run's progress on stderr: a live line on a terminal, one
// line an iteration elsewhere.
#pragma once

#include "campaign/machine.hpp"

#include <chrono>
#include <map>
#include <string>

namespace dmarace::commands {

class TerminalProgress final : public campaign::Progress {
public:
    TerminalProgress(std::string job, bool live) : job_(std::move(job)), live_(live) {}
    ~TerminalProgress() override;

    void iteration(unsigned number, unsigned planned) override;
    void doing(const std::string& what) override;
    void judged(unsigned number, const std::string& verdict, const std::string& why) override;
    void note(const std::string& text) override;

    // Is stderr a terminal, or does DMARACE_TTY=1 say that one is behind it?
    static bool stderr_is_live();

private:
    void draw();
    void clear();

    std::string job_;
    bool live_;
    bool drawn_ = false;
    unsigned number_ = 0, planned_ = 0;
    std::string what_;
    std::map<std::string, unsigned> counts_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

} // namespace dmarace::commands
