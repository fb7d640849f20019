// SPDX-License-Identifier: GPL-2.0-or-later
// The checked form of a job file: what docs/job-format.md tells a writer of jobs, as
// types. Pure data; nothing here touches a system.
#pragma once

#include "base/duration.hpp"
#include "catalogue/failures.hpp"
#include "catalogue/verbs.hpp"
#include "job/diagnostic.hpp"
#include "types/table.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::job {

// What a job may do to the machine. reboot: may wedge the kernel, --unsafe only.
enum class Risk { none, taint, reboot };

enum class ParamType {
    device,  // one device, BUS/NAME
    devices, // a list of devices
    module,  // one module of the board's own tree
    modules, // a list of modules
    group,   // one IOMMU group, by number
    text,
    number,
    duration,
};

// A parameter: {name} in steps and rules. 'behind', 'pick' and 'bus' tell the
// board how to choose when the user did not (--device, --set).
struct Param {
    std::string name;
    ParamType type = ParamType::text;
    std::string behind;               // "iommu": a device an IOMMU serves; "two-iommus": two do
    std::string pick;                 // a word of pick_words()
    std::string bus;                  // pci, platform, amba ..; empty: any
    std::optional<std::string> value; // default
    std::string help;
    Place where;
};

using catalogue::Verb;
using types::Inventory;
using types::TypeStorm;

// One step: a verb and its words, still with {param} in a Job, without in a
// Plan. 'body' holds the steps of a repeat, in a Plan 'back' says how many before it are the round
// of one that ends with a signal; 'work' is what an actor of a [type]
// table does, a type step without words.
struct Step {
    Verb verb = Verb::settle;
    std::vector<std::string> args;
    std::string text; // as written, for messages and journals
    std::vector<Step> body{};
    Place where;
    std::shared_ptr<const types::TypeWork> work{};
    bool may_fail = false; // written "try VERB ..": its errno is recorded and judged by nobody
    std::size_t back = 0;
};

struct Actor {
    std::string name;
    std::vector<Step> steps;
    Place where;
};

// One rule of the control device (kmod/dmarace_abi.h, RULE WORDS).
struct Rule {
    std::string name;
    std::string point;
    std::string on = "enter";
    std::string dev, group, task, actor, from;
    std::optional<unsigned> nth;
    std::optional<std::int64_t> ret;
    std::optional<unsigned> probability, interval, times, space;
    std::optional<DurationRange> delay;
    std::string signal;
    std::vector<std::string> wait_for;
    std::optional<Nanoseconds> timeout;
    std::optional<std::int64_t> override_return;
    bool optional = false;
    bool blocked_fails = false; // a hold that ends against a lock is what the job looks for
    bool unsafe = false;
    std::optional<unsigned> arg;
    Place where;
    std::map<std::string, Place> places; // of the value of each key, for messages

    bool holds() const { return !wait_for.empty(); }
    // Left out by --no-holds: whatever parks or delays a task.
    bool parks() const { return holds() || delay; }
};

// The keys of a rule in which a {param} may stand, wait_for besides.
inline constexpr std::array<std::pair<const char*, std::string Rule::*>, 5> kRuleTexts{
    {{"dev", &Rule::dev},
     {"group", &Rule::group},
     {"task", &Rule::task},
     {"from", &Rule::from},
     {"signal", &Rule::signal}}};

enum class Dma { translated, as_type, baseline };

struct Expect {
    Dma dma = Dma::baseline;
    // Devices judged; empty: every device that has an IOMMU.
    std::vector<std::string> devices;
    // A client that the driver core told to do without its IOMMU, after
    // deferred_probe_timeout, is what the job is about: noted, and no doubt.
    bool timeout_is_legal = false;
    Place where;
};

// The [trigger] table: the udev event on which dmaraced starts the job. Empty
// texts match anything; all are globs.
struct Trigger {
    std::string action; // bind where a driver is named, else add
    std::string subsystem, driver;
    std::string device;                                          // its name in /sys
    std::vector<std::pair<std::string, std::string>> attributes; // path below the device, value
    Place where;
};

// An event as udev tells it. attribute: a sysfs file of the device by its path
// below it; nothing when there is none.
struct TriggerEvent {
    std::string action, subsystem, name, driver;
    std::function<std::optional<std::string>(const std::string&)> attribute;
};

// Names and values are globs (fnmatch(3)); a device has to match all of them.
bool matches(const Trigger& trigger, const TriggerEvent& event);

struct Allow {
    catalogue::FailureKind kind = catalogue::FailureKind::kernel_warning;
    std::string device{}; // "" or "*": any
    std::string text{};   // that its detail or evidence holds
    std::string reason{};
    Place where{};
};

struct Job {
    std::string file;
    std::string name, summary, source;
    Risk risk = Risk::none;
    std::vector<std::string> needs;
    std::vector<Param> params;
    std::vector<Step> reset;
    std::vector<Actor> actors;
    std::vector<Rule> rules;
    std::optional<TypeStorm> type_storm;
    Place type_where; // of the [type] table
    Expect expect;
    std::vector<Allow> allow;
    std::optional<Trigger> trigger;
    bool at_boot = false;     // its actor is the machine's own boot: runs with --reboot
    unsigned iterations = 20; // when neither --iterations nor --duration says
    Place where;              // of the name
};

// What the parameters became on this board: one value, or several for lists.
using Bindings = std::map<std::string, std::vector<std::string>>;

// A job with its parameters filled in: what one iteration does, word for word.
// Lists in a step became one step each, the body of a repeat was written out
// as often as it says, or once before its end, that of one until a signal; steps of a [type] table
// became the steps of an actor named "writer". Signals step:ACTOR:N count the steps of the plan,
// from 1.
struct Plan {
    std::vector<Step> reset;
    std::vector<Actor> actors;
    std::vector<Rule> rules;
    Expect expect;
};

} // namespace dmarace::job
