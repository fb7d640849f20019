// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/state.hpp"

#include "base/files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

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

std::string short_name(const std::string& commit) {
    return commit.substr(0, 12);
}

} // namespace

std::string to_text(Answer answer) {
    switch (answer) {
    case Answer::good:
        return "good";
    case Answer::bad:
        return "bad";
    case Answer::skip:
        break;
    }
    return "skip";
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
    const auto text = read_text(file);
    if (!text)
        return std::unexpected(text.error());
    auto state = read_state(*text);
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

} // namespace dmarace::vm
