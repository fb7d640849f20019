// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/campaign.hpp"

#include "base/size.hpp"
#include "base/text.hpp"
#include "campaign/iteration.hpp"
#include "campaign/restore.hpp"
#include "job/help.hpp"
#include "job/words.hpp"
#include "report/report.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace dmarace::campaign {

namespace {

unsigned planned_of(const job::Job& job, const CampaignOptions& options) {
    if (options.iterations)
        return *options.iterations;
    return options.duration ? 0 : job.iterations;
}

run::RunHead head_of(const CampaignState& state, const job::Bindings& bindings) {
    run::RunHead out;
    out.tool_version = DMARACE_VERSION;
    out.job = state.job.name;
    out.kernel = board::kernel_release();
    out.arch = board::kernel_machine();
    out.board = state.options.board.empty() ? board::host_name() : state.options.board;
    out.started = now_text();
    out.run_id = state.job.name + "-" + out.started;
    out.seed = state.options.seed;
    out.holds = state.options.holds;
    out.planned = state.planned();
    for (const auto& [name, values] : bindings)
        out.params[name] = values;
    out.allow = state.options.allow;
    out.taint = read_taint(state.machine.devices);
    return out;
}

run::RunEnd end_of(const Error& error) {
    using run::RunEnding;
    return error.fault == Fault::untestable
               ? run::RunEnd(RunEnding::skipped, "skip: " + error.message)
               : run::RunEnd(RunEnding::error, "error: " + error.message);
}

// Failures reach udev through the module, each kind and device once. One that
// cannot say it is no reason to stop.
void announce(board::Control& control, const verdict::Judgement& judgement, unsigned iteration) {
    std::set<std::pair<verdict::FailureKind, std::string>> told;
    for (const auto& failure : judgement.failures)
        if (!failure.allowed && told.emplace(failure.kind, failure.device).second)
            (void)control.request(Line{"uevent",
                                       {{"kind", std::string(to_text(failure.kind))},
                                        {"dev", failure.device},
                                        {"iter", std::to_string(iteration)}}});
}

// The end of the journal and what is made from it, unless somebody goes on with the run at once,
// who makes it at its end.
Status close_run(run::RunDir& dir, run::Run& run, run::RunEnd end, Fresh fresh) {
    run.end = std::move(end);
    TRY(dir.append(run::to_journal(*run.end), true));
    if (run.end->how == run::RunEnding::boot_again && fresh != Fresh::never)
        return {};
    TRY(dir.replace(run::files::kResult, report::result_json(run) + "\n"));
    return dir.replace(run::files::kKtap, report::ktap(run));
}

// An allowed oops is no failure, but the kernel is as broken.
bool shows(const verdict::Judgement& judgement, verdict::FailureKind kind) {
    return std::ranges::any_of(judgement.failures,
                               [&](const auto& failure) { return failure.kind == kind; });
}

bool is_usage(const Status& status) { return !status && status.error().fault == Fault::usage; }

// Begin or resume from the journal, account for iterations that were cut off, iterate,
// restore, close.
class Campaign {
public:
    Campaign(CampaignState& state, IterationMaker& maker) : state_(state), maker_(maker) {}

    Result<Ran> run() {
        TRY(maker_.hear_first());
        TRY_AS(const auto survey, campaign::survey(state_.machine));
        const auto bindings = resolve(state_.job, survey, state_.options.wishes);
        auto ready = maker_.check(survey, bindings, !state_.options.resume);
        if (is_usage(ready))
            return std::unexpected(ready.error());
        if (ready && run::may_be_kept())
            maker_.prepare_alike(survey);
        TRY_AS(const bool goes_on, run::stand());
        const bool resumes = state_.options.resume || goes_on;
        state_.since = boottime();
        TRY_AS(auto dir, run::RunDir::open(state_.options.out, resumes));
        state_.dir = std::move(dir);
        state_.dir->limit(state_.options.quota);
        const auto journal = state_.dir->journal();
        if (!journal)
            return std::unexpected(journal.error());
        if (journal->empty() && resumes)
            ready = maker_.check(survey, bindings, true);
        if (is_usage(ready))
            return std::unexpected(ready.error());
        TRY(journal->empty() ? begin(bindings.value_or(job::Bindings())) : resume(*journal));
        if (state_.run.end && state_.done() && !maker_.leaves_something())
            return Ran{std::move(state_.run), ""};
        if (!journal->empty()) {
            const bool went_down = !state_.run.end;
            state_.run.end.reset();
            if (auto accounted = account(went_down); !accounted)
                ready = std::move(accounted);
            else if (state_.done() || state_.stop)
                ready = {};
        }
        return finish(ready ? iterate(survey) : ready);
    }

private:
    Status begin(const job::Bindings& bindings) {
        state_.run.head = head_of(state_, bindings);
        TRY(state_.append(run::to_journal(state_.run.head)));
        state_.dir->keep_job(state_.job.file);
        state_.dir->set_aside();
        return {};
    }

    // Of a run of another job nothing is touched.
    Status resume(const std::string& journal) {
        TRY_AS(auto earlier, run::read_journal(journal));
        if (earlier.head.job != state_.job.name)
            return fail(Fault::usage, state_.dir->path().string() + " holds a run of " +
                                          earlier.head.job + ", not of " + state_.job.name);
        state_.run = std::move(earlier);
        for (const auto& end : state_.run.ended)
            state_.dir->foresee(run::to_journal(end), !end.judgement.failures.empty());
        for (const auto& end : state_.run.ended)
            state_.spent += std::chrono::nanoseconds(std::llround(end.seconds * 1e9));
        if (state_.options.at_boot) // the boot is the iteration
            state_.since = {};
        if (!state_.run.ended.empty())
            state_.tell();
        return maker_.check_earlier();
    }

    // Iterations that were cut off, and whether what they did lets another one begin.
    Status account(bool went_down) {
        state_.dir->set_aside();
        if (state_.done())
            return {};
        auto accounted = maker_.account(went_down);
        if (auto why = why_stop(state_.run, state_.options.crash_limit); !why.empty())
            state_.stop.emplace(run::RunEnding::stopped, std::move(why));
        return accounted;
    }

    Status iterate(const Survey& survey) {
        if (!state_.wanted() || !state_.boot_again.empty())
            return {};
        TRY(maker_.prepare(survey));
        state_.tell();
        while (state_.wanted() && state_.boot_again.empty()) {
            std::optional<run::IterationEnd> ended;
            auto made = maker_.iterate(ended);
            // A copy, now that all the iteration needed is free: what is kept for days would
            // else lie scattered among it and hold its pages.
            if (ended)
                state_.run.ended.push_back(*ended);
            state_.tell();
            if (!made)
                return made;
        }
        return {};
    }

    Result<Ran> finish(const Status& ready) {
        state_.dir->use_reserve();
        const bool goes_on = ready && state_.wanted() && !state_.boot_again.empty();
        const auto restored = maker_.restore(goes_on);
        run::RunEnd end(run::RunEnding::done, "done");
        if (!ready)
            end = end_of(ready.error());
        else if (!restored)
            end = end_of(restored.error());
        else if (state_.interrupts.count() > 0)
            end = {run::RunEnding::interrupted, state_.interrupts.why()};
        else if (state_.stop)
            end = *state_.stop;
        else if (goes_on)
            end = {state_.options.at_boot ? run::RunEnding::reboot : run::RunEnding::boot_again,
                   state_.boot_again};
        if (auto closed = close_run(*state_.dir, state_.run, std::move(end), state_.options.fresh);
            !closed) {
            maker_.abandon();
            return std::unexpected(closed.error());
        }
        return Ran{std::move(state_.run), state_.boot_again};
    }

    CampaignState& state_;
    IterationMaker& maker_;
};

} // namespace

std::string now_text() { return utc_now("%Y-%m-%dT%H:%M:%SZ"); }

// What goes on after a boot is the run that was begun, whatever the words say now.
unsigned CampaignState::planned() const {
    return options.at_boot && !run.head.job.empty() ? run.head.planned : planned_of(job, options);
}

bool CampaignState::is_left() const {
    const auto passed = spent + boottime() - since;
    return !done() && !(options.duration && passed >= *options.duration);
}

bool CampaignState::wanted() {
    if (is_left() && !stop && dir && dir->full())
        stop.emplace(run::RunEnding::stopped,
                     "stopped: its files have the " + size_text(options.quota) +
                         " of --quota; --resume with a larger one goes on");
    return is_left() && !stop && interrupts.count() == 0;
}

run::IterationEnd CampaignState::judged(const job::Plan& plan, const job::Bindings& bindings,
                                        const verdict::Baseline& baseline,
                                        const verdict::Observed& observed) const {
    run::IterationEnd end;
    end.iteration = observed.iteration;
    end.judgement =
        verdict::judge(plan, job::filled_allow(job, bindings, run.head.allow), baseline, observed);
    end.lost_events = observed.lost_events;
    end.taint = observed.taint_after;
    return end;
}

run::IterationEnd crashed(unsigned iteration, const std::string& why,
                          std::vector<std::string> log) {
    run::IterationEnd end;
    end.iteration = iteration;
    end.judgement.verdict = verdict::Verdict::crash;
    end.judgement.reason = why;
    end.judgement.failures.push_back(
        {verdict::FailureKind::crash, "", "", why, std::move(log), false});
    return end;
}

Status CampaignState::look_outside(const std::string& where) {
    verdict::Observed seen;
    seen.taint_before = taint;
    read_log(machine, seen);
    return judge_outside(where, std::move(seen));
}

Status CampaignState::judge_outside(const std::string& where, verdict::Observed seen) {
    seen.outside = true;
    seen.taint_after = taint = read_taint(machine.devices);
    auto judgement =
        verdict::judge({}, job::filled_allow(job, run.head.params, run.head.allow), {}, seen);
    TRY(dir->log_outside(where, seen));
    if (judgement.verdict == verdict::Verdict::pass && judgement.failures.empty() &&
        judgement.notes.empty())
        return {};
    if (auto why = why_untrusted(judgement); !why.empty())
        boot_again = std::move(why);
    announce(machine.control, judgement, static_cast<unsigned>(run.ended.size()));
    if (!judgement.reason.empty())
        progress.note(where + ": " + judgement.reason);
    run.outside.push_back({where, std::move(judgement)});
    return append(run::to_journal(run.outside.back()));
}

// That it could not be written is no reason to stop: the journal is what counts.
void CampaignState::tell() {
    (void)dir->tell(ktap.more(run));
    if (options.told)
        options.told(run);
}

Status CampaignState::tell_end(const run::IterationEnd& record) {
    const auto text = run::to_journal(record);
    dir->foresee(text, !record.judgement.failures.empty());
    TRY(append(text));
    announce(machine.control, record.judgement, record.iteration);
    progress.judged(record.iteration, std::string(verdict::to_text(record.judgement.verdict)),
                    record.judgement.reason);
    return {};
}

Result<Ran> run_job(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                    const job::Job& job, const CampaignOptions& options, board::BootFiles files) {
    CampaignState state{machine, progress, interrupts, job, options};
    state.taint = read_taint(machine.devices);
    state.since = boottime();
    const auto maker = options.at_boot ? make_boots(state, std::move(files)) : make_live(state);
    return Campaign(state, *maker).run();
}

std::string why_untrusted(const verdict::Judgement& judgement) {
    if (shows(judgement, verdict::FailureKind::hang))
        return "hang: a task is stuck in the kernel; the machine has to be booted again";
    if (shows(judgement, verdict::FailureKind::kernel_oops))
        return "oops: the kernel is not to be trusted any more; the machine has to be booted again";
    return "";
}

std::string why_boot_again(const verdict::Judgement& judgement, Fresh fresh, job::Risk risk) {
    if (auto why = why_untrusted(judgement); !why.empty())
        return why;
    if (fresh == Fresh::always || (fresh == Fresh::risky && risk == job::Risk::reboot))
        return "fresh: what comes next wants a freshly booted machine";
    return "";
}

Result<CrashLimit> crash_limit_from(std::string_view word) {
    if (word == "none")
        return CrashLimit{0, 0};
    const auto slash = std::min(word.find('/'), word.size());
    const CrashLimit out{
        to_number<unsigned>(word.substr(0, slash)).value_or(0),
        to_number<unsigned>(word.substr(std::min(slash + 1, word.size()))).value_or(0)};
    if (out.crashes == 0 || out.boots == 0)
        return fail(Fault::usage, "--crash-limit takes CRASHES/BOOTS (3/5) or none, not '" +
                                      std::string(word) + "'");
    return out;
}

std::string why_stop(const run::Run& run, const CrashLimit& limit) {
    if (limit.crashes == 0)
        return "";
    const auto boots = std::min<std::size_t>(run.boots.size(), limit.boots);
    const auto first = boots == 0 ? 0 : run.boots[run.boots.size() - boots];
    const auto crashes = std::count_if(
        run.ended.begin() + static_cast<std::ptrdiff_t>(first), run.ended.end(),
        [](const auto& end) { return end.judgement.verdict == verdict::Verdict::crash; });
    if (crashes < static_cast<std::ptrdiff_t>(limit.crashes))
        return "";
    return "stopped: " + std::to_string(crashes) + " crashes in the last " +
           std::to_string(std::max<std::size_t>(boots, 1)) +
           " boots; --crash-limit allows more, and --resume goes on";
}

namespace {

std::string why_picked_device(const job::Param& param, const Survey& survey, const Wishes& wishes,
                              const job::Bindings& bindings) {
    const auto fitting = candidates(param, survey, wishes, bindings);
    const bool one = param.type == job::ParamType::device;
    std::string out = (one ? "the first of " : "all ") + std::to_string(fitting.size());
    out += param.bus.empty() ? " devices" : " " + param.bus + " devices";
    if (!param.behind.empty())
        out += job::kBehindOne == param.behind ? " behind an IOMMU" : " behind two IOMMUs";
    if (job::picks(param, job::Pick::shared))
        out += " that share a group";
    if (job::picks(param, job::Pick::sibling_of))
        out += " that share the group of " + job::picks_of(param);
    out += " that the guard lets pass";
    if (!one || fitting.empty())
        return out;
    const auto* item = fitting.front();
    if (job::picks(param, job::Pick::unused))
        out += ", those of unbound groups first";
    out += item->device.driver.empty() ? "; unbound, its driver is " + item->driver
                                       : "; bound to " + item->device.driver;
    if (item->device.group)
        out += ", group " + std::to_string(*item->device.group);
    return out;
}

std::string why_chosen(const job::Param& param, bool by_device, const Survey& survey,
                       const Wishes& wishes, const job::Bindings& bindings) {
    if (by_device)
        return "said with --device";
    if (wishes.set.contains(param.name))
        return "said with --set";
    if (param.value)
        return "the job's own default";
    if (job::picks(param, job::Pick::iommu_driver))
        return "the IOMMU driver of this kernel's tree that claims a device of this board";
    if (job::picks(param, job::Pick::driver_of)) {
        const auto of = job::picks_of(param) + " and nothing else";
        return (bindings.at(param.name).empty() ? "no module drives " : "modules that drive ") + of;
    }
    return why_picked_device(param, survey, wishes, bindings);
}

bool takes_device(const job::Param& param) {
    return param.type == job::ParamType::device || param.type == job::ParamType::devices;
}

std::vector<std::string> refused(const Survey& survey, const Wishes& wishes) {
    std::vector<std::string> out;
    for (const auto& item : survey.devices)
        if (item.behind_iommu && !allowed(item, wishes))
            out.push_back(item.device.full_name() + ": " + item.guard);
        else if (item.behind_iommu && item.named_only && !wishes.all_clients)
            out.push_back(item.device.full_name() +
                          ": on no PCI bus, so that it has to be named (or --all-clients)");
    return out;
}

// Devices behind the IOMMU go and come back, with their groups.
bool changes_everything(const job::Plan& plan) {
    const auto far_reaching = [](const job::Step& step) {
        return job::does(step, catalogue::effect::everything);
    };
    return std::ranges::any_of(plan.reset, far_reaching) ||
           std::ranges::any_of(plan.actors, [&](const auto& actor) {
               return std::ranges::any_of(actor.steps, far_reaching);
           });
}

// Of all that a run restores, what this plan can change: lines of to_words().
std::vector<std::string> changes(const Onlooker& board, const Survey& survey,
                                 const job::Plan& plan) {
    auto words = to_words(take_snapshot(board.devices, board.modules, survey, plan));
    for (auto& line : words)
        if (line.ends_with(' '))
            line += "none";
    if (changes_everything(plan))
        return words;
    const auto touched = job::touched_by(plan);
    std::set<std::string> devices(touched.devices.begin(), touched.devices.end());
    for (const auto& group : survey.groups)
        if (std::ranges::count(touched.groups, std::to_string(group.number)) > 0)
            devices.insert(group.devices.begin(), group.devices.end());
    std::erase_if(words, [&](const auto& line) { return !concerns(line, devices); });
    return words;
}

std::string iterations(const job::Job& job, const CampaignOptions& options) {
    if (options.iterations)
        return std::to_string(*options.iterations);
    if (options.duration)
        return "as many as " + dmarace::to_text(*options.duration) + " has room for";
    return std::to_string(job.iterations) + " (the job's own number)";
}

// Functions of the running kernel and its modules.
std::set<std::string, std::less<>> kernel_functions(const board::Files& files) {
    std::set<std::string, std::less<>> out;
    // ADDRESS KIND NAME [MODULE]
    for (const auto& line : lines_in(files.read("/proc/kallsyms").value_or("")))
        if (const auto words = words_in(line);
            words.size() > 2 && std::string_view("tTwW").contains(words[1]))
            out.insert(words[2]);
    return out;
}

} // namespace

Result<std::vector<job::Choice>> choices(const job::Job& job, const Survey& survey,
                                         const Wishes& wishes) {
    TRY_AS(const auto bindings, resolve(job, survey, wishes));
    std::vector<job::Choice> out;
    bool by_device = !wishes.device.empty();
    for (const auto& param : job.params) {
        const bool this_one = by_device && takes_device(param);
        out.push_back({param.name, bindings.at(param.name),
                       why_chosen(param, this_one, survey, wishes, bindings)});
        by_device = by_device && !this_one;
    }
    return out;
}

Result<std::string> preview(const Onlooker& board, const job::Job& job,
                            const CampaignOptions& options) {
    const auto survey = survey_without_module(board.devices, board.modules);
    TRY_AS(auto chosen, choices(job, survey, options.wishes));
    job::Bindings bindings;
    for (const auto& choice : chosen)
        bindings[choice.param] = choice.values;
    TRY_AS(auto plan,
           job::make_plan(job, bindings, inventory(survey, board.devices, options.wishes)));
    TRY(check_touched(plan, survey, options.wishes));
    job::DryRun dry;
    dry.changes = changes(board, survey, plan);
    dry.plan = options.holds ? std::move(plan) : job::without_holds(plan);
    dry.holds = options.holds;
    dry.iterations = iterations(job, options);
    dry.seed = options.seed;
    dry.choices = std::move(chosen);
    dry.refused = refused(survey, options.wishes);
    const auto functions = kernel_functions(board.devices.files());
    return job::dry_run_text(job, dry,
                             [&](std::string_view name) { return functions.contains(name); });
}

std::string help_here(const Onlooker& board, const job::Job& job) {
    const auto survey = survey_without_module(board.devices, board.modules);
    const auto chosen = choices(job, survey, {});
    if (!chosen)
        return job::job_help(job, {}, "Here: " + chosen.error().message);
    return job::job_help(job, *chosen, "");
}

} // namespace dmarace::campaign
