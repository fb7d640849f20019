// SPDX-License-Identifier: GPL-2.0-or-later
// All that one iteration left behind, filled in by campaign/ and written to the journal by
// report/; and what it proved. Pure.
#pragma once

#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "catalogue/verbs.hpp"
#include "job/job.hpp"
#include "types/record.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::verdict {

using catalogue::FailureKind;

// One audit line (AUDIT WORDS of kmod/dmarace_abi.h). A fact that could not be
// had is nothing, not false.
struct Audit {
    std::uint64_t seq = 0;
    std::uint64_t ts = 0; // CLOCK_MONOTONIC, ns
    std::string at;       // demand | binding | bound
    std::string device, driver;
    std::optional<bool> bound, managed, owned, fw, fwspec, via_iommu;
    std::string iommu;
    std::optional<std::int64_t> iommu_refs, group;
    std::string domain, domain_id;
    std::string map, map_reason, addr, phys, iova_phys;
    bool operator==(const Audit&) const = default;
};

// Reads an audit event; nothing when the line is no audit.
std::optional<Audit> to_audit(const Line& line);
// The audit as the line it came from, for evidence.
Line to_line(const Audit& audit);

// One step of an actor, or of reset and settle (actor "").
struct StepResult {
    std::string actor;
    unsigned index = 0; // from 1
    catalogue::Verb verb = catalogue::Verb::settle;
    std::string text;                    // the step, parameters filled in
    std::string device;                  // the device or module it was about, if any
    int os_error = 0;                    // errno, 0 for success
    std::string detail;                  // what expect found, what went wrong, in words
    std::uint64_t began = 0, ended = 0;  // CLOCK_MONOTONIC, ns
    std::optional<types::TypeStep> type; // of one that wrote a type
};

struct LogLine {
    std::uint64_t ts = 0; // CLOCK_MONOTONIC, us, as /dev/kmsg has it
    int level = 6;
    std::string text;
    std::string device{}; // DEVICE= of the record, as BUS/NAME; "" if none
    bool user = false;    // a program wrote it, not the kernel
    // Of a gap, which is a line of its own: how many records were overwritten unread.
    std::uint64_t lost = 0;
};

// The event that tells where an actor sleeps in the kernel.
inline constexpr const char* kStackEvent = "stack";
// .. and one for what an actor told and could not be read.
inline constexpr const char* kGarbledEvent = "garbled";

// What became of an actor.
struct ActorEnd {
    enum class How { returned, failed, killed, stuck, cancelled };
    std::string actor;
    How how = How::returned;
    std::string stack; // of a stuck one, from /proc/PID/stack; else by what it ended
};

// Another task that slept without being interruptible when actors were given up.
struct BlockedTask {
    std::string name; // "comm[pid]"
    std::string stack;
};

// Bits of /proc/sys/kernel/tainted.
inline constexpr unsigned kTaintBadPage = 5, kTaintDie = 7, kTaintWarn = 9, kTaintSoftLockup = 14;

// The module's count line of a rule.
struct RuleCount {
    std::string rule, point;
    bool armed = true;
    bool optional = false;
    bool holds = false;
    std::uint64_t hits = 0, met = 0, blocked = 0, timeout = 0, unhit = 0, released = 0;
    std::uint64_t atomic = 0, nmissed = 0;
};

// A device as the run found it, or as it is now.
struct FoundDevice {
    std::string device{}, driver{}; // driver: "" while unbound
    std::string module{};           // that its driver is in, "" if built in
    std::string path{};             // below /sys/devices: what is above it
    std::int64_t group = -1;        // -1: none
    std::string iommu{};            // the instance that serves it, "" if none is known
    std::string physical{};         // of a virtual function: the one that makes it
    std::string domain{};           // as its audit says, or its group's type; "" if it had none
    bool translated = false;        // its DMA goes through the IOMMU
    bool there = true;
    std::vector<std::string> aliases{}; // of a PCI function: others in whose name its DMA comes
    bool operator==(const FoundDevice&) const = default;
};

// Streams of an IOMMU by what firmware says: those of one device, or those of the PCI
// functions whose requester, segment << 16 and what 'mask' leaves of its ID, is one of 'count'
// from 'first' on; each has the next stream.
struct FoundStream {
    std::string iommu{};  // the device, as its driver has it in the log
    std::string device{}; // "" for PCI functions
    std::uint32_t id = 0;
    std::uint32_t ignored = 0; // bits of the ID that do not count
    std::uint32_t first = 0, count = 1, mask = UINT32_MAX;
    bool operator==(const FoundStream&) const = default;
};

// An IOMMU instance, of /sys/class/iommu.
struct FoundIommu {
    std::string instance{}, device{}, driver{}, module{};
    bool operator==(const FoundIommu&) const = default;
};

// The board before the run.
struct FoundBoard {
    std::map<std::string, FoundDevice> devices; // by BUS/NAME
    std::vector<FoundIommu> iommus;
    std::vector<FoundStream> streams;
    std::vector<std::string> empty_groups; // numbers
    bool other_boot = false;               // groups have other numbers in each
};

struct Observed {
    unsigned iteration = 0; // from 1
    bool holds = true;      // false under --no-holds
    bool outside = false;   // log and taint where no iteration went on: nothing is to be proved
    std::vector<Line> events;
    std::vector<Audit> before;  // on demand, before arming, without mappings
    std::vector<Audit> settled; // on demand, after disarm and settle
    std::vector<StepResult> steps;
    types::TypeRecord types;  // what the actors of a [type] table did
    std::vector<LogLine> log; // since the mark; reset's lines belong to the iteration before
    std::vector<ActorEnd> actors;
    std::vector<BlockedTask> blocked;
    std::vector<RuleCount> counts;
    std::vector<types::TypeGroup> groups; // after settle
    // What the run found, null where nobody looked; the devices that are not so after settle,
    // and the IOMMUs that are there then. Without 'compared' nobody saw that.
    std::shared_ptr<const FoundBoard> found;
    bool compared = false;
    std::vector<FoundDevice> changed;
    std::vector<FoundIommu> iommus;
    std::vector<types::FailedAct> failed_acts; // of the actors of a [type] table
    std::uint64_t lost_events = 0;
    std::int64_t log_shift = 0; // us that were added to the kernel's stamps in 'log'
    std::uint64_t taint_before = 0, taint_after = 0;
    bool lease_lost = false;
    std::string settle_failed; // why settle did not end in time, "" if it did
    std::string reset_failed;  // why the reset after it failed: the next one cannot start
    std::string error;         // the harness failed: why, "" if it did not
};

enum class Verdict { pass, fail, crash, hang, inconclusive, skip, error };

std::string_view to_text(Verdict verdict);
std::optional<Verdict> verdict_from(std::string_view text);

// One thing that went wrong, with the lines that prove it.
struct Failure {
    FailureKind kind = FailureKind::kernel_warning;
    std::string device, driver;
    std::string detail; // one sentence
    std::vector<std::string> evidence;
    bool allowed = false; // silenced by an allow entry, still shown
};

// Where the kernel says that it happened: "lib/list_debug.c:56", else the function of a report's
// pc;
// "" where it does not say.
std::string reported_at(const Failure& failure);

struct Judgement {
    Verdict verdict = Verdict::inconclusive;
    std::string reason; // one line: why it is not a pass, or what was met
    std::vector<Failure> failures;
    std::vector<RuleCount> rules;
    std::vector<std::string> notes; // legal, but worth a sentence to the user
    types::TypeTally types;
};

// The facts of each device in a quiet run; empty means no baseline is taken.
using Baseline = std::map<std::string, Audit>;

// Failures first: an absolute rule that is broken is a fail whatever the holds
// did. Then honesty: a rule that is not optional and was neither met nor
// blocked, lost events, nmissed, a context that could not sleep make it
// inconclusive. Under --no-holds only failures and harness errors count, and
// an iteration without failures is inconclusive: no window was shown to be hit.
Judgement judge(const job::Plan& plan, const std::vector<job::Allow>& allow,
                const Baseline& baseline, const Observed& observed);

// The reason of an iteration that is in doubt for nothing but rules that nobody came by; "" where
// nobody missed one.
std::string never_hit(const std::vector<RuleCount>& counts);

// What a baseline itself shows to be wrong: "a baseline that breaks an
// absolute rule is a finding, not a norm".
std::vector<Failure> judge_baseline(const Baseline& baseline);

} // namespace dmarace::verdict
