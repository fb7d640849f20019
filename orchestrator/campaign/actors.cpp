// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/actors.hpp"

#include "campaign/steps.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "run/recording.hpp"
#include "types/judge.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>

namespace dmarace::campaign {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLook{50}; // between two looks for a blocked actor
// A kworker may still raise a signal this long after the last actor ended.
constexpr milliseconds kHopeless{1500};
constexpr milliseconds kShow{500};        // between two words about type writes
constexpr milliseconds kLeaseRenew{2000}; // the module's lease is five times that

std::string signal_name(const char* prefix, const std::string& name) {
    return std::string(prefix) + ":" + name;
}

using GroupsByDevice = std::map<std::string, types::KnownGroup>;

GroupsByDevice groups_now(const board::Devices& devices) {
    GroupsByDevice groups;
    for (const auto& group : devices.groups())
        for (const auto& device : group.devices)
            groups[device] = {group.number, devices.group_identity(group.number)};
    return groups;
}

// Of the groups that type steps name. Nothing is held yet, so nobody waits.
std::map<std::uint64_t, types::TypeWord> types_now(const board::Devices& devices,
                                                   const std::vector<job::Actor>& actors,
                                                   const GroupsByDevice& groups) {
    std::map<std::uint64_t, types::TypeWord> types;
    for (const auto& actor : actors)
        for (const auto& step : actor.steps) {
            if (step.verb != job::Verb::type || step.args.empty())
                continue;
            const auto known = groups.find(step.args[0]);
            const int number =
                known != groups.end() ? known->second.number : std::atoi(step.args[0].c_str());
            const auto identity = devices.group_identity(number);
            if (types.contains(identity))
                continue;
            if (const auto type = devices.group_type(number))
                types[identity] = types::type_word_from(*type);
        }
    return types;
}

// What each actor does for a [type] table, if anything.
std::vector<types::TypeRole> roles_of(const std::vector<job::Actor>& actors) {
    std::vector<types::TypeRole> roles;
    for (const auto& actor : actors) {
        const auto step =
            std::ranges::find_if(actor.steps, [](const auto& one) { return one.work != nullptr; });
        roles.push_back({actor.name, "", step == actor.steps.end() ? nullptr : step->work});
    }
    return roles;
}

// An actor hears of nothing else: one in a long step reads nothing, and whoever sent it
// all that a storm raises would stand there and lose the lease.
std::set<std::string> awaited(const job::Actor& actor) {
    std::set<std::string> names;
    for (const auto& step : actor.steps)
        if (auto signal = job::awaited_signal(step); !signal.empty())
            names.insert(std::move(signal));
    return names;
}

// Whether the kernel has died once, since it booted.
bool has_died(const board::Files& files) {
    const auto taint = leading_number(files.read("/proc/sys/kernel/tainted").value_or(""));
    return (taint >> verdict::kTaintDie & 1) != 0;
}

std::string how_text(int status) {
    if (status == 0)
        return "";
    return status > 128 ? "signal " + std::to_string(status - 128)
                        : "exit code " + std::to_string(status);
}

// An actor that is never told to go waits for its owner's end, which kills it.
constexpr std::chrono::hours kGoLimit{1};

// The inside of an actor: a child that performs its steps when the owner says go, and
// tells of each. A step that failed does not stop it: the next ones may be what the job
// is for.
int act(board::Channel& channel, const job::Actor& actor, StepContext context) {
    context.channel = &channel;
    for (;;) {
        const auto line = channel.receive(kGoLimit);
        if (!line)
            return 1;
        if (line->verb == wire::kGo)
            break;
        if (line->verb == wire::kSignal)
            context.signals.insert(line->get("name"));
    }
    for (std::size_t at = 0; at < actor.steps.size(); ++at) {
        while (another_round(context, actor.steps[at]))
            at -= actor.steps[at].back;
        const auto& step = actor.steps[at];
        const auto index = static_cast<unsigned>(at + 1);
        const auto number = std::to_string(index);
        if (!channel.send(Line{std::string(wire::kBegan),
                               {{"index", number},
                                {"verb", std::string(to_text(step.verb))},
                                {"text", step.text}}}))
            return 1;
        auto result = perform(context, step);
        result.actor = actor.name;
        result.index = index;
        if (!channel.send(run::to_line(wire::kDone, result)))
            return 1;
    }
    return 0;
}

} // namespace

Status ActorRunner::start(const std::vector<job::Actor>& actors, bool holds, std::uint64_t seed) {
    TRY_AS(auto memory, types::TypeMemory::make(roles_of(actors), seed));
    types_ = std::move(memory);
    const bool writes_types = std::ranges::any_of(actors, [](const auto& actor) {
        return std::ranges::count(actor.steps, job::Verb::type, &job::Step::verb) > 0;
    });
    const auto groups = writes_types ? groups_now(machine_.devices) : GroupsByDevice();
    const auto types = types_now(machine_.devices, actors, groups);
    for (const auto& planned : actors) {
        StepContext context{machine_.devices, machine_.modules.fresh(), machine_.drivers, holds};
        context.types = types_.get();
        context.actor_index = actors_.size();
        context.known = {groups, types};
        auto child = board::ForkedChild::start(
            "dmarace-" + planned.name.substr(0, 7), [this] { machine_.control.forget(); },
            [&planned, &context](board::Channel& channel) {
                return act(channel, planned, std::move(context));
            });
        if (!child)
            return std::unexpected(child.error());
        actors_.push_back({planned.name,
                           *std::move(child),
                           {},
                           Clock::now(),
                           {},
                           "",
                           false,
                           false,
                           awaited(planned),
                           types_ ? types_->log(actors_.size()) : nullptr});
    }
    return {};
}

Status ActorRunner::introduce() {
    for (const auto& actor : actors_) {
        TRY_AS(const auto told,
               machine_.control.request(
                   Line{DMARACE_V_ACTOR,
                        {{"name", actor.name}, {"pid", std::to_string(actor.child.pid())}}}));
    }
    return {};
}

Status ActorRunner::raise(const std::string& name, bool armed) {
    if (!armed)
        return {};
    TRY_AS(const auto raised, machine_.control.request(Line{DMARACE_V_SIGNAL, {{"name", name}}}));
    return {};
}

Status ActorRunner::hear_module(verdict::Observed& observed) {
    TRY_AS(auto lines, machine_.control.take());
    for (auto& line : lines) {
        for (auto& actor : actors_) {
            if (line.verb != DMARACE_E_SIGNAL || actor.over)
                continue;
            if (actor.awaits.erase(line.get("name")) != 0)
                (void)actor.child.channel().send(
                    Line{std::string(wire::kSignal), {{"name", line.get("name")}}});
            if (line.get(DMARACE_K_BY) == DMARACE_BY_LOCK &&
                line.get(DMARACE_K_ACTOR) == actor.name)
                actor.blocked.know();
        }
        if (line.verb == DMARACE_E_HELD) {
            progress_.doing(line.get(DMARACE_K_ACTOR) + " held at " + line.get(DMARACE_K_POINT));
            if (limits_.held)
                TRY(limits_.held(line));
        }
        observed.events.push_back(std::move(line));
    }
    return {};
}

Status ActorRunner::hear(RunningActor& actor, verdict::Observed& observed, bool armed) {
    while (auto line = actor.child.channel().receive(milliseconds(0))) {
        if (line->verb == wire::kBegan) {
            actor.in_step = true;
            actor.step_began = Clock::now();
            actor.step_verb = catalogue::verb_from(line->get("verb"));
            actor.step_text = line->get("text");
            progress_.doing(actor.name + ": " + actor.step_text);
        } else if (line->verb == wire::kDone) {
            actor.in_step = false;
            actor.blocked.forget();
            observed.steps.push_back(run::step_from(*line));
            TRY(raise(signal_name(DMARACE_S_STEP, actor.name) + ":" + line->get("index"), armed));
        } else if (line->verb == wire::kSignal) {
            TRY(raise(line->get("name"), armed));
        } else if (line->verb.empty()) {
            observed.events.push_back(
                Line{verdict::kGarbledEvent, {{"actor", actor.name}, {"text", line->get("text")}}});
        } else {
            observed.events.push_back(*std::move(line));
        }
    }
    return {};
}

Status ActorRunner::ended(RunningActor& actor, verdict::Observed& observed, bool armed) {
    const auto status = actor.child.ended();
    if (actor.over || !status)
        return {};
    TRY(hear(actor, observed, armed));
    actor.over = true;
    using enum verdict::ActorEnd::How;
    const bool signalled = *status > 128;
    const auto how = signalled ? killed : *status != 0 ? failed : returned;
    // A task that oopses dies by SIGKILL or SIGSEGV inside its system call; so does one that
    // ran out of memory.
    oopsed_ = oopsed_ || (signalled && has_died(machine_.devices.files()));
    if (actor.log != nullptr && how != returned)
        types_->stop();
    observed.actors.push_back({actor.name, how, how_text(*status)});
    return raise(signal_name(DMARACE_S_DONE, actor.name), armed);
}

Status ActorRunner::look_for_blocked(verdict::Observed& observed, bool armed) {
    for (auto& actor : actors_) {
        if (actor.over || !actor.in_step || Clock::now() - since(actor) < 2 * kLook)
            continue;
        const auto state = board::task_state(machine_.devices.files(), actor.child.pid());
        if (!actor.blocked.look(state, Clock::now()))
            continue;
        Line seen{verdict::kStackEvent, {{"actor", actor.name}, {"step", act_text(actor)}}};
        std::string stack = actor.blocked.stack();
        std::ranges::replace(stack, '\n', ';');
        observed.events.push_back(seen.add("stack", std::move(stack)));
        TRY(raise(signal_name(DMARACE_S_BLOCKED, actor.name), armed));
    }
    return {};
}

// When every actor that is left waits for a signal, and has for a while, nobody
// is there to raise it: the waits end now.
void ActorRunner::free_hopeless() {
    const auto waits = [](const RunningActor& actor) {
        return actor.over || (actor.in_step && actor.step_verb == catalogue::Verb::wait &&
                              Clock::now() - actor.step_began > kHopeless);
    };
    if (hopeless_told_ || !std::ranges::any_of(actors_, &RunningActor::over) ||
        !std::ranges::all_of(actors_, waits))
        return;
    hopeless_told_ = true;
    for (auto& actor : actors_)
        if (!actor.over)
            (void)actor.child.channel().send(Line{std::string(wire::kHopeless), {}});
}

// How far the writers of a [type] table are, and how fast.
void ActorRunner::show_types() {
    const auto now = Clock::now();
    if (!types_ || now - shown_ < kShow)
        return;
    const auto writes = types_->writes();
    const auto seconds = std::chrono::duration<double>(now - shown_).count();
    if (shown_ != Clock::time_point() && writes > writes_shown_)
        progress_.doing(
            std::to_string(writes) + " type writes, " +
            std::to_string(std::lround(static_cast<double>(writes - writes_shown_) / seconds)) +
            "/s");
    shown_ = now;
    writes_shown_ = writes;
}

Clock::time_point ActorRunner::since(const RunningActor& actor) const {
    if (actor.log == nullptr || actor.log->size() == 0)
        return actor.step_began;
    const auto since = actor.log->since();
    const auto passed = since == 0 ? 0 : monotonic_now() - since;
    return Clock::now() - std::chrono::nanoseconds(passed);
}

std::string ActorRunner::act_text(const RunningActor& actor) const {
    if (actor.log == nullptr || actor.log->since() == 0)
        return actor.step_text;
    return types_->text(actor.log->at(actor.log->size() - 1));
}

bool ActorRunner::step_overdue() const {
    const auto limit = oopsed_ ? limits_.step_after_oops : limits_.step;
    return std::ranges::any_of(actors_, [&](const RunningActor& actor) {
        return !actor.over && actor.in_step && Clock::now() - since(actor) > limit;
    });
}

// Who died in the kernel gives back nothing that he had. Whoever waits for it sleeps, and wakes
// only by what another task does.
bool ActorRunner::all_lost() {
    std::string asleep;
    std::set<pid_t> left;
    for (const auto& actor : actors_) {
        if (!oopsed_ || actor.over)
            continue;
        const auto state = board::task_state(machine_.devices.files(), actor.child.pid());
        if (!state.waits_for_another())
            return asleep_.clear(), false;
        left.insert(actor.child.pid());
        asleep += std::to_string(state.switches) + state.stack;
    }
    if (left.empty() || board::others_at_work(machine_.devices.files(), left))
        return asleep_.clear(), false;
    if (asleep != asleep_)
        asleep_since_ = Clock::now();
    asleep_ = std::move(asleep);
    return Clock::now() - asleep_since_ >= limits_.lost;
}

bool ActorRunner::all_over() const { return std::ranges::all_of(actors_, &RunningActor::over); }

void ActorRunner::wait_for_news() const {
    std::vector<pollfd> news{{machine_.control.descriptor(), POLLIN, 0},
                             {interrupts_.descriptor(), POLLIN, 0}};
    for (const auto& actor : actors_) {
        if (actor.over)
            continue;
        news.push_back({actor.child.pidfd(), POLLIN, 0});
        news.push_back({const_cast<RunningActor&>(actor).child.channel().descriptor(), POLLIN, 0});
    }
    ::poll(news.data(), news.size(), static_cast<int>(kLook.count()));
}

Status ActorRunner::serve(verdict::Observed& observed, bool armed) {
    wait_for_news();
    TRY(hear_module(observed));
    for (auto& actor : actors_) {
        TRY(hear(actor, observed, armed));
        TRY(ended(actor, observed, armed));
    }
    free_hopeless();
    show_types();
    if (Clock::now() - lease_ > kLeaseRenew) {
        lease_ = Clock::now();
        const auto renewed = machine_.control.request(Line{DMARACE_V_LEASE, {}});
        if (!renewed && armed)
            return std::unexpected(renewed.error());
    }
    return look_for_blocked(observed, armed);
}

// Releases every hold and gives the actors a last chance; those that stay are
// stuck in the kernel, and their stacks say where.
Status ActorRunner::give_up(verdict::Observed& observed, bool armed) {
    if (armed)
        TRY(machine_.control.request(Line{DMARACE_V_DISARM, {}}));
    if (types_)
        types_->stop();
    for (auto& actor : actors_)
        if (!actor.over)
            (void)actor.child.channel().send(Line{std::string(wire::kGivenUp), {}});
    const auto deadline = Clock::now() + (oopsed_ ? limits_.step_after_oops : limits_.grace);
    while (!all_over() && !all_lost() && Clock::now() < deadline)
        TRY(serve(observed, false));
    for (auto& actor : actors_) {
        if (actor.over)
            continue;
        const auto state = board::task_state(machine_.devices.files(), actor.child.pid());
        observed.actors.push_back(
            {actor.name, verdict::ActorEnd::How::stuck, act_text(actor) + "\n" + state.stack});
        actor.child.kill(SIGKILL);
        if (state.state == 'D')
            actor.child.give_up();
        actor.over = true;
    }
    for (auto& task : board::blocked_tasks(machine_.devices.files()))
        observed.blocked.push_back({std::move(task.name), std::move(task.stack)});
    return {};
}

Status ActorRunner::run(verdict::Observed& observed, bool armed) {
    auto ran = run_all(observed, armed);
    if (types_) {
        observed.types = types_->record();
        observed.failed_acts = types::failed_acts(observed.types);
    }
    return ran;
}

Status ActorRunner::run_all(verdict::Observed& observed, bool armed) {
    lease_ = Clock::now();
    // Who died before the start is seen by its pidfd like any other.
    for (auto& actor : actors_)
        if (auto gone = actor.child.channel().send(Line{std::string(wire::kGo), {}});
            !gone && gone.error().os_error != EPIPE && gone.error().os_error != ECONNRESET)
            return gone;
    while (!all_over()) {
        TRY(serve(observed, armed));
        const bool interrupted = interrupts_.count() > 0 && limits_.heeds_interrupts;
        if (step_overdue() || all_lost() || interrupted)
            return give_up(observed, armed);
    }
    return {};
}

} // namespace dmarace::campaign
