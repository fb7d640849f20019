// SPDX-License-Identifier: GPL-2.0-or-later
// What the machine itself shows: its log, tasks that hang or died, references that stay,
// data, and the answers of steps.
#include "catalogue/failures.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "types/judge.hpp"
#include "verdict/checks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <set>

namespace dmarace::verdict {

bool is_blocked_by_lock(const Line& line) {
    return line.verb == DMARACE_E_SIGNAL && line.get(DMARACE_K_BY) == DMARACE_BY_LOCK;
}

namespace {

using catalogue::LogSign;

// The kernel log since the mark, and the taint.

constexpr std::size_t kBlockLines = 24; // how far a report reaches below its head

constexpr std::array<std::string_view, 2> kProgramCounters{"pc :", "RIP:"};

// Lines of a report that say where it happened.
constexpr std::array<std::string_view, 4> kTelling{"pc :", "RIP:", "lr :", "Call trace of"};

bool is_cut_line(std::string_view text) {
    return text.find("[ cut here ]") != std::string_view::npos;
}

bool is_state(std::string_view text) {
    return text.starts_with("Modules linked in") || text.starts_with("CPU:") ||
           text.starts_with("Hardware name");
}

// A report in the log: its head line, the message of a WARN() beside it, and
// the lines below that tell where.
struct LogReport {
    std::string message; // the line to show first
    std::vector<std::string> evidence;
    std::string device;
    bool shared = false; // .. is one of several, and nobody knows which
};

void take(const Facts& facts, const LogLine& line, LogReport& report) {
    report.evidence.push_back(log_text(line));
    // An IOMMU's driver names the IOMMU first, and then the client if it knows him.
    const auto head = std::min(line.text.find(": "), line.text.size());
    if (report.device.empty() && catalogue::says_iommu(line.text))
        report.device = facts.device_in(std::string_view(line.text).substr(head));
    if (report.device.empty())
        report.device = facts.device_in(line.text);
    if (report.device.empty())
        report.device = line.device;
}

// WARN() prints its message before the head line, or after it, by kernel. An
// empty one says nothing.
LogReport warn_report(const Facts& facts, std::size_t head) {
    const auto& log = facts.log;
    LogReport report;
    const bool before = head >= 2 && is_cut_line(log[head - 2].text) && !log[head - 1].text.empty();
    const bool after = !before && head >= 1 && is_cut_line(log[head - 1].text) &&
                       head + 1 < log.size() && !log[head + 1].text.empty() &&
                       !is_state(log[head + 1].text);
    if (before)
        take(facts, log[head - 1], report);
    if (after)
        take(facts, log[head + 1], report);
    report.message = before ? log[head - 1].text : after ? log[head + 1].text : log[head].text;
    take(facts, log[head], report);
    return report;
}

// "pc : iommu_attach+0x10/0x20", "RIP: 0010:iommu_attach+0x10/0x20 [module]"
std::string function_in(std::string_view line) {
    const auto plus = line.find("+0x");
    if (plus == line.npos)
        return "";
    const auto begin = line.find_last_of(" :", plus);
    return std::string(line.substr(begin + 1, plus - begin - 1));
}

// "kernel BUG at lib/list_debug.c:56!", "WARNING: CPU: 0 PID: 7 at drivers/iommu/iommu.c:312 f+0x4"
std::string source_line_in(const std::string& line) {
    for (auto word : split(line, ' ')) {
        word = word.substr(0, word.find_first_of("!)"));
        const auto colon = word.rfind(':');
        if (colon != word.npos && is_digits(std::string_view(word).substr(colon + 1)) &&
            word.substr(0, colon).ends_with(".c"))
            return word;
    }
    return "";
}

LogReport read_report(const Facts& facts, const LogSign& sign, std::size_t head) {
    if (sign.has_message_beside())
        return warn_report(facts, head);
    const auto& log = facts.log;
    LogReport report;
    report.message = log[head].text;
    if (const auto client = fault_client(facts, head)) {
        report.message += " (" + client->text + ")";
        report.evidence.push_back(client->text);
        report.shared = client->devices.size() > 1;
        report.device = client->devices.size() == 1 ? client->devices.front() : "";
    }
    take(facts, log[head], report);
    if (report.shared)
        report.device.clear();
    if (!sign.is_failure() || sign.kind != FailureKind::kernel_oops)
        return report;
    std::string where;
    for (std::size_t i = head + 1; i < log.size() && i <= head + kBlockLines; ++i)
        for (const auto word : kTelling)
            if (log[i].text.starts_with(word)) {
                report.evidence.push_back(log_text(log[i]));
                if (where.empty())
                    where = function_in(log[i].text);
            }
    // An address tells nobody what went wrong.
    if (!where.empty())
        report.message += " (in " + where + ")";
    return report;
}

struct TaintRow {
    unsigned bit;
    FailureKind kind;
    std::string_view what;
};

constexpr std::array<TaintRow, 4> kTaints{
    {{kTaintDie, FailureKind::kernel_oops, "the kernel died once (taint D)"},
     {kTaintWarn, FailureKind::kernel_warning, "the kernel warned (taint W)"},
     {kTaintBadPage, FailureKind::kernel_warning, "the kernel met a bad page (taint B)"},
     {kTaintSoftLockup, FailureKind::kernel_warning, "a soft lockup occurred (taint L)"}}};

// hang, and the oops that killed an actor.

// The first line of a stack says which step it was.
std::vector<std::string> lines_of(const std::string& text) {
    auto lines = split(text, '\n');
    std::erase(lines, "");
    return lines;
}

// Who, and where in the kernel, on one line.
std::string stack_text(const std::string& who, const std::string& stack) {
    constexpr std::size_t kFrames = 14;
    auto text = who + ":";
    std::size_t frames = 0;
    for (const auto& line : lines_of(stack))
        if (frames++ < kFrames)
            text += (frames == 1 ? " " : " < ") + line;
    return text;
}

void stuck(const Facts& facts, const ActorEnd& end, Findings& findings) {
    const auto lines = lines_of(end.stack);
    auto detail = "actor " + end.actor + " is stuck in the kernel";
    if (!lines.empty())
        detail += ", in '" + lines.front() + "'";
    const auto device = lines.empty() ? "" : facts.device_in(lines.front());
    findings.add(FailureKind::hang, device, detail, {stack_text(end.actor, end.stack)});
    for (const auto& task : facts.observed.blocked)
        findings.support(FailureKind::hang, device, stack_text(task.name, task.stack));
}

// The log has the oops itself as a rule; then the actor is its evidence.
void killed(const ActorEnd& end, Findings& findings) {
    auto text = "actor " + end.actor + " was killed in a step" +
                (end.stack.empty() ? "" : " by " + end.stack);
    if (findings.has(FailureKind::kernel_oops))
        findings.support(FailureKind::kernel_oops, "", text + ", as an oops does");
    else
        findings.doubt(text + ", and neither log nor taint tell of an oops");
}

// "the mutex iommu_probe_device_lock"
std::string lock_of(const Line& line) {
    const auto name = line.get(DMARACE_K_SYM);
    return "the " + line.get(DMARACE_K_LOCK) + (name.empty() ? "" : " " + name);
}

// Where an actor slept in the kernel: when the fix is a lock, that is the fix. Whose lock it was
// is known where the module told, and else that it slept on one.
void note_blocked(const Facts& facts, Findings& findings) {
    for (const auto& line : facts.observed.events) {
        if (is_blocked_by_lock(line))
            findings.note("actor " + line.get(DMARACE_K_ACTOR) + " was blocked by " +
                          line.get(DMARACE_K_OWNER) + ", which owns " + lock_of(line) +
                          ", while rule " + line.get(DMARACE_K_RULE) + " held");
        if (line.verb != kStackEvent)
            continue;
        auto stack = line.get("stack");
        stack = stack.substr(0, stack.find(';', stack.find(';', stack.find(';') + 1) + 1));
        findings.note("actor " + line.get("actor") + " was blocked in '" + line.get("step") +
                      "', by whom is not known: " + stack);
    }
}

// Which actors did their last thing when, by CLOCK_MONOTONIC.
struct ActorSpan {
    std::uint64_t began = UINT64_MAX, ended = 0;
};

// Somebody waits for it to be done or to come so far, so that it may end early.
bool is_awaited(const job::Plan& plan, const std::string& actor) {
    const auto about = [&](const std::string& signal) {
        const auto parsed = job::parse_signal(signal);
        return parsed.about_actor() && parsed.subject == actor;
    };
    return std::ranges::any_of(
               plan.rules,
               [&](const job::Rule& rule) { return std::ranges::any_of(rule.wait_for, about); }) ||
           std::ranges::any_of(plan.actors, [&](const job::Actor& other) {
               return std::ranges::any_of(job::flattened(other.steps), [&](const job::Step* step) {
                   return std::ranges::any_of(step->args, about);
               });
           });
}

// Nothing went on beside the others from then on.
void note_early_ends(const Facts& facts, Findings& findings) {
    constexpr std::uint64_t kLong = 1'000'000'000; // ns
    std::map<std::string, ActorSpan> spans;
    ActorSpan all;
    for (const auto& step : facts.observed.steps) {
        if (named(facts.plan.actors, step.actor) == nullptr)
            continue;
        auto& span = spans[step.actor];
        for (auto* one : {&span, &all}) {
            one->began = std::min(one->began, step.began);
            one->ended = std::max(one->ended, step.ended);
        }
    }
    if (all.ended < all.began || all.ended - all.began < kLong)
        return;
    for (const auto& [actor, span] : spans)
        if ((span.ended - all.began) * 2 < all.ended - all.began && !is_awaited(facts.plan, actor))
            findings.note("actor " + actor +
                          " was done in less than half of the time that the others took: from "
                          "then on nothing of it went on beside them");
}

// reference-leak: an IOMMU's struct device has more references after the iteration than
// before it, with the same clients in the same state.

// What may hold references of an instance by right: every client that is
// there, grouped and bound. Anyone may hold one more for a moment while the
// clients are audited, so that the least count is the one that stays.
struct IommuInstance {
    std::int64_t refs = 0;
    std::string device; // the one whose audit said so
    std::string text;
    std::set<std::string> clients; // name, driver and group of each
};

using IommuInstances = std::map<std::string, IommuInstance>;

std::string client_of(const Audit& audit) {
    return audit.device + (audit.bound.value_or(false) ? " bound to " + audit.driver : " unbound");
}

IommuInstances read_instances(const std::vector<Audit>& audits) {
    IommuInstances out;
    for (const auto& audit : audits) {
        if (audit.iommu.empty() || !audit.iommu_refs)
            continue;
        const auto [place, fresh] = out.try_emplace(audit.iommu);
        auto& instance = place->second;
        instance.clients.insert(client_of(audit));
        if (!fresh && instance.refs <= *audit.iommu_refs)
            continue;
        instance.refs = *audit.iommu_refs;
        instance.device = audit.device;
        instance.text = dmarace::to_text(to_line(audit));
    }
    return out;
}

// unexpected-errno: writes to types that nothing explains.

// Audits of a bind do not ask for the owner; where none does, somebody may own the group.
std::map<std::int64_t, bool> managed_groups(const Facts& facts) {
    std::map<std::int64_t, std::optional<bool>> seen;
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (sample.audit.group && sample.driven() && sample.audit.managed.value_or(false)) {
                auto& owned = seen[*sample.audit.group];
                if (sample.audit.owned)
                    owned = owned.value_or(false) || *sample.audit.owned;
            }
    std::map<std::int64_t, bool> out;
    for (const auto& [group, owned] : seen)
        out.emplace(group, owned.value_or(true));
    return out;
}

types::TypeEvidence evidence_of(const Facts& facts) {
    const auto& observed = facts.observed;
    types::TypeEvidence evidence{.record = observed.types, .events = observed.events};
    for (const auto& step : observed.steps)
        evidence.steps.push_back({.actor = step.actor,
                                  .verb = step.verb,
                                  .device = step.device,
                                  .began = step.began,
                                  .ended = step.ended,
                                  .os_error = step.os_error,
                                  .type = step.type ? &*step.type : nullptr});
    evidence.settled = observed.groups;
    // A driver that manages its DMA owns no group.
    for (const auto& audit : observed.before) {
        if (audit.bound == false || (audit.bound && audit.managed))
            evidence.bound_first.emplace(audit.device, *audit.bound && !*audit.managed);
        if (audit.bound == true && audit.managed == true)
            evidence.managed_first.insert(audit.device);
    }
    evidence.managed = managed_groups(facts);
    evidence.queue_failed = facts.log_tells(catalogue::LogHint::queue_failed);
    using enum catalogue::LogHint;
    for (const auto& line : observed.log)
        for (const auto hint :
             {type_refused, type_devices, type_bound, type_owned, type_changed, type_suppressed})
            if (!catalogue::hinted(hint, line.text).empty())
                evidence.said.push_back({hint, line.ts * 1000});
    return evidence;
}

void check_log(const Facts& facts, Findings& findings) {
    const auto& log = facts.log;
    for (std::size_t i = 0; i < log.size(); ++i) {
        const auto* sign = catalogue::log_sign(log[i].text);
        if (sign == nullptr || sign->effect == LogSign::Effect::overlooked)
            continue;
        auto report = read_report(facts, *sign, i);
        if (!sign->is_failure()) {
            findings.note(report.message);
            continue;
        }
        findings.add(sign->kind, report.device, report.message, std::move(report.evidence));
    }
}

void check_taint(const Facts& facts, Findings& findings) {
    const auto fresh = facts.observed.taint_after & ~facts.observed.taint_before;
    for (const auto& row : kTaints) {
        if ((fresh >> row.bit & 1) == 0 || findings.has(row.kind))
            continue;
        findings.add(row.kind, "", std::string(row.what) + ", and the line is not in the log",
                     {"taint before " + std::to_string(facts.observed.taint_before) + ", after " +
                      std::to_string(facts.observed.taint_after)});
    }
}

void check_machine(const Facts& facts, Findings& findings) {
    const auto& observed = facts.observed;
    note_blocked(facts, findings);
    note_early_ends(facts, findings);
    for (const auto& end : observed.actors) {
        if (end.how == ActorEnd::How::stuck)
            stuck(facts, end, findings);
        if (end.how == ActorEnd::How::killed)
            killed(end, findings);
    }
    if (!observed.settle_failed.empty())
        findings.add(FailureKind::hang, "", "the board did not settle: " + observed.settle_failed,
                     {observed.settle_failed});
}

void check_leak(const Facts& facts, Findings& findings) {
    const auto before = read_instances(facts.observed.before);
    for (const auto& [name, after] : read_instances(facts.observed.settled)) {
        const auto earlier = before.find(name);
        if (earlier == before.end() || earlier->second.clients != after.clients ||
            after.refs <= earlier->second.refs)
            continue;
        findings.add(FailureKind::reference_leak, after.device,
                     "its IOMMU " + name + " has " + std::to_string(after.refs) + " references, " +
                         std::to_string(after.refs - earlier->second.refs) +
                         " more than before, and its clients are the same",
                     {"before: " + earlier->second.text, after.text});
    }
}

void check_io(const Facts& facts, Findings& findings) {
    for (const auto& step : facts.observed.steps) {
        if (step.os_error != EILSEQ && step.os_error != EIO)
            continue;
        const auto written = job::parse_step(step.text, {});
        if (!written || !job::does(*written, catalogue::effect::checks_data))
            continue;
        const auto text = "'" + step.text + "' of " + step.actor + ": " + step.detail;
        findings.add(FailureKind::wrong_data, step.device, text, {text});
    }
}

void check_types(const Facts& facts, Findings& findings) {
    auto judged = types::judge_types(evidence_of(facts));
    findings.types() = std::move(judged.tally);
    for (auto& note : judged.notes)
        findings.note(std::move(note));
    findings.refused() = std::move(judged.refused);
    for (auto& write : judged.unexplained) {
        std::vector<std::string> evidence{write.text};
        std::ranges::move(write.meanwhile, std::back_inserter(evidence));
        findings.add(FailureKind::unexpected_errno, write.device, write.text, std::move(evidence));
    }
}

} // namespace

std::span<const VerdictCheck> machine_checks() {
    static constexpr VerdictCheck kChecks[] = {{check_log, false},     {check_taint, false},
                                               {check_types, false},   {check_io, false},
                                               {check_machine, false}, {check_leak, false}};
    return kChecks;
}

std::string reported_at(const Failure& failure) {
    auto lines = failure.evidence;
    lines.insert(lines.begin(), failure.detail);
    for (const auto& line : lines)
        if (auto at = source_line_in(line); !at.empty())
            return at;
    for (const auto& line : lines)
        for (const auto word : kProgramCounters)
            if (const auto at = line.find(word); at != line.npos)
                return function_in(std::string_view(line).substr(at));
    return "";
}

} // namespace dmarace::verdict
