// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/run_parts.hpp"

#include "report/report.hpp"

#include <sys/utsname.h>

#include <cstdlib>
#include <ctime>
#include <set>

namespace dmarace::campaign {

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::string text(32, '\0');
    text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
    return text;
}

std::time_t time_of(const std::string& text) {
    std::tm parts{};
    return ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) ? ::timegm(&parts)
                                                                  : std::time(nullptr);
}

bool is_over(const std::string& started, const RunOptions& options) {
    return options.duration &&
           std::chrono::seconds(std::time(nullptr) - time_of(started)) >= *options.duration;
}

unsigned planned_of(const job::Job& job, const RunOptions& options) {
    if (options.iterations)
        return *options.iterations;
    return options.duration ? 0 : job.iterations;
}

run::RunHead head_of(const Machine& machine, const job::Job& job, const RunOptions& options,
                     const job::Bindings& bindings) {
    utsname host{};
    ::uname(&host);
    run::RunHead out;
    out.tool_version = DMARACE_VERSION;
    out.job = job.name;
    out.kernel = host.release;
    out.arch = host.machine;
    out.board = options.board.empty() ? host.nodename : options.board;
    out.started = now_text();
    out.run_id = job.name + "-" + out.started;
    out.seed = options.seed;
    out.holds = options.holds;
    out.planned = planned_of(job, options);
    for (const auto& [name, values] : bindings)
        out.params[name] = values;
    const auto taint = machine.devices.files().read("/proc/sys/kernel/tainted").value_or("0");
    out.taint = std::strtoull(taint.c_str(), nullptr, 10);
    return out;
}

std::string reason_of(const Error& error) {
    return (error.fault == Fault::untestable ? "skip: " : "error: ") + error.message;
}

void announce(board::Control& control, const run::IterationEnd& end) {
    std::set<std::pair<verdict::FailureKind, std::string>> told;
    for (const auto& failure : end.judgement.failures)
        if (!failure.allowed && told.emplace(failure.kind, failure.device).second)
            (void)control.request(Line{"uevent",
                                       {{"kind", std::string(to_text(failure.kind))},
                                        {"dev", failure.device},
                                        {"iter", std::to_string(end.iteration)}}});
}

Status close_run(run::RunDir& dir, run::Run& run, const std::string& why) {
    dir.use_reserve();
    run.end = run::RunEnd{why};
    if (auto put = dir.append(run::to_journal(*run.end), true); !put)
        return put;
    if (auto put = dir.replace("result.json", report::result_json(run) + "\n"); !put)
        return put;
    return dir.replace("result.ktap", report::ktap(run));
}

} // namespace dmarace::campaign
