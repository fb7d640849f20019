// SPDX-License-Identifier: GPL-2.0-or-later
// What a campaign works on: the board's edge, opened once in
// main and handed down.
#pragma once

#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"

#include <map>
#include <string>

namespace dmarace::campaign {

struct Machine {
    board::Devices devices;
    board::Modules modules;
    board::KernelLog& log;
    board::Control& control;
    std::map<std::string, std::string> drivers; // BUS/NAME to the driver it belongs to
};

// What happens while a run goes on, for a status line. Every call returns at
// once.
class RunProgress {
public:
    virtual ~RunProgress() = default;
    virtual void iteration(unsigned number, unsigned planned) = 0;
    virtual void doing(const std::string& what) = 0;
    virtual void judged(unsigned number, const std::string& verdict, const std::string& why) = 0;
    virtual void note(const std::string& text) = 0;
};

// Ctrl-C and SIGTERM, read from a signalfd: once means end this iteration and
// restore, twice means now.
class RunInterrupts {
public:
    virtual ~RunInterrupts() = default;
    virtual int descriptor() const = 0;
    virtual unsigned count() = 0;
};

} // namespace dmarace::campaign
