// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/type_step.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace dmarace::campaign {

namespace {

constexpr std::array<std::string_view, 4> kManaged{"pcieport", "vfio-pci", "pci-stub", "shpchp"};

Result<int> group_number(const StepContext& context, const std::string& word) {
    int number = -1;
    const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (ec == std::errc{} && end == word.data() + word.size())
        return number;
    const auto device = context.devices.find(word);
    if (const auto known = context.groups.find(word);
        (!device || !device->group) && known != context.groups.end())
        return known->second;
    if (!device)
        return std::unexpected(device.error());
    if (!device->group)
        return fail_errno(device->full_name() + " is in no group", ENOENT);
    return *device->group;
}

// Members as sysfs has them now; of a group that is gone, those it had before
// anything was armed. The word of the step comes first where it is a device.
std::vector<std::string> members(const StepContext& context, const std::string& word, int number) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& device) {
        if (std::ranges::find(out, device) == out.end())
            out.push_back(device);
    };
    if (const auto device = context.devices.find(word))
        add(device->full_name());
    else if (context.groups.contains(word))
        add(word);
    for (const auto& group : context.devices.groups())
        if (group.number == number)
            std::ranges::for_each(group.devices, add);
    if (out.empty())
        for (const auto& [device, group] : context.groups)
            if (group == number)
                add(device);
    return out;
}

// What the history of the group needs, looked at before the write.
void look(const StepContext& context, const std::string& word, verdict::StepResult& result) {
    const auto names = members(context, word, static_cast<int>(*result.group));
    result.group_devices = static_cast<unsigned>(names.size());
    result.group_bound = false;
    if (!names.empty())
        result.device = names.front();
    for (const auto& name : names) {
        const auto device = context.devices.find(name);
        if (device && !device->driver.empty() && !manages_its_dma(device->driver))
            result.group_bound = true;
    }
}

} // namespace

bool manages_its_dma(const std::string& driver) {
    return std::ranges::find(kManaged, driver) != kManaged.end();
}

Status write_type(StepContext& context, const std::string& group, const std::string& type,
                  verdict::StepResult& result) {
    const auto& devices = context.devices;
    const auto number = group_number(context, group);
    if (!number)
        return std::unexpected(number.error());
    result.group = *number;
    result.type_asked = type;
    look(context, group, result);
    const auto known = context.group_types.find(*number);
    result.type_before = known != context.group_types.end()
                             ? known->second
                             : devices.group_type(*number).value_or("");
    const auto written = devices.set_group_type(*number, type);
    result.type_after = devices.group_type(*number).value_or("");
    context.group_types[*number] = result.type_after;
    return written;
}

} // namespace dmarace::campaign
