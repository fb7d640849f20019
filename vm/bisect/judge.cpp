// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/judge.hpp"

#include "base/files.hpp"
#include "verdict/verdict.hpp"
#include "vm/board/control.hpp"
#include "vm/campaign/run.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;
constexpr int kSchema = 1;

std::optional<Answer> read_answer(const std::string& text) {
    for (const Answer answer : {Answer::good, Answer::bad, Answer::skip})
        if (text == to_text(answer))
            return answer;
    return std::nullopt;
}

Json step_json(const BisectStep& step) {
    return {{"commit", step.commit},
            {"subject", step.subject},
            {"answer", to_text(step.answer)},
            {"why", step.why},
            {"passes", step.passes},
            {"failures", step.failures},
            {"inconclusive", step.inconclusive},
            {"confidence", step.confidence},
            {"seconds", step.seconds},
            {"results", step.results}};
}

// Throws nlohmann's exceptions on what has another type.
std::optional<BisectStep> read_step(const Json& json) {
    const auto answer = read_answer(json.at("answer").get<std::string>());
    if (!answer)
        return std::nullopt;
    return BisectStep{json.at("commit"),       json.at("subject"),    *answer,
                      json.at("why"),          json.at("passes"),     json.at("failures"),
                      json.at("inconclusive"), json.at("confidence"), json.at("seconds"),
                      json.at("results")};
}

Result<BisectState> from_json(const Json& json) {
    if (json.at("schema") != kSchema)
        return fail(Fault::environment, "it has another schema than 1");
    BisectState state;
    state.question = json.at("question");
    state.rate_commit = json.at("rate_commit");
    state.return_to = json.at("return_to");
    if (const Json& rate = json.at("rate"); !rate.is_null())
        state.rate = Rate{rate.at("failures"), rate.at("trials")};
    json.at("kinds").get_to(state.kinds);
    for (const Json& element : json.at("steps")) {
        auto step = read_step(element);
        if (!step)
            return fail(Fault::environment, "a step has an unknown answer");
        state.steps.push_back(*std::move(step));
    }
    return state;
}

} // namespace

std::string to_text(Answer answer) {
    return answer == Answer::good ? "good" : answer == Answer::bad ? "bad" : "skip";
}

int exit_code(Answer answer) {
    constexpr int kSkip = 125;
    return answer == Answer::good ? 0 : answer == Answer::bad ? 1 : kSkip;
}

const BisectStep* BisectState::find(const std::string& commit) const {
    for (auto step = steps.rbegin(); step != steps.rend(); ++step)
        if (step->commit == commit)
            return &*step;
    return nullptr;
}

std::string short_name(const std::string& commit) { return commit.substr(0, 12); }

std::string to_json(const BisectState& state) {
    Json steps = Json::array();
    for (const BisectStep& step : state.steps)
        steps.push_back(step_json(step));
    const Json json{{"schema", kSchema},
                    {"question", state.question},
                    {"rate", state.rate ? Json{{"failures", state.rate->failures},
                                               {"trials", state.rate->trials}}
                                        : Json(nullptr)},
                    {"kinds", state.kinds},
                    {"rate_commit", state.rate_commit},
                    {"return_to", state.return_to},
                    {"steps", steps}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<BisectState> read_state(const std::string& text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object())
        return fail(Fault::environment, "it is no JSON object");
    try {
        return from_json(json);
    } catch (const Json::exception& error) {
        return fail(Fault::environment, error.what());
    }
}

Result<BisectState> load_state(const fs::path& file) {
    if (!fs::exists(file))
        return BisectState{};
    TRY_AS(const auto text, read_text(file));
    auto state = read_state(text);
    if (!state)
        return fail(Fault::environment,
                    fmt::format("{} is no state of a bisection: {}; name another with --state, or "
                                "remove it",
                                file.string(), state.error().message));
    return state;
}

Status save_state(const fs::path& file, const BisectState& state) {
    return replace_file(file, to_json(state));
}

std::string report_steps(const BisectState& state) {
    std::string text, skipped;
    if (state.rate)
        text += fmt::format("known bad: {} of {} trials fail on {} ({})\n", state.rate->failures,
                            state.rate->trials, short_name(state.rate_commit),
                            fmt::join(state.kinds, ", "));
    for (const BisectStep& step : state.steps) {
        text += fmt::format("{} {:<4}  {:>3} passed, {:>3} failed  {:>5.0f} s  {}\n",
                            short_name(step.commit), to_text(step.answer), step.passes,
                            step.failures, step.seconds, step.subject);
        if (step.answer == Answer::skip)
            skipped +=
                fmt::format("  {} {}: {}\n", short_name(step.commit), step.subject, step.why);
    }
    return text + (skipped.empty() ? "no commit was skipped\n" : "skipped:\n" + skipped);
}

namespace {

// P(X >= failures) for X of a binomial distribution, by its logarithms: n may be
// some thousands.
double probability_of_at_least(const Rate& rate, double p) {
    double sum = 0;
    for (unsigned k = rate.failures; k <= rate.trials; ++k) {
        const double ways = std::lgamma(rate.trials + 1.0) - std::lgamma(k + 1.0) -
                            std::lgamma(rate.trials - k + 1.0);
        sum += std::exp(ways + k * std::log(p) + (rate.trials - k) * std::log1p(-p));
    }
    return sum;
}

using verdict::Verdict;

Json read_json(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

unsigned count(const Json& result, Verdict verdict) {
    return result.value("counts", Json::object()).value(std::string(to_text(verdict)), 0U);
}

// "dma-direct of pci/0000:00:02.0 (e1000e)", the first that is not allowed.
std::string first_failure(const Json& result) {
    for (const Json& failure : result.value("failures", Json::array())) {
        if (failure.value("allowed", false))
            continue;
        const std::string device = failure.value("device", ""),
                          driver = failure.value("driver", "");
        return failure.value("kind", "") + (device.empty() ? "" : " of " + device) +
               (driver.empty() ? "" : " (" + driver + ")");
    }
    return {};
}

std::set<std::string> kinds_of(const Json& result) {
    std::set<std::string> kinds;
    for (const Json& failure : result.value("failures", Json::array()))
        if (!failure.value("allowed", false))
            kinds.insert(failure.value("kind", ""));
    return kinds;
}

// A guest that never came to the job: how its last boot ended.
Result<Tally> judge_boot(const std::string& vm_json, int exit) {
    const Json boots = read_json(vm_json).value("boots", Json::array());
    const Json last = boots.empty() ? Json::object() : boots.back();
    const std::string outcome = last.value("outcome", ""), detail = last.value("detail", "");
    Tally tally;
    constexpr std::array kDead{BootEnd::panic, BootEnd::died, BootEnd::hang, BootEnd::other_kernel};
    if (std::ranges::any_of(kDead, [&](BootEnd end) { return outcome == to_text(end); })) {
        tally.untestable = fmt::format("does not boot: {} ({})", outcome, detail);
        return tally;
    }
    return fail(Fault::environment,
                fmt::format("the board did not run the job (exit code {}): {}", exit,
                            outcome.empty() ? "no boot is on record" : outcome + " " + detail));
}

constexpr unsigned kChunk = 20; // trials in one boot; a failure ends the search after it
constexpr unsigned kRounds = 3; // boots whose trials may all say nothing

std::string too_few(const BisectStep& step, const Demand& demand, const std::string& note) {
    return fmt::format("{} of {} trials said something, {} did not: {}", step.passes, demand.trials,
                       step.inconclusive, note);
}

// A failure of a kind that the known-bad kernel never showed is another bug.
BisectStep failed(BisectStep step, const Demand& demand, const Tally& tally) {
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

double least_rate(const Rate& rate, double confidence) {
    constexpr int kHalvings = 60; // of [0, 1]: more than a double can tell apart
    if (rate.failures == 0 || rate.trials == 0)
        return 0;
    const double doubt = 1 - confidence;
    if (rate.failures >= rate.trials)
        return std::pow(doubt, 1.0 / rate.trials);
    double low = 0, high = 1;
    for (int i = 0; i < kHalvings; ++i) {
        const double middle = (low + high) / 2;
        (probability_of_at_least(rate, middle) < doubt ? low : high) = middle;
    }
    return low;
}

std::uint64_t trials_for(double confidence, double rate) {
    constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
    if (rate >= 1)
        return 1;
    const double trials = std::ceil(std::log1p(-confidence) / std::log1p(-rate));
    if (!(trials < static_cast<double>(kMost)))
        return kMost;
    return trials < 1 ? 1 : static_cast<std::uint64_t>(trials);
}

double confidence_of(std::uint64_t passes, double rate) {
    if (passes == 0)
        return 0;
    return rate >= 1 ? 1 : -std::expm1(static_cast<double>(passes) * std::log1p(-rate));
}

Result<Tally> read_tally(const std::string& result_json, const std::string& vm_json, int exit) {
    if (exit == kExitInterrupted)
        return std::unexpected(Error{Fault::environment, "interrupted", EINTR});
    const Json result = read_json(result_json);
    if (!result.contains("counts"))
        return judge_boot(vm_json, exit);
    Tally tally{.passes = count(result, Verdict::pass),
                .failures = count(result, Verdict::fail) + count(result, Verdict::crash) +
                            count(result, Verdict::hang),
                .inconclusive = count(result, Verdict::inconclusive),
                .kinds = kinds_of(result),
                .untestable = std::nullopt,
                .note = result.value("reason", "")};
    if (const std::string what = first_failure(result); tally.failures > 0 && !what.empty())
        tally.note = what;
    const std::string reason = result.value("reason", ""), verdict = result.value("verdict", "");
    if (verdict == to_text(Verdict::skip) || count(result, Verdict::skip) > 0)
        tally.untestable = "nothing to test: " + reason;
    else if (tally.failures == 0 &&
             (verdict == to_text(Verdict::error) || exit == kExitEnvironment))
        return fail(Fault::environment, "the job ended with an error: " + reason);
    return tally;
}

Result<Tally> tally_of_script(int exit, const std::string& result_json, const std::string& where) {
    constexpr int kCannotRun = 126; // and all above: of the shell, or a signal
    if (exit == exit_code(Answer::skip)) {
        Tally tally;
        tally.untestable = "the script cannot judge it (125); see " + where + "/script.log";
        return tally;
    }
    if (exit != kExitInterrupted &&
        (exit >= kCannotRun || !read_json(result_json).contains("counts")))
        return fail(Fault::environment,
                    fmt::format("the script ended with {} and left {} result.json in {}; see "
                                "script.log there",
                                exit, result_json.empty() ? "no" : "a", where));
    return read_tally(result_json, "", exit);
}

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

Result<BisectStep> judge(const Demand& demand, const Trials& trials) {
    BisectStep step;
    for (unsigned barren = 0; step.passes < demand.trials && barren < kRounds;) {
        TRY_AS(const auto tally, trials(std::min(demand.trials - step.passes, kChunk)));
        step.passes += tally.passes;
        step.failures += tally.failures;
        step.inconclusive += tally.inconclusive;
        step.why = tally.note;
        if (tally.failures > 0)
            return failed(step, demand, tally);
        if (tally.untestable) {
            step.why = *tally.untestable;
            return step;
        }
        barren = tally.passes > 0 ? 0 : barren + 1;
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
        TRY_AS(const auto tally, trials(std::min(count - rate.trials, kChunk)));
        if (tally.untestable)
            return fail(Fault::environment,
                        "the known-bad kernel cannot be judged: " + *tally.untestable);
        rate.failures += tally.failures;
        rate.trials += tally.failures + tally.passes;
        measured.kinds.insert(tally.kinds.begin(), tally.kinds.end());
        note = tally.note;
        barren = tally.failures + tally.passes > 0 ? 0 : barren + 1;
    }
    if (rate.failures > 0)
        return measured;
    return fail(Fault::environment,
                fmt::format("the known-bad kernel passed {} trials and failed none{}: this job and "
                            "board do not show what is looked for",
                            rate.trials, note.empty() ? "" : " (" + note + ")"));
}

} // namespace dmarace::vm
