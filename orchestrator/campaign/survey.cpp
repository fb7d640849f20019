// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/survey.hpp"

#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/guard.hpp"
#include "campaign/type_step.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

namespace dmarace::campaign {

namespace {

constexpr unsigned kBridge = 6;

// Base class of a PCI device, out of the code that sysfs writes as 0x02....
unsigned pci_class(const board::Files& files, const board::Device& device) {
    const auto code = files.read("/sys/bus/" + device.bus + "/devices/" + device.name + "/class");
    return code ? static_cast<unsigned>(std::strtoul(code->c_str(), nullptr, 16) >> 16) : 0;
}

// The driver a loaded module registers on a bus: /sys/module/M/drivers/BUS:DRIVER.
std::string driver_of_module(const board::Files& files, const std::string& module,
                             const std::string& bus) {
    for (const auto& entry : files.list("/sys/module/" + module + "/drivers"))
        if (entry.starts_with(bus + ":"))
            return entry.substr(bus.size() + 1);
    return "";
}

std::string module_of_driver(const board::Files& files, const board::Device& device) {
    return files.link_name("/sys/bus/" + device.bus + "/drivers/" + device.driver + "/module");
}

// What a survey reads from.
struct Sources {
    const board::Devices& devices;
    const board::Modules& modules;
};

void find_driver(const Sources& machine, SurveyedDevice& out) {
    const auto& files = machine.devices.files();
    const auto& device = out.device;
    if (!device.driver.empty()) {
        out.driver = device.driver;
        out.driver_module = module_of_driver(files, device);
        return;
    }
    if (device.modalias.empty())
        return;
    for (const auto& module : machine.modules.for_alias(device.modalias)) {
        const auto driver = driver_of_module(files, module, device.bus);
        if (driver.empty())
            continue;
        out.driver = driver;
        out.driver_module = module;
        return;
    }
}

// A module that lies with the kernel's IOMMU drivers and claims a device that
// is there.
std::string find_iommu_module(const Sources& machine) {
    const auto& files = machine.devices.files();
    for (const auto& bus : files.list("/sys/bus")) {
        for (const auto& device : files.list("/sys/bus/" + bus + "/devices")) {
            const auto alias = files.read("/sys/bus/" + bus + "/devices/" + device + "/modalias");
            if (!alias || alias->empty())
                continue;
            for (const auto& module : machine.modules.for_alias(*alias))
                if (machine.modules.path(module).find("/drivers/iommu/") != std::string::npos)
                    return module;
        }
    }
    return "";
}

std::string why_no_iommu_module(const Sources& machine) {
    const auto instances = machine.devices.files().list("/sys/class/iommu");
    if (instances.empty())
        return "this board shows no IOMMU";
    return "the IOMMU " + instances.front() + " is driven by code built into this kernel";
}

// Instance, driver and module of the IOMMU that serves a device.
std::vector<std::string> iommu_names(const board::Files& files, const board::Device& device) {
    const auto link = "/sys/bus/" + device.bus + "/devices/" + device.name + "/iommu";
    std::vector<std::string> names;
    for (const auto& name : {files.link_name(link), files.link_name(link + "/device/driver"),
                             files.link_name(link + "/device/driver/module")})
        if (!name.empty())
            names.push_back(name);
    return names;
}

unsigned virtual_functions(const board::Files& files, const board::Device& device) {
    const auto total =
        files.read("/sys/bus/" + device.bus + "/devices/" + device.name + "/sriov_totalvfs");
    return total ? static_cast<unsigned>(std::strtoul(total->c_str(), nullptr, 10)) : 0;
}

bool type_is_writable(const board::Files& files, const std::vector<board::Group>& groups) {
    return !groups.empty() && files.has_write_mode("/sys/kernel/iommu_groups/" +
                                                   std::to_string(groups.front().number) + "/type");
}

// 'iommus' has the devices that firmware puts behind an IOMMU, and behind how
// many, as far as that is known.
Survey look(const Sources& machine, const std::map<std::string, std::int64_t>& iommus) {
    Survey out;
    const auto& files = machine.devices.files();
    const auto protecteds = board::protected_paths(files);
    const auto all = machine.devices.all();
    const auto guards = board::why_protected(all, protecteds);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& device = all[i];
        SurveyedDevice item;
        item.device = device;
        const auto named = iommus.find(device.full_name());
        item.behind_iommu = device.group.has_value() || named != iommus.end();
        item.iommus = named == iommus.end() ? 0 : named->second;
        item.pci_class = pci_class(files, device);
        item.endpoint = item.pci_class != kBridge;
        item.managed = manages_its_dma(device.driver);
        item.iommu_names = iommu_names(files, device);
        item.virtual_functions = virtual_functions(files, device);
        item.guard = guards[i];
        find_driver(machine, item);
        out.devices.push_back(std::move(item));
    }
    out.groups = machine.devices.groups();
    out.type_writable = type_is_writable(files, out.groups);
    out.walk = machine.modules.known(board::kSimulatedModule);
    out.iommu_module = find_iommu_module(machine);
    if (out.iommu_module.empty())
        out.no_iommu_module = why_no_iommu_module(machine);
    return out;
}

} // namespace

Result<Survey> survey(Machine& machine) {
    const auto audits = board::ask_audit(machine.control, "", false);
    if (!audits)
        return std::unexpected(audits.error());
    std::map<std::string, std::int64_t> iommus;
    for (const auto& audit : *audits)
        if (audit.get(DMARACE_K_FW) == "1")
            iommus[audit.get(DMARACE_K_DEV)] = audit.number(DMARACE_K_IOMMUS).value_or(0);
    return look({machine.devices, machine.modules}, iommus);
}

Survey survey_without_module(const board::Devices& devices, const board::Modules& modules) {
    std::map<std::string, std::int64_t> iommus;
    for (const auto& device : devices.all())
        if (board::firmware_names_iommu(devices.files(), device))
            iommus[device.full_name()] = 1;
    return look({devices, modules}, iommus);
}

} // namespace dmarace::campaign
