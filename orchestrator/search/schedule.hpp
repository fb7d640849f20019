// SPDX-License-Identifier: GPL-2.0-or-later
// Schedules: who is parked where while who runs. Each is an ordinary job; which come first, and
// which need not be run, is decided here. Pure.
#pragma once

#include "search/acts.hpp"
#include "search/search.hpp"
#include "verdict/verdict.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::search {

// A place that an actor of the set came by, and may be parked at.
struct ParkPlace {
    std::size_t actor = 0;
    Park park;
    bool any_task = false; // the kernel's workers came by it for the actor
    std::string from;      // the candidate it is of, "" for a point that was passed
    bool operator==(const ParkPlace&) const = default;
};

// The first of 'order' is parked at its place, the second runs until it is done, blocked, or parked
// at its own, and so on. Without places one begins when the one before it has ended; without an
// order all begin at once.
struct Schedule {
    std::vector<std::size_t> order;
    std::vector<ParkPlace> places;

    bool operator==(const Schedule&) const = default;
};

// "bind parked at exit of of_iommu_configure until iommu is done".
std::string shown(const Schedule& schedule, const ActSet& set);

// Devices by their parameter: {"pci/0000:00:02.0", "{client}"}.
using ParamOf = std::map<std::string, std::string>;

// A rule at that place, for that device ("" for any): a point of the table, or any function.
job::Rule rule_at(const Park& park, const std::string& device);

// 'search': an actor whose place is not reached does not keep the others waiting.
enum class JobFor { search, people };
job::Job to_job(const ActSet& set, const Schedule& schedule, const ParamOf& params, JobFor reader);

// The set, one actor after another, with rules that only tell which points of the table are passed.
job::Job to_passing_job(const ActSet& set, const std::vector<std::size_t>& order);
// What they told, in the order it happened: the points of the set's devices, and those that know no
// device, each once, its entry and its exit.
std::vector<ParkPlace> passed(const ActSet& set, const verdict::Observed& observed,
                              const std::set<std::string>& devices);

// Places in the order in which they are tried: what candidates name, then no lock held and the
// device known, then the rest, by turns of the actors. The same seed, the same order.
std::vector<ParkPlace> in_order(std::vector<ParkPlace> places, std::uint64_t seed);
// Bound 1: one place each; bound 2: a second place of the next actor.
std::vector<Schedule> schedules(const std::vector<ParkPlace>& places, std::size_t actors,
                                unsigned bound);

// "device.driver of pci/0000:00:02.0: really_probe+0x54 against __iommu_probe_device+0x1cc"; a
// place of it says so.
std::string shown(const Candidate& candidate);
// The places of candidates, by the acts' names.
std::vector<ParkPlace> places_of(const std::vector<Candidate>& candidates, const ActSet& set,
                                 const std::vector<std::string>& acts);

// How a schedule ended.
enum class ScheduleEnd { quiet, failed, not_reached, blocked, unclear };
std::string_view to_text(ScheduleEnd end);
ScheduleEnd end_of(const verdict::Judgement& judgement);
// The same of one whose failures are nothing new.
ScheduleEnd reach_of(const verdict::Judgement& judgement);

// What schedules that were run say of those that were not.
class Pruning {
public:
    void learn(const Schedule& schedule, const verdict::Judgement& judgement);
    // Why it need not be run, "" when it may show something.
    std::string why_not(const Schedule& schedule) const;

private:
    std::vector<ParkPlace> unreached_, blocking_;
};

// The name of the rule that parks the Nth of the order, from 0.
std::string hold_name(std::size_t number);

} // namespace dmarace::search
