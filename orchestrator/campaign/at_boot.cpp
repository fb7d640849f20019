// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/at_boot.hpp"

#include "board/boot_files.hpp"
#include "board/last_words.hpp"
#include "campaign/breaker.hpp"
#include "campaign/inspect.hpp"
#include "campaign/iteration.hpp"
#include "campaign/pending.hpp"
#include "campaign/run_parts.hpp"
#include "job/rule_line.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <ctime>
#include <set>

namespace dmarace::campaign {

namespace {

constexpr std::size_t kLastLines = 60;
constexpr std::string_view kBootWord = " boot=";

std::string mark_of_boots(const std::string& run_id) {
    return "run=" + run_id + std::string(kBootWord);
}

// The boot whose log this is, by the mark that dmarace's loader left in it.
std::string boot_in(const std::string& text, const std::string& mark) {
    const auto at = text.rfind(mark);
    if (at == std::string::npos)
        return "";
    const auto begin = at + mark.size();
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

class BootRun {
public:
    BootRun(Machine& machine, Progress& progress, Interrupts& interrupts, const job::Job& job,
            const RunOptions& options)
        : machine_(machine), progress_(progress), interrupts_(interrupts), job_(job),
          options_(options) {}

    Result<Ran> run();

private:
    Result<job::Plan> plan(const Survey& survey, const job::Bindings& bindings) const;
    Status check_reach(const Survey& survey, const job::Bindings& bindings) const;
    board::BootRules rules(const Survey& survey, const job::Plan& plan) const;
    Status first(const Survey& survey);
    Status further(const Survey& survey);
    Status record_crashes();
    Status judge_boot(const job::Plan& plan);
    verdict::Observed observe(const job::Plan& plan);
    void take_log(verdict::Observed& observed);
    Status begin_next();
    Status end(report::IterationEnd record);
    bool wanted() const;
    Result<Ran> finish(const Status& ready);

    Machine& machine_;
    Progress& progress_;
    Interrupts& interrupts_;
    const job::Job& job_;
    const RunOptions& options_;
    board::BootFiles files_;
    std::optional<RunDir> dir_;
    report::Run run_;
    std::string stop_, boot_again_;
};

Result<job::Plan> BootRun::plan(const Survey& survey, const job::Bindings& bindings) const {
    auto made =
        job::make_plan(job_, bindings, inventory(survey, machine_.devices, options_.wishes));
    if (!made || options_.holds)
        return made;
    return job::without_holds(*made);
}

// Every device that the job's rules are about has to come after the module.
Status BootRun::check_reach(const Survey& survey, const job::Bindings& bindings) const {
    const auto reach = boot_reach(survey);
    if (std::ranges::all_of(reach, [](const auto& item) { return item.modules.empty(); }))
        return fail(Fault::untestable,
                    "nothing behind an IOMMU is left to come once the initramfs starts: " +
                        (reach.empty() ? std::string("no such device has a driver")
                                       : reach.front().text()) +
                        "; it would take " + boot_remedy());
    for (const auto& [name, values] : bindings)
        for (const auto& item : reach)
            if (item.modules.empty() && std::ranges::find(values, item.device) != values.end())
                return fail(Fault::untestable,
                            item.device + ": " + item.text() + "; it would take " + boot_remedy());
    return {};
}

board::BootRules BootRun::rules(const Survey& survey, const job::Plan& plan) const {
    board::BootRules out;
    out.run_id = run_.head.run_id;
    for (const auto& rule : plan.rules)
        out.rules.push_back(to_text(job::to_rule_line(rule)));
    std::set<std::string> after;
    for (const auto& reach : boot_reach(survey))
        after.insert(reach.modules.begin(), reach.modules.end());
    out.after.assign(after.begin(), after.end());
    out.async = options_.async;
    return out;
}

bool BootRun::wanted() const {
    return interrupts_.count() == 0 && stop_.empty() &&
           (run_.head.planned == 0 || run_.ended.size() < run_.head.planned);
}

// The machine's boot is what the next iteration does.
Status BootRun::begin_next() {
    if (!wanted())
        return {};
    const auto number = static_cast<unsigned>(run_.ended.size()) + 1;
    run_.before = report::Before{boot_id(), {}};
    if (auto put = dir_->append(report::to_journal(*run_.before), true); !put)
        return put;
    report::IterationBegin begin{number, now_text(), {"boot the machine"}};
    if (auto put = dir_->append(report::to_journal(begin), true); !put)
        return put;
    run_.begun.push_back(std::move(begin));
    boot_again_ = "reboot: iteration " + std::to_string(number) + " is the next boot";
    return {};
}

// Nothing is left on the disk before all is known to fit.
Status BootRun::first(const Survey& survey) {
    const auto bindings = resolve(job_, survey, options_.wishes);
    if (!bindings && bindings.error().fault == Fault::usage)
        return std::unexpected(bindings.error());
    run_.head = head_of(machine_, job_, options_, bindings.value_or(job::Bindings()));
    if (auto put = dir_->append(report::to_journal(run_.head), true); !put)
        return put;
    if (!bindings)
        return std::unexpected(bindings.error());
    if (auto reached = check_reach(survey, *bindings); !reached)
        return reached;
    const auto made = plan(survey, *bindings);
    if (!made)
        return std::unexpected(made.error());
    // The module says now what it would refuse then.
    if (auto loaded = load_rules(machine_, progress_, *made); !loaded)
        return loaded;
    (void)machine_.control.request(Line{DMARACE_V_CLEAR, {}});
    progress_.doing("make the initramfs");
    if (auto armed =
            files_.arm(rules(survey, *made), options_.words, options_.fresh == Fresh::never);
        !armed)
        return armed;
    return begin_next();
}

Status BootRun::end(report::IterationEnd record) {
    progress_.judged(record.iteration, std::string(verdict::to_text(record.judgement.verdict)),
                     record.judgement.reason);
    if (auto put = dir_->append(report::to_journal(record), true); !put)
        return put;
    announce(machine_.control, record);
    run_.ended.push_back(std::move(record));
    return {};
}

// Boots of this run that ended in a crash before anybody could judge them: their
// last words name the boot. Each is an iteration of its own.
Status BootRun::record_crashes() {
    const auto mark = mark_of_boots(run_.head.run_id);
    std::set<std::string> known{boot_id()};
    for (const auto& ended : run_.ended)
        for (const auto& note : ended.judgement.notes)
            known.insert(note.substr(note.rfind(' ') + 1));
    for (const auto& words : board::last_words(machine_.devices.files())) {
        const auto boot = boot_in(words, mark);
        if (boot.empty() || !known.insert(boot).second)
            continue;
        report::IterationEnd record;
        record.iteration = static_cast<unsigned>(run_.ended.size()) + 1;
        record.judgement.verdict = verdict::Verdict::crash;
        record.judgement.reason = "the machine went down in this boot";
        record.judgement.failures.push_back({"crash", "", "", record.judgement.reason,
                                             board::after_mark({words}, mark + boot, kLastLines),
                                             false});
        record.judgement.notes.push_back("boot " + boot);
        if (auto put = end(std::move(record)); !put)
            return put;
    }
    return {};
}

// Of the whole boot, from the mark on.
void BootRun::take_log(verdict::Observed& observed) {
    const auto mark = mark_of_boots(run_.head.run_id);
    auto log = board::KernelLog::open(board::KernelLog::From::boot);
    auto records = log ? log->read_new() : Result<std::vector<board::KernelRecord>>();
    if (!log || !records) {
        observed.error = log ? records.error().message : log.error().message;
        return;
    }
    bool marked = false;
    for (auto& record : *records) {
        marked = marked || record.text.find(mark) != std::string::npos;
        if (marked)
            observed.log.push_back(
                {record.ts, record.level, std::move(record.text), std::move(record.device)});
    }
    if (!marked)
        observed.error = "the initramfs did not load dmarace: its log has no '" + mark +
                         "'; is it the one that this machine boots?";
}

verdict::Observed BootRun::observe(const job::Plan& plan) {
    verdict::Observed observed;
    observed.iteration = static_cast<unsigned>(run_.ended.size()) + 1;
    observed.holds = run_.head.holds;
    observed.taint_before = run_.head.taint;
    // Holds have had their time when all that boots has settled.
    if (auto looked = inspect(machine_, {}, observed.holds, observed); !looked)
        observed.error = looked.error().message;
    const auto disarmed = machine_.control.request(Line{DMARACE_V_DISARM, {}});
    if (auto taken = take_events(machine_, observed); !taken)
        observed.error = taken.error().message;
    else if (!disarmed)
        observed.error = disarmed.error().message;
    const bool kept = std::ranges::any_of(observed.events, [](const Line& line) {
        return line.verb == DMARACE_E_GATE && line.get("why") == "load";
    });
    sort_events(observed, plan);
    take_log(observed);
    if (!kept && observed.error.empty())
        observed.error = "somebody else has read what the module kept of this boot";
    observed.taint_after = read_taint(machine_.devices);
    return observed;
}

Status BootRun::judge_boot(const job::Plan& plan) {
    progress_.iteration(static_cast<unsigned>(run_.ended.size()) + 1, run_.head.planned);
    progress_.doing("settle and audit");
    const auto observed = observe(plan);
    report::IterationEnd record;
    record.iteration = observed.iteration;
    record.judgement =
        verdict::judge(plan, job::filled_allow(job_, run_.head.params), {}, observed);
    record.judgement.notes.push_back("boot " + boot_id());
    record.lost_events = observed.lost_events;
    record.taint = observed.taint_after;
    const auto uptime = machine_.devices.files().read("/proc/uptime").value_or("0");
    record.seconds = std::strtod(uptime.c_str(), nullptr);
    if (auto put = dir_->log(observed); !put)
        return put;
    return end(std::move(record));
}

Status BootRun::further(const Survey& survey) {
    if (run_.head.job != job_.name)
        return fail(Fault::usage, dir_->path().string() + " holds a run of " + run_.head.job +
                                      ", not of " + job_.name);
    if (run_.before && run_.before->boot == boot_id()) {
        boot_again_ = "reboot: the machine has not booted yet";
        return {};
    }
    const auto made = plan(survey, run_.head.params);
    if (!made)
        return std::unexpected(made.error());
    if (auto crashes = record_crashes(); !crashes)
        return crashes;
    if (wanted())
        if (auto judged = judge_boot(*made); !judged)
            return judged;
    stop_ = why_stop(run_, options_.crash_limit);
    return begin_next();
}

Result<Ran> BootRun::finish(const Status& ready) {
    std::string why = stop_;
    if (!ready)
        why = reason_of(ready.error());
    else if (interrupts_.count() > 0)
        why = "interrupted";
    else if (why.empty())
        why = boot_again_.empty() ? "done" : boot_again_;
    if (!ready || boot_again_.empty()) {
        progress_.doing("take the rules out of the initramfs");
        boot_again_.clear();
        if (auto gone = files_.disarm(); !gone) {
            progress_.note(gone.error().message + "; dmarace restore --reboot tries again");
            why = why == "done" ? reason_of(gone.error()) : why;
        } else if (auto put = dir_->append(report::restored_to_journal({}), true); !put) {
            return std::unexpected(put.error());
        }
    }
    if (auto closed = close_run(*dir_, run_, why); !closed)
        return std::unexpected(closed.error());
    return Ran{std::move(run_), boot_again_};
}

Result<Ran> BootRun::run() {
    const auto survey = campaign::survey(machine_);
    if (!survey)
        return std::unexpected(survey.error());
    if (!job_.at_boot)
        return fail(Fault::usage, "job " + job_.name +
                                      " has actors, and none of them is there while the machine "
                                      "boots: --reboot takes jobs with at_boot = true");
    auto dir = RunDir::open(options_.out, options_.resume);
    if (!dir)
        return std::unexpected(dir.error());
    dir_ = *std::move(dir);
    const auto text = dir_->journal();
    if (!text)
        return std::unexpected(text.error());
    if (text->empty()) {
        const auto ready = first(*survey);
        if (run_.head.run_id.empty())
            return std::unexpected(ready.error());
        return finish(ready);
    }
    auto earlier = report::read_journal(*text);
    if (!earlier)
        return std::unexpected(earlier.error());
    run_ = *std::move(earlier);
    run_.end.reset();
    return finish(further(*survey));
}

} // namespace

Result<Ran> run_at_boot(Machine& machine, Progress& progress, Interrupts& interrupts,
                        const job::Job& job, const RunOptions& options) {
    return BootRun(machine, progress, interrupts, job, options).run();
}

} // namespace dmarace::campaign
