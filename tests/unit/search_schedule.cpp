// SPDX-License-Identifier: GPL-2.0-or-later
// Schedules: jobs that load, in an order that is the same each time, and what need not be run.
#include "catalogue/points.hpp"
#include "job_support.hpp"
#include "kmod/dmarace_abi.h"
#include "search/schedule.hpp"
#include "search/story.hpp"

namespace dmarace::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ActBoard kBoard{"virtio_iommu", {{"pci/a", "e1000e", true}}, ""};
const ParamOf kParams{{"pci/a", "{client}"}};

ActSet set_of(const std::vector<std::string>& texts) {
    std::vector<Act> acts;
    for (const auto& text : texts)
        acts.push_back(parse_act(text, kBoard).value());
    return common_start(acts, kBoard).value();
}

ParkPlace place(std::size_t actor, const std::string& function, bool exit = false,
                const std::string& device = "pci/a") {
    return {actor, {function, exit, std::nullopt, false, device, 1}, false, ""};
}

job::Job loaded(const job::Job& job) {
    const auto text = job::save(job);
    auto again = job::load(text, "f");
    EXPECT_TRUE(again) << text << (again ? "" : to_text(again.error().front()));
    return again.value_or(job::Job{});
}

TEST(SearchSchedule, IsTheJobThatOneWouldWrite) {
    const auto set = set_of({"iommu", "bind"});
    const Schedule schedule{{0, 1}, {place(0, "of_iommu_configure", true)}};
    const auto job = loaded(to_job(set, schedule, kParams, JobFor::people));
    ASSERT_EQ(job.rules.size(), 1U);
    const auto& rule = job.rules.front();
    EXPECT_EQ(rule.point, "of_iommu_configure");
    EXPECT_EQ(rule.on, DMARACE_ON_EXIT);
    EXPECT_EQ(rule.actor, "iommu");
    EXPECT_EQ(rule.dev, "{client}");
    EXPECT_EQ(rule.nth, 1U);
    EXPECT_FALSE(rule.unsafe);
    EXPECT_THAT(rule.wait_for, ElementsAre("done:bind", "blocked:bind"));
    EXPECT_THAT(texts_of(job.actors[0].steps, &job::Step::text), ElementsAre("insmod {iommu}"));
    EXPECT_THAT(texts_of(job.actors[1].steps, &job::Step::text),
                ElementsAre("wait at-1 10s", "bind {client}"));
    const auto searching = to_job(set, schedule, kParams, JobFor::search);
    EXPECT_THAT(texts_of(searching.actors[0].steps, &job::Step::text),
                ElementsAre("insmod {iommu}", "signal at-1"));
    EXPECT_EQ(shown(schedule, set), "iommu parked at exit of of_iommu_configure while bind");
}

TEST(SearchSchedule, TwoHoldsThreeActorsAndStepsBeforehand) {
    const auto three = set_of({"iommu", "rescan@sibling", "bind"});
    const Schedule schedule{
        {0, 1, 2}, {place(0, "probe_iommu_group", true), place(1, "device_add", false, "")}};
    const auto job = loaded(to_job(three, schedule, kParams, JobFor::search));
    EXPECT_THAT(job.rules[0].wait_for,
                ElementsAre("at-2", "done:bind", "blocked:rescan", "blocked:bind"));
    EXPECT_THAT(job.rules[1].wait_for, ElementsAre("done:bind", "blocked:iommu", "blocked:bind"));
    EXPECT_THAT(texts_of(job.actors[2].steps, &job::Step::text),
                ElementsAre("wait at-2 10s", "bind {client}"));
    EXPECT_THAT(texts_of(job.actors[1].steps, &job::Step::text),
                ElementsAre("wait at-1 10s", "rescan pci", "signal at-2"));
}

TEST(SearchSchedule, ClaimsBeforeAnybodyBegins) {
    const auto set = set_of({"release", "remove"});
    const auto job =
        to_job(set, {{1, 0}, {place(1, "iommu_deinit_device")}}, kParams, JobFor::people);
    EXPECT_THAT(texts_of(job.actors[0].steps, &job::Step::text),
                ElementsAre("claim {client}", "wait at-1 10s", "release {client}"));
    EXPECT_THAT(texts_of(job.actors[1].steps, &job::Step::text),
                ElementsAre("wait step:release:1 10s", "remove {client}"));
}

TEST(SearchSchedule, AnyFunctionIsAPlace) {
    const auto set = set_of({"iommu", "bind"});
    auto at = place(1, "some_function");
    at.park.device_argument = 1;
    auto job = loaded(to_job(set, {{1, 0}, {at}}, kParams, JobFor::search));
    EXPECT_TRUE(job.rules[0].unsafe);
    EXPECT_EQ(job.rules[0].arg, 1U);
    EXPECT_EQ(job.rules[0].dev, "{client}");
    at.park.pci = true;
    job = loaded(to_job(set, {{1, 0}, {at}}, kParams, JobFor::search));
    EXPECT_FALSE(job.rules[0].arg);
    EXPECT_EQ(job.rules[0].dev, "");
}

// No schedule of any point is one that lint refuses.
TEST(SearchSchedule, LintFindsThemRight) {
    const auto set = set_of({"iommu", "bind"});
    std::vector<ParkPlace> places;
    for (const auto& point : catalogue::points())
        for (std::size_t actor = 0; actor < 2; ++actor)
            if ((point.facts & 1U) != 0)
                places.push_back(
                    place(actor, point.name, false, point.knows_device ? "pci/a" : ""));
    for (const auto& schedule : schedules(in_order(places, 1), 2, 1)) {
        const auto job = loaded(to_job(set, schedule, kParams, JobFor::people));
        for (const auto& diagnostic : job::lint(job))
            EXPECT_EQ(diagnostic.level, job::Diagnostic::Level::warning)
                << shown(schedule, set) << ": " << to_text(diagnostic);
    }
    EXPECT_LE(to_passing_job(set, {0, 1}).rules.size(), std::size_t{DMARACE_RULES_MAX});
    (void)loaded(to_passing_job(set, {0, 1}));
}

TEST(SearchSchedule, SameSeedSameList) {
    std::vector<ParkPlace> places;
    for (const char* function : {"really_probe", "of_iommu_configure", "bus_iommu_probe",
                                 "probe_iommu_group", "iommu_init_device"})
        for (const bool exit : {false, true})
            for (std::size_t actor = 0; actor < 2; ++actor)
                places.push_back(place(actor, function, exit));
    const auto list = [&](std::uint64_t seed, unsigned bound) {
        const auto set = set_of({"iommu", "bind"});
        std::string out;
        for (const auto& one : schedules(in_order(places, seed), 2, bound))
            out += shown(one, set) + "\n";
        return out;
    };
    EXPECT_EQ(list(1, 1), list(1, 1));
    EXPECT_EQ(list(7, 2), list(7, 2));
    EXPECT_NE(list(7, 1), list(8, 1));
    EXPECT_EQ(std::ranges::count(list(1, 1), '\n'), 20);
    EXPECT_EQ(std::ranges::count(list(1, 2), '\n'), 200);
    // No lock first.
    EXPECT_THAT(list(1, 1), testing::StartsWith("iommu parked at entry of of_iommu_configure"));
}

verdict::Judgement judged(verdict::Verdict verdict, std::uint64_t hits, std::uint64_t blocked) {
    verdict::Judgement out;
    out.verdict = verdict;
    verdict::RuleCount rule;
    rule.rule = hold_name(0);
    rule.holds = true;
    rule.hits = hits;
    rule.blocked = blocked;
    out.rules.push_back(rule);
    return out;
}

TEST(SearchSchedule, WhatIsKnownIsNotRun) {
    using verdict::Verdict;
    const auto a = place(0, "probe_iommu_group"), b = place(0, "iommu_deinit_device"),
               c = place(1, "really_probe"), d = place(1, "probe_iommu_group");
    Pruning pruning;
    EXPECT_EQ(pruning.why_not({{0, 1}, {a, c}}), "");
    EXPECT_THAT(pruning.why_not({{0, 1}, {a, d}}), HasSubstr("both in"));
    pruning.learn({{1, 0}, {c}}, judged(Verdict::inconclusive, 0, 0));
    EXPECT_EQ(pruning.why_not({{0, 1}, {a, c}}), ""); // once the other one is there
    EXPECT_THAT(pruning.why_not({{1, 0}, {c, a}}), HasSubstr("nobody came by really_probe"));
    EXPECT_THAT(pruning.why_not({{1, 0}, {place(1, "really_probe", true)}}),
                HasSubstr("nobody came by really_probe"));
    pruning.learn({{0, 1}, {b}}, judged(Verdict::pass, 1, 1));
    EXPECT_THAT(pruning.why_not({{0, 1}, {b, d}}), HasSubstr("behind the lock"));
    EXPECT_EQ(pruning.why_not({{0, 1}, {b}}), "");
    // A worker may come by for the actor that does not.
    auto worker = c;
    worker.any_task = true;
    EXPECT_EQ(pruning.why_not({{1, 0}, {worker}}), "");
    EXPECT_EQ(in_order({c, worker}, 1).size(), 2U);
}

// The walk parked where the job parks its walk, and not the bind there.
TEST(SearchSchedule, ARaceThatIsKnownIsThatOfTheActorThatIsParked) {
    const auto library = *job::load(R"(name = "known"
summary = "s"
[[actor]]
name = "walk"
steps = ["insmod virtio_iommu"]
[[actor]]
name = "client"
steps = ["wait in-window 5s", "bind pci/a"]
[[rule]]
name = "window"
point = "of_iommu_configure"
on = "exit"
actor = "walk"
signal = "in-window"
wait_for = "done:client"
timeout = "2s"
)",
                                    "f");
    const auto set = set_of({"iommu", "bind"});
    EXPECT_EQ(known_as(set, {{0, 1}, {place(0, "of_iommu_configure", true)}}, {library}), "known");
    EXPECT_EQ(known_as(set, {{1, 0}, {place(1, "of_iommu_configure", true)}}, {library}), "");
    EXPECT_EQ(known_as(set, {{0, 1}, {place(0, "of_iommu_configure")}}, {library}), "");
}

TEST(SearchSchedule, Ends) {
    using enum verdict::Verdict;
    EXPECT_EQ(reach_of(judged(fail, 0, 0)), ScheduleEnd::not_reached);
    EXPECT_EQ(reach_of(judged(fail, 1, 0)), ScheduleEnd::quiet);
    EXPECT_EQ(reach_of(judged(fail, 1, 1)), ScheduleEnd::blocked);
    EXPECT_EQ(reach_of(judged(crash, 0, 0)), ScheduleEnd::unclear);
    EXPECT_EQ(reach_of(judged(hang, 1, 0)), ScheduleEnd::unclear);
    EXPECT_EQ(end_of(judged(fail, 1, 0)), ScheduleEnd::failed);
    EXPECT_EQ(end_of(judged(crash, 0, 0)), ScheduleEnd::failed);
    EXPECT_EQ(end_of(judged(inconclusive, 0, 0)), ScheduleEnd::not_reached);
    EXPECT_EQ(end_of(judged(inconclusive, 1, 0)), ScheduleEnd::unclear);
    EXPECT_EQ(end_of(judged(pass, 1, 1)), ScheduleEnd::blocked);
    EXPECT_EQ(end_of(judged(pass, 1, 0)), ScheduleEnd::quiet);
}

Line hit(const std::string& point, const std::string& actor, const std::string& device,
         std::uint64_t ts) {
    Line line{DMARACE_E_HIT, {{DMARACE_K_TS, std::to_string(ts)}, {DMARACE_K_POINT, point}}};
    if (!actor.empty())
        line.add(DMARACE_K_ACTOR, actor);
    if (!device.empty())
        line.add(DMARACE_K_DEV, device);
    return line;
}

TEST(SearchSchedule, PlacesAreWhatWasPassed) {
    const auto set = set_of({"iommu", "bind"});
    verdict::Observed observed;
    verdict::StepResult step;
    step.actor = "bind";
    step.began = 10;
    step.ended = 20;
    observed.steps.push_back(step);
    observed.events = {hit("probe_iommu_group", "iommu", "pci/a", 1),
                       hit("probe_iommu_group", "iommu", "pci/other", 2),
                       hit("probe_iommu_group", "iommu", "pci/a", 3),
                       hit("really_probe", "", "pci/a", 15), hit("really_probe", "", "pci/a", 25)};
    const auto places = passed(set, observed, {"pci/a"});
    ASSERT_EQ(places.size(), 4U);
    EXPECT_EQ(places[0].park.function, "probe_iommu_group");
    EXPECT_FALSE(places[0].any_task);
    EXPECT_TRUE(places[1].park.exit);
    EXPECT_EQ(places[2].actor, 1U);
    EXPECT_TRUE(places[2].any_task);
}

TEST(SearchSchedule, CandidatesComeFirst) {
    const auto set = set_of({"iommu", "bind"});
    Candidate one, two;
    one.act_a = two.act_b = "iommu";
    one.act_b = two.act_a = "bind";
    one.parks_a = {place(0, "f1").park, place(0, "f2").park};
    one.parks_b = {place(0, "f3").park};
    two.parks_a = {place(0, "f4").park};
    const auto places = places_of({one, two}, set, {"iommu", "bind"});
    EXPECT_THAT(texts_of(places, [](const auto& at) { return at.park.function; }),
                ElementsAre("f1", "f3", "f4", "f2"));
    EXPECT_EQ(places[2].actor, 1U);
    const auto ordered = in_order({place(0, "really_probe"), places[3]}, 1);
    EXPECT_EQ(ordered.front().park.function, "f2");
}

} // namespace
} // namespace dmarace::search
