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
    result.group_bound = false;
    for (const auto& known : devices.groups()) {
        if (known.number != *number)
            continue;
        result.group_devices = static_cast<unsigned>(known.devices.size());
        for (const auto& name : known.devices) {
            const auto device = devices.find(name);
            if (!device)
                continue;
            if (result.device.empty())
                result.device = name;
            if (!device->driver.empty() && !manages_its_dma(device->driver))
                result.group_bound = true;
        }
    }
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
