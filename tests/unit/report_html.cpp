// SPDX-License-Identifier: GPL-2.0-or-later
// What happened in an iteration, and as lanes on a page.
#include "base/text.hpp"
#include "report/html.hpp"

#include <gmock/gmock.h>

namespace dmarace::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using verdict::Happened;

constexpr const char* kAudit = "audit seq=9 ts=3500000 at=bound dev=pci/a domain=none via_iommu=0";

verdict::Observed walk_against_bind() {
    verdict::Observed out;
    const auto step = [&](const char* actor, const char* text, std::uint64_t began,
                          std::uint64_t ended, int os_error) {
        verdict::StepResult one;
        one.actor = actor;
        one.text = text;
        one.verb = catalogue::Verb::bind;
        one.began = began;
        one.ended = ended;
        one.os_error = os_error;
        out.steps.push_back(one);
    };
    step("walk", "insmod virtio_iommu", 1'000'000, 6'000'000, 0);
    step("client", "bind <pci/a>", 3'000'000, 4'000'000, EBUSY);
    for (const char* line :
         {"held seq=1 ts=2000000 rule=w point=of_iommu_configure on=exit actor=walk",
          "end seq=3 ts=5000000 rule=w how=met by=done:client actor=walk held_us=3000", kAudit})
        out.events.push_back(parse_line(line).value());
    out.log = {{4500, 4, "WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:1", "", false},
               {4600, 6, "e1000e: quite well", "", false},
               {4700, 4, "WARNING: CPU: 0 PID: 1 at a program's", "", true}};
    return out;
}

TEST(VerdictHappened, IsInTheOrderOfOneClock) {
    EXPECT_THAT(texts_of(verdict::happened(walk_against_bind()), &Happened::text),
                ElementsAre("insmod virtio_iommu", "PARKED at exit of of_iommu_configure",
                            "bind <pci/a>", "audit of pci/a at bound: domain=none via_iommu=0",
                            "  .. Device or resource busy",
                            "WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:1",
                            "GOES ON (met: done:client, after 3 ms)", "  .. done"));
}

// The row of what happened at that millisecond.
std::string row(const std::string& html, const std::string& ms) {
    const auto begin = html.find("<tr><td>" + ms + "<");
    return begin == std::string::npos ? "" : html.substr(begin, html.find("</tr>", begin) - begin);
}

TEST(ReportHtml, LanesSayWhoRunsAndWhoIsParked) {
    const auto html =
        html_lanes({"walk", "client"}, verdict::happened(walk_against_bind()), {kAudit});
    EXPECT_THAT(row(html, "0.0"),
                HasSubstr("<td class=\"runs\">insmod virtio_iommu</td><td></td>"));
    EXPECT_THAT(row(html, "1.0"), HasSubstr("<td class=\"parked\" title=\"held "));
    EXPECT_THAT(row(html, "2.0"),
                HasSubstr("<td class=\"parked\"></td><td class=\"runs\">bind &lt;pci/a&gt;</td>"));
    EXPECT_THAT(row(html, "2.5"), HasSubstr("<td class=\"wrong\" title=\"audit "));
    EXPECT_THAT(row(html, "3.0"), HasSubstr("<td class=\"runs\">  .. Device or resource busy"));
    EXPECT_THAT(row(html, "4.0"), HasSubstr("GOES ON"));
    EXPECT_THAT(row(html, "4.0"), HasSubstr("<td><b>lets walk go</b></td>"));
    EXPECT_THAT(html_lanes({"walk"}, verdict::happened(walk_against_bind()), {}),
                Not(HasSubstr("wrong")));
    const std::set<std::string> evidence{"[    0.004600] e1000e: quite well"};
    EXPECT_THAT(
        row(html_lanes({"walk"}, verdict::happened(walk_against_bind(), evidence), evidence),
            "3.6"),
        HasSubstr("<td class=\"wrong\" title=\"[    0.004600] e1000e: quite well\">"));
}

TEST(ReportHtml, APageAsksForNothing) {
    const auto page = html_page("a <b>", html_element("p", "x\"y", "1 < 2", "more"));
    EXPECT_THAT(page, HasSubstr("<title>a &lt;b&gt;</title>"));
    EXPECT_THAT(page, HasSubstr("<p class=\"x&quot;y\" title=\"more\">1 &lt; 2</p>"));
    for (const char* request :
         {"http:", "https:", "src=", "href=", "url(\"", "url(h", "url(/", "<script", "@import"})
        EXPECT_THAT(page, Not(HasSubstr(request)));
    EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

} // namespace
} // namespace dmarace::report
