// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace dmarace::vm {
namespace {

constexpr unsigned kChunk = 20; // trials in one boot; a failure ends the search after it
constexpr unsigned kRounds = 3; // boots whose trials may all say nothing

std::string too_few(const Step& step, const Demand& demand, const std::string& note) {
    return fmt::format("{} of {} trials said something, {} did not: {}", step.passes, demand.trials,
                       step.inconclusive, note);
}

// A failure of a kind that the known-bad kernel never showed is another bug.
Step failed(Step step, const Demand& demand, const Tally& tally) {
    const bool ours = demand.kinds.empty() || std::any_of(tally.kinds.begin(), tally.kinds.end(),
                                                          [&](const std::string& kind) {
                                                              return demand.kinds.contains(kind);
                                                          });
    if (ours) {
        step.answer = Answer::bad;
        step.confidence = 1;
    } else {
        step.why = fmt::format("it fails in another way ({}) than the known-bad kernel ({})",
                               tally.note, fmt::join(demand.kinds, ", "));
    }
    return step;
}

} // namespace

Result<Demand> demand_for(double confidence, double rate, unsigned most) {
    const std::uint64_t trials = trials_for(confidence, rate);
    if (trials <= most)
        return Demand{rate, static_cast<unsigned>(trials), {}};
    return fail(
        Fault::usage,
        fmt::format("a bad kernel fails in as few as {:.2g} of its trials, so a good answer "
                    "with confidence {} takes {} trials: allow them with --max-trials, "
                    "lower --confidence, or measure the rate more closely with --measure",
                    rate, confidence, trials));
}

Result<Step> judge(const Demand& demand, const Trials& trials) {
    Step step;
    for (unsigned barren = 0; step.passes < demand.trials && barren < kRounds;) {
        const auto tally = trials(std::min(demand.trials - step.passes, kChunk));
        if (!tally)
            return std::unexpected(tally.error());
        step.passes += tally->passes;
        step.failures += tally->failures;
        step.inconclusive += tally->inconclusive;
        step.why = tally->note;
        if (tally->failures > 0)
            return failed(step, demand, *tally);
        if (tally->untestable) {
            step.why = *tally->untestable;
            return step;
        }
        barren = tally->passes > 0 ? 0 : barren + 1;
    }
    step.confidence = confidence_of(step.passes, demand.rate);
    if (step.passes < demand.trials)
        step.why = too_few(step, demand, step.why);
    else
        step.answer = Answer::good;
    return step;
}

Result<Measured> measure(unsigned count, const Trials& trials) {
    Measured measured;
    Rate& rate = measured.rate;
    std::string note;
    for (unsigned barren = 0; rate.trials < count && barren < kRounds;) {
        const auto tally = trials(std::min(count - rate.trials, kChunk));
        if (!tally)
            return std::unexpected(tally.error());
        if (tally->untestable)
            return fail(Fault::environment,
                        "the known-bad kernel cannot be judged: " + *tally->untestable);
        rate.failures += tally->failures;
        rate.trials += tally->failures + tally->passes;
        measured.kinds.insert(tally->kinds.begin(), tally->kinds.end());
        note = tally->note;
        barren = tally->failures + tally->passes > 0 ? 0 : barren + 1;
    }
    if (rate.failures > 0)
        return measured;
    return fail(Fault::environment,
                fmt::format("the known-bad kernel passed {} trials and failed none{}: this job and "
                            "board do not show what is looked for",
                            rate.trials, note.empty() ? "" : " (" + note + ")"));
}

} // namespace dmarace::vm
