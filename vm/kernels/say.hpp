// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/process.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <functional>
#include <string>
#include <utility>

namespace dmarace::vm {

// What the user called this program: it has two names. The first call, main()'s, tells.
const std::string& program_name(const char* called = "dmarace-board");

// What the user hears of the work: one line on stderr each.
template <class... Arguments>
void say(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    fmt::print(stderr, "{}: {}\n", program_name(),
               fmt::format(text, std::forward<Arguments>(arguments)...));
}

// SIGINT and SIGTERM are counted instead of ending the process, and SIGPIPE is
// ignored, as long as the object lives.
class InterruptCount {
public:
    InterruptCount();
    ~InterruptCount();
    InterruptCount(const InterruptCount&) = delete;
    InterruptCount& operator=(const InterruptCount&) = delete;
    static int count();
};

// Runs a command that writes to command.log and tells on stderr what it is
// (title), then how long it took; on a terminal the seconds count up, and after
// them what detail says of the work. While an InterruptCount object lives, the
// user's ctrl-c ends the command. Returns its exit status.
Result<int> run_showing(const Command& command, const std::string& title,
                        const std::function<std::string()>& detail = {});

} // namespace dmarace::vm
