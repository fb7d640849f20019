// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/at_boot.hpp"

#include "campaign/boot_log.hpp"
#include "campaign/boot_reach.hpp"
#include "campaign/breaker.hpp"
#include "campaign/inspect.hpp"
#include "campaign/iteration.hpp"
#include "campaign/pending.hpp"
#include "campaign/run_parts.hpp"
#include "job/rule_line.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace dmarace::campaign {

namespace {

// A job of the machine's own boot has no [type], so that no group is asked for its
// type: the boot's holds may be on, and groups' mutexes with them.
Result<job::Plan> plan_of(const job::Job& job, const job::Bindings& bindings, bool holds) {
    auto made = job::make_plan(job, bindings, job::Inventory{});
    if (!made || holds)
        return made;
    return job::without_holds(*made);
}

bool is_module_name(const std::string& word) {
    return !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
}

Status waits_already(const board::Waiting& other) {
    return fail(Fault::usage, "another run --reboot waits for its boot (" + other.run_id +
                                  "); dmarace restore --reboot ends it");
}

class BootRun {
public:
    BootRun(Machine& machine, Progress& progress, Interrupts& interrupts, const job::Job& job,
            const RunOptions& options, board::BootFiles files)
        : machine_(machine), progress_(progress), interrupts_(interrupts), job_(job),
          options_(options), files_(std::move(files)) {}

    Result<Ran> run();

private:
    Status may_begin(const Result<job::Bindings>& bindings) const;
    Status read_earlier(const std::string& journal);
    Status check_reach(const Survey& survey, const job::Bindings& bindings) const;
    board::BootRules rules(const Survey& survey, const std::vector<job::Rule>& accepted) const;
    Status arm(const Survey& survey, const job::Plan& plan);
    Status first(const Survey& survey, const Result<job::Bindings>& bindings);
    Status further(const Survey& survey);
    Status record_crash(const std::string& boot, const std::string& why,
                        std::vector<std::string> log);
    Status record_crashes();
    Status judge_boot(const job::Plan& plan);
    verdict::Observed observe(const job::Plan& plan);
    Status begin_next();
    Status end(run::IterationEnd record);
    bool wanted() const;
    Result<Ran> finish(const Status& ready);
    unsigned next_number() const { return static_cast<unsigned>(run_.ended.size()) + 1; }

    Machine& machine_;
    Progress& progress_;
    Interrupts& interrupts_;
    const job::Job& job_;
    const RunOptions& options_;
    board::BootFiles files_;
    std::vector<Line> kept_; // what the module has told since it was loaded
    std::optional<run::RunDir> dir_;
    run::Run run_;
    std::string stop_, boot_again_;
};

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

board::BootRules BootRun::rules(const Survey& survey,
                                const std::vector<job::Rule>& accepted) const {
    board::BootRules out;
    out.run_id = run_.head.run_id;
    for (const auto& rule : accepted)
        out.rules.push_back(to_text(job::to_rule_line(rule)));
    std::set<std::string> after;
    for (const auto& reach : boot_reach(survey))
        after.insert(reach.modules.begin(), reach.modules.end());
    out.after.assign(after.begin(), after.end());
    out.async = options_.async;
    return out;
}

bool BootRun::wanted() const {
    if (interrupts_.count() > 0 || !stop_.empty() || is_over(run_.head.started, options_))
        return false;
    return run_.head.planned == 0 || run_.ended.size() < run_.head.planned;
}

// The machine's boot is what the next iteration does.
Status BootRun::begin_next() {
    if (!wanted())
        return {};
    run_.before = run::Before{boot_id(), {}};
    if (auto put = dir_->append(run::to_journal(*run_.before), true); !put)
        return put;
    run::IterationBegin begin{next_number(), now_text(), {"boot the machine"}};
    boot_again_ = "reboot: iteration " + std::to_string(begin.iteration) + " is the next boot";
    auto put = dir_->append(run::to_journal(begin), true);
    run_.begun.push_back(std::move(begin));
    return put;
}

// The module says now what it would refuse then.
Status BootRun::arm(const Survey& survey, const job::Plan& plan) {
    auto accepted = load_rules(machine_, progress_, plan);
    if (!accepted)
        return std::unexpected(accepted.error());
    (void)machine_.control.request(Line{DMARACE_V_CLEAR, {}});
    progress_.doing("make the initramfs");
    if (auto armed =
            files_.arm(rules(survey, *accepted), options_.words, options_.fresh == Fresh::never);
        !armed)
        return armed;
    return begin_next();
}

// What would make the command line wrong, before anything is written.
Status BootRun::may_begin(const Result<job::Bindings>& bindings) const {
    if (!bindings && bindings.error().fault == Fault::usage)
        return std::unexpected(bindings.error());
    if (const auto other = files_.waiting())
        return waits_already(*other);
    for (const auto& name : options_.async)
        if (!is_module_name(name) || machine_.modules.path(name).empty())
            return fail(Fault::usage, "--async-probe " + name +
                                          ": this kernel's tree has no such "
                                          "module");
    return {};
}

// Nothing is left on the disk before all is known to fit.
Status BootRun::first(const Survey& survey, const Result<job::Bindings>& bindings) {
    run_.head = head_of(machine_, job_, options_, bindings.value_or(job::Bindings()));
    if (auto put = dir_->append(run::to_journal(run_.head), true); !put)
        return put;
    if (!bindings)
        return std::unexpected(bindings.error());
    if (auto reached = check_reach(survey, *bindings); !reached)
        return reached;
    const auto made = plan_of(job_, *bindings, options_.holds);
    if (!made)
        return std::unexpected(made.error());
    return arm(survey, *made);
}

Status BootRun::end(run::IterationEnd record) {
    progress_.judged(record.iteration, std::string(verdict::to_text(record.judgement.verdict)),
                     record.judgement.reason);
    if (auto put = dir_->append(run::to_journal(record), true); !put)
        return put;
    announce(machine_.control, record);
    run_.ended.push_back(std::move(record));
    return {};
}

Status BootRun::record_crash(const std::string& boot, const std::string& why,
                             std::vector<std::string> log) {
    run::IterationEnd record;
    record.iteration = next_number();
    record.boot = boot;
    record.judgement.verdict = verdict::Verdict::crash;
    record.judgement.reason = why;
    record.judgement.failures.push_back(
        {verdict::FailureKind::crash, "", "", why, std::move(log), false});
    return end(std::move(record));
}

// Boots of this run that ended in a crash before anybody had judged them: their
// last words name the boot. So is one that went down while it was judged, of which
// the journal knows. Each is an iteration of its own.
Status BootRun::record_crashes() {
    std::set<std::string> known{boot_id()};
    for (const auto& ended : run_.ended)
        known.insert(ended.boot);
    for (auto& dead : dead_boots(machine_.devices.files(), run_.head.run_id))
        if (known.insert(dead.boot).second)
            if (auto put = record_crash(dead.boot, "the machine went down in this boot",
                                        std::move(dead.log));
                !put)
                return put;
    const auto judged = run_.begun.empty() ? std::string() : run_.begun.back().boot;
    if (judged.empty() || !known.insert(judged).second)
        return {};
    return record_crash(judged, "the machine went down while this boot was judged", {});
}

verdict::Observed BootRun::observe(const job::Plan& plan) {
    verdict::Observed observed;
    observed.iteration = next_number();
    observed.holds = run_.head.holds;
    observed.taint_before = run_.head.taint;
    observed.events = std::move(kept_);
    // Holds have had their time when all that boots has settled.
    if (auto looked = inspect(machine_, {}, observed.holds, observed); !looked)
        observed.error = looked.error().message;
    const auto disarmed = machine_.control.request(Line{DMARACE_V_DISARM, {}});
    if (auto taken = take_events(machine_, observed); !taken)
        observed.error = taken.error().message;
    else if (!disarmed)
        observed.error = disarmed.error().message;
    const bool kept = std::ranges::any_of(observed.events, [](const Line& line) {
        return line.verb == DMARACE_E_GATE && line.get(DMARACE_K_WHY) == DMARACE_WHY_LOAD;
    });
    sort_events(observed, plan);
    const auto wrong = take_boot_log(run_.head.run_id, kept, observed);
    if (observed.error.empty())
        observed.error = wrong;
    if (!kept && observed.error.empty())
        observed.error = "somebody else has read what the module kept of this boot";
    observed.taint_after = read_taint(machine_.devices);
    return observed;
}

Status BootRun::judge_boot(const job::Plan& plan) {
    run::IterationBegin begin{next_number(), now_text(), {"judge the boot"}, boot_id()};
    if (auto put = dir_->append(run::to_journal(begin), true); !put)
        return put;
    run_.begun.push_back(std::move(begin));
    progress_.iteration(next_number(), run_.head.planned);
    progress_.doing("settle and audit");
    const auto observed = observe(plan);
    run::IterationEnd record;
    record.iteration = observed.iteration;
    record.boot = boot_id();
    record.judgement =
        verdict::judge(plan, job::filled_allow(job_, run_.head.params), {}, observed);
    record.lost_events = observed.lost_events;
    record.taint = observed.taint_after;
    const auto uptime = machine_.devices.files().read("/proc/uptime").value_or("0");
    record.seconds = std::strtod(uptime.c_str(), nullptr);
    // A verdict that still fits counts, even where its log does not.
    auto logged = dir_->log(observed);
    if (auto put = end(std::move(record)); !put)
        return put;
    return logged;
}

Status BootRun::further(const Survey& survey) {
    const auto made = plan_of(job_, run_.head.params, options_.holds);
    if (!made)
        return std::unexpected(made.error());
    const bool armed = files_.waiting().has_value();
    if (armed && run_.before && run_.before->boot == boot_id()) {
        boot_again_ = "reboot: the machine has not booted yet";
        return {};
    }
    if (auto crashes = record_crashes(); !crashes)
        return crashes;
    if (armed && wanted())
        if (auto judged = judge_boot(*made); !judged)
            return judged;
    stop_ = why_stop(run_, options_.crash_limit);
    if (armed || !wanted())
        return begin_next();
    return arm(survey, *made);
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
        dir_->use_reserve();
        if (auto gone = files_.disarm(); !gone) {
            progress_.note(gone.error().message + "; dmarace restore --reboot tries again");
            why = why == "done" ? reason_of(gone.error()) : why;
        } else if (auto put = dir_->append(run::restored_to_journal({}), true); !put) {
            return std::unexpected(put.error());
        }
    }
    if (auto closed = close_run(*dir_, run_, why); !closed) {
        (void)files_.disarm();
        return std::unexpected(closed.error());
    }
    return Ran{std::move(run_), boot_again_};
}

// Of another run nothing is touched.
Status BootRun::read_earlier(const std::string& journal) {
    auto earlier = run::read_journal(journal);
    if (!earlier)
        return std::unexpected(earlier.error());
    if (earlier->head.job != job_.name)
        return fail(Fault::usage, dir_->path().string() + " holds a run of " + earlier->head.job +
                                      ", not of " + job_.name);
    if (const auto other = files_.waiting(); other && other->run_id != earlier->head.run_id)
        return waits_already(*other);
    run_ = *std::move(earlier);
    run_.end.reset();
    return {};
}

Result<Ran> BootRun::run() {
    // An audit would drop what the module has kept since it was loaded.
    auto kept = machine_.control.take();
    if (!kept)
        return std::unexpected(kept.error());
    kept_ = *std::move(kept);
    if (!job_.at_boot)
        return fail(Fault::usage, "job " + job_.name +
                                      " has actors, and none of them is there while the machine "
                                      "boots: --reboot takes jobs with at_boot = true");
    const auto survey = campaign::survey(machine_);
    if (!survey)
        return std::unexpected(survey.error());
    const auto bindings = resolve(job_, *survey, options_.wishes);
    if (auto ready = options_.resume ? Status{} : may_begin(bindings); !ready)
        return std::unexpected(ready.error());
    auto dir = run::RunDir::open(options_.out, options_.resume);
    if (!dir)
        return std::unexpected(dir.error());
    dir_ = *std::move(dir);
    const auto text = dir_->journal();
    if (!text)
        return std::unexpected(text.error());
    if (auto read = text->empty() ? may_begin(bindings) : read_earlier(*text); !read)
        return std::unexpected(read.error());
    dir_->set_aside();
    return finish(text->empty() ? first(*survey, bindings) : further(*survey));
}

} // namespace

Result<Ran> run_at_boot(Machine& machine, Progress& progress, Interrupts& interrupts,
                        const job::Job& job, const RunOptions& options, board::BootFiles files) {
    return BootRun(machine, progress, interrupts, job, options, std::move(files)).run();
}

} // namespace dmarace::campaign
