// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs the module's own test on a booted kernel that has a group and
// a pl031 clock, as root, and prints TAP:  selftest PATH/dmarace.ko [PATTERN]
#include "cases.hpp"
#include "client.hpp"

#include <cstdio>
#include <exception>

namespace kmod_test {

std::string module_path;

namespace {

std::vector<Case> all_cases()
{
    std::vector<Case> all;
    for (auto make : {hold_cases, rule_cases, control_cases, owner_cases, load_cases})
        for (auto& one : make())
            all.push_back(one);
    return all;
}

bool passes(const Case& one, int number)
{
    try {
        one.run();
    } catch (const std::exception& e) {
        std::printf("not ok %d - %s\n# %s\n", number, one.name.c_str(), e.what());
        return false;
    }
    std::printf("ok %d - %s\n", number, one.name.c_str());
    return true;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv)
{
    using namespace kmod_test;
    if (argc < 2) {
        std::fprintf(stderr, "usage: selftest PATH/dmarace.ko [PATTERN]\n");
        return 2;
    }
    module_path = argv[1];
    load_module(module_path);
    int number = 0, failed = 0;
    for (const auto& one : all_cases()) {
        if (argc > 2 && one.name.find(argv[2]) == std::string::npos)
            continue;
        failed += !passes(one, ++number);
        std::fflush(stdout);
    }
    std::printf("1..%d\n", number);
    return failed ? 1 : 0;
}
