// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/type_select.hpp"

#include <algorithm>
#include <limits>

namespace dmarace::job {

namespace {

using Words = std::vector<std::string>;

bool has(const Words& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

std::optional<std::size_t> number(std::string_view text) {
    if (text.empty() || text.size() > 6 ||
        text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    return std::stoul(std::string(text));
}

// BUS/NAME, or NAME alone.
bool names_device(const Words& words, const std::string& device) {
    return has(words, device) || has(words, device.substr(device.find('/') + 1));
}

bool any_device(const Inventory::Group& group, const Words& words, auto matches) {
    return words.empty() || std::ranges::any_of(group.devices, matches);
}

bool selected(const TypeStorm& storm, const Inventory::Group& group) {
    using Device = Inventory::Device;
    if (!has(storm.groups, "all") && !has(storm.groups, std::to_string(group.number)))
        return false;
    if (const auto range = size_range(storm.size))
        if (group.devices.size() < range->first || group.devices.size() > range->second)
            return false;
    return any_device(group, storm.devices,
                      [&](const Device& d) { return names_device(storm.devices, d.name); }) &&
           any_device(group, storm.drivers,
                      [&](const Device& d) { return has(storm.drivers, d.driver); }) &&
           any_device(group, storm.iommus, [&](const Device& d) {
               return std::ranges::any_of(
                   d.iommu, [&](const auto& name) { return has(storm.iommus, name); });
           });
}

void add(std::string& text, const char* what, const Words& words) {
    if (words.empty())
        return;
    text += (text.empty() ? "" : ", ") + std::string(what);
    for (const auto& word : words)
        text += " " + word;
}

} // namespace

std::optional<std::pair<std::size_t, std::size_t>> size_range(std::string_view text) {
    const auto dots = text.find("..");
    const auto least = number(text.substr(0, dots));
    if (!least || *least == 0)
        return std::nullopt;
    if (dots == std::string_view::npos)
        return std::pair(*least, *least);
    const auto rest = text.substr(dots + 2);
    if (rest.empty())
        return std::pair(*least, std::numeric_limits<std::size_t>::max());
    const auto most = number(rest);
    if (!most || *most < *least)
        return std::nullopt;
    return std::pair(*least, *most);
}

std::vector<const std::vector<std::string>*> selection_lists(const TypeStorm& storm) {
    return {&storm.groups, &storm.devices, &storm.drivers, &storm.iommus};
}

std::string selection_text(const TypeStorm& storm) {
    std::string text;
    if (!has(storm.groups, "all"))
        add(text, "groups", storm.groups);
    add(text, "devices", storm.devices);
    add(text, "drivers", storm.drivers);
    add(text, "iommu", storm.iommus);
    if (!storm.size.empty())
        add(text, "size", {storm.size});
    return text.empty() ? "all" : text;
}

Result<std::vector<Inventory::Group>> select_groups(const TypeStorm& storm,
                                                    const Inventory& inventory) {
    std::vector<Inventory::Group> out;
    for (const auto& group : inventory.groups)
        if (selected(storm, group))
            out.push_back(group);
    std::ranges::sort(out, {}, &Inventory::Group::number);
    if (!out.empty())
        return out;
    const auto asked = selection_text(storm);
    return fail(Fault::untestable,
                asked == "all" ? std::string("no IOMMU group of this board may be written to")
                               : "no IOMMU group that may be touched is selected by: " + asked);
}

} // namespace dmarace::job
