// SPDX-License-Identifier: GPL-2.0-or-later
// What runs in children of the owner of the control device, since it may wait for any lock of
// the kernel under test: steps, in actors' processes, and settling, after which the machine is
// looked at. inspect() makes such a child.
#pragma once

#include "board/task.hpp"
#include "campaign/survey.hpp"
#include "job/job.hpp"
#include "kmod/dmarace_abi.h"
#include "type_hands/hands.hpp"
#include "verdict/verdict.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::campaign {

// What steps work with. 'drivers' is the driver that each device belongs to
// (BUS/NAME to driver), known before anything was unbound.
struct StepContext {
    board::Devices devices;
    board::Modules modules;
    std::map<std::string, std::string> drivers;
    bool holds = true;
    board::Channel* channel = nullptr;  // to the owner; signals come over it
    std::set<std::string> signals{};    // those that came already
    types::TypeMemory* types = nullptr; // shared by the actors of a [type] table
    std::size_t actor_index = 0;        // which of the actors this is
    types::KnownGroups known{};         // of type steps
    // What one step began and another one ends (checked I/O, a claim), by the verb of
    // the first and its device. It ends with the actor at the latest.
    std::map<std::pair<job::Verb, std::string>, std::shared_ptr<void>> going_on{};
    // Of the repeats that wait for a signal: rounds that were done, and when the first one was.
    struct Rounds {
        unsigned done = 0;
        std::chrono::steady_clock::time_point first{};
    };
    std::map<const job::Step*, Rounds> rounds{};
    bool given_up = false; // no signal comes any more
};

// What an action gets and answers: words in, errno and words out.
struct StepCall {
    StepContext& context;
    const job::Step& step;
    verdict::StepResult& result;

    // "" where the step has no such word; 0 is the first after the verb.
    std::string word(std::size_t index) const;
    void refuse(int os_error, std::string detail) const;
    void take(const Status& status) const;
    // The device that a word names; refuses the step where there is none.
    std::optional<board::Device> device(std::size_t index) const;
};

// One for each verb of the catalogue, under its name there: the linker asks for it.
namespace actions {
#define DMARACE_VERB(id, ...) void id(const StepCall& call);
#include "catalogue/verbs.def"
#undef DMARACE_VERB
} // namespace actions

// What an actor and the owner of the control device tell each other over their channel, one
// line a packet:
//
//   owner to actor: go · signal name=.. · hopeless (nobody is left to signal) ·
//                   given-up (the iteration is: nothing is waited for any more)
//   actor to owner: began index=.. verb=.. text=.. · done (run::to_line of a step) ·
//                   signal name=.. · audit .. (as the module wrote it) ·
//                   group, device, iommu (run::to_line of it) · note text=.. · settled
//   owner to who looks: guard, answered by guard dev=.. reason=.. of what must not be touched ·
//                   before · again dev=.. driver=.. · inspect holds=.. found=..
namespace wire {
inline constexpr std::string_view kGo = "go";
inline constexpr std::string_view kBegan = "began";
inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kSignal = DMARACE_E_SIGNAL;
inline constexpr std::string_view kHopeless = "hopeless";
inline constexpr std::string_view kGivenUp = "given-up";
inline constexpr std::string_view kGroup = "group";
inline constexpr std::string_view kDevice = "device";
inline constexpr std::string_view kIommu = "iommu";
inline constexpr std::string_view kNote = "note";
inline constexpr std::string_view kSettled = "settled";
inline constexpr std::string_view kGuard = "guard";
inline constexpr std::string_view kBefore = "before";
inline constexpr std::string_view kDeferred = "again";
inline constexpr std::string_view kInspect = "inspect";
} // namespace wire

// Performs one step and says what came of it. A step that the kernel refused is
// a result with its errno, not an error: the verdict decides what it means.
verdict::StepResult perform(StepContext& context, const job::Step& step);

// The step is the end of a repeat whose signal has not come, and there is time for another round.
bool another_round(StepContext& context, const job::Step& step);

// Asks the module to wait for the driver core and for the kernel's threads to rest, else for
// uevents to end, until the list of deferred devices stays the same. os_error ETIMEDOUT: it did not
// end in time; any other error: it could not be looked at.
Status settle(const StepContext& context, std::chrono::milliseconds limit);

// A bind that the kernel deferred: EAGAIN (-EPROBE_DEFER).
struct DeferredBind {
    std::string device, driver; // BUS/NAME
};

// Settles, binds again what was deferred, reads group types, audits every device.
// Fills settled, groups, settle_failed, the steps of actor "settle", and what is not as found.
// An interrupt ends it with nothing more seen.
Status inspect(Machine& machine, RunInterrupts& interrupts,
               const std::vector<DeferredBind>& deferred, bool holds, verdict::Observed& observed);

// Fills before: what is there when nothing has begun, without mappings and
// without settling.
Status inspect_before(Machine& machine, RunInterrupts& interrupts, verdict::Observed& observed);

// Looks once more at what people stand on, in the same child: reasons change while a run goes on.
// It may begin while an iteration that is over is judged and written down.
void begin_to_look_at_guards(Machine& machine);
void look_at_guards_again(Machine& machine, RunInterrupts& interrupts, Survey& survey);

// The binds among the steps that ended in EAGAIN.
std::vector<DeferredBind> deferred_binds(const Machine& machine, const verdict::Observed& observed);

} // namespace dmarace::campaign
