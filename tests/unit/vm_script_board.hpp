// SPDX-License-Identifier: GPL-2.0-or-later
// A machine whose boots are shell scripts, each run in the directory that it shares.
#pragma once

#include "base/process.hpp"
#include "vm/board/control.hpp"

#include <fcntl.h>

#include <utility>

namespace dmarace::vm {

class ScriptBoard final : public BoardControl {
public:
    // One script for each boot; the last one for all that follow.
    ScriptBoard(std::filesystem::path share, std::vector<std::string> scripts)
        : share_(std::move(share)), scripts_(std::move(scripts)) {}

    Status start(const Boot& boot) override {
        if (auto opened = open_channel(channel(), boot.files); !opened)
            return opened;
        const std::string script = scripts_[std::min(boots_++, scripts_.size() - 1)];
        const UniqueFd log(open((share_ / "said").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
        auto child = start_command({.argv = {"/bin/sh", "-c", script}, .directory = share_},
                                   log.get(), log.get());
        if (!child)
            return std::unexpected(child.error());
        child_.emplace(*std::move(child));
        return {};
    }
    std::optional<int> wait(int timeout_ms) override { return child_->wait(timeout_ms); }
    void stop() override { child_->kill(); }
    std::string console() const override { return peek(share_ / "console"); }
    std::string complaint() const override { return peek(share_ / "said"); }
    std::filesystem::path channel() const override { return share_ / ".vm"; }
    Status collect(const BootOutcome&) override { return {}; }

    std::size_t boots() const { return boots_; }

private:
    std::filesystem::path share_;
    std::vector<std::string> scripts_;
    std::size_t boots_ = 0;
    std::optional<Process> child_;
};

} // namespace dmarace::vm
