// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/diagnostic.hpp"
#include "job/load.hpp"

#include <gmock/gmock.h>

#include <set>

namespace dmarace::job {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kOwned = R"(name = "j"
summary = "s"
source = "x"
risk = "taint"
[params]
client = { type = "device" }
[[actor]]
name = "walk"
steps = ["walk"]
[[actor]]
name = "client"
steps = ["wait held", "bind {client}"]
[[rule]]
point = "iommu_setup_default_domain"
actor = "walk"
signal = "held"
wait_for = "done:client"
timeout = "2s"
)";

Diagnostics said(const std::string& text) {
    const auto job = load(text, "f");
    return job ? lint(*job) : job.error();
}

TEST(Codes, EveryOneHasItsRow) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < code_rows().size(); ++i) {
        const auto& row = code_rows()[i];
        EXPECT_EQ(row.code, static_cast<Code>(i)) << row.name;
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_FALSE(row.why.empty() || row.remedy.empty()) << row.name;
        EXPECT_EQ(code_from(row.name), row.code);
    }
    EXPECT_EQ(code_rows().back().code, Code::risk);
    EXPECT_FALSE(code_from("owned-lok"));
}

TEST(Explained, SaysWhereWhatWhyAndTheRemedy) {
    const auto diagnostics = said(kOwned);
    ASSERT_EQ(diagnostics.size(), 1U);
    EXPECT_EQ(diagnostics[0].code, Code::owned_lock);
    const std::string text = explained(diagnostics[0], kOwned);
    EXPECT_THAT(text, StartsWith("f:17:13: error: this tests nothing: held actor 'walk' owns the "
                                 "group mutex at 'iommu_setup_default_domain', and client's "
                                 "'bind {client}' needs the group mutex of {client} in "
                                 "iommu_device_use_default_domain"));
    EXPECT_THAT(text, HasSubstr(" [owned-lock]\n"
                                "   17 | wait_for = \"done:client\"\n"
                                "      |             ^~~~~~~~~~~\n"
                                "  why: The held task owns a lock."));
    EXPECT_THAT(text, HasSubstr("\n  do:  Hold the task where it does not own the lock"));
}

Diagnostic error_at(unsigned line, unsigned column) {
    Diagnostic error;
    error.level = Diagnostic::Level::error;
    error.where.file = "f";
    error.where.line = line;
    error.where.column = column;
    error.message = "m";
    return error;
}

std::string marked(const std::string& line, unsigned column) {
    const std::string text = explained(error_at(1, column), line);
    const auto begin = text.find("      | ", text.find('\n') + 1 + 8);
    return text.substr(begin + 8, text.find('\n', begin) - begin - 8);
}

TEST(Explained, MarksTheWord) {
    EXPECT_EQ(marked("steps = [\"bnd {client}\"]", 11), "          ^~~");
    EXPECT_EQ(marked("\ta = b", 2), "\t^");
    EXPECT_EQ(marked("a = \"\xc3\xa9t\xc3\xa9 x\"", 10), "         ^");
    EXPECT_EQ(marked("x", 1), "^");
    EXPECT_EQ(marked("x", 900), " ^");
}

TEST(Explained, ALineBeyondTheFileIsLeftOut) {
    const std::string text = explained(error_at(7, 1), "a\n");
    EXPECT_THAT(text, StartsWith("f:7:1: error: m [wrong-value]\n  why: "));
}

TEST(Explained, TheLineStaysLetters) {
    EXPECT_EQ(line_at("a\n\x1b[31mred\r\n", {"f", 2, 1}), " [31mred");
}

struct Coded {
    const char* text;
    Code code;
};

class CodeOf : public testing::TestWithParam<Coded> {};

TEST_P(CodeOf, IsTheKindOfTheFirstFault) {
    const std::string head = "name = \"j\"\nsummary = \"s\"\nsource = \"x\"\n";
    const auto diagnostics = said(head + GetParam().text);
    ASSERT_FALSE(diagnostics.empty());
    EXPECT_EQ(diagnostics[0].code, GetParam().code) << to_text(diagnostics[0]);
}

constexpr const char* kWalk = "[[actor]]\nname=\"a\"\nsteps=[\"walk\"]\n";

INSTANTIATE_TEST_SUITE_P(
    All, CodeOf,
    testing::Values(
        Coded{"x", Code::syntax}, Coded{"ieterations = 3\n[type]\n", Code::key},
        Coded{"", Code::missing}, Coded{"iterations = \"3\"\n[type]\n", Code::kind},
        Coded{"risk = \"tiant\"\n[type]\n", Code::value},
        Coded{"[type]\n[[rule]]\npoint=\"really_probe\"\nsignal=\"x\"\ndelay = 5\n", Code::unit},
        Coded{"[type]\n[[rule]]\npoint=\"really_probe\"\ndelay = \"11s\"\n", Code::limit},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[]\n[[actor]]\nname=\"a\"\nsteps=[]\n", Code::twice},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[\"bnd x\"]\n", Code::step},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[\"bind {x}\"]\n", Code::param},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[\"wait done:b\"]\n", Code::actor},
        Coded{"[type]\n[[rule]]\npoint=\"realy_probe\"\ndelay = \"1ms\"\n", Code::point},
        Coded{"[type]\n[[rule]]\npoint=\"really_probe\"\n", Code::no_action},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[\"wait go\"]\n", Code::not_raised},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[\"signal go\"]\n", Code::unheard},
        Coded{"[[actor]]\nname=\"a\"\nsteps=[]\n", Code::no_steps},
        Coded{"[params]\nd = { type = \"device\" }\n[type]\n", Code::unused_param}));

TEST(CodeText, IsTheExplanationAlone) {
    EXPECT_THAT(code_text(Code::circle), StartsWith("circle\n  why: Each of them"));
    EXPECT_THAT(said(std::string("name=\"j\"\nsummary=\"s\"\n") + kWalk)[0].code, Code::no_source);
}

} // namespace
} // namespace dmarace::job
