// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own test, on a booted kernel that has a group, and a pl031 clock or a
// bound PCI device, as root:  selftest all|PATTERN [PATH/dmarace.ko]
// Without a path it takes the module of the running kernel's tree. Prints TAP.
#include "client.hpp"

#include <sys/utsname.h>

#include <cstdio>
#include <exception>

namespace kmod_test {

namespace {

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (auto make : {rule_cases, control_cases, detour_cases, owner_cases})
        for (auto& one : make())
            all.push_back(one);
    return all;
}

bool passes(const Case& one, int number) {
    try {
        one.run();
    } catch (const Skipped& why) {
        std::printf("ok %d - %s # SKIP %s\n", number, one.name.c_str(), why.what());
        return true;
    } catch (const std::exception& e) {
        std::printf("not ok %d - %s\n# %s\n", number, one.name.c_str(), e.what());
        return false;
    }
    std::printf("ok %d - %s\n", number, one.name.c_str());
    return true;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    using namespace kmod_test;
    if (argc < 2) {
        std::fprintf(stderr, "usage: selftest all|PATTERN [PATH/dmarace.ko]\n");
        return 2;
    }
    const std::string pattern = argv[1];
    utsname host{};
    uname(&host);
    module_path =
        argc > 2 ? argv[2] : "/lib/modules/" + std::string(host.release) + "/updates/dmarace.ko";
    load_module(module_path);
    int number = 0, failed = 0;
    for (const auto& one : all_cases()) {
        if (pattern != "all" && one.name.find(pattern) == std::string::npos)
            continue;
        failed += !passes(one, ++number);
        std::fflush(stdout);
    }
    std::printf("1..%d\n", number);
    return failed || number == 0 ? 1 : 0;
}
