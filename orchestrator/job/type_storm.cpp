// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/type_storm.hpp"

#include "job/type_select.hpp"
#include "job/type_work.hpp"

#include <algorithm>
#include <array>

namespace dmarace::job {

namespace {

using Groups = std::vector<Inventory::Group>;

// One word of 'beside'.
struct Beside {
    std::string_view word;
    std::string_view actor;
    TypeWork::Kind kind;
    bool (*fits)(const Inventory::Device&); // at least one device has to
    const char* lacks;
    const char* does;
};

bool binds(const Inventory::Device& device) {
    return !device.driver.empty() && !device.managed;
}
bool removes(const Inventory::Device& device) {
    return device.endpoint && device.name.starts_with("pci/");
}
bool makes_functions(const Inventory::Device& device) {
    return device.virtual_functions > 0;
}
bool any(const Inventory::Device&) {
    return true;
}

constexpr std::array<Beside, 4> kBeside{{
    {"bind", "binder", TypeWork::Kind::bind, binds,
     "no device of these groups is bound to a driver that could be taken from it",
     "unbind and bind the devices of"},
    {"remove", "remover", TypeWork::Kind::remove, removes,
     "no device of these groups can be removed", "remove and rescan the devices of"},
    {"sriov", "vf-maker", TypeWork::Kind::sriov, makes_functions,
     "no device of these groups has SR-IOV", "make and take away virtual functions of"},
    {"reserved-regions", "reader", TypeWork::Kind::reserved_regions, any, "",
     "read reserved_regions of"},
}};

const Beside& beside(std::string_view word) {
    return *std::ranges::find(kBeside, word, &Beside::word);
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words)
        out += (out.empty() ? "" : " ") + word;
    return out;
}

std::string groups_text(const TypeWork& work) {
    std::string out = work.mine.size() == 1 ? "group" : "groups";
    for (const auto index : work.mine)
        out += " " + std::to_string(work.groups->at(index).number);
    return out;
}

std::string writes_text(const TypeStorm& storm, const std::string& groups) {
    std::string out = "type " + groups + ": " + joined(storm.types) + ", ";
    out += storm.order == "pairs"    ? "every ordered pair"
           : storm.order == "random" ? "drawn by seed"
                                     : "in turn";
    out += storm.driver == "rebind" ? ", drivers unbound and bound again around each change"
           : storm.driver == "live" ? ", the second of each two under the driver"
                                    : ", drivers as they are";
    if (storm.count)
        out += ", " + std::to_string(*storm.count) + " writes";
    if (storm.duration)
        out += ", for " + dmarace::to_text(*storm.duration);
    return out;
}

TypeOrder order_of(const std::string& word) {
    return word == "pairs"    ? TypeOrder::pairs
           : word == "random" ? TypeOrder::random
                              : TypeOrder::sequence;
}

TypeDriver driver_of(const std::string& word) {
    return word == "rebind" ? TypeDriver::rebind
           : word == "live" ? TypeDriver::live
                            : TypeDriver::keep;
}

Actor actor_of(const std::string& name, const std::string& text, TypeWork work,
               const Place& where) {
    Step step;
    step.verb = Verb::type;
    step.text = text;
    step.where = where;
    step.work = std::make_shared<const TypeWork>(std::move(work));
    return {name, {std::move(step)}, where};
}

std::vector<unsigned> share_of(const TypeStorm& storm, std::size_t groups, unsigned writer) {
    std::vector<unsigned> mine;
    for (unsigned index = 0; index < groups; ++index)
        if (storm.share == "same" || index % storm.writers == writer)
            mine.push_back(index);
    return mine;
}

Actor writer(const TypeStorm& storm, const TypeWork& base, unsigned number) {
    auto work = base;
    work.number = number + 1;
    work.mine = share_of(storm, base.groups->size(), number);
    const auto text = writes_text(storm, groups_text(work));
    return actor_of(type_actor_names(storm).at(number), text, std::move(work), storm.where);
}

Result<Actor> other(const TypeStorm& storm, const TypeWork& base, const Beside& row) {
    auto work = base;
    work.kind = row.kind;
    for (unsigned index = 0; index < base.groups->size(); ++index)
        if (std::ranges::any_of(base.groups->at(index).devices, row.fits))
            work.mine.push_back(index);
    if (work.mine.empty())
        return fail(Fault::untestable, row.lacks);
    const auto text = std::string(row.does) + " " + groups_text(work);
    return actor_of(std::string(row.actor), text, std::move(work), storm.where);
}

} // namespace

std::vector<std::string> type_actor_names(const TypeStorm& storm) {
    std::vector<std::string> names{"writer"};
    for (unsigned number = 2; number <= storm.writers; ++number)
        names.push_back("writer" + std::to_string(number));
    for (const auto& row : kBeside)
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
        const auto* row = std::ranges::find(kBeside, name, &Beside::actor);
        out += "Actor " + name + ": " +
               (row == kBeside.end() ? writes_text(storm, groups)
                                     : std::string(row->does) + " " + groups) +
               "\n";
    }
    if (storm.writers > 1)
        out += storm.share == "same" ? "All writers work on the same groups.\n"
                                     : "Each writer has groups of its own.\n";
    return out;
}

Result<std::vector<Actor>> expand_type_storm(const TypeStorm& storm, const Inventory& inventory) {
    auto groups = select_groups(storm, inventory);
    if (!groups)
        return std::unexpected(groups.error());
    if (storm.share == "split" && groups->size() < storm.writers)
        return fail(Fault::untestable, std::to_string(storm.writers) + " writers cannot share " +
                                           std::to_string(groups->size()) + " groups");
    TypeWork base;
    base.groups = std::make_shared<const Groups>(*std::move(groups));
    base.types = storm.types;
    base.order = order_of(storm.order);
    base.driver = driver_of(storm.driver);
    base.count = storm.count;
    base.duration = storm.duration;
    base.alone = storm.beside.empty() && (storm.writers == 1 || storm.share == "split");
    std::vector<Actor> actors;
    for (unsigned number = 0; number < storm.writers; ++number)
        actors.push_back(writer(storm, base, number));
    for (const auto& word : storm.beside) {
        auto actor = other(storm, base, beside(word));
        if (!actor)
            return std::unexpected(actor.error());
        actors.push_back(*std::move(actor));
    }
    return actors;
}

} // namespace dmarace::job
