// SPDX-License-Identifier: GPL-2.0-or-later
// The IOMMU that a client waits for, and who would drive it.
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "board/kernel.hpp"

#include <algorithm>

namespace dmarace::board {

namespace {

// A directory with a modalias: the device, or one that its bus driver has made below it
// (virtio0 of a PCI function).
std::vector<std::string> parts_of(const Files& files, const Device& device) {
    std::vector<std::string> out{device.path};
    for (const auto& name : files.list(device.path))
        if (files.exists(device.path + "/" + name + "/modalias"))
            out.push_back(device.path + "/" + name);
    return out;
}

bool drives_iommus(const Modules& modules, const std::string& name) {
    return modules.path(name).find("/drivers/iommu/") != std::string::npos;
}

struct Driving {
    std::string module;     // that would drive it, "" for none in this kernel's tree
    bool is_iommus = false; // .. and lies with the IOMMU drivers
    bool bound = false;     // a driver has it
};

Driving driving_of(const Files& files, const Modules& modules, const Device& iommu) {
    Driving out;
    for (const auto& part : parts_of(files, iommu)) {
        out.bound = !files.link_name(part + "/driver").empty();
        for (const auto& name : modules.for_alias(files.read(part + "/modalias").value_or("")))
            if (out.module.empty() || drives_iommus(modules, name))
                out.module = name, out.is_iommus = drives_iommus(modules, name);
        if (out.is_iommus)
            break;
    }
    return out;
}

// By its phandle; without a device tree the first device that an IOMMU driver of this
// kernel's tree claims, which is a guess.
const Device* find_iommu(const Files& files, const Modules& modules, const std::vector<Device>& all,
                         std::optional<std::uint32_t> handle) {
    const auto found = std::ranges::find_if(all, [&](const Device& device) {
        return handle ? tree_handle(files, device) == handle
                      : driving_of(files, modules, device).is_iommus;
    });
    return found == all.end() ? nullptr : &*found;
}

// Whether an instance of that device serves already: then nobody waits for it, but up to 6.14
// a device has no group before a driver is bound to it.
bool is_registered(const Files& files, const Device& iommu) {
    for (const auto& name : files.list("/sys/class/iommu")) {
        const auto path = files.real_path("/sys/class/iommu/" + name + "/device");
        if (path == iommu.path || path.starts_with(iommu.path + "/"))
            return true;
    }
    return false;
}

} // namespace

AwaitedIommu awaited_iommu(const Devices& devices, const Modules& modules, const Device& device) {
    const auto& files = devices.files();
    const auto handle = iommu_handle(files, device);
    const auto all = devices.all();
    const auto* iommu = find_iommu(files, modules, all, handle);
    if (iommu == nullptr)
        return {"an IOMMU that firmware names and no device of this machine is", ""};
    if (is_registered(files, *iommu))
        return {"", ""};
    const auto driving = driving_of(files, modules, *iommu);
    auto text = std::string(handle ? "" : "probably ") + iommu->full_name();
    if (driving.module.empty())
        return {text + (driving.bound ? ", which has registered no instance for it"
                                      : ", for which this kernel's tree has no driver"),
                ""};
    text += ", driver " + driving.module;
    if (!modules.loaded(driving.module))
        return {text + ", not loaded", driving.module};
    return {text + (driving.bound ? ", loaded and bound, without an instance for it"
                                  : ", loaded and not bound: its probe failed, see the kernel log"),
            ""};
}

} // namespace dmarace::board
