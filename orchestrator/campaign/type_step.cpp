// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/type_step.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace dmarace::campaign {

namespace {

// Drivers that leave the DMA of their device to others (driver_managed_dma):
// bound to one, a device does not keep its group from changing type.
constexpr std::array<std::string_view, 4> kManaged{"pcieport", "vfio-pci", "pci-stub", "shpchp"};

Result<int> group_number(const board::Devices& devices, const std::string& word) {
    int number = -1;
    const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (ec == std::errc{} && end == word.data() + word.size())
        return number;
    const auto device = devices.find(word);
    if (!device)
        return std::unexpected(device.error());
    if (!device->group)
        return fail_errno(device->full_name() + " is in no group", ENOENT);
    return *device->group;
}

} // namespace

Status write_type(const board::Devices& devices, const std::string& group, const std::string& type,
                  verdict::StepResult& result) {
    const auto number = group_number(devices, group);
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
            if (!device->driver.empty() &&
                std::ranges::find(kManaged, device->driver) == kManaged.end())
                result.group_bound = true;
        }
    }
    result.type_before = devices.group_type(*number).value_or("");
    const auto written = devices.set_group_type(*number, type);
    result.type_after = devices.group_type(*number).value_or("");
    return written;
}

} // namespace dmarace::campaign
