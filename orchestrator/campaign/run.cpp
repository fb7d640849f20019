// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/run.hpp"

#include "board/kernel_log.hpp"
#include "campaign/at_boot.hpp"
#include "campaign/inspect.hpp"
#include "campaign/iteration.hpp"
#include "campaign/pending.hpp"
#include "campaign/restore.hpp"
#include "campaign/run_parts.hpp"
#include "job/plan.hpp"
#include "run/run_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace dmarace::campaign {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLastLines = 60; // of a dead machine's log, as evidence

class Campaign {
public:
    Campaign(Machine& machine, Progress& progress, Interrupts& interrupts, const job::Job& job,
             const RunOptions& options)
        : machine_(machine), progress_(progress), interrupts_(interrupts), job_(job),
          options_(options) {}

    Result<Ran> run();

private:
    Status begin();
    Status prepare(const Survey& survey);
    Status take_baseline();
    Status iterations();
    Status one(unsigned number);
    Status go_through(unsigned number, std::optional<run::IterationEnd>& ended);
    Status put_back();
    Status record_interrupted();
    bool wanted() const;
    bool done() const;
    Result<Ran> finish(const Status& ready);
    unsigned planned() const { return planned_of(job_, options_); }

    Machine& machine_;
    Progress& progress_;
    Interrupts& interrupts_;
    const job::Job& job_;
    const RunOptions& options_;
    std::optional<run::RunDir> dir_; // made once nothing can be wrong with the command line
    run::Run run_;
    job::Plan plan_;
    job::Bindings bindings_;
    Snapshot snapshot_;
    verdict::Baseline baseline_;
    std::string stop_, boot_again_; // why no further iteration follows here
};

// A run that went on with an iteration when the machine went down: that
// iteration crashed it, and is not tried again.
Status Campaign::record_interrupted() {
    const auto number = run_.interrupted();
    if (!number)
        return {};
    run::IterationEnd end;
    end.iteration = *number;
    end.judgement.verdict = verdict::Verdict::crash;
    end.judgement.reason = "the machine or the program ended in this iteration";
    end.judgement.failures.push_back(
        {verdict::FailureKind::crash, "", "", end.judgement.reason,
         board::after_mark(board::last_words(machine_.devices.files()),
                           mark_of(run_.head.run_id, *number), kLastLines),
         false});
    run_.ended.push_back(end);
    return dir_->append(run::to_journal(end), true);
}

Status Campaign::begin() {
    const auto text = dir_->journal();
    if (!text)
        return std::unexpected(text.error());
    if (!text->empty()) {
        auto earlier = run::read_journal(*text);
        if (!earlier)
            return std::unexpected(earlier.error());
        if (earlier->head.job != job_.name)
            return fail(Fault::usage, dir_->path().string() + " holds a run of " +
                                          earlier->head.job + ", not of " + job_.name);
        run_ = *std::move(earlier);
        if (done())
            return {};
        // An end that was written means that the machine did not go down.
        const bool went_down = !run_.end;
        run_.end.reset();
        if (auto put = went_down ? record_interrupted() : Status{}; !put)
            return put;
        stop_ = why_stop(run_, options_.crash_limit);
        return {};
    }
    run_.head = head_of(machine_, job_, options_, bindings_);
    return dir_->append(run::to_journal(run_.head), true);
}

Status Campaign::prepare(const Survey& survey) {
    const auto boot = boot_id();
    snapshot_ =
        as_before(run_, boot, take_snapshot(machine_.devices, machine_.modules, survey, plan_));
    run_.before = run::Before{boot, to_words(snapshot_)};
    if (auto put = dir_->append(run::to_journal(*run_.before), true); !put)
        return put;
    if (auto noted = Pending().add(dir_->path()); !noted)
        progress_.note(noted.error().message + "; dmarace restore will have to be told " +
                       dir_->path().string());
    for (const auto& item : survey.devices)
        if (!item.driver.empty())
            machine_.drivers[item.device.full_name()] = item.driver;
    plan_ = options_.holds ? plan_ : job::without_holds(plan_);
    if (auto loaded = load_rules(machine_, progress_, plan_); !loaded)
        return std::unexpected(loaded.error());
    progress_.doing("reset");
    const auto first = reset(machine_, progress_, interrupts_, plan_);
    if (!first)
        return std::unexpected(first.error());
    if (!first->error.empty()) {
        const bool cannot = std::ranges::any_of(first->steps, [&](const auto& step) {
            return step.os_error == EOPNOTSUPP && !plan_.reset.at(step.index - 1).may_fail;
        });
        return fail(cannot ? Fault::untestable : Fault::environment, first->error);
    }
    return job_.expect.dma == job::Dma::baseline ? take_baseline() : Status{};
}

Status Campaign::take_baseline() {
    progress_.doing("baseline");
    verdict::Observed quiet;
    if (auto looked = inspect(machine_, {}, false, quiet); !looked)
        return looked;
    for (const auto& audit : quiet.settled)
        baseline_[audit.device] = audit;
    for (const auto& finding : verdict::judge_baseline(baseline_))
        progress_.note("the quiet run shows " + std::string(to_text(finding.kind)) +
                       " already: " + finding.detail);
    return {};
}

// Whether iterations are left to do, on this boot or another one.
bool Campaign::wanted() const {
    if (is_over(run_.head.started, options_))
        return false;
    return planned() == 0 || run_.ended.size() < planned();
}

// Resumed, but there is nothing left to do.
bool Campaign::done() const {
    return planned() > 0 && run_.ended.size() >= planned();
}

Status Campaign::one(unsigned number) {
    progress_.iteration(number, planned());
    run::IterationBegin begin{number, now_text(), to_words(snapshot_)};
    if (auto put = dir_->append(run::to_journal(begin), true); !put)
        return put;
    begin.may_change.clear(); // the journal has it, and days have many iterations
    run_.begun.assign(1, std::move(begin));
    std::optional<run::IterationEnd> end;
    auto gone = go_through(number, end);
    // A copy, now that all the iteration needed is free: what is kept for days would
    // else lie scattered among it and hold its pages.
    if (end)
        run_.ended.push_back(*end);
    return gone;
}

// Nothing ended when it was interrupted.
Status Campaign::go_through(unsigned number, std::optional<run::IterationEnd>& ended) {
    const auto began = Clock::now();
    IterationOptions options;
    options.number = number;
    options.run_id = run_.head.run_id;
    options.seed = options_.seed;
    options.holds = options_.holds;
    const auto observed = iterate(machine_, progress_, interrupts_, plan_, options);
    for (const auto& step : observed.steps)
        if (auto put = dir_->append(run::to_journal(step, number), false); !put)
            return put;
    if (interrupts_.count() > 0)
        return {};
    run::IterationEnd end;
    end.iteration = number;
    end.judgement = verdict::judge(plan_, job::filled_allow(job_, bindings_), baseline_, observed);
    end.lost_events = observed.lost_events;
    end.taint = observed.taint_after;
    end.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    // A verdict that still fits counts, even where its log does not.
    auto logged = dir_->log(observed);
    if (auto put = dir_->append(run::to_journal(end), true); !put)
        return put;
    announce(machine_.control, end);
    progress_.judged(number, std::string(verdict::to_text(end.judgement.verdict)),
                     end.judgement.reason);
    boot_again_ = why_boot_again(end.judgement, options_.fresh, job_.risk);
    if (!observed.reset_failed.empty() && boot_again_.empty())
        stop_ = "error: " + observed.reset_failed;
    ended = std::move(end);
    return logged;
}

Status Campaign::iterations() {
    while (wanted() && interrupts_.count() == 0 && stop_.empty() && boot_again_.empty())
        if (auto done = one(static_cast<unsigned>(run_.ended.size()) + 1); !done)
            return done;
    return {};
}

// What a full disk keeps from the journal is put back all the same.
Status Campaign::put_back() {
    if (is_untrusted(boot_again_) || !run_.before)
        return {};
    const auto left = restore(machine_, progress_, interrupts_, snapshot_);
    for (const auto& command : left)
        progress_.note("not put back; this would: " + command);
    if (left.empty()) {
        run_.before.reset();
        Pending().remove(dir_->path());
    }
    return dir_->append(run::restored_to_journal(left), true);
}

// Puts the board back where that is safe, and closes the run's directory.
Result<Ran> Campaign::finish(const Status& ready) {
    dir_->use_reserve();
    const auto noted = put_back();
    std::string why = stop_;
    if (why.empty())
        why = boot_again_.empty() || !wanted() ? "done" : boot_again_;
    if (!ready)
        why = reason_of(ready.error());
    else if (!noted)
        why = reason_of(noted.error());
    else if (interrupts_.count() > 0)
        why = "interrupted";
    if (auto closed = close_run(*dir_, run_, why); !closed)
        return std::unexpected(closed.error());
    return Ran{std::move(run_), boot_again_};
}

Result<Ran> Campaign::run() {
    const auto survey = campaign::survey(machine_);
    if (!survey)
        return std::unexpected(survey.error());
    auto bindings = resolve(job_, *survey, options_.wishes);
    Status ready;
    if (bindings) {
        bindings_ = *bindings;
        auto plan =
            job::make_plan(job_, bindings_, inventory(*survey, machine_.devices, options_.wishes));
        ready = plan ? Status{} : Status(std::unexpected(plan.error()));
        if (plan)
            ready = check_touched(*plan, *survey, options_.wishes);
        if (ready)
            plan_ = *std::move(plan);
        if (ready && job_.at_boot)
            ready = fail(Fault::untestable, "its window is in the machine's own boot; run it with "
                                            "--reboot");
    } else {
        ready = std::unexpected(bindings.error());
    }
    if (!ready && ready.error().fault == Fault::usage)
        return std::unexpected(ready.error());
    auto dir = run::RunDir::open(options_.out, options_.resume);
    if (!dir)
        return std::unexpected(dir.error());
    dir_ = *std::move(dir);
    if (auto begun = begin(); !begun)
        return std::unexpected(begun.error());
    if (done() && run_.end)
        return Ran{std::move(run_), ""};
    if (done() || !ready || !stop_.empty()) {
        const auto why = done() ? "done" : !stop_.empty() ? stop_ : reason_of(ready.error());
        if (auto closed = close_run(*dir_, run_, why); !closed)
            return std::unexpected(closed.error());
        return Ran{std::move(run_), ""};
    }
    dir_->set_aside();
    ready = prepare(*survey);
    if (ready)
        ready = iterations();
    return finish(ready);
}

} // namespace

job::Inventory inventory(const Survey& survey, const board::Devices& devices,
                         const Wishes& wishes) {
    job::Inventory out;
    for (const auto& group : survey.groups) {
        job::Inventory::Group item;
        item.number = static_cast<unsigned>(group.number);
        item.type = devices.group_type(group.number).value_or("");
        bool free = true;
        for (const auto& device : survey.devices) {
            if (device.device.group != group.number)
                continue;
            free = free && allowed(device, wishes);
            item.devices.push_back({.name = device.device.full_name(),
                                    .driver = device.device.driver,
                                    .managed = device.managed,
                                    .endpoint = device.endpoint,
                                    .iommu = device.iommu_names,
                                    .virtual_functions = device.virtual_functions});
        }
        if (free && !item.devices.empty())
            out.groups.push_back(std::move(item));
    }
    return out;
}

Result<Ran> run_job(Machine& machine, Progress& progress, Interrupts& interrupts,
                    const job::Job& job, const RunOptions& options) {
    if (options.at_boot)
        return run_at_boot(machine, progress, interrupts, job, options);
    return Campaign(machine, progress, interrupts, job, options).run();
}

} // namespace dmarace::campaign
