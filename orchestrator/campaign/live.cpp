// SPDX-License-Identifier: GPL-2.0-or-later
// Iterations on this boot: mark the log, arm, act, disarm, settle, audit, reset.
#include "base/draw.hpp"
#include "base/text.hpp"
#include "campaign/iteration.hpp"
#include "campaign/restore.hpp"
#include "campaign/steps.hpp"
#include "job/plan.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "types/judge.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

namespace dmarace::campaign {

namespace {

using Clock = std::chrono::steady_clock;

Status arm_and_act(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                   const job::Plan& plan, const IterationOptions& options,
                   verdict::Observed& observed) {
    auto limits = options.limits;
    if (options.hooks != nullptr)
        limits.held = options.hooks->held;
    ActorRunner actors(machine, progress, interrupts, std::move(limits));
    machine.phases.enter("fork");
    TRY(actors.start(plan.actors, options.holds, seed_of(options.seed, options.number)));
    machine.phases.enter("arm");
    (void)machine.control.take();
    if (options.hooks != nullptr)
        TRY(options.hooks->before(options.number));
    TRY(arm(machine, progress, plan, options));
    auto played = actors.introduce();
    machine.phases.enter("act");
    if (played)
        played = actors.run(observed, true);
    if (played && options.hooks != nullptr)
        played = options.hooks->after(options.number);
    const auto disarmed = machine.control.request(Line{DMARACE_V_DISARM, {}});
    TRY(take_events(machine, observed));
    if (!played)
        return played;
    if (!disarmed)
        return std::unexpected(disarmed.error());
    return {};
}

bool anyone(const verdict::Observed& observed, verdict::ActorEnd::How how) {
    return std::ranges::any_of(observed.actors,
                               [how](const auto& actor) { return actor.how == how; });
}

bool anyone_stuck(const verdict::Observed& observed) {
    return anyone(observed, verdict::ActorEnd::How::stuck);
}

// A task that is stuck or died in the kernel keeps its locks: whoever settles,
// audits or resets would wait for them. The task that died may be one of the kernel's own.
// One that somebody else killed has given them back.
bool is_trusted(Machine& machine, verdict::Observed& observed) {
    if (anyone_stuck(observed))
        return false;
    const auto taint = read_taint(machine.devices);
    const bool died = ((taint & ~observed.taint_before) >> verdict::kTaintDie & 1) != 0;
    if (!died && !anyone(observed, verdict::ActorEnd::How::killed))
        return true;
    read_log(machine, observed);
    verdict::Observed seen;
    seen.outside = true;
    seen.log = observed.log;
    seen.taint_before = observed.taint_before;
    seen.taint_after = taint;
    return why_untrusted(verdict::judge({}, {}, {}, seen)).empty();
}

// A module that is to be there, and is already, is as a reset wants it.
bool is_fulfilled(const job::Step& step, const verdict::StepResult& result) {
    return result.os_error == EEXIST && job::does(step, catalogue::effect::inserts_module) &&
           step.args.size() == 1;
}

// Performs the reset steps in a child. What failed becomes 'error'.
Result<verdict::Observed> reset(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                                const job::Plan& plan) {
    verdict::Observed observed;
    if (plan.reset.empty())
        return observed;
    ActorRunner actors(machine, progress, interrupts, ActorLimits{});
    TRY(actors.start({job::Actor{"reset", plan.reset, {}}}, true));
    TRY(actors.run(observed, false));
    for (const auto& step : observed.steps)
        if (const auto& planned = plan.reset.at(step.index - 1);
            step.os_error != 0 && observed.error.empty() && !planned.may_fail &&
            !is_fulfilled(planned, step))
            observed.error = "reset: '" + step.text + "' failed: " + step.detail;
    if (anyone_stuck(observed) && observed.error.empty())
        observed.error = "reset did not return: " + observed.actors.front().stack;
    return observed;
}

std::string end_mark_of(const std::string& run_id, unsigned iteration) {
    return "run=" + run_id + " iter=" + std::to_string(iteration) + " end";
}

// One iteration with the reset that follows it, so that what the reset makes the
// kernel say belongs to the iteration that caused it. Harness failures are in
// observed.error.
verdict::Observed iterate_once(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                               const job::Plan& plan, const IterationOptions& options,
                               std::shared_ptr<const verdict::FoundBoard> found) {
    verdict::Observed observed;
    observed.found = std::move(found);
    observed.iteration = options.number;
    observed.holds = options.holds;
    observed.taint_before = options.taint;
    machine.phases.enter("before");
    (void)machine.log.mark(mark_of(options.run_id, options.number));
    auto acted = inspect_before(machine, interrupts, observed);
    if (acted && !anyone_stuck(observed))
        acted = arm_and_act(machine, progress, interrupts, plan, options, observed);
    if (!acted)
        observed.error = acted.error().message;
    sort_events(observed, plan);
    if (interrupts.count() > 0)
        return observed;
    const bool trusted = is_trusted(machine, observed);
    machine.phases.enter("settle");
    if (trusted) {
        progress.doing("settle and audit");
        if (auto looked = inspect(machine, interrupts, deferred_binds(machine, observed),
                                  options.holds, observed);
            !looked)
            observed.error = looked.error().message;
    }
    if (interrupts.count() > 0)
        return observed;
    machine.phases.enter("reset");
    if (trusted && !anyone_stuck(observed)) {
        progress.doing("reset");
        const auto again = reset(machine, progress, interrupts, plan);
        observed.reset_failed = again ? again->error : again.error().message;
    }
    machine.phases.enter("log");
    (void)machine.log.mark(end_mark_of(options.run_id, options.number));
    read_log(machine, observed);
    observed.taint_after = read_taint(machine.devices);
    return observed;
}

class LiveIterations final : public IterationMaker {
public:
    explicit LiveIterations(CampaignState& state) : state_(state) {}

    Status check(const Survey& survey, const Result<job::Bindings>& bindings,
                 bool /*begins*/) override {
        if (!bindings)
            return std::unexpected(bindings.error());
        bindings_ = *bindings;
        survey_ = survey;
        const auto& wishes = state_.options.wishes;
        inventory_ = inventory(survey, state_.machine.devices, wishes);
        TRY_AS(auto plan, job::make_plan(state_.job, bindings_, inventory_));
        TRY(check_touched(plan, survey, wishes));
        if (state_.job.at_boot)
            return fail(Fault::untestable, "its window is in the machine's own boot; run it with "
                                           "--reboot");
        plan_ = std::move(plan);
        return {};
    }

    // A run that went on with an iteration when the machine went down: that
    // iteration crashed it, and is not tried again.
    Status account(bool went_down) override {
        const auto number = went_down ? state_.run.interrupted() : std::nullopt;
        const auto& before = state_.run.before;
        const bool same_boot = went_down && before && is_this_boot(before->boot);
        if (same_boot)
            return look_back(*before, number);
        if (!number)
            return {};
        const auto end =
            crashed(*number, "the machine or the program ended in this iteration",
                    board::after_mark(board::last_words(state_.machine.devices.files()),
                                      mark_of(state_.run.head.run_id, *number), kLastLines));
        state_.run.ended.push_back(end);
        return state_.append(run::to_journal(end));
    }

    // The guard's look is as old as the guest, which stands still until its life begins.
    void prepare_alike(const Survey& survey) override {
        look_at(survey);
        find_board(survey, false);
        first_ = set_up();
        look_at_guards_again(state_.machine, state_.interrupts, survey_);
        begin_to_look_at_guards(state_.machine);
    }

    Status prepare(const Survey& survey) override {
        auto& progress = state_.progress;
        const auto boot = boot_id();
        if (!first_)
            look_at(survey);
        find_board(survey, state_.run.before && state_.run.before->boot == boot);
        snapshot_ = as_before(state_.run, boot, std::move(snapshot_));
        state_.run.before = run::Before{boot, to_words(snapshot_), state_.taint};
        changed_ = true;
        TRY(state_.append(run::to_journal(*state_.run.before)));
        TRY(state_.dir->log_board(inventory_, found_.get()));
        const auto& path = state_.dir->path();
        if (auto noted = Pending().add(path); !noted)
            progress.note(noted.error().message + "; dmarace restore will have to be told " +
                          path.string());
        if (!first_)
            first_ = set_up();
        const auto first = std::exchange(first_, std::nullopt).value();
        if (!first)
            return std::unexpected(first.error());
        untrusted_ = anyone_stuck(*first);
        TRY(look_outside("the first reset"));
        if (!first->error.empty()) {
            const bool cannot = std::ranges::any_of(first->steps, [&](const auto& step) {
                return step.os_error == EOPNOTSUPP && !plan_.reset.at(step.index - 1).may_fail;
            });
            return fail(cannot ? Fault::untestable : Fault::environment, first->error);
        }
        if (state_.job.expect.dma != job::Dma::baseline || untrusted_)
            return {};
        const auto taken = take_baseline();
        TRY(look_outside("the baseline"));
        return taken;
    }

    // Nothing ended when it was interrupted.
    Status iterate(std::optional<run::IterationEnd>& ended) override {
        const auto began = Clock::now();
        IterationOptions options;
        options.number = state_.next_number();
        options.run_id = state_.run.head.run_id;
        options.seed = state_.options.seed;
        options.holds = state_.options.holds;
        options.hooks = state_.options.hooks;
        auto& phases = state_.machine.phases;
        phases.enter("guard");
        TRY(look_outside("before iteration " + std::to_string(options.number)));
        if (untrusted_)
            return {};
        options.taint = state_.taint;
        state_.progress.iteration(options.number, state_.planned());
        TRY(check_guards());
        if (state_.interrupts.count() > 0)
            return {};
        phases.enter("begin");
        run::IterationBegin begin{options.number, now_text(), to_words(snapshot_)};
        TRY(state_.append(run::to_journal(begin)));
        begin.may_change.clear(); // the journal has it, and days have many iterations
        state_.run.begun.assign(1, begin);
        state_.tell();
        const auto observed = iterate_once(state_.machine, state_.progress, state_.interrupts,
                                           plan_, options, found_);
        phases.enter("judge");
        for (const auto& step : observed.steps)
            TRY(state_.dir->append(run::to_journal(step, options.number), false));
        if (state_.interrupts.count() > 0)
            return {};
        state_.taint = observed.taint_after;
        auto end = state_.judged(plan_, bindings_, baseline_, observed);
        if (observed.reset_failed.empty() && why_untrusted(end.judgement).empty())
            begin_to_look_at_guards(state_.machine);
        end.seconds = std::chrono::duration<double>(Clock::now() - began).count();
        // A verdict that still fits counts, even where its log does not.
        auto logged = state_.dir->log(observed);
        end.phases = phases.take();
        phases.enter("verdict");
        TRY(state_.tell_end(end));
        end.phases.clear(); // as above
        untrusted_ = !why_untrusted(end.judgement).empty();
        state_.boot_again = why_boot_again(end.judgement, state_.options.fresh, state_.job.risk);
        if (!observed.reset_failed.empty() && state_.boot_again.empty())
            state_.stop.emplace(run::RunEnding::error, "error: " + observed.reset_failed);
        ended = std::move(end);
        return logged;
    }

    // What a full disk keeps from the journal is restored all the same; on a kernel that is
    // not to be trusted nothing is: a boot does that, which a run that goes on will have.
    Status restore(bool goes_on) override {
        if (!changed_)
            return {};
        if (untrusted_ && goes_on)
            return look_outside("the end");
        auto left = untrusted_ ? std::vector<std::string>{"reboot"}
                               : campaign::restore(state_.machine, state_.progress,
                                                   state_.interrupts, snapshot_);
        for (const auto& command : left)
            state_.progress.note("not restored; this would: " + command);
        if (left.empty()) {
            state_.run.before.reset();
            Pending().remove(state_.dir->path());
        }
        state_.run.left = left;
        const auto told = state_.append(run::restored_to_journal(left));
        TRY(look_outside("the restore"));
        return told;
    }

private:
    // Who looks at a new device for a moment is waited for.
    Status check_guards() {
        constexpr int kLooks = 10;
        constexpr std::chrono::milliseconds kPause{300};
        Status free;
        for (int look = 0; look < kLooks; ++look) {
            look_at_guards_again(state_.machine, state_.interrupts, survey_);
            if (state_.interrupts.count() > 0)
                return {};
            free = check_touched(plan_, survey_, state_.options.wishes);
            if (free)
                return free;
            std::this_thread::sleep_for(kPause);
        }
        return fail(Fault::environment, "since the run began: " + free.error().message);
    }

    // A run that goes on on the same boot, and was not restored, began with another board.
    void find_board(const Survey& survey, bool goes_on) {
        const auto seen = found_;
        if (goes_on)
            found_ = state_.dir->last_found();
        if (!found_) {
            auto found = survey.found;
            add_types(found, inventory_);
            found_ = std::make_shared<const verdict::FoundBoard>(std::move(found));
        }
        if (found_ == seen)
            return;
        state_.machine.found = found_;
        state_.machine.inspecting.reset();
    }

    // What the board is like before anything is changed.
    void look_at(const Survey& survey) {
        auto& machine = state_.machine;
        snapshot_ = take_snapshot(machine.devices, machine.modules, survey, plan_);
        for (const auto& item : survey.devices)
            if (!item.driver.empty())
                machine.drivers[item.device.full_name()] = item.driver;
        machine.tree = survey.tree;
        machine.inspecting.reset();
        plan_ = state_.options.holds ? plan_ : job::without_holds(plan_);
    }

    Result<verdict::Observed> set_up() {
        auto& progress = state_.progress;
        TRY(load_rules(state_.machine, progress, plan_));
        load_witnesses(state_.machine, progress, plan_);
        progress.doing("reset");
        return reset(state_.machine, progress, state_.interrupts, plan_);
    }

    Status look_outside(const std::string& where) {
        auto looked = state_.look_outside(where);
        untrusted_ = untrusted_ || !state_.boot_again.empty();
        return looked;
    }

    // The program ended and the machine did not. An iteration that it was in is made again;
    // what the kernel has said since that began counts.
    Status look_back(const run::Before& before, std::optional<unsigned> number) {
        const auto& run = state_.run;
        const bool ended = !run.boots.empty() && run.ended.size() > run.boots.back();
        verdict::Observed seen;
        seen.taint_before = ended ? run.ended.back().taint : before.taint;
        const auto where = number ? "iteration " + std::to_string(*number) + ", interrupted"
                                  : std::string("after the program had ended");
        const auto mark = number ? mark_of(run.head.run_id, *number)
                                 : end_mark_of(run.head.run_id, state_.next_number() - 1);
        auto log = board::KernelLog::open(board::KernelLog::From::boot);
        auto records = log ? log->read_new() : Result<std::vector<board::KernelRecord>>();
        if (!log || !records)
            return state_.judge_outside(where, std::move(seen));
        bool marked = false;
        for (auto& record : *records) {
            if (record.text.find(mark) != std::string::npos) {
                seen.log.clear();
                marked = true;
            }
            if (marked)
                seen.log.push_back(to_log_line(std::move(record)));
        }
        return state_.judge_outside(where, std::move(seen));
    }

    Status take_baseline() {
        state_.progress.doing("baseline");
        verdict::Observed quiet;
        TRY(inspect(state_.machine, state_.interrupts, {}, false, quiet));
        if (state_.interrupts.count() > 0)
            return {};
        untrusted_ = anyone_stuck(quiet);
        const auto& why = !quiet.error.empty() ? quiet.error : quiet.settle_failed;
        if (!why.empty() || quiet.settled.empty())
            return fail(Fault::environment,
                        "no baseline: " + (why.empty() ? "no device was audited" : why));
        for (const auto& audit : quiet.settled)
            baseline_[audit.device] = audit;
        for (const auto& finding : verdict::judge_baseline(baseline_))
            state_.progress.note("the quiet run shows " + std::string(to_text(finding.kind)) +
                                 " already: " + finding.detail);
        return state_.dir->log_baseline(baseline_);
    }

    CampaignState& state_;
    job::Plan plan_;
    job::Bindings bindings_;
    types::Inventory inventory_;
    Survey survey_;
    Snapshot snapshot_;
    std::shared_ptr<const verdict::FoundBoard> found_; // before the run
    verdict::Baseline baseline_;
    std::optional<Result<verdict::Observed>> first_; // the reset before all iterations
    bool changed_ = false;                           // the board may not be as it was any more
    bool untrusted_ = false;                         // the kernel, since the last iteration
};

} // namespace

void PhaseClock::enter(const char* phase) {
    const auto now = Clock::now();
    if (!spent_.empty())
        spent_.back().second += now - since_;
    since_ = now;
    spent_.emplace_back(phase, 0);
}

std::string PhaseClock::take() {
    std::string out;
    enter("");
    for (const auto& [phase, seconds] : spent_)
        if (*phase != '\0')
            out += (out.empty() ? "" : " ") + std::string(phase) + "=" +
                   std::to_string(seconds.count()).substr(0, 5);
    spent_.clear();
    return out;
}

std::unique_ptr<IterationMaker> make_live(CampaignState& state) {
    return std::make_unique<LiveIterations>(state);
}

std::uint64_t seed_of(std::uint64_t seed, unsigned iteration) {
    return mixed(seed + iteration * kDrawStep) >> 1;
}

Result<std::vector<job::Rule>> load_rules(Machine& machine, RunProgress& progress,
                                          const job::Plan& plan) {
    if (const auto cleared = machine.control.request(Line{DMARACE_V_CLEAR, {}});
        !cleared && cleared.error().os_error != EPERM)
        return std::unexpected(cleared.error());
    std::vector<job::Rule> accepted;
    for (const auto& rule : plan.rules) {
        const auto added = machine.control.request(job::to_rule_line(rule));
        if (added) {
            accepted.push_back(rule);
            continue;
        }
        const auto& why = added.error();
        if (why.os_error != ENOENT)
            return std::unexpected(why);
        if (!rule.optional)
            return fail(Fault::untestable, "point " + rule.point + ": " + why.message);
        progress.note("rule " + rule.name + " left out: " + why.message);
    }
    if (accepted.empty() && !plan.rules.empty())
        return fail(Fault::untestable, "this kernel has none of the job's points");
    return accepted;
}

namespace {

bool writes_types(const job::Plan& plan) {
    return std::ranges::any_of(plan.actors, [](const job::Actor& actor) {
        return std::ranges::count(actor.steps, job::Verb::type, &job::Step::verb) > 0;
    });
}

} // namespace

void load_witnesses(Machine& machine, RunProgress& progress, const job::Plan& plan) {
    if (!writes_types(plan))
        return;
    for (const auto& witness : types::type_witnesses()) {
        job::Rule rule;
        rule.name = witness.rule;
        rule.point = witness.point;
        rule.on = witness.on;
        if (const auto added = machine.control.request(job::to_rule_line(rule)); !added)
            progress.note("types are judged without " + rule.name + ": " + added.error().message);
    }
}

Status arm(Machine& machine, RunProgress& progress, const job::Plan& plan,
           const IterationOptions& options) {
    const Line line{DMARACE_V_ARM,
                    {{"iter", std::to_string(options.number)},
                     {"seed", std::to_string(seed_of(options.seed, options.number))}}};
    auto armed = machine.control.request(line);
    if (!armed && armed.error().os_error == EPERM) {
        progress.note("rules added again: " + armed.error().message);
        TRY(load_rules(machine, progress, plan));
        load_witnesses(machine, progress, plan);
        (void)machine.control.take();
        armed = machine.control.request(line);
    }
    return armed ? Status{} : Status(std::unexpected(armed.error()));
}

std::string mark_of(const std::string& run_id, unsigned iteration) {
    return "run=" + run_id + " iter=" + std::to_string(iteration) + " begin";
}

} // namespace dmarace::campaign
