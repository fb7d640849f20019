// SPDX-License-Identifier: GPL-2.0-or-later
#include "search/schedule.hpp"

#include "base/draw.hpp"
#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_points.h"

#include <algorithm>
#include <tuple>

namespace dmarace::search {

namespace {

using job::Verb;

constexpr std::chrono::seconds kHold{5};
constexpr const char* kWait = " 10s"; // longer than all holds of a schedule
constexpr const char* kPassing = "passing";

std::string at_name(std::size_t number) { return "at-" + std::to_string(number + 1); }

job::Step step_of(const std::string& text) {
    auto step = job::parse_step(text, {});
    return step ? *std::move(step) : job::Step{};
}

std::string signal_of(const char* prefix, const job::Actor& actor) {
    return std::string(prefix) + ":" + actor.name;
}

// Inserts a step before the actor's own act, behind what it does before anybody begins.
void begin_with(const ActSet& set, job::Job& job, std::size_t actor, const std::string& text) {
    auto& steps = job.actors.at(actor).steps;
    // A step that was inserted earlier stays in front.
    auto at = steps.begin() + static_cast<std::ptrdiff_t>(set.before.at(actor));
    while (at != steps.end() && at->verb == Verb::wait)
        ++at;
    steps.insert(at, step_of(text));
}

job::Rule rule_of(const ActSet& set, const Schedule& schedule, std::size_t number,
                  const ParamOf& params) {
    const auto& [actor, park, any_task, from] = schedule.places.at(number);
    const auto& actors = set.job.actors;
    const auto param = params.find(park.device);
    auto rule = rule_at(park, param == params.end() ? park.device : param->second);
    rule.name = hold_name(number);
    if (!any_task)
        rule.actor = actors.at(actor).name;
    rule.signal = at_name(number);
    if (number + 1 < schedule.places.size())
        rule.wait_for.push_back(at_name(number + 1));
    // Whoever is neither parked nor was let go before: those behind it in the order, or all others.
    std::vector<std::string> names;
    for (std::size_t i = 0; i < schedule.order.size(); ++i)
        if (i != number && (i > number || number > 0))
            names.push_back(actors.at(schedule.order[i]).name);
    rule.wait_for.push_back(std::string(DMARACE_S_DONE) + ":" + names.back());
    for (const auto& name : names)
        if (rule.wait_for.size() < DMARACE_WAITS_MAX)
            rule.wait_for.push_back(std::string(DMARACE_S_BLOCKED) + ":" + name);
    rule.timeout = kHold;
    return rule;
}

// An actor begins when the one before it is parked, or has ended.
void line_up(const ActSet& set, const Schedule& schedule, job::Job& job, JobFor reader) {
    for (std::size_t i = 1; i < schedule.order.size(); ++i) {
        const auto& before = job.actors.at(schedule.order[i - 1]);
        const bool parked = i <= schedule.places.size();
        begin_with(set, job, schedule.order[i],
                   "wait " + (parked ? at_name(i - 1) : signal_of(DMARACE_S_DONE, before)) + kWait);
        if (parked && reader == JobFor::search)
            job.actors.at(schedule.order[i - 1])
                .steps.push_back(step_of("signal " + at_name(i - 1)));
    }
}

// Nobody begins before the others have done what comes before all acts.
void await_first_steps(const ActSet& set, const Schedule& schedule, job::Job& job) {
    for (std::size_t of = 0; of < set.before.size(); ++of)
        for (std::size_t i = 0; i < set.before.size() && set.before[of] > 0; ++i)
            if (i != of && (schedule.order.empty() || schedule.order.front() == i))
                begin_with(set, job, i,
                           "wait " + std::string(DMARACE_S_STEP) + ":" + job.actors[of].name + ":" +
                               std::to_string(set.before[of]) + kWait);
}

bool knows_device(const ParkPlace& place) { return !place.park.device.empty(); }

unsigned locks_at(const Park& park) {
    const auto* point = catalogue::find_point(park.function);
    return point ? point->locks : 0;
}

// The lower, the earlier it is tried.
int rank_of(const ParkPlace& place) {
    if (!place.from.empty())
        return 0;
    return 1 + (locks_at(place.park) == 0 ? 0 : 2) + (knows_device(place) ? 0 : 1);
}

bool sleeps(const catalogue::Point& point) { return (point.facts & DMARACE_SLEEPS) != 0; }

// Which actor was at work when that happened, of actors that come one after the other.
std::optional<std::size_t> at_work(const ActSet& set, const verdict::Observed& observed,
                                   std::uint64_t ts) {
    for (std::size_t i = 0; i < set.job.actors.size(); ++i)
        for (const auto& step : observed.steps)
            if (step.actor == set.job.actors[i].name && step.verb != Verb::wait &&
                step.began <= ts && ts <= step.ended)
                return i;
    return std::nullopt;
}

bool same_place(const ParkPlace& a, const ParkPlace& b) {
    return a.actor == b.actor && a.park == b.park && a.any_task == b.any_task;
}

bool has_place(const std::vector<ParkPlace>& list, const ParkPlace& place) {
    return std::ranges::any_of(list, [&](const auto& one) { return same_place(one, place); });
}

} // namespace

std::string hold_name(std::size_t number) { return "hold-" + std::to_string(number + 1); }

std::string shown(const Park& park) {
    const auto* point = catalogue::find_point(park.function);
    return ((point != nullptr && point->inside) || park.function.contains('+') ? ""
            : park.exit                                                        ? "exit of "
                                                                               : "entry of ") +
           park.function;
}

job::Rule rule_at(const Park& park, const std::string& device) {
    job::Rule rule;
    rule.point = park.function;
    rule.on = park.exit ? DMARACE_ON_EXIT : DMARACE_ON_ENTER;
    const auto* point = catalogue::find_point(park.function);
    rule.unsafe = point == nullptr;
    if (rule.unsafe && !park.pci)
        rule.arg = park.device_argument;
    if (rule.unsafe ? rule.arg.has_value() : point->knows_device)
        rule.dev = device;
    rule.nth = park.nth;
    return rule;
}

std::string shown(const Schedule& schedule, const ActSet& set) {
    const auto name = [&](std::size_t i) { return set.job.actors.at(schedule.order[i]).name; };
    if (schedule.order.empty())
        return "all at once, nobody parked";
    std::string out;
    for (std::size_t i = 0; i < schedule.places.size(); ++i) {
        const auto& park = schedule.places[i].park;
        out += (out.empty() ? "" : ", ") + name(i) + " parked at " + shown(park) +
               (park.nth > 1 ? " (hit " + std::to_string(park.nth) + ")" : "");
    }
    const auto last = schedule.order.size() - 1;
    if (schedule.places.empty())
        out = name(0) + " alone";
    for (std::size_t i = std::max<std::size_t>(schedule.places.size(), 1); i <= last; ++i)
        out += std::string(i == schedule.places.size() ? " while " : ", then ") + name(i);
    return out;
}

job::Job to_job(const ActSet& set, const Schedule& schedule, const ParamOf& params, JobFor reader) {
    auto job = set.job;
    line_up(set, schedule, job, reader);
    await_first_steps(set, schedule, job);
    for (std::size_t i = 0; i < schedule.places.size(); ++i)
        job.rules.push_back(rule_of(set, schedule, i, params));
    return job;
}

job::Job to_passing_job(const ActSet& set, const std::vector<std::size_t>& order) {
    auto job = to_job(set, {order, {}}, {}, JobFor::search);
    for (const auto& point : catalogue::points()) {
        if (!sleeps(point))
            continue;
        job::Rule rule;
        rule.point = point.name;
        rule.signal = kPassing;
        rule.optional = true;
        job.rules.push_back(std::move(rule));
    }
    return job;
}

std::vector<ParkPlace> passed(const ActSet& set, const verdict::Observed& observed,
                              const std::set<std::string>& devices) {
    std::vector<ParkPlace> out;
    for (const auto& line : observed.events) {
        const auto* point = catalogue::find_point(line.get(DMARACE_K_POINT));
        if (line.verb != DMARACE_E_HIT || !point)
            continue;
        const auto device = line.get(DMARACE_K_DEV);
        if (!device.empty() && !devices.contains(device))
            continue;
        const auto ts = static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
        const auto actor = line.get(DMARACE_K_ACTOR);
        const auto worker = at_work(set, observed, ts);
        ParkPlace place;
        place.any_task = actor.empty();
        const auto found = std::ranges::find(set.job.actors, actor, &job::Actor::name);
        if (actor.empty() && (!worker || device.empty()))
            continue;
        if (!actor.empty() && found == set.job.actors.end())
            continue;
        place.actor =
            actor.empty() ? *worker : static_cast<std::size_t>(found - set.job.actors.begin());
        place.park.function = point->name;
        place.park.device = point->knows_device ? device : "";
        for (const bool exit : {false, true}) {
            place.park.exit = exit;
            if (!(exit && point->inside) && !has_place(out, place))
                out.push_back(place);
        }
    }
    return out;
}

std::vector<ParkPlace> in_order(std::vector<ParkPlace> places, std::uint64_t seed) {
    // By rank; within one by turns of the actors, each in the order it came by.
    std::map<std::pair<int, std::size_t>, unsigned> turns;
    std::vector<std::tuple<int, std::uint64_t, unsigned, std::size_t, ParkPlace>> keyed;
    for (auto& place : places) {
        const auto rank = rank_of(place);
        const auto turn = turns[{rank, place.actor}]++;
        const auto drawn = seed <= 1 ? 0 : mixed(seed + keyed.size() * kDrawStep);
        keyed.emplace_back(rank, drawn, turn, place.actor, std::move(place));
    }
    std::ranges::stable_sort(keyed, [](const auto& a, const auto& b) {
        return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a), std::get<3>(a)) <
               std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b), std::get<3>(b));
    });
    std::vector<ParkPlace> out;
    for (auto& entry : keyed)
        if (!has_place(out, std::get<4>(entry)))
            out.push_back(std::move(std::get<4>(entry)));
    return out;
}

namespace {

// The parked one first, the others in their own order and in the reverse one.
std::vector<std::vector<std::size_t>> orders_from(std::size_t first, std::size_t actors) {
    std::vector<std::size_t> rest;
    for (std::size_t i = 0; i < actors; ++i)
        if (i != first)
            rest.push_back(i);
    std::vector<std::vector<std::size_t>> out;
    do {
        out.push_back({first});
        out.back().insert(out.back().end(), rest.begin(), rest.end());
    } while (std::ranges::next_permutation(rest).found);
    return out;
}

} // namespace

std::vector<Schedule> schedules(const std::vector<ParkPlace>& places, std::size_t actors,
                                unsigned bound) {
    std::vector<Schedule> out;
    for (const auto& place : places)
        for (const auto& order : orders_from(place.actor, actors)) {
            if (bound == 1) {
                out.push_back({order, {place}});
                continue;
            }
            for (const auto& second : places)
                if (second.actor == order.at(1))
                    out.push_back({order, {place, second}});
        }
    // Those whose places come early, before those with one early and one late.
    if (bound > 1) {
        const auto at = [&](const ParkPlace& place) {
            return std::ranges::find(places, place) - places.begin();
        };
        std::ranges::stable_sort(out, {}, [&](const Schedule& schedule) {
            return std::max(at(schedule.places[0]), at(schedule.places[1]));
        });
    }
    return out;
}

std::string shown(const Candidate& candidate) {
    return candidate.word.name + " of " + candidate.word.of + ": " + shown(candidate.a.chain, 1) +
           " against " + shown(candidate.b.chain, 1);
}

std::vector<ParkPlace> places_of(const std::vector<Candidate>& candidates, const ActSet& set,
                                 const std::vector<std::string>& acts) {
    std::vector<ParkPlace> out;
    // The likeliest place of each side of each candidate, then their second ones ..
    for (std::size_t depth = 0, before = SIZE_MAX; before != out.size() || depth < 2; ++depth) {
        before = out.size();
        for (const auto& one : candidates)
            for (const auto& [act, parks] :
                 {std::pair(&one.act_a, &one.parks_a), std::pair(&one.act_b, &one.parks_b)}) {
                const auto found = std::ranges::find(acts, *act);
                if (depth >= parks->size() || found == acts.end())
                    continue;
                ParkPlace place{static_cast<std::size_t>(found - acts.begin()), (*parks)[depth],
                                false, shown(one)};
                if (place.actor < set.job.actors.size() && !has_place(out, place))
                    out.push_back(std::move(place));
            }
        if (depth > 16)
            break;
    }
    return out;
}

std::string_view to_text(ScheduleEnd end) {
    constexpr std::array<std::string_view, 5> kTexts{"quiet", "failed", "not reached", "blocked",
                                                     "unclear"};
    return kTexts.at(static_cast<std::size_t>(end));
}

ScheduleEnd end_of(const verdict::Judgement& judgement) {
    using verdict::Verdict;
    if (judgement.verdict == Verdict::fail || judgement.verdict == Verdict::crash ||
        judgement.verdict == Verdict::hang)
        return ScheduleEnd::failed;
    return reach_of(judgement);
}

ScheduleEnd reach_of(const verdict::Judgement& judgement) {
    using verdict::Verdict;
    if (judgement.verdict == Verdict::crash || judgement.verdict == Verdict::hang)
        return ScheduleEnd::unclear; // it did not live to tell
    if (std::ranges::any_of(judgement.rules, [](const auto& rule) {
            return rule.holds && !rule.optional && rule.hits == 0;
        }))
        return ScheduleEnd::not_reached;
    if (judgement.verdict != Verdict::pass && judgement.verdict != Verdict::fail)
        return ScheduleEnd::unclear;
    return std::ranges::any_of(judgement.rules,
                               [](const auto& rule) { return rule.holds && rule.blocked > 0; })
               ? ScheduleEnd::blocked
               : ScheduleEnd::quiet;
}

void Pruning::learn(const Schedule& schedule, const verdict::Judgement& judgement) {
    if (schedule.places.size() != 1)
        return;
    for (const auto& rule : judgement.rules) {
        if (rule.rule != hold_name(0))
            continue;
        if (rule.hits == 0 || !rule.armed)
            unreached_.push_back(schedule.places.front());
        else if (rule.blocked > 0)
            blocking_.push_back(schedule.places.front());
    }
}

std::string Pruning::why_not(const Schedule& schedule) const {
    if (schedule.places.empty())
        return "";
    // Neither at its entry nor at its exit; a second place may be reached once the first was.
    const auto& place = schedule.places.front();
    if (std::ranges::any_of(unreached_, [&](const auto& one) {
            return one.actor == place.actor && one.park.function == place.park.function &&
                   one.park.nth == place.park.nth && one.any_task == place.any_task;
        }))
        return "nobody came by " + place.park.function;
    if (schedule.places.size() < 2)
        return "";
    const auto& [first, second] = std::tie(schedule.places[0], schedule.places[1]);
    if (has_place(blocking_, first))
        return "what lies behind the lock that is held at " + first.park.function +
               " cannot happen meanwhile";
    if (first.park.function == second.park.function)
        return "both in " + first.park.function;
    return "";
}

} // namespace dmarace::search
