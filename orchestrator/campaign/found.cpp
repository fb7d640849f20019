// SPDX-License-Identifier: GPL-2.0-or-later
// What a run finds before it begins, and what of it is not so any more.
#include "base/text.hpp"
#include "board/firmware.hpp"
#include "campaign/survey.hpp"
#include "kmod/dmarace_abi.h"
#include "types/record.hpp"

#include <algorithm>

namespace dmarace::campaign {

namespace {

constexpr const char* kIommus = "/sys/class/iommu";

// Where the module says nothing of a domain: up to 6.14 a device that is not bound may have
// none, and the type of its group is what it will get.
std::string_view domain_of(const std::string& type) {
    switch (types::type_word_from(type)) {
    case types::TypeWord::identity:
        return DMARACE_DOMAIN_IDENTITY;
    case types::TypeWord::dma:
        return DMARACE_DOMAIN_DMA;
    case types::TypeWord::dma_fq:
        return DMARACE_DOMAIN_DMA_FQ;
    default:
        return {};
    }
}

} // namespace

std::vector<verdict::FoundIommu> iommus_now(const board::Files& files) {
    std::vector<verdict::FoundIommu> out;
    for (const auto& instance : files.list(kIommus)) {
        const auto device = std::string(kIommus) + "/" + instance + "/device";
        out.push_back({.instance = instance,
                       .device = files.link_name(device),
                       .driver = files.link_name(device + "/driver"),
                       .module = files.link_name(device + "/driver/module")});
        // A device without a driver.
        if (instance == board::kSimulatedIommu)
            out.back().module = board::kSimulatedModule;
    }
    return out;
}

namespace {

std::vector<verdict::FoundStream> streams_of(const board::Files& files, const Survey& survey) {
    std::vector<board::Device> all;
    for (const auto& item : survey.devices)
        all.push_back(item.device);
    std::vector<verdict::FoundStream> out;
    for (auto& stream : board::streams(files, all))
        out.push_back({.iommu = std::move(stream.iommu),
                       .device = std::move(stream.device),
                       .id = stream.id,
                       .ignored = stream.ignored,
                       .first = stream.first,
                       .count = stream.count,
                       .mask = stream.mask});
    return out;
}

} // namespace

verdict::FoundBoard found_board(const board::Devices& devices, const Survey& survey,
                                const std::vector<Line>& audits) {
    verdict::FoundBoard found;
    for (const auto& item : survey.devices) {
        const auto& device = item.device;
        auto& out = found.devices[device.full_name()];
        out = {.device = device.full_name(),
               .driver = device.driver,
               .module = item.driver_module,
               .path = device.path,
               .group = device.group.value_or(-1),
               .aliases = board::dma_aliases(devices.files(), device)};
        if (!item.iommu_names.empty())
            out.iommu = item.iommu_names.front();
        if (const auto physical = devices.files().link_name(device.entry() + "/physfn");
            !physical.empty())
            out.physical = device.bus + "/" + physical;
    }
    for (const auto& audit : audits)
        if (const auto known = found.devices.find(audit.get(DMARACE_K_DEV));
            known != found.devices.end()) {
            known->second.domain = audit.get(DMARACE_K_DOMAIN);
            known->second.translated = audit.get(DMARACE_K_VIA_IOMMU) == "1";
        }
    for (const auto& group : survey.groups)
        if (group.devices.empty())
            found.empty_groups.push_back(std::to_string(group.number));
    found.iommus = iommus_now(devices.files());
    found.streams = streams_of(devices.files(), survey);
    return found;
}

void add_types(verdict::FoundBoard& found, const job::Inventory& inventory) {
    for (auto& [name, device] : found.devices) {
        const auto group = std::ranges::find_if(inventory.groups, [&](const auto& item) {
            return static_cast<std::int64_t>(item.number) == device.group;
        });
        if (group != inventory.groups.end() &&
            (device.domain.empty() || device.domain == DMARACE_DOMAIN_NONE))
            device.domain = domain_of(group->type);
    }
}

std::vector<verdict::FoundDevice> changes_since(const board::Devices& devices,
                                                const verdict::FoundBoard& found) {
    std::vector<verdict::FoundDevice> out;
    const auto& files = devices.files();
    for (const auto& [name, before] : found.devices) {
        const auto entry = board::device_named(name).entry();
        verdict::FoundDevice now{
            .device = name,
            .driver = files.link_name(entry + "/driver"),
            .group = to_number<std::int64_t>(files.link_name(entry + "/iommu_group")).value_or(-1)};
        now.there = !now.driver.empty() || now.group >= 0 || files.exists(entry);
        if (!now.there || now.driver != before.driver || now.group != before.group)
            out.push_back(now);
    }
    return out;
}

} // namespace dmarace::campaign
