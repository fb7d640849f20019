// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/runs.hpp"

#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "campaign/restore.hpp"
#include "job/load.hpp"
#include "job/plan.hpp"
#include "report/report.hpp"
#include "run/files.hpp"
#include "run/recording.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;

constexpr double kLongestBoot = 600; // between two calls, in seconds

constexpr const char* kJobs = "jobs";

std::optional<run::Run> read_run(const fs::path& directory) {
    const auto text = read_text(directory / run::files::kJournal);
    auto run = text ? run::read_journal(*text) : Result<run::Run>(std::unexpected(text.error()));
    return run ? std::optional(*std::move(run)) : std::nullopt;
}

bool is_over(const run::Run& run, unsigned iterations) {
    using run::RunEnding;
    if (run.ended.size() >= iterations)
        return true;
    return run.end && (run.end->how == RunEnding::skipped || run.end->how == RunEnding::error ||
                       run.end->how == RunEnding::stopped);
}

// Its iterations had ended, and it had not, when the machine was booted again.
bool died_behind(const run::Run& run) {
    return !run.end && run.before && !campaign::is_this_boot(run.before->boot);
}

void add_once(std::vector<std::string>& out, const std::vector<std::string>& more) {
    for (const auto& text : more)
        if (std::ranges::find(out, text) == out.end())
            out.push_back(text);
}

} // namespace

std::vector<std::string> failures_of(const verdict::Judgement& judgement) {
    std::vector<std::string> out;
    for (const auto& failure : judgement.failures)
        if (!failure.allowed)
            add_once(out, {std::string(catalogue::to_text(failure.kind)) +
                           (failure.device.empty() ? "" : " " + failure.device)});
    return out;
}

std::vector<std::string> failures_of(const SearchRun& made) {
    std::vector<std::string> out;
    for (const auto& end : made.run.ended)
        add_once(out, failures_of(end.judgement));
    for (const auto& outside : made.run.outside)
        add_once(out, failures_of(outside.judgement));
    if (made.died)
        out.emplace_back(std::string(catalogue::to_text(catalogue::FailureKind::crash)) +
                         ", when the schedule was over");
    return out;
}

std::set<std::string> reported_at(const SearchRun& made) {
    std::set<std::string> out;
    const auto add = [&out](const verdict::Judgement& judgement) {
        for (const auto& failure : judgement.failures)
            if (auto at = verdict::reported_at(failure); !failure.allowed && !at.empty())
                out.insert(std::move(at));
    };
    for (const auto& end : made.run.ended)
        add(end.judgement);
    for (const auto& outside : made.run.outside)
        add(outside.judgement);
    return out;
}

Status SearchRuns::prepare() {
    TRY_AS(const auto survey, campaign::survey(machine_));
    TRY_AS(const auto bindings, campaign::resolve(set_.job, survey, options_.wishes));
    wishes_ = options_.wishes;
    wishes_.device.clear();
    for (const auto& [name, values] : bindings) {
        if (!values.empty())
            wishes_.set[name] = joined(values, ",");
        const auto* param = named(set_.job.params, name);
        if (param && param->type == job::ParamType::device && !values.empty()) {
            params_[values.front()] = "{" + name + "}";
            devices_.insert(values.front());
        }
    }
    const auto inventory = campaign::inventory(survey, machine_.devices, wishes_);
    TRY_AS(const auto plan, job::make_plan(set_.job, bindings, inventory));
    TRY(campaign::check_touched(plan, survey, wishes_));
    for (const auto& device : job::touched_by(plan).devices)
        devices_.insert(device);
    for (std::size_t i = 0; i < plan.actors.size(); ++i)
        if (plan.actors[i].steps.empty())
            return fail(Fault::untestable, "'" + set_.job.actors[i].name +
                                               "' does nothing here: the driver of that "
                                               "device is built in");
    std::error_code error;
    fs::create_directories(options_.out / kJobs, error);
    if (error)
        return fail(Fault::environment, options_.out.string() + ": " + error.message());
    return read_seconds();
}

// What an earlier call took, and the time since it wrote last, where a boot was between.
Status SearchRuns::read_seconds() {
    const auto text = read_text(options_.out / run::kExploreJson);
    told_.seconds = options_.watching;
    if (!text)
        return {};
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object())
        return {};
    told_.seconds = json.value("seconds", 0.0);
    told_.proving = json.value("proving", 0.0);
    const auto gap = static_cast<double>(std::time(nullptr)) - json.value("written", 0.0);
    if (options_.booted && gap > 0 && gap < kLongestBoot)
        (json.value("proves", false) ? told_.proving : told_.seconds) += gap;
    for (const auto& finding : json.value("findings", nlohmann::json::array()))
        found_at_[finding.value("run", "")] = finding.value("seconds", 0.0);
    return {};
}

bool SearchRuns::goes_on(SearchClock clock) const {
    return told_.boot_again.empty() && interrupts_.count() == 0 &&
           (clock == SearchClock::proof || told_.stopped.empty());
}

bool SearchRuns::over_time() {
    if (options_.limit && told_.seconds >= std::chrono::duration<double>(*options_.limit).count())
        told_.stopped = "the time was over";
    return !told_.stopped.empty();
}

Result<const SearchRun*> SearchRuns::made(const std::string& name, const job::Job& wanted,
                                          unsigned iterations, bool holds, SearchClock clock) {
    if (const auto known = runs_.find(name); known != runs_.end())
        return &known->second;
    const auto file = options_.out / kJobs / (name + ".toml");
    const auto text = job::save(wanted);
    auto job = job::load(text, file.string());
    if (!job)
        return fail(Fault::usage, job::to_text(job.error().front()));
    const auto directory = options_.out / name;
    if (auto earlier = read_run(directory); earlier && is_over(*earlier, iterations)) {
        const bool died = died_behind(*earlier);
        return &(runs_[name] = {*std::move(earlier), died});
    }
    told_.proves = clock == SearchClock::proof;
    if (!goes_on(clock) || (!told_.proves && over_time()))
        return nullptr;
    TRY(keep());
    TRY(write_text(file, text));
    campaign::CampaignOptions options;
    options.wishes = wishes_;
    options.iterations = iterations;
    options.seed = options_.seed;
    options.holds = holds;
    options.unsafe = true;
    options.crash_limit = {0, 0};
    options.board = options_.board;
    options.allow = options_.allow;
    options.out = directory;
    std::error_code none;
    options.resume = fs::exists(directory / run::files::kJournal, none);
    const auto began = boottime();
    auto ran = make_run_ ? make_run_(*job, options)
                         : campaign::run_job(machine_, progress_, interrupts_, *job, options);
    (told_.proves ? told_.proving : told_.seconds) +=
        std::chrono::duration<double>(boottime() - began).count();
    if (!ran)
        return std::unexpected(ran.error());
    told_.boot_again = ran->boot_again;
    if (interrupts_.count() > 0 || !is_over(ran->run, iterations))
        return nullptr;
    return &(runs_[name] = {std::move(ran->run), false});
}

const SearchRun* SearchRuns::run_of(const std::string& name) const {
    const auto found = runs_.find(name);
    return found == runs_.end() ? nullptr : &found->second;
}

double SearchRuns::found_at(const std::string& name) const {
    const auto earlier = found_at_.find(name);
    return earlier == found_at_.end() ? told_.seconds : earlier->second;
}

Result<verdict::Observed> SearchRuns::observed_of(const std::string& name) const {
    const auto dir = options_.out / name;
    const auto text = [&](const char* file) { return read_text(dir / file).value_or(""); };
    TRY_AS(auto all, run::read_recording({text(run::files::kJournal), text(run::files::kEvents),
                                          text(run::files::kLog), text(run::files::kObserved)}));
    if (all.empty())
        return fail(Fault::environment, name + ": nothing of it was recorded");
    return std::move(all.begin()->second.observed);
}

Status SearchRuns::keep() const {
    TRY(replace_file(options_.out / run::kExplorePage, explore_page(told_, options_)));
    TRY(replace_file(options_.out / run::kExploreHtml, explore_html(told_, options_)));
    return replace_file(options_.out / run::kExploreJson, explore_json(told_, options_) + "\n");
}

} // namespace dmarace::explore
