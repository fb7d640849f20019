// SPDX-License-Identifier: GPL-2.0-or-later
// This file lists the cases of the module's own test. Each throws on failure.
#pragma once

#include <string>
#include <vector>

namespace kmod_test {

struct Case {
    std::string name;
    void (*run)();
};

std::vector<Case> hold_cases();
std::vector<Case> rule_cases();
std::vector<Case> control_cases();
std::vector<Case> owner_cases();
std::vector<Case> load_cases();
std::vector<Case> register_cases();

// Where dmarace.ko is, for those that load it themselves.
extern std::string module_path;

} // namespace kmod_test
