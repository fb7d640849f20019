// SPDX-License-Identifier: GPL-2.0-or-later
// The races that have a name, as the table has them and as docs/races.md has them.
#include "base/files.hpp"
#include "base/text.hpp"
#include "catalogue/races.hpp"

#include <gmock/gmock.h>

namespace dmarace::catalogue {
namespace {

std::string in_docs(const NamedRace& race) {
    std::vector<std::string> jobs;
    for (const auto& job : words_in(race.jobs))
        jobs.push_back("`" + job + "`");
    const auto text = [](std::string_view part) { return std::string(part); };
    return "**" + text(race.id) + "** " + text(race.what) + ". " +
           (race.thread.empty() ? "" : "Thread " + text(race.thread) + "; ") + text(race.commits) +
           ". Window: " + text(race.window) + ". Job" + (jobs.size() > 1 ? "s" : "") + ": " +
           joined(jobs, ", ") + ".";
}

TEST(Races, AreThoseOfTheDocs) {
    const auto docs = joined(
        words_in(read_text(std::string(DMARACE_SOURCE_DIR) + "/docs/races.md").value()), " ");
    std::size_t named = 0;
    for (std::size_t at = 0; (at = docs.find("- **R", at)) != std::string::npos; ++at)
        ++named;
    EXPECT_EQ(races().size(), named);
    for (const auto& race : races()) {
        EXPECT_THAT(docs, testing::HasSubstr(in_docs(race)));
        const auto thread = thread_of(race);
        EXPECT_EQ(thread.empty(), race.thread.empty()) << race.id;
        EXPECT_THAT(docs, testing::HasSubstr(thread));
    }
}

TEST(Races, HaveJobsThatAreThere) {
    for (const auto& race : races())
        for (const auto& job : words_in(race.jobs))
            EXPECT_TRUE(read_text(std::string(DMARACE_SOURCE_DIR) + "/jobs/" + job + ".toml"))
                << race.id << " " << job;
    ASSERT_EQ(races_of("late-probe").size(), 1U);
    EXPECT_EQ(races_of("late-probe").front()->id, "R1f");
    EXPECT_EQ(races_of("double-probe").size(), 2U);
    EXPECT_TRUE(races_of("probe").empty());
}

} // namespace
} // namespace dmarace::catalogue
