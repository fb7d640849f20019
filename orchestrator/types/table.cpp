// SPDX-License-Identifier: GPL-2.0-or-later
#include "types/table.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace dmarace::types {

namespace {

constexpr std::array<SideWork, 4> kSideWorks{{
    {"bind", "devices are unbound and bound", "binder", TypeWork::Kind::bind,
     [](const GroupMember& device) { return device.binds(); },
     "no device of these groups is bound to a driver that could be taken from it",
     "unbind and bind the devices of"},
    {"remove", "PCI devices are removed and found again", "remover", TypeWork::Kind::remove,
     [](const GroupMember& device) { return device.removable(); },
     "no device of these groups can be removed", "remove and rescan the devices of"},
    {"sriov", "virtual functions are made and taken away", "vf-maker", TypeWork::Kind::sriov,
     [](const GroupMember& device) { return device.virtual_functions > 0; },
     "no device of these groups has SR-IOV", "make and take away virtual functions of"},
    {"reserved-regions", "reserved_regions is read, under the group's mutex", "reader",
     TypeWork::Kind::reserved_regions, [](const GroupMember&) { return true; }, "",
     "read reserved_regions of"},
}};

// In the order of the enumerators; what a writer does, in words.
struct ChoiceWord {
    std::string_view word, text;
};
constexpr std::array<ChoiceWord, 3> kOrders{
    {{"pairs", "every ordered pair"}, {"sequence", "in turn"}, {"random", "drawn by seed"}}};
constexpr std::array<ChoiceWord, 3> kDrivers{
    {{"rebind", "drivers unbound and bound again around each change"},
     {"keep", "drivers as they are"},
     {"live", "the second of each two under the driver"}}};

std::size_t choice(std::span<const ChoiceWord> words, std::string_view word) {
    const auto found = std::ranges::find(words, word, &ChoiceWord::word);
    return found == words.end() ? 0 : static_cast<std::size_t>(found - words.begin());
}

using Words = std::vector<std::string>;

bool has(const Words& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

std::optional<std::size_t> number(std::string_view text) {
    if (text.size() > 6 || !is_digits(text))
        return std::nullopt;
    return std::stoul(std::string(text));
}

// BUS/NAME, or NAME alone.
bool names_device(const Words& words, const std::string& device) {
    return has(words, device) || has(words, device.substr(device.find('/') + 1));
}

bool any_device(const InventoryGroup& group, const Words& words, auto matches) {
    return words.empty() || std::ranges::any_of(group.devices, matches);
}

bool selected(const TypeStorm& storm, const InventoryGroup& group) {
    if (!has(storm.groups, "all") && !has(storm.groups, std::to_string(group.number)))
        return false;
    const bool by_name = has(storm.groups, std::to_string(group.number)) ||
                         !storm.devices.empty() || !storm.drivers.empty();
    if (group.named_only && !by_name)
        return false;
    if (const auto range = size_range(storm.size))
        if (group.devices.size() < range->first || group.devices.size() > range->second)
            return false;
    return any_device(group, storm.devices,
                      [&](const GroupMember& d) { return names_device(storm.devices, d.name); }) &&
           any_device(group, storm.drivers,
                      [&](const GroupMember& d) { return has(storm.drivers, d.driver); }) &&
           any_device(group, storm.iommus, [&](const GroupMember& d) {
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

std::string groups_text(const TypeWork& work) {
    std::string out = work.mine.size() == 1 ? "group" : "groups";
    for (const auto index : work.mine)
        out += " " + std::to_string(work.groups->at(index).number);
    return out;
}

std::string writes_text(const TypeStorm& storm, const std::string& groups) {
    std::string out = "type " + groups + ": " + joined(storm.types, " ") + ", ";
    out += std::string(kOrders[choice(kOrders, storm.order)].text) + ", " +
           std::string(kDrivers[choice(kDrivers, storm.driver)].text);
    if (storm.count)
        out += ", " + std::to_string(*storm.count) + " writes";
    if (storm.duration)
        out += ", for " + dmarace::to_text(*storm.duration);
    return out;
}

TypeRole role_of(const std::string& name, const std::string& text, TypeWork work) {
    return {name, text, std::make_shared<const TypeWork>(std::move(work))};
}

std::vector<unsigned> share_of(const TypeStorm& storm, std::size_t groups, unsigned writer) {
    std::vector<unsigned> mine;
    for (unsigned index = 0; index < groups; ++index)
        if (storm.share != kSplitShare || index % storm.writers == writer)
            mine.push_back(index);
    return mine;
}

TypeRole writer(const TypeStorm& storm, const TypeWork& base, unsigned number) {
    auto work = base;
    work.number = number + 1;
    work.mine = share_of(storm, base.groups->size(), number);
    const auto text = writes_text(storm, groups_text(work));
    return role_of(type_actor_names(storm).at(number), text, std::move(work));
}

Result<TypeRole> side_role(const TypeWork& base, const SideWork& row) {
    auto work = base;
    work.kind = row.kind;
    for (unsigned index = 0; index < base.groups->size(); ++index)
        if (std::ranges::any_of(base.groups->at(index).devices, row.fits))
            work.mine.push_back(index);
    if (work.mine.empty())
        return fail(Fault::untestable, row.lacks);
    const auto text = std::string(row.does) + " " + groups_text(work);
    return role_of(std::string(row.actor), text, std::move(work));
}

} // namespace

std::span<const SideWork> side_works() { return kSideWorks; }

std::vector<std::string> type_orders() { return texts_of(kOrders, &ChoiceWord::word); }

std::vector<std::string> type_drivers() { return texts_of(kDrivers, &ChoiceWord::word); }

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

Result<std::vector<InventoryGroup>> select_groups(const TypeStorm& storm,
                                                  const Inventory& inventory) {
    std::vector<InventoryGroup> out;
    for (const auto& group : inventory.groups)
        if (selected(storm, group))
            out.push_back(group);
    std::ranges::sort(out, {}, &InventoryGroup::number);
    if (!out.empty())
        return out;
    const auto asked = selection_text(storm);
    const bool left_out = std::ranges::any_of(inventory.groups, &InventoryGroup::named_only);
    return fail(Fault::untestable,
                (asked == "all" ? std::string("no IOMMU group of this board may be written to")
                                : "no IOMMU group that may be touched is selected by: " + asked) +
                    (left_out ? "; those of platform devices have to be named, or --all-clients "
                                "takes them in"
                              : ""));
}

std::vector<std::string> type_actor_names(const TypeStorm& storm) {
    std::vector<std::string> names{"writer"};
    for (unsigned number = 2; number <= storm.writers; ++number)
        names.push_back("writer" + std::to_string(number));
    for (const auto& row : kSideWorks)
        if (std::ranges::find(storm.beside, row.word) != storm.beside.end())
            names.emplace_back(row.actor);
    return names;
}

bool is_type_writer(const TypeStorm& storm, std::string_view actor) {
    const auto names = type_actor_names(storm);
    const auto found = std::ranges::find(names, actor);
    return found - names.begin() < static_cast<std::ptrdiff_t>(storm.writers);
}

std::string storm_text(const TypeStorm& storm) {
    std::string out;
    const auto groups = "groups (" + selection_text(storm) + ")";
    for (const auto& name : type_actor_names(storm)) {
        const auto* row = std::ranges::find(kSideWorks, name, &SideWork::actor);
        out += "Actor " + name + ": " +
               (row == kSideWorks.end() ? writes_text(storm, groups)
                                        : std::string(row->does) + " " + groups) +
               "\n";
    }
    if (storm.writers > 1)
        out += storm.share != kSplitShare ? "All writers work on the same groups.\n"
                                          : "Each writer has groups of its own.\n";
    return out;
}

Result<std::vector<TypeRole>> expand_type_storm(const TypeStorm& storm,
                                                const Inventory& inventory) {
    TRY_AS(auto groups, select_groups(storm, inventory));
    if (storm.share == kSplitShare && groups.size() < storm.writers)
        return fail(Fault::untestable, std::to_string(storm.writers) + " writers cannot share " +
                                           std::to_string(groups.size()) + " groups");
    TypeWork base;
    base.groups = std::make_shared<const std::vector<InventoryGroup>>(std::move(groups));
    for (const auto& type : storm.types)
        base.types.push_back(type_word_from(type));
    base.order = static_cast<TypeOrder>(choice(kOrders, storm.order));
    base.driver = static_cast<TypeDriver>(choice(kDrivers, storm.driver));
    base.count = storm.count;
    base.duration = storm.duration;
    base.alone = storm.beside.empty() && (storm.writers == 1 || storm.share == kSplitShare);
    std::vector<TypeRole> actors;
    for (unsigned number = 0; number < storm.writers; ++number)
        actors.push_back(writer(storm, base, number));
    for (const auto& word : storm.beside) {
        TRY_AS(auto actor, side_role(base, *std::ranges::find(kSideWorks, word, &SideWork::word)));
        actors.push_back(std::move(actor));
    }
    return actors;
}

} // namespace dmarace::types
