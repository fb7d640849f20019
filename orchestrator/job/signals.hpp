// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads the names of signals: a job's own, and the built-in ones of
// kmod/dmarace_abi.h. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// "done:walk", "step:walk:2", "bound:pci/0000:00:02.0", or a job's own name.
struct Signal {
    std::string prefix;  // "" for a job's own
    std::string subject; // the actor, the device, or the own name
    unsigned step = 0;   // of step:ACTOR:N

    bool own() const { return prefix.empty(); }
    // done, step and blocked are about an actor, the others about a device.
    bool about_actor() const;
};

std::vector<std::string> signal_prefixes();

// What is wrong with the name, or "". {param} in a name is left alone.
std::string check_signal(std::string_view text);

// The parts of a name that check_signal() found right.
Signal parse_signal(std::string_view text);

// Letters, digits, '-' and '_': names of jobs, actors, rules and own signals.
bool is_name(std::string_view text);

} // namespace dmarace::job
