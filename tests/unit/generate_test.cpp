// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs made by the generator are right, and between them they say all there is
// to say.
#include "catalogue/points.hpp"
#include "job/load.hpp"
#include "job/locks.hpp"
#include "job/plan.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "tests/generate/generate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

namespace dmarace::job {
namespace {

constexpr std::uint64_t kJobs = 2000;

// The jobs of the seeds from 1, made once for all tests.
const std::vector<Job>& jobs() {
    static const std::vector<Job> all = [] {
        std::vector<Job> out;
        for (std::uint64_t seed = 1; seed <= kJobs; ++seed) {
            const std::string text = generate::job_text(seed);
            auto job = load(text, "seed " + std::to_string(seed));
            if (!job) {
                for (const auto& diagnostic : job.error())
                    ADD_FAILURE() << to_text(diagnostic);
                ADD_FAILURE() << text;
            }
            out.push_back(job.value_or(Job{}));
        }
        return out;
    }();
    return all;
}

void for_each_step(const Job& job, const std::function<void(const Step&)>& look) {
    for (const auto* step : flattened(job.reset))
        look(*step);
    for (const auto& actor : job.actors)
        for (const auto* step : flattened(actor.steps))
            look(*step);
}

TEST(Generate, EveryJobLoadsLintsAndBecomesAPlan) {
    const Bindings bindings{{"client", {"pci/0000:00:02.0"}},
                            {"clients", {"pci/0000:00:02.0", "pci/0000:00:03.0"}},
                            {"drivers", {"e1000e", "nvme"}}};
    const Inventory inventory{{{1, "DMA", {{"pci/0000:00:02.0", "e1000e", false}}},
                               {2, "DMA", {{"pci/0000:00:03.0", "nvme", false}}}}};
    for (std::uint64_t seed = 0; const Job& job : jobs()) {
        ++seed;
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
        for (const auto& diagnostic : lint(job))
            if (diagnostic.level == Diagnostic::Level::error)
                ADD_FAILURE() << to_text(diagnostic) << "\n" << generate::job_text(seed);
        EXPECT_NE(job.risk, Risk::reboot);
        EXPECT_EQ(why_unsafe(job), "");
        Bindings all = bindings;
        for (const auto& param : job.params)
            if (param.name == "iommu")
                all["iommu"] = {"virtio_iommu"};
        const auto plan = make_plan(job, all, inventory);
        ASSERT_TRUE(plan) << plan.error().message;
        std::set<std::string> names;
        for (const auto& rule : plan->rules) {
            EXPECT_TRUE(names.insert(rule.name).second) << rule.name << ", seed " << seed;
            EXPECT_LT(dmarace::to_text(to_rule_line(rule)).size(), DMARACE_LINE_MAX - 32U);
        }
    }
}

TEST(Generate, NoFlushQueueBesideARemoval) {
    unsigned queues = 0, removals = 0;
    for (std::uint64_t seed = 0; const Job& job : jobs()) {
        ++seed;
        bool queue = job.type_storm && contains(type_words(), "DMA-FQ") &&
                     std::ranges::count(job.type_storm->types, "DMA-FQ") > 0;
        bool removal = false;
        for_each_step(job, [&](const Step& step) {
            queue = queue || (step.verb == Verb::type && step.args.back() == "DMA-FQ");
            removal = removal || step.verb == Verb::remove || step.verb == Verb::rmmod ||
                      step.verb == Verb::sriov;
        });
        EXPECT_FALSE(queue && removal) << generate::job_text(seed);
        queues += queue;
        removals += removal;
    }
    EXPECT_GT(queues, kJobs / 20);
    EXPECT_GT(removals, kJobs / 5);
}

TEST(Generate, BetweenThemTheyUseEveryStepPointAndWord) {
    std::set<Verb> verbs;
    std::set<std::string> points, types, expected, on;
    unsigned holds = 0, delays = 0, waits = 0;
    for (const Job& job : jobs()) {
        for_each_step(job, [&](const Step& step) {
            verbs.insert(step.verb);
            waits += step.verb == Verb::wait;
            if (step.verb == Verb::type)
                types.insert(step.args.back());
        });
        for (const auto& rule : job.rules) {
            points.insert(rule.point);
            on.insert(rule.on);
            holds += rule.holds();
            delays += rule.delay.has_value();
        }
        expected.emplace(to_text(job.expect.dma));
    }
    for (const auto& row : catalogue::verb_rows()) {
        const bool left_out = row.verb == Verb::write || row.verb == Verb::read ||
                              row.verb == Verb::repeat || row.verb == Verb::io;
        EXPECT_NE(verbs.contains(row.verb), left_out) << row.name;
    }
    for (const auto& point : catalogue::points())
        EXPECT_EQ(points.contains(point.name), (point.facts & DMARACE_SLEEPS) != 0) << point.name;
    EXPECT_EQ(types.size(), type_words().size());
    EXPECT_EQ(expected.size(), dma_words().size());
    EXPECT_EQ(on.size(), 2U);
    EXPECT_GT(holds, kJobs / 2);
    EXPECT_GT(delays, kJobs / 2);
    EXPECT_GT(waits, kJobs / 2);
}

TEST(Generate, TheSameSeedGivesTheSameJob) {
    EXPECT_EQ(generate::job_text(7), generate::job_text(7));
    std::set<std::string> texts;
    for (std::uint64_t seed = 1; seed <= 200; ++seed)
        texts.insert(generate::job_text(seed));
    EXPECT_EQ(texts.size(), 200U);
}

} // namespace
} // namespace dmarace::job
