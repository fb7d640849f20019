// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/steps.hpp"

namespace dmarace::job {

namespace {

struct VerbName {
    Verb verb;
    std::string_view name;
};

const std::vector<VerbName>& names_of_verbs() {
    static const std::vector<VerbName> table{
        {Verb::insmod, "insmod"},       {Verb::rmmod, "rmmod"},
        {Verb::bind, "bind"},           {Verb::unbind, "unbind"},
        {Verb::autoprobe, "autoprobe"}, {Verb::override_driver, "override"},
        {Verb::probe, "probe"},         {Verb::remove, "remove"},
        {Verb::rescan, "rescan"},       {Verb::sriov, "sriov"},
        {Verb::reset, "reset"},         {Verb::walk, "walk"},
        {Verb::type, "type"},           {Verb::write, "write"},
        {Verb::wait, "wait"},           {Verb::signal, "signal"},
        {Verb::settle, "settle"},       {Verb::expect, "expect"},
        {Verb::sleep, "sleep"},         {Verb::repeat, "repeat"},
        {Verb::audit, "audit"},         {Verb::io, "io"}};
    return table;
}

} // namespace

const std::vector<StepForm>& step_forms() {
    static const std::vector<StepForm> forms{
        {Verb::insmod, "insmod MODULE [async] [SETTING...]",
         "insert a module and what it depends on; async lets its driver probe asynchronously"},
        {Verb::rmmod, "rmmod MODULE", "remove a module"},
        {Verb::bind, "bind DEVICE [DRIVER]",
         "bind through sysfs, once; without DRIVER the one it was bound to last"},
        {Verb::unbind, "unbind DEVICE", "unbind through sysfs"},
        {Verb::override_driver, "override DEVICE DRIVER", "set driver_override; none clears it"},
        {Verb::autoprobe, "autoprobe on|off [BUS]",
         "whether new devices are probed by themselves; the bus is pci unless named"},
        {Verb::probe, "probe DEVICE", "write the device to drivers_probe of its bus"},
        {Verb::remove, "remove behind IOMMU",
         "remove every PCI device that has a group, or whose IOMMU the module serves"},
        {Verb::remove, "remove DEVICE", "remove a PCI device"},
        {Verb::rescan, "rescan pci", "look for PCI devices again"},
        {Verb::rescan, "rescan DEVICE", "look for devices again where this one was removed"},
        {Verb::sriov, "sriov DEVICE N", "make N virtual functions"},
        {Verb::reset, "reset DEVICE", "reset a PCI function"},
        {Verb::walk, "walk", "make the core walk all buses again, where this kernel allows it"},
        {Verb::type, "type all TYPE", "the same for every group that the guard allows"},
        {Verb::type, "type driver DRIVER TYPE", "for the groups with a device of this driver"},
        {Verb::type, "type iommu DRIVER TYPE",
         "for the groups behind an IOMMU, by instance, driver or module"},
        {Verb::type, "type size SIZE TYPE", "for the groups of so many devices: 1, 2.. or 2..4"},
        {Verb::type, "type GROUP|DEVICE TYPE",
         "write the type of a group, and read it back; a device stands for its group"},
        {Verb::write, "write PATH VALUE", "write a file; needs --unsafe"},
        {Verb::wait, "wait SIGNAL [TIME]", "wait for a signal, 10s unless a time is given"},
        {Verb::signal, "signal NAME", "raise a signal of the job's own"},
        {Verb::settle, "settle [TIME]", "wait until deferred and asynchronous probing has ended"},
        {Verb::expect, "expect unbound|bound|deferred|ungrouped DEVICE",
         "stop unless the device is so; the job is skipped where a kernel groups it at once"},
        {Verb::expect, "expect type GROUP STATE", "stop unless the group has this type"},
        {Verb::sleep, "sleep TIME", "do nothing for a while"},
        {Verb::repeat, "repeat N", "written as a table: { repeat = N, steps = [..] }"},
        {Verb::audit, "audit [DEVICE]", "ask for the facts of a device, or of all"},
        {Verb::io, "io start DEVICE [DEVICE]",
         "checked I/O from now on: on a disk that holds no data, or between two NICs"},
        {Verb::io, "io stop DEVICE", "end it; fails if a byte came back wrong"}};
    return forms;
}

std::string_view to_text(Verb verb) {
    for (const auto& row : names_of_verbs())
        if (row.verb == verb)
            return row.name;
    return "";
}

std::optional<Verb> verb_from(std::string_view text) {
    for (const auto& row : names_of_verbs())
        if (row.name == text)
            return row.verb;
    return std::nullopt;
}

std::vector<std::string> verb_names() {
    std::vector<std::string> out;
    for (const auto& row : names_of_verbs())
        out.emplace_back(row.name);
    return out;
}

} // namespace dmarace::job
