// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/type_storm.hpp"

#include "job/steps.hpp"
#include "job/words.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

class Writer {
public:
    Writer(const TypeStorm& storm, Actor& actor) : storm_(storm), actor_(actor) {}

    void storm(const Inventory::Group& group) {
        for (const auto& from : storm_.types)
            for (const auto& to : storm_.types)
                if (from != to)
                    change(group, {from, to});
        if (contains(type_words(), group.type))
            change(group, {group.type});
    }

private:
    void step(Verb verb, std::vector<std::string> args) {
        Step made;
        made.verb = verb;
        made.text = to_text(verb);
        for (const auto& arg : args)
            made.text += " " + arg;
        made.args = std::move(args);
        made.where = storm_.where;
        actor_.steps.push_back(std::move(made));
    }

    bool rebinds(const Inventory::Device& device) const {
        return storm_.driver == "rebind" && !device.driver.empty() && !device.managed;
    }

    void change(const Inventory::Group& group, const std::vector<std::string>& types) {
        for (const auto& device : group.devices)
            if (rebinds(device))
                step(Verb::unbind, {device.name});
        for (const auto& type : types)
            step(Verb::type, {std::to_string(group.number), type});
        for (const auto& device : group.devices)
            if (rebinds(device))
                step(Verb::bind, {device.name, device.driver});
        // A driver that goes on probing after bind returned (nvme) must be done
        // before it is unbound again: this is the quiet case.
        if (std::ranges::any_of(group.devices, [&](const auto& device) { return rebinds(device); }))
            step(Verb::settle, {});
    }

    const TypeStorm& storm_;
    Actor& actor_;
};

} // namespace

Result<Actor> expand_type_storm(const TypeStorm& storm, const Inventory& inventory) {
    auto groups = inventory.groups;
    std::sort(groups.begin(), groups.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    if (storm.groups != "all")
        std::erase_if(groups, [&](const auto& group) {
            return std::to_string(group.number) != storm.groups;
        });
    if (groups.empty())
        return fail(Fault::untestable,
                    storm.groups == "all"
                        ? std::string("no IOMMU group of this board may be written to")
                        : "IOMMU group " + storm.groups + " does not exist or may not be touched");
    Actor actor{"writer", {}, storm.where};
    Writer writer(storm, actor);
    for (const auto& group : groups)
        writer.storm(group);
    if (actor.steps.size() > kStepsMax)
        return fail(Fault::usage, "the [type] table comes to more than " +
                                      std::to_string(kStepsMax) + " steps; name one group");
    return actor;
}

} // namespace dmarace::job
