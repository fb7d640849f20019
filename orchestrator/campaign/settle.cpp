// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/control.hpp"
#include "board/guard.hpp"
#include "board/kernel.hpp"
#include "board/task.hpp"
#include "campaign/steps.hpp"
#include "kmod/dmarace_abi.h"
#include "run/recording.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>

namespace dmarace::campaign {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long no uevent has to come where not all of the kernel's threads rest, or a program may do
// something about one: longer than one probe retry takes to start.
constexpr milliseconds kQuiet{60};
// A bind deferred this often while nothing else is probing is deferred for good.
constexpr int kRounds = 4;

milliseconds left(Clock::time_point deadline) {
    return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

constexpr milliseconds kSettleLimit{30000};
constexpr std::chrono::seconds kUdevLimit{30};
// Longer than all that the child bounds by itself.
constexpr milliseconds kInspectLimit{120000};
constexpr milliseconds kSlice{500};

// The task that waits for user space to give it firmware, for a minute: it probes, and nothing is
// wrong with it. "" if there is none.
std::string waits_for_firmware(const board::Files& files) {
    for (auto& task : board::blocked_tasks(files))
        if (task.stack.find("fw_load_sysfs_fallback") != std::string::npos ||
            task.stack.find("firmware_fallback_sysfs") != std::string::npos)
            return std::move(task.name);
    return "";
}

Status tell_groups(const board::Devices& devices, board::Channel& channel) {
    for (const auto& group : devices.groups()) {
        const types::TypeGroup fact{group.number, devices.group_type(group.number).value_or(""),
                                    group.devices};
        TRY(channel.send(run::to_line(wire::kGroup, fact)));
    }
    return {};
}

Status tell_changes(const board::Devices& devices, const verdict::FoundBoard* found,
                    board::Channel& channel) {
    if (found != nullptr)
        for (const auto& device : changes_since(devices, *found))
            TRY(channel.send(run::to_line(wire::kDevice, device)));
    for (const auto& iommu : iommus_now(devices.files()))
        TRY(channel.send(run::to_line(wire::kIommu, iommu)));
    return channel.send(Line{std::string(wire::kNote), {{"compared", "1"}}});
}

// The last thing that a child tells.
Status tell_audits(board::Channel& channel, bool map) {
    TRY_AS(auto control, board::open_control());
    TRY_AS(const auto audits, board::ask_audit(*control, "", map));
    for (const auto& audit : audits)
        TRY(channel.send(audit));
    return channel.send(Line{std::string(wire::kDone), {}});
}

// Settles, then tries the binds again that were deferred, until each is bound or
// refused for another reason. Their results are steps of actor "settle".
std::vector<verdict::StepResult>
bind_again(StepContext& context, std::vector<DeferredBind> deferred, milliseconds limit) {
    std::vector<verdict::StepResult> results;
    const auto deadline = Clock::now() + limit;
    for (int round = 0; round < kRounds && !deferred.empty() && left(deadline).count() > 0;
         ++round) {
        std::vector<DeferredBind> again;
        for (auto& item : deferred) {
            const auto now = context.devices.find(item.device);
            if (!now || !now->driver.empty())
                continue;
            job::Step step;
            step.verb = job::Verb::bind;
            step.args = {item.device, item.driver};
            step.text = "bind " + item.device + " " + item.driver;
            auto result = perform(context, step);
            result.actor = "settle";
            if (result.os_error == EAGAIN)
                again.push_back(item);
            results.push_back(std::move(result));
        }
        if (!again.empty() && !settle(context, std::max(left(deadline), milliseconds(1))))
            break;
        deferred = std::move(again);
    }
    return results;
}

Status tell_all(StepContext& context, const std::vector<DeferredBind>& deferred,
                const verdict::FoundBoard* found, board::Channel& channel) {
    // In a boot udev may be on its way to load modules, and no event tells of it.
    if (found != nullptr && found->other_boot)
        board::wait_for_udev(kUdevLimit);
    auto settled = settle(context, kSettleLimit);
    for (const auto& step : bind_again(context, deferred, kSettleLimit))
        TRY(channel.send(run::to_line(wire::kDone, step)));
    if (settled && !deferred.empty())
        settled = settle(context, kSettleLimit);
    if (!settled && settled.error().os_error != ETIMEDOUT)
        return settled;
    if (!settled)
        TRY(channel.send(Line{std::string(wire::kNote), {{"unsettled", settled.error().message}}}));
    TRY(channel.send(Line{std::string(wire::kSettled), {}}));
    TRY(tell_groups(context.devices, channel));
    TRY(tell_changes(context.devices, found, channel));
    return tell_audits(channel, true);
}

// What one line of the child adds. True when it was the last one.
bool add(const Line& line, verdict::Observed& observed) {
    if (line.verb == wire::kDone && !line.find("verb"))
        return true;
    if (line.verb.empty())
        observed.error = "a message of the inspection could not be read: " + line.get("text");
    if (line.verb == wire::kDone)
        observed.steps.push_back(run::step_from(line));
    else if (line.verb == wire::kGroup)
        observed.groups.push_back(run::group_from(line));
    else if (line.verb == wire::kDevice)
        observed.changed.push_back(run::found_device_from(line));
    else if (line.verb == wire::kIommu)
        observed.iommus.push_back(run::found_iommu_from(line));
    else if (const auto audit = verdict::to_audit(line))
        observed.settled.push_back(*audit);
    else if (line.verb == wire::kNote && line.find("compared"))
        observed.compared = true;
    else if (line.verb == wire::kNote)
        (line.find("unsettled") ? observed.settle_failed : observed.error) =
            line.find("unsettled") ? line.get("unsettled") : line.get("text");
    return false;
}

// What a line of the child is for; true when it was the last one.
using Take = std::function<bool(const Line&)>;

Status tell_guards(const Machine& machine, board::Channel& channel) {
    const auto& files = machine.devices.files();
    const auto all = machine.devices.places();
    const auto reasons =
        board::why_protected(files, all, *board::kernel_answers(files), machine.tree);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (!reasons[i].empty())
            TRY(channel.send(Line{std::string(wire::kGuard),
                                  {{"dev", all[i].full_name()}, {"reason", reasons[i]}}}));
    return channel.send(Line{std::string(wire::kDone), {}});
}

// The inside of the child: one request after the other. What fails ends it.
int serve(const Machine& machine, board::Channel& channel) {
    constexpr std::chrono::hours kNextRequest{100};
    std::vector<DeferredBind> deferred;
    while (const auto line = channel.receive(kNextRequest)) {
        if (line->verb == wire::kDeferred) {
            deferred.push_back({line->get("dev"), line->get("driver")});
            continue;
        }
        Status told;
        if (line->verb == wire::kGuard) {
            told = tell_guards(machine, channel);
        } else if (line->verb == wire::kBefore) {
            told = tell_audits(channel, false);
        } else {
            StepContext context{machine.devices, machine.modules.fresh(), machine.drivers,
                                line->get("holds") == "1"};
            told = tell_all(context, std::exchange(deferred, {}),
                            line->get("found") == "1" ? machine.found.get() : nullptr, channel);
        }
        if (!told) {
            (void)channel.send(Line{std::string(wire::kNote), {{"text", told.error().message}}});
            return 1;
        }
    }
    return 0;
}

} // namespace

// Forked once for many requests: under emulation a fork takes longer than most of them.
struct InspectingChild {
    board::ForkedChild child;
    bool looks_at_guards = false; // asked for, and not taken yet
};

namespace {

Status send_all(InspectingChild& asked, const std::vector<Line>& request) {
    for (const auto& line : request)
        TRY(asked.child.channel().send(line));
    return {};
}

// The child that was asked: the one that is there, or a new one.
Result<std::shared_ptr<InspectingChild>> ask(Machine& machine, const std::vector<Line>& request) {
    if (auto there = std::exchange(machine.inspecting, nullptr); there && send_all(*there, request))
        return there;
    TRY_AS(auto child, board::ForkedChild::start(
                           "dmarace-inspect", [&machine] { machine.control.forget(); },
                           [&machine](auto& channel) { return serve(machine, channel); }));
    auto made = std::make_shared<InspectingChild>(std::move(child));
    TRY(send_all(*made, request));
    return made;
}

// What the child told before it ended, which has to be all.
Status take_rest(board::ForkedChild& child, int status, const Take& take,
                 const std::string& error) {
    while (const auto line = child.channel().receive(milliseconds(0)))
        if (take(*line))
            return {};
    if (!error.empty())
        return {};
    return fail(Fault::environment,
                "the inspection ended early, with status " + std::to_string(status));
}

// Has a child do it, for it may wait for locks, and takes what that says. One that is of no use
// any more is not asked again.
Status look(Machine& machine, RunInterrupts& interrupts, const std::vector<Line>& request,
            const Take& take, verdict::Observed& observed) {
    const bool guards = request.front().verb == wire::kGuard;
    if (machine.inspecting && machine.inspecting->looks_at_guards && !guards)
        machine.inspecting.reset(); // its next words would be an answer to that
    const bool looks = machine.inspecting && machine.inspecting->looks_at_guards;
    TRY_AS(const auto asked, ask(machine, looks ? std::vector<Line>() : request));
    asked->looks_at_guards = false;
    auto& child = asked->child;
    const auto deadline = Clock::now() + kInspectLimit;
    while (Clock::now() < deadline) {
        if (interrupts.count() > 0) {
            child.kill(SIGKILL);
            return {};
        }
        if (const auto line = child.channel().receive(kSlice)) {
            if (!take(*line))
                continue;
            machine.inspecting = asked;
            return {};
        }
        (void)machine.control.request(Line{DMARACE_V_LEASE, {}});
        if (const auto status = child.ended())
            return take_rest(child, *status, take, observed.error);
    }
    const auto state = board::task_state(machine.devices.files(), child.pid());
    observed.settle_failed = "the inspection did not return";
    observed.actors.push_back({"settle", verdict::ActorEnd::How::stuck, state.stack});
    return {};
}

Take adding_to(verdict::Observed& observed, Machine& machine) {
    return [&](const Line& line) {
        if (line.verb == wire::kSettled)
            machine.phases.enter("audit");
        return line.verb != wire::kSettled && add(line, observed);
    };
}

} // namespace

Status settle(const StepContext& context, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    TRY_AS(auto monitor, board::Monitor::open());
    auto control = board::open_control();
    auto before = context.devices.deferred();
    while (left(deadline).count() > 0) {
        bool rests = false;
        if (control) {
            TRY_AS(const auto reply, (*control)->request(Line{DMARACE_V_SETTLE, {}}));
            rests = reply.get(DMARACE_K_REST) == "1" &&
                    !board::somebody_acts_on_uevents(context.devices.files());
        }
        // At rest nothing is on its way but what an event has told of.
        if (rests && !monitor.take().empty())
            continue;
        if (!rests && !monitor.wait_quiet(kQuiet, left(deadline)))
            break;
        auto now = context.devices.deferred();
        if (now == before)
            return {};
        before = std::move(now);
    }
    const auto why = "probing had not ended after " + std::to_string(limit.count()) + " ms";
    if (const auto who = waits_for_firmware(context.devices.files()); !who.empty())
        return fail(Fault::environment, why + ": " + who + " waits for firmware");
    return std::unexpected(Error{Fault::environment, why, ETIMEDOUT});
}

std::vector<DeferredBind> deferred_binds(const Machine& machine,
                                         const verdict::Observed& observed) {
    std::vector<DeferredBind> out;
    for (const auto& step : observed.steps) {
        if (step.verb != catalogue::Verb::bind || step.os_error != EAGAIN)
            continue;
        const auto device = machine.devices.find(step.device);
        const auto driver = machine.drivers.find(step.device);
        if (device && driver != machine.drivers.end())
            out.push_back({device->full_name(), driver->second});
    }
    return out;
}

Status inspect(Machine& machine, RunInterrupts& interrupts,
               const std::vector<DeferredBind>& deferred, bool holds, verdict::Observed& observed) {
    if (observed.found && observed.found != machine.found) {
        machine.found = observed.found;
        machine.inspecting.reset();
    }
    std::vector<Line> request;
    for (const auto& bind : deferred)
        request.push_back(
            Line{std::string(wire::kDeferred), {{"dev", bind.device}, {"driver", bind.driver}}});
    request.push_back(Line{std::string(wire::kInspect),
                           {{"holds", holds ? "1" : "0"}, {"found", observed.found ? "1" : "0"}}});
    return look(machine, interrupts, request, adding_to(observed, machine), observed);
}

Status inspect_before(Machine& machine, RunInterrupts& interrupts, verdict::Observed& observed) {
    verdict::Observed seen;
    const auto looked = look(machine, interrupts, {Line{std::string(wire::kBefore), {}}},
                             adding_to(seen, machine), seen);
    observed.before = std::move(seen.settled);
    std::ranges::move(seen.actors, std::back_inserter(observed.actors));
    if (looked && !seen.error.empty())
        return fail(Fault::environment, seen.error);
    return looked;
}

void begin_to_look_at_guards(Machine& machine) {
    if (auto& there = machine.inspecting; there && !there->looks_at_guards)
        there->looks_at_guards =
            there->child.channel().send(Line{std::string(wire::kGuard), {}}).has_value();
}

void look_at_guards_again(Machine& machine, RunInterrupts& interrupts, Survey& survey) {
    std::map<std::string, std::string> reasons;
    verdict::Observed seen;
    const auto looked = look(
        machine, interrupts, {Line{std::string(wire::kGuard), {}}},
        [&](const Line& line) {
            if (line.verb != wire::kGuard)
                return add(line, seen);
            reasons.emplace(line.get("dev"), line.get("reason"));
            return false;
        },
        seen);
    const auto why = !looked ? looked.error().message : seen.error + seen.settle_failed;
    for (auto& item : survey.devices) {
        const auto now = reasons.find(item.device.full_name());
        if (!why.empty())
            item.guard = "nobody knows: " + why;
        else if (now != reasons.end())
            item.guard = now->second;
        else if (!item.guard.empty() && machine.devices.files().exists(item.device.entry()))
            item.guard.clear(); // what is gone keeps its reason
    }
}

} // namespace dmarace::campaign
