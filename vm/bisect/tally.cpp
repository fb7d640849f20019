// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/tally.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace dmarace::vm {
namespace {

using Json = nlohmann::json;
constexpr int kInterrupted = 130;

Json read_json(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

unsigned count(const Json& result, const char* verdict) {
    return result.value("counts", Json::object()).value(verdict, 0U);
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
    if (outcome == "panic" || outcome == "died" || outcome == "hang") {
        tally.untestable = fmt::format("does not boot: {} ({})", outcome, detail);
        return tally;
    }
    return fail(Fault::environment,
                fmt::format("the board did not run the job (exit code {}): {}", exit,
                            outcome.empty() ? "no boot is on record" : outcome + " " + detail));
}

} // namespace

Result<Tally> read_tally(const std::string& result_json, const std::string& vm_json, int exit) {
    if (exit == kInterrupted)
        return std::unexpected(Error{Fault::environment, "interrupted", EINTR});
    const Json result = read_json(result_json);
    if (!result.contains("counts"))
        return judge_boot(vm_json, exit);
    Tally tally{.passes = count(result, "pass"),
                .failures = count(result, "fail") + count(result, "crash") + count(result, "hang"),
                .inconclusive = count(result, "inconclusive"),
                .kinds = kinds_of(result),
                .untestable = std::nullopt,
                .note = result.value("reason", "")};
    if (const std::string what = first_failure(result); tally.failures > 0 && !what.empty())
        tally.note = what;
    const std::string reason = result.value("reason", "");
    if (result.value("verdict", "") == "skip" || count(result, "skip") > 0)
        tally.untestable = "nothing to test: " + reason;
    else if (tally.failures == 0 && (result.value("verdict", "") == "error" || exit == 3))
        return fail(Fault::environment, "the job ended with an error: " + reason);
    return tally;
}

} // namespace dmarace::vm
