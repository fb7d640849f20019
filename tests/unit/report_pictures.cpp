// SPDX-License-Identifier: GPL-2.0-or-later
// One iteration on one clock: in lanes, in sentences, as a page, a trace and JUnit XML.
#include "report/pictures.hpp"
#include "report_support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

namespace dmarace::report {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using verdict::SpanKind;

constexpr std::uint64_t kMs = 1'000'000;

// The walk is held, the client binds, then a domain comes under it.
verdict::Observed walk_against_bind() {
    verdict::Observed out;
    const auto step = [&](const char* actor, const char* text, std::uint64_t began,
                          std::uint64_t ended) {
        verdict::StepResult one;
        one.actor = actor;
        one.text = text;
        one.verb = catalogue::Verb::bind;
        one.began = began * kMs;
        one.ended = ended * kMs;
        out.steps.push_back(one);
    };
    step("walk", "insmod virtio_iommu", 100, 600);
    step("client", "bind pci/a", 300, 400);
    for (const char* line :
         {"held seq=1 ts=290000000 rule=w point=of_iommu_configure on=exit wait_for=done:client "
          "tid=7 actor=walk dev=pci/a",
          "bus seq=2 ts=310000000 what=binding dev=pci/a driver=e1000e actor=client",
          "audit seq=3 ts=310000000 at=binding dev=pci/a driver=e1000e bound=0 via_iommu=0",
          "bus seq=4 ts=390000000 what=bound dev=pci/a driver=e1000e actor=client",
          "audit seq=5 ts=391000000 at=bound dev=pci/a driver=e1000e bound=1 domain=none "
          "via_iommu=0",
          "signal seq=6 ts=401000000 name=done:client by=owner",
          "end seq=7 ts=500000000 rule=w how=met by=done:client held_us=300017 tid=7 actor=walk"})
        out.events.push_back(parse_line(line).value());
    auto settled = parse_line("audit seq=9 ts=700000000 at=demand dev=pci/a driver=e1000e bound=1 "
                              "domain=dma via_iommu=1");
    out.settled = {*verdict::to_audit(settled.value())};
    out.log = {{650'000, 4, "WARNING: CPU: 0 PID: 1 at <iommu.c>:1", "", false}};
    return out;
}

std::vector<verdict::Failure> failures() {
    return {{.kind = verdict::FailureKind::kernel_warning,
             .device = "pci/a",
             .driver = "",
             .detail = "it \x1b[31m<warned>",
             .evidence = {"[    0.650000] WARNING: CPU: 0 PID: 1 at <iommu.c>:1"}}};
}

Run run_seen() {
    auto run = run_of({Verdict::fail, Verdict::pass});
    run.ended[0].judgement.failures = failures();
    return run;
}

SeenIterations seen() {
    return {.iterations = {{1, walk_against_bind()}}, .source = "list, <2026>"};
}

TEST(Timeline, HasALaneEachAndTheHoldsOwnLength) {
    const auto line = verdict::timeline(walk_against_bind(), {});
    EXPECT_THAT(texts_of(line.lanes, &verdict::Lane::name),
                ElementsAre("walk", "client", "pci/a", "kernel log"));
    const auto hold = std::ranges::find(line.spans, SpanKind::parked, &verdict::Span::kind);
    ASSERT_NE(hold, line.spans.end());
    EXPECT_EQ(hold->ended - hold->began, 300'017'000U);
    EXPECT_EQ(hold->by_lane, 1U);
    std::vector<std::string> device;
    for (const auto& span : line.spans)
        if (span.lane == 2)
            device.emplace_back(to_text(span.kind));
    EXPECT_THAT(device, ElementsAre("unbound", "direct", "underfoot"));
}

TEST(Timeline, ADriverThatLeftIsNotUnderfoot) {
    auto observed = walk_against_bind();
    observed.events.push_back(
        parse_line("bus seq=8 ts=600000000 what=unbound dev=pci/a actor=client").value());
    for (const auto& span : verdict::timeline(observed, {}).spans)
        EXPECT_NE(span.kind, SpanKind::underfoot);
}

TEST(Timeline, WhoNeverCameBackHasAnOpenStep) {
    auto observed = walk_against_bind();
    observed.steps.pop_back();
    observed.actors.push_back(
        {"client", verdict::ActorEnd::How::stuck, "bind pci/a\n[<0>] really_probe+0x1/0x2"});
    const auto line = verdict::timeline(observed, {});
    EXPECT_TRUE(std::ranges::any_of(line.spans, [](const auto& span) {
        return span.kind == SpanKind::failed && span.open && span.lines.size() == 2;
    }));
    EXPECT_THAT(verdict::told(observed, {}).back(),
                HasSubstr("'client' never came back from bind pci/a: it sleeps in really_probe"));
}

TEST(Told, SaysWhoWasHeldWhatHappenedMeanwhileAndThen) {
    EXPECT_THAT(verdict::told(walk_against_bind(), {}),
                ElementsAre("'walk' (insmod virtio_iommu) was held 300 ms at the exit of "
                            "of_iommu_configure for pci/a, until 'client' was done.",
                            "Meanwhile 'client' bound e1000e to pci/a, its DMA direct.",
                            "Then the DMA of pci/a was seen translated under e1000e, in domain "
                            "dma, 200 ms after 'walk' went on."));
}

TEST(Told, ManyThingsAreToldFromBothEnds) {
    auto observed = walk_against_bind();
    for (std::uint64_t i = 0; i < 40; ++i) {
        auto step = observed.steps[0];
        step.actor = "churn";
        step.text = "remove " + std::to_string(i);
        step.began = step.ended = (1000 + i) * kMs;
        observed.steps.push_back(step);
    }
    const auto told = verdict::told(observed, {});
    ASSERT_EQ(told.size(), 16U);
    EXPECT_THAT(told[9], HasSubstr("28 things more"));
    EXPECT_THAT(told.back(), HasSubstr("'churn' did remove 39"));
}

TEST(TextTimeline, HasEightyColumns) {
    const auto text = text_timeline(verdict::timeline(walk_against_bind(), failures()));
    for (const auto& line : lines_in(text))
        EXPECT_LE(line.size(), 80U) << line;
    EXPECT_THAT(text, HasSubstr("walk  "));
    EXPECT_THAT(text, HasSubstr("###"));
    EXPECT_THAT(text, HasSubstr("ddd!\n"));
}

TEST(TextTimeline, CutsALongPauseShort) {
    auto observed = walk_against_bind();
    observed.steps[0].ended = 60'000 * kMs;
    EXPECT_THAT(text_timeline(verdict::timeline(observed, {})), HasSubstr("/ a pause cut"));
}

TEST(RunsHtml, IsOneFileWithoutRequestsAndEscapesAll) {
    const auto html = runs_html({run_seen()}, {seen()});
    for (const char* request : {"http:", "https:", "src=", "<script", "@import", "<link"})
        EXPECT_THAT(html, Not(HasSubstr(request)));
    EXPECT_THAT(html, Not(HasSubstr("\x1b")));
    EXPECT_THAT(html, Not(HasSubstr("<iommu.c>")));
    EXPECT_THAT(html, HasSubstr("Race R1f"));
    EXPECT_THAT(html, HasSubstr("list, &lt;2026&gt;"));
    EXPECT_THAT(html, HasSubstr("class=\"k-underfoot\""));
    EXPECT_THAT(html, HasSubstr("class=\"arrow\""));
    EXPECT_THAT(html, HasSubstr("id=\"r0i1\" open"));
    // Each tag that was opened is closed.
    const auto body = html.substr(html.find("<body>"));
    EXPECT_EQ(std::ranges::count(body, '<'), std::ranges::count(body, '>'));
}

TEST(RunsHtml, FramesTypeWritesThatNothingExplains) {
    auto run = run_of({Verdict::pass});
    auto cell = type_write("DMA", "identity", "EBUSY", "DMA");
    cell.why.clear();
    run.ended[0].judgement.types.cells = {cell};
    EXPECT_THAT(runs_html({run}, {{}}), HasSubstr("<td class=\"wrong\""));
    run.ended[0].judgement.types.cells = {type_write("DMA", "identity", "ok", "identity")};
    EXPECT_THAT(runs_html({run}, {{}}), Not(HasSubstr("<td class=\"wrong\"")));
}

TEST(TraceJson, HasEveryHoldToTheMicrosecondAndAnArrow) {
    const auto json = nlohmann::json::parse(trace_json({run_seen()}, {seen()}));
    double length = 0, arrows = 0;
    for (const auto& event : json["traceEvents"]) {
        if (event.value("cat", "") == "parked")
            length = event["dur"];
        if (event.value("cat", "") == "hold")
            ++arrows;
    }
    EXPECT_DOUBLE_EQ(length, 300'017);
    EXPECT_EQ(arrows, 2);
}

TEST(Junit, ReadsBack) {
    pugi::xml_document xml;
    auto run = run_seen();
    run.ended.push_back(end_of(3, Verdict::inconclusive));
    ASSERT_TRUE(xml.load_string(junit({run}).c_str()));
    const auto suite = xml.child("testsuites").child("testsuite");
    EXPECT_EQ(suite.attribute("tests").as_int(), 3);
    EXPECT_EQ(suite.attribute("failures").as_int(), 1);
    EXPECT_EQ(suite.attribute("errors").as_int(), 1);
    EXPECT_THAT(suite.child("testcase").child_value("failure"), HasSubstr("it \\x1b[31m<warned>"));
}

TEST(Story, IsOfTheFirstThatFailedAndWasSeen) {
    EXPECT_THAT(story(run_seen(), seen()), StartsWith("what happened, in iteration 1\n"));
    EXPECT_EQ(story(run_seen(), {}), "");
    EXPECT_EQ(story(run_of({Verdict::pass}), seen()), "");
}

} // namespace
} // namespace dmarace::report
