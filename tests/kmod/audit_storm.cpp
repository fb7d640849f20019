// SPDX-License-Identifier: GPL-2.0-or-later
// Audits of all devices, as fast as they come, beside somebody who pulls the ground away:
//   audit_storm types|removals [SECONDS (60)]
// 'types' unbinds the PCI clients of groups and writes their types, 'removals' removes PCI
// devices and scans again. What a checking kernel says of it is on the console. Exit 0 when
// both sides did something until the end.
#include "client.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>

namespace kmod_test {
namespace {

namespace fs = std::filesystem;

const std::string kDevices = "/sys/bus/pci/devices/";

// PCI devices that have a group, bridges left out: 0000:00:00.0 is the host's.
std::vector<std::string> clients() {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kDevices, error))
        if (fs::exists(entry.path() / "iommu_group", error) &&
            !entry.path().filename().string().ends_with(":00:00.0"))
            out.push_back(entry.path().filename());
    std::ranges::sort(out);
    return out;
}

// How often something was done.
int change_types(std::uint64_t until) {
    constexpr std::array types{"identity", "DMA", "auto"};
    int done = 0;
    for (const auto& name : clients()) {
        std::error_code error;
        const auto driver = fs::canonical(kDevices + name + "/driver", error);
        if (!error)
            write_file(driver.string() + "/unbind", name);
    }
    while (now_ms() < until)
        for (const auto& name : clients())
            for (const auto* type : types)
                done += write_file(kDevices + name + "/iommu_group/type", type) == 0;
    return done;
}

int remove_and_scan(std::uint64_t until) {
    int done = 0;
    while (now_ms() < until) {
        for (const auto& name : clients())
            done += write_file(kDevices + name + "/remove", "1") == 0;
        write_file("/sys/bus/pci/rescan", "1");
        sleep_ms(100);
    }
    return done;
}

int audit_until(std::uint64_t until) {
    Control control;
    const auto lease = keep_lease(control);
    int audits = 0;
    while (now_ms() < until) {
        control.must("audit");
        for (const auto& event : control.drain())
            audits += event.verb == "audit";
    }
    return audits;
}

int storm(const std::string& what, int seconds) {
    const auto until = now_ms() + static_cast<std::uint64_t>(seconds) * 1000;
    const auto mover = what == "types" ? change_types : remove_and_scan;
    const pid_t child = spawn([&] { return mover(until) > 0 ? 0 : 1; });
    const int audits = audit_until(until);
    const int moved = reap(child, 60000);
    std::printf("%d audits beside %s, which %s\n", audits, what.c_str(),
                moved == 0 ? "went on" : "did nothing");
    return audits > 0 && moved == 0 ? 0 : 1;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what != "types" && what != "removals") {
        std::fputs("usage: audit_storm types|removals [SECONDS]\n", stderr);
        return 2;
    }
    try {
        utsname host{};
        uname(&host);
        kmod_test::load_module("/lib/modules/" + std::string(host.release) + "/updates/dmarace.ko");
        kmod_test::wait_for_device();
        return kmod_test::storm(what, argc > 2 ? std::stoi(argv[2]) : 60);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "audit_storm: %s\n", error.what());
        return 1;
    }
}
