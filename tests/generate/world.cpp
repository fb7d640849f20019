// SPDX-License-Identifier: GPL-2.0-or-later
#include "world.hpp"

#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <sstream>

namespace dmarace::generate {

std::set<std::string> world() {
    std::set<std::string> out;
    const board::Devices devices;
    for (const auto& device : devices.all()) {
        out.insert("driver " + device.full_name() + " " + device.driver);
        if (!device.driver_override.empty())
            out.insert("override " + device.full_name() + " " + device.driver_override);
    }
    for (const auto& group : devices.groups())
        for (const auto& name : group.devices)
            out.insert("type " + name + " " + devices.group_type(group.number).value_or("?"));
    for (const char* bus : {"pci", "platform", "amba"})
        if (const auto on = devices.autoprobe(bus))
            out.insert("autoprobe " + std::string(bus) + (*on ? " on" : " off"));
    std::istringstream modules(devices.files().read("/proc/modules").value_or(""));
    for (std::string line; std::getline(modules, line);)
        if (!line.starts_with("dmarace "))
            out.insert("module " + line.substr(0, line.find(' ')));
    return out;
}

std::vector<std::string> changes(const std::set<std::string>& before,
                                 const std::set<std::string>& after) {
    std::vector<std::string> out;
    for (const auto& fact : before)
        if (!after.contains(fact))
            out.push_back("- " + fact);
    for (const auto& fact : after)
        if (!before.contains(fact))
            out.push_back("+ " + fact);
    return out;
}

std::string left_in_module() {
    if (!board::Modules().loaded("dmarace"))
        return "";
    auto control = board::open_control();
    if (!control)
        return control.error().message;
    const auto status = (*control)->request(Line{DMARACE_V_STATUS, {}});
    if (!status)
        return status.error().message;
    std::string out;
    if (status->get("gate") != "closed")
        out += "the gate is " + status->get("gate") + "; ";
    if (status->get("held") != "0")
        out += status->get("held") + " tasks are held; ";
    if (status->find("owner"))
        out += "process " + status->get("owner") + " owns the module; ";
    return out;
}

} // namespace dmarace::generate
