// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/control.hpp"
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

// How long no uevent has to come: longer than one probe retry takes to start.
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
            const auto now = context.devices.find(item.device.full_name());
            if (!now || !now->driver.empty())
                continue;
            job::Step step;
            step.verb = job::Verb::bind;
            step.args = {item.device.full_name(), item.driver};
            step.text = "bind " + item.device.full_name() + " " + item.driver;
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

// What the child told before it ended, which has to be all.
Status take_rest(board::ForkedChild& child, int status, verdict::Observed& observed) {
    while (const auto line = child.channel().receive(milliseconds(0)))
        if (add(*line, observed))
            return {};
    if (!observed.error.empty())
        return {};
    return fail(Fault::environment,
                "the inspection ended early, with status " + std::to_string(status));
}

// Runs 'tell' in a child, for it may wait for locks, and takes what it says.
Status look(Machine& machine, RunInterrupts& interrupts,
            const std::function<Status(board::Channel&)>& tell, verdict::Observed& observed) {
    auto child = board::ForkedChild::start(
        "dmarace-inspect", [&machine] { machine.control.forget(); },
        [&](board::Channel& channel) {
            const auto told = tell(channel);
            if (!told)
                (void)channel.send(
                    Line{std::string(wire::kNote), {{"text", told.error().message}}});
            return told ? 0 : 1;
        });
    if (!child)
        return std::unexpected(child.error());
    const auto deadline = std::chrono::steady_clock::now() + kInspectLimit;
    while (std::chrono::steady_clock::now() < deadline) {
        if (interrupts.count() > 0) {
            child->kill(SIGKILL);
            return {};
        }
        if (const auto line = child->channel().receive(kSlice)) {
            if (add(*line, observed))
                return {};
            continue;
        }
        (void)machine.control.request(Line{DMARACE_V_LEASE, {}});
        if (const auto status = child->ended())
            return take_rest(*child, *status, observed);
    }
    const auto state = board::task_state(machine.devices.files(), child->pid());
    observed.settle_failed = "the inspection did not return";
    observed.actors.push_back({"settle", verdict::ActorEnd::How::stuck, state.stack});
    return {};
}

} // namespace

Status settle(const StepContext& context, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    TRY_AS(auto monitor, board::Monitor::open());
    auto control = board::open_control();
    auto before = context.devices.deferred();
    while (left(deadline).count() > 0) {
        if (control) {
            TRY((*control)->request(Line{DMARACE_V_SETTLE, {}}));
        }
        if (!monitor.wait_quiet(kQuiet, left(deadline)))
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
            out.push_back({*device, driver->second});
    }
    return out;
}

Status inspect(Machine& machine, RunInterrupts& interrupts,
               const std::vector<DeferredBind>& deferred, bool holds, verdict::Observed& observed) {
    StepContext context{machine.devices, machine.modules.fresh(), machine.drivers, holds};
    const auto* found = observed.found.get();
    return look(
        machine, interrupts,
        [&](board::Channel& channel) { return tell_all(context, deferred, found, channel); },
        observed);
}

Status inspect_before(Machine& machine, RunInterrupts& interrupts, verdict::Observed& observed) {
    verdict::Observed seen;
    const auto looked = look(
        machine, interrupts, [](board::Channel& channel) { return tell_audits(channel, false); },
        seen);
    observed.before = std::move(seen.settled);
    std::ranges::move(seen.actors, std::back_inserter(observed.actors));
    if (looked && !seen.error.empty())
        return fail(Fault::environment, seen.error);
    return looked;
}

} // namespace dmarace::campaign
