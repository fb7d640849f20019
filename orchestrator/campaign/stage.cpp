// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/stage.hpp"

#include "campaign/actor.hpp"
#include "campaign/wire.hpp"
#include "kmod/dmarace_abi.h"

#include <poll.h>

#include <sys/wait.h>

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

std::map<std::string, int> groups_now(const board::Devices& devices) {
    std::map<std::string, int> groups;
    for (const auto& group : devices.groups())
        for (const auto& device : group.devices)
            groups[device] = group.number;
    return groups;
}

// Of the groups that type steps name. Nothing is held yet, so nobody waits.
std::map<int, std::string> types_now(const board::Devices& devices,
                                     const std::vector<job::Actor>& actors,
                                     const std::map<std::string, int>& groups) {
    std::map<int, std::string> types;
    for (const auto& actor : actors)
        for (const auto& step : actor.steps) {
            if (step.verb != job::Verb::type || step.args.empty())
                continue;
            const auto known = groups.find(step.args[0]);
            const int number =
                known != groups.end() ? known->second : std::atoi(step.args[0].c_str());
            if (types.contains(number))
                continue;
            if (auto type = devices.group_type(number))
                types[number] = *std::move(type);
        }
    return types;
}

// An actor hears of nothing else: one in a long step reads nothing, and whoever sent it
// all that a storm raises would stand there and lose the lease.
std::set<std::string> awaited(const job::Actor& actor) {
    std::set<std::string> names;
    for (const auto& step : actor.steps)
        if (step.verb == job::Verb::wait)
            names.insert(step.args.at(0));
    return names;
}

} // namespace

Status Stage::prepare(const std::vector<job::Actor>& actors, bool holds, std::uint64_t seed) {
    auto memory = TypeMemory::make(actors, seed);
    if (!memory)
        return std::unexpected(memory.error());
    types_ = *std::move(memory);
    const auto groups = groups_now(machine_.devices);
    const auto types = types_now(machine_.devices, actors, groups);
    for (const auto& actor : actors) {
        StepContext context{
            machine_.devices, machine_.modules.fresh(), machine_.drivers, holds, nullptr, {}};
        context.types = types_.get();
        context.player = players_.size();
        context.groups = groups;
        context.group_types = types;
        auto child = board::ForkedChild::start(
            "dmarace-" + actor.name.substr(0, 7), [this] { machine_.control.forget(); },
            [&actor, &context](board::Channel& channel) {
                return act(channel, actor, std::move(context));
            });
        if (!child)
            return std::unexpected(child.error());
        players_.push_back({actor.name,
                            *std::move(child),
                            {},
                            Clock::now(),
                            "",
                            false,
                            false,
                            awaited(actor),
                            types_ ? types_->log(players_.size()) : nullptr});
    }
    return {};
}

Status Stage::introduce() {
    for (const auto& player : players_) {
        const auto told = machine_.control.request(Line{
            DMARACE_V_ACTOR, {{"name", player.name}, {"pid", std::to_string(player.child.pid())}}});
        if (!told)
            return std::unexpected(told.error());
    }
    return {};
}

Status Stage::raise(const std::string& name, bool armed) {
    if (!armed)
        return {};
    const auto raised = machine_.control.request(Line{DMARACE_V_SIGNAL, {{"name", name}}});
    if (!raised)
        return std::unexpected(raised.error());
    return {};
}

Status Stage::hear_module(verdict::Observed& observed) {
    auto lines = machine_.control.take();
    if (!lines)
        return std::unexpected(lines.error());
    for (auto& line : *lines) {
        if (line.verb == DMARACE_E_SIGNAL)
            for (auto& player : players_)
                if (!player.over && player.awaits.erase(line.get("name")) != 0)
                    (void)player.child.channel().send(
                        Line{std::string(wire::kSignal), {{"name", line.get("name")}}});
        if (line.verb == DMARACE_E_HELD)
            progress_.doing(line.get(DMARACE_K_ACTOR) + " held at " + line.get(DMARACE_K_POINT));
        observed.events.push_back(std::move(line));
    }
    return {};
}

Status Stage::hear(Player& player, verdict::Observed& observed, bool armed) {
    while (auto line = player.child.channel().receive(milliseconds(0))) {
        if (line->verb == wire::kBegan) {
            player.in_step = true;
            player.step_began = Clock::now();
            player.step_text = line->get("text");
            progress_.doing(player.name + ": " + player.step_text);
        } else if (line->verb == wire::kDone) {
            player.in_step = false;
            player.blocked.forget();
            observed.steps.push_back(wire::to_step(*line));
            if (auto told = raise(
                    signal_name(DMARACE_S_STEP, player.name) + ":" + line->get("index"), armed);
                !told)
                return told;
        } else if (line->verb == wire::kSignal) {
            if (auto told = raise(line->get("name"), armed); !told)
                return told;
        } else {
            observed.events.push_back(*std::move(line));
        }
    }
    return {};
}

Status Stage::ended(Player& player, verdict::Observed& observed, bool armed) {
    const auto status = player.child.ended();
    if (player.over || !status)
        return {};
    if (auto heard = hear(player, observed, armed); !heard)
        return heard;
    player.over = true;
    auto how = verdict::ActorEnd::How::returned;
    // A task that oopses dies by SIGKILL or SIGSEGV inside its system call.
    if (WIFSIGNALED(*status))
        how = verdict::ActorEnd::How::killed_by_oops;
    oopsed_ = oopsed_ || how == verdict::ActorEnd::How::killed_by_oops;
    if (player.log != nullptr && how != verdict::ActorEnd::How::returned)
        types_->stop();
    observed.actors.push_back({player.name, how, ""});
    return raise(signal_name(DMARACE_S_DONE, player.name), armed);
}

Status Stage::look_for_blocked(verdict::Observed& observed, bool armed) {
    for (auto& player : players_) {
        if (player.over || !player.in_step || Clock::now() - doing_since(player) < 2 * kLook)
            continue;
        const auto state = board::task_state(machine_.devices.files(), player.child.pid());
        if (!player.blocked.look(state, Clock::now()))
            continue;
        Line seen{"stack", {{"actor", player.name}, {"step", doing_text(player)}}};
        std::string stack = player.blocked.stack();
        std::ranges::replace(stack, '\n', ';');
        observed.events.push_back(seen.add("stack", std::move(stack)));
        if (auto told = raise(signal_name(DMARACE_S_BLOCKED, player.name), armed); !told)
            return told;
    }
    return {};
}

// When every actor that is left waits for a signal, and has for a while, nobody
// is there to raise it: the waits end now.
void Stage::free_hopeless() {
    const auto waits = [](const Player& player) {
        return player.over || (player.in_step && player.step_text.starts_with("wait ") &&
                               Clock::now() - player.step_began > kHopeless);
    };
    if (hopeless_told_ || !std::ranges::any_of(players_, &Player::over) ||
        !std::ranges::all_of(players_, waits))
        return;
    hopeless_told_ = true;
    for (auto& player : players_)
        if (!player.over)
            (void)player.child.channel().send(Line{std::string(wire::kHopeless), {}});
}

// How far the writers of a [type] table are, and how fast.
void Stage::show_types() {
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

Clock::time_point Stage::doing_since(const Player& player) const {
    if (player.log == nullptr || player.log->size() == 0)
        return player.step_began;
    const auto since = player.log->since();
    const auto passed = since == 0 ? 0 : monotonic_now() - since;
    return Clock::now() - std::chrono::nanoseconds(passed);
}

std::string Stage::doing_text(const Player& player) const {
    if (player.log == nullptr || player.log->since() == 0)
        return player.step_text;
    return types_->text(player.log->at(player.log->size() - 1));
}

bool Stage::step_overdue() const {
    const auto limit = oopsed_ ? limits_.step_after_oops : limits_.step;
    return std::ranges::any_of(players_, [&](const Player& player) {
        return !player.over && player.in_step && Clock::now() - doing_since(player) > limit;
    });
}

bool Stage::all_over() const {
    return std::ranges::all_of(players_, &Player::over);
}

void Stage::wait_for_news() const {
    std::vector<pollfd> news{{machine_.control.descriptor(), POLLIN, 0},
                             {interrupts_.descriptor(), POLLIN, 0}};
    for (const auto& player : players_) {
        if (player.over)
            continue;
        news.push_back({player.child.pidfd(), POLLIN, 0});
        news.push_back({const_cast<Player&>(player).child.channel().descriptor(), POLLIN, 0});
    }
    ::poll(news.data(), news.size(), static_cast<int>(kLook.count()));
}

Status Stage::serve(verdict::Observed& observed, bool armed) {
    wait_for_news();
    if (auto heard = hear_module(observed); !heard)
        return heard;
    for (auto& player : players_) {
        if (auto heard = hear(player, observed, armed); !heard)
            return heard;
        if (auto heard = ended(player, observed, armed); !heard)
            return heard;
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
Status Stage::give_up(verdict::Observed& observed, bool armed) {
    if (armed)
        if (const auto off = machine_.control.request(Line{DMARACE_V_DISARM, {}}); !off)
            return std::unexpected(off.error());
    if (types_)
        types_->stop();
    const auto deadline = Clock::now() + (oopsed_ ? limits_.step_after_oops : limits_.grace);
    while (!all_over() && Clock::now() < deadline)
        if (auto served = serve(observed, false); !served)
            return served;
    for (auto& player : players_) {
        if (player.over)
            continue;
        const auto state = board::task_state(machine_.devices.files(), player.child.pid());
        observed.actors.push_back(
            {player.name, verdict::ActorEnd::How::stuck, doing_text(player) + "\n" + state.stack});
        player.child.kill(SIGKILL);
        player.over = true;
    }
    for (auto& task : board::blocked_tasks(machine_.devices.files()))
        observed.blocked.push_back({std::move(task.name), std::move(task.stack)});
    return {};
}

Status Stage::play(verdict::Observed& observed, bool armed) {
    auto played = play_all(observed, armed);
    if (types_)
        observed.types = types_->run();
    return played;
}

Status Stage::play_all(verdict::Observed& observed, bool armed) {
    lease_ = Clock::now();
    // Who died before the start is seen by its pidfd like any other.
    for (auto& player : players_)
        if (auto gone = player.child.channel().send(Line{std::string(wire::kGo), {}});
            !gone && gone.error().os_error != EPIPE && gone.error().os_error != ECONNRESET)
            return gone;
    while (!all_over()) {
        if (auto served = serve(observed, armed); !served)
            return served;
        const bool interrupted = interrupts_.count() > 0 && limits_.heeds_interrupts;
        if (step_overdue() || interrupted)
            return give_up(observed, armed);
    }
    return {};
}

} // namespace dmarace::campaign
