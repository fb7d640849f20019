// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/steps.hpp"

#include "base/text.hpp"
#include "board/checked_io.hpp"
#include "board/control.hpp"
#include "board/devices.hpp"
#include "job/words.hpp"

#include <fcntl.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <thread>

namespace dmarace::campaign {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettleLimit{20000};
constexpr milliseconds kWaitLimit{10000};
constexpr milliseconds kRoundsLimit{30000};
constexpr unsigned kRoundsMax = 10'000; // their steps are all in the journal
// A module's last users go away a moment after their devices do.
constexpr int kRemoveTries = 50;
constexpr milliseconds kRemovePause{20};
constexpr std::size_t kShown = 200; // of what was read

// Removes every PCI device behind an IOMMU, with and without a group.
void remove_behind(const StepCall& call) {
    auto control = board::open_control();
    if (!control)
        return call.refuse(EIO, control.error().message);
    const auto audits = board::ask_audit(**control, "", false);
    if (!audits)
        return call.refuse(EIO, audits.error().message);
    for (const auto& name : board::behind_iommu(*audits)) {
        const auto slot = name.substr(name.find('/') + 1);
        const auto removed = call.context.devices.remove_pci(slot);
        if (!removed && removed.error().os_error != ENOENT)
            return call.take(removed);
    }
}

milliseconds limit_of(const std::string& word, milliseconds otherwise) {
    const auto duration = parse_duration(word);
    return duration ? std::chrono::duration_cast<milliseconds>(*duration) : otherwise;
}

milliseconds round_limit(const job::Step& step) {
    return limit_of(step.args.size() > 2 ? step.args[2] : "", kRoundsLimit);
}

void hear(StepContext& context, const Line& line) {
    if (line.verb == wire::kSignal)
        context.signals.insert(line.get("name"));
    context.given_up = context.given_up || line.verb == wire::kGivenUp;
}

void start_io(const StepCall& call) {
    std::vector<std::string> names;
    for (std::size_t i = 1; i < call.step.args.size(); ++i) {
        const auto device = call.device(i);
        if (!device)
            return;
        names.push_back(device->name);
    }
    const auto first = call.device(1);
    auto started = board::CheckedIo::start(call.context.devices.files(), names);
    if (!started)
        return call.take(std::unexpected(started.error()));
    call.context.going_on[{job::Verb::io, first->full_name()}] =
        std::shared_ptr<board::CheckedIo>(*std::move(started));
}

// The work of a [type] table's actor.
void do_work(const StepCall& call, const types::TypeWork& work) {
    auto& context = call.context;
    const auto audit = [&](const std::vector<std::string>& devices) {
        auto control = board::open_control();
        if (!control || context.channel == nullptr)
            return;
        for (const auto& device : devices)
            if (const auto audits = ask_audit(**control, device, true))
                for (const auto& line : *audits)
                    (void)context.channel->send(line);
    };
    if (context.types == nullptr)
        return call.refuse(EINVAL, "a [type] table's actor has no memory to write to");
    const auto done = do_type_work({context.devices, *context.types, context.actor_index, audit,
                                    [&] { (void)campaign::settle(context, kSettleLimit); }},
                                   work);
    if (!done)
        return call.take(std::unexpected(done.error()));
    call.result.detail = *done;
}

void expect_type(const StepCall& call) {
    auto word = call.word(1);
    auto group = to_number<int>(word);
    if (!group) {
        const auto device = call.device(1);
        if (!device)
            return;
        if (!device->group)
            return call.refuse(EPROTO, device->full_name() + " is in no group");
        group = device->group;
        word = std::to_string(*group) + " of " + device->full_name();
    }
    const auto type = call.context.devices.group_type(*group);
    if (!type)
        return call.take(std::unexpected(type.error()));
    if (*type != call.word(2))
        call.refuse(EPROTO, "group " + word + " has type " + *type + ", not " + call.word(2));
}

void expect_unbound(const StepCall& call) {
    const auto device = call.device(1);
    if (device && !device->driver.empty())
        call.refuse(EPROTO, device->full_name() + " is bound to " + device->driver);
}

void expect_bound(const StepCall& call) {
    const auto device = call.device(1);
    if (device && device->driver.empty())
        call.refuse(EPROTO, device->full_name() + " is not bound");
}

void expect_ungrouped(const StepCall& call) {
    const auto device = call.device(1);
    if (device && device->group)
        call.refuse(EOPNOTSUPP, device->full_name() + " is in IOMMU group " +
                                    std::to_string(*device->group) +
                                    " already: this kernel groups a device when it is "
                                    "added, so that a later walk finds nothing to do");
}

void expect_gone(const StepCall& call) {
    call.result.device = call.word(1);
    if (const auto device = call.context.devices.find(call.word(1)))
        call.refuse(EPROTO, device->full_name() + " is still there");
}

void expect_deferred(const StepCall& call) {
    const auto device = call.device(1);
    if (!device)
        return;
    const auto deferred = call.context.devices.deferred();
    if (!deferred)
        return call.refuse(EOPNOTSUPP, "debugfs is not mounted: no list of deferred devices");
    if (std::ranges::find(*deferred, device->name) == deferred->end())
        call.refuse(EPROTO, device->full_name() + " is not deferred");
}

// What may be expected: the words of the verb's forms.
struct Expectation {
    std::string_view word;
    void (*check)(const StepCall& call);
};

constexpr Expectation kExpectations[] = {
    {"type", expect_type},           {"unbound", expect_unbound},   {"bound", expect_bound},
    {"ungrouped", expect_ungrouped}, {"deferred", expect_deferred}, {"gone", expect_gone}};

} // namespace

std::string StepCall::word(std::size_t index) const {
    return index < step.args.size() ? step.args[index] : "";
}

void StepCall::refuse(int os_error, std::string detail) const {
    result.os_error = os_error;
    result.detail = std::move(detail);
}

void StepCall::take(const Status& status) const {
    if (!status)
        refuse(status.error().os_error, status.error().message);
}

std::optional<board::Device> StepCall::device(std::size_t index) const {
    auto found = context.devices.find(word(index));
    if (!found) {
        refuse(ENODEV, found.error().message);
        return std::nullopt;
    }
    result.device = found->full_name();
    return *std::move(found);
}

void actions::insmod(const StepCall& call) {
    std::string options;
    for (std::size_t i = 1; i < call.step.args.size(); ++i) {
        const auto& word = call.step.args[i];
        options += (options.empty() ? "" : " ") + (word == "async" ? "async_probe=1" : word);
    }
    call.result.device = call.word(0);
    call.take(call.context.modules.insert(call.word(0), options));
}

void actions::rmmod(const StepCall& call) {
    call.result.device = call.word(0);
    if (!call.context.modules.loaded(call.word(0)))
        return;
    // Its clients keep it in use, and are of no use without it.
    if (call.word(0) == board::kSimulatedModule)
        (void)board::Simulated(call.context.devices.files()).remove("all");
    Status status;
    for (int i = 0; i < kRemoveTries; ++i) {
        status = call.context.modules.remove(call.word(0));
        if (status || (status.error().os_error != EAGAIN && status.error().os_error != EBUSY))
            break;
        std::this_thread::sleep_for(kRemovePause);
    }
    call.take(status);
}

void actions::bind(const StepCall& call) {
    const auto device = call.device(0);
    if (!device)
        return;
    std::string driver = call.word(1);
    if (driver.empty())
        driver = device->driver_override;
    if (driver.empty())
        if (const auto it = call.context.drivers.find(device->full_name());
            it != call.context.drivers.end())
            driver = it->second;
    if (driver.empty() && board::is_simulated(device->full_name()))
        driver = board::kSimulatedDriver;
    if (driver.empty())
        return call.refuse(ENODEV, "no driver is known for " + device->full_name());
    if (device->driver == driver)
        return;
    call.take(call.context.devices.bind(*device, driver));
}

void actions::unbind(const StepCall& call) {
    if (const auto device = call.device(0))
        call.take(call.context.devices.unbind(*device));
}

void actions::override_driver(const StepCall& call) {
    const auto driver = call.word(1) == "none" ? "" : call.word(1);
    if (const auto device = call.device(0))
        call.take(call.context.devices.set_override(*device, driver));
}

void actions::autoprobe(const StepCall& call) {
    const bool on = call.word(0) == "on";
    const auto bus = call.word(1).empty() ? "pci" : call.word(1);
    call.take(call.context.devices.set_autoprobe(bus, on));
}

void actions::probe(const StepCall& call) {
    if (const auto device = call.device(0))
        call.take(call.context.devices.probe(*device));
}

void actions::remove(const StepCall& call) {
    if (call.word(0) == "behind")
        return remove_behind(call);
    const auto device = call.device(0);
    if (!device)
        return;
    if (board::is_simulated(device->full_name()))
        return call.take(board::Simulated(call.context.devices.files()).remove(device->name));
    if (device->bus != "pci")
        return call.refuse(EOPNOTSUPP, "only PCI devices and simulated ones can be removed");
    call.take(call.context.devices.remove_pci(device->name));
}

void actions::rescan(const StepCall& call) {
    if (board::is_simulated(call.word(0)))
        return call.take(board::Simulated(call.context.devices.files()).rescan());
    call.take(call.context.devices.rescan_pci());
}

void actions::sriov(const StepCall& call) {
    if (const auto device = call.device(0))
        call.take(call.context.devices.set_virtual_functions(
            device->name, leading_number<unsigned>(call.word(1))));
}

void actions::reset(const StepCall& call) {
    if (const auto device = call.device(0))
        call.take(call.context.devices.reset_pci(device->name));
}

void actions::walk(const StepCall& call) {
    const auto& modules = call.context.modules;
    if (!modules.loaded(board::kSimulatedModule)) {
        const auto inserted = modules.insert(board::kSimulatedModule, "");
        if (!inserted && inserted.error().os_error == ENOENT)
            return call.refuse(EOPNOTSUPP, "walk needs the module dmarace_sim, which this "
                                           "kernel's tree does not have");
        if (!inserted && inserted.error().os_error != EEXIST)
            return call.take(inserted);
    }
    const board::Simulated simulated(call.context.devices.files());
    const auto walked = simulated.walk();
    call.result.detail = simulated.means().value_or("");
    if (!walked)
        call.refuse(walked.error().os_error, walked.error().message + ": " + call.result.detail);
}

void actions::write(const StepCall& call) {
    call.take(call.context.devices.files().write(call.word(0), call.word(1)));
}

// A pipe or a device would be waited for, or do something.
void actions::read(const StepCall& call) {
    const auto& files = call.context.devices.files();
    const auto fd = files.open(call.word(0), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0)
        return call.take(fail_errno("cannot open " + call.word(0)));
    if (!S_ISREG(info.st_mode))
        return call.refuse(EINVAL, call.word(0) + " is no file that could be read");
    std::array<char, 4096> text{};
    const auto got = ::read(fd.get(), text.data(), text.size());
    if (got < 0)
        return call.take(fail_errno("cannot read " + call.word(0)));
    call.result.detail =
        printable(first_line({text.data(), static_cast<std::size_t>(got)})).substr(0, kShown);
}

void actions::wait(const StepCall& call) {
    if (!call.context.holds || call.context.channel == nullptr)
        return;
    const auto limit = limit_of(call.word(1), kWaitLimit);
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!call.context.signals.contains(call.word(0))) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return call.refuse(ETIMEDOUT, "signal " + call.word(0) + " did not come in " +
                                              to_text(Nanoseconds(limit)));
        const auto line =
            call.context.given_up ? std::nullopt : call.context.channel->receive(left);
        if (line)
            hear(call.context, *line);
        if (call.context.given_up || (line && line->verb == wire::kHopeless))
            return call.refuse(ETIMEDOUT, "signal " + call.word(0) +
                                              " did not come, and nobody is left to raise it");
    }
}

void actions::signal(const StepCall& call) {
    if (call.context.channel)
        call.take(
            call.context.channel->send(Line{std::string(wire::kSignal), {{"name", call.word(0)}}}));
}

void actions::settle(const StepCall& call) {
    call.take(campaign::settle(call.context, limit_of(call.word(0), kSettleLimit)));
}

void actions::expect(const StepCall& call) {
    const auto* what = std::ranges::find(kExpectations, call.word(0), &Expectation::word);
    if (what != std::end(kExpectations))
        what->check(call);
}

void actions::sleep(const StepCall& call) {
    std::this_thread::sleep_for(limit_of(call.word(0), milliseconds(0)));
}

bool another_round(StepContext& context, const job::Step& step) {
    if (step.back == 0)
        return false;
    const auto now = std::chrono::steady_clock::now();
    auto& rounds = context.rounds[&step];
    if (rounds.done++ == 0)
        rounds.first = now;
    while (context.channel != nullptr)
        if (const auto line = context.channel->receive(milliseconds(0)); !line)
            break;
        else
            hear(context, *line);
    return context.holds && context.channel != nullptr && !context.given_up &&
           rounds.done < kRoundsMax && now - rounds.first < round_limit(step) &&
           !context.signals.contains(job::awaited_signal(step));
}

// The end of one that waits for a signal; the others are written out in the plan.
void actions::repeat(const StepCall& call) {
    const auto done = std::exchange(call.context.rounds[&call.step], {}).done;
    const auto rounds = std::to_string(done) + (done == 1 ? " round" : " rounds");
    const auto signal = job::awaited_signal(call.step);
    if (call.context.holds && !call.context.signals.contains(signal))
        return call.refuse(ETIMEDOUT, "signal " + signal + " did not come in " + rounds + ", " +
                                          to_text(Nanoseconds(round_limit(call.step))) +
                                          " at most");
    call.result.detail = rounds;
}

void actions::audit(const StepCall& call) {
    auto control = board::open_control();
    if (!control)
        return call.refuse(EIO, control.error().message);
    const auto audits = board::ask_audit(**control, call.word(0), true);
    if (!audits)
        return call.refuse(EIO, audits.error().message);
    for (const auto& audit : *audits)
        if (call.context.channel)
            call.take(call.context.channel->send(audit));
}

void actions::type(const StepCall& call) {
    if (call.step.work)
        return do_work(call, *call.step.work);
    call.take(write_type(call.context.devices, call.context.known, call.word(0), call.word(1),
                         call.result.type, call.result.device));
}

void actions::io(const StepCall& call) {
    if (call.word(0) == "start")
        return start_io(call);
    const auto device = call.device(1);
    if (!device)
        return;
    const auto found = call.context.going_on.find({job::Verb::io, device->full_name()});
    if (found == call.context.going_on.end())
        return call.refuse(ENOENT, "no checked I/O goes on for " + device->full_name());
    const auto end = std::static_pointer_cast<board::CheckedIo>(found->second)->stop();
    call.context.going_on.erase(found);
    call.result.detail = end.text();
    call.result.os_error = end.os_error();
}

namespace {

constexpr void (*kActions[])(const StepCall&) = {
#define DMARACE_VERB(id, ...) actions::id,
#include "catalogue/verbs.def"
#undef DMARACE_VERB
};

} // namespace

verdict::StepResult perform(StepContext& context, const job::Step& step) {
    verdict::StepResult result;
    result.text = step.text;
    result.verb = step.verb;
    result.began = monotonic_now();
    kActions[static_cast<std::size_t>(step.verb)](StepCall{context, step, result});
    result.ended = monotonic_now();
    return result;
}

} // namespace dmarace::campaign
