// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log since the mark.
#include "catalogue/log_signs.hpp"
#include "verdict/checks.hpp"

#include <array>

namespace dmarace::verdict {

namespace {

using catalogue::LogSign;

constexpr std::size_t kBlockLines = 24; // how far a report reaches below its head

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
struct Report {
    std::string message; // the line to show first
    std::vector<std::string> evidence;
    std::string device;
};

void take(const Facts& facts, const LogLine& line, Report& report) {
    report.evidence.push_back(log_text(line));
    if (report.device.empty())
        report.device = facts.device_in(line.text);
    if (report.device.empty())
        report.device = line.device;
}

// WARN() prints its message before the head line, or after it, by kernel. An
// empty one says nothing.
Report warn_report(const Facts& facts, std::size_t head) {
    const auto& log = facts.observed.log;
    Report report;
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

Report oops_report(const Facts& facts, std::size_t head) {
    const auto& log = facts.observed.log;
    Report report;
    report.message = log[head].text;
    take(facts, log[head], report);
    for (std::size_t i = head + 1; i < log.size() && i <= head + kBlockLines; ++i)
        for (const auto word : kTelling)
            if (std::string_view(log[i].text).starts_with(word))
                report.evidence.push_back(log_text(log[i]));
    return report;
}

Report plain_report(const Facts& facts, std::size_t head) {
    Report report;
    report.message = facts.observed.log[head].text;
    take(facts, facts.observed.log[head], report);
    return report;
}

Report read_report(const Facts& facts, const LogSign& sign, std::size_t head) {
    if (sign.is_failure() && sign.kind == FailureKind::kernel_oops)
        return oops_report(facts, head);
    if (sign.has_message_beside())
        return warn_report(facts, head);
    return plain_report(facts, head);
}

constexpr unsigned kTaintBadPage = 5, kTaintDie = 7, kTaintWarn = 9, kTaintSoftLockup = 14;

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

} // namespace

void check_log(const Facts& facts, Findings& findings) {
    const auto& log = facts.observed.log;
    for (std::size_t i = 0; i < log.size(); ++i) {
        const auto* sign = catalogue::log_sign(log[i].text);
        if (sign == nullptr || sign->effect == LogSign::Effect::overlooked)
            continue;
        auto report = read_report(facts, *sign, i);
        if (!sign->is_failure()) {
            findings.note(report.message);
            continue;
        }
        findings.add({.kind = sign->kind,
                      .device = report.device,
                      .driver = facts.driver_of(report.device),
                      .detail = report.message,
                      .evidence = std::move(report.evidence)});
    }
}

void check_taint(const Facts& facts, Findings& findings) {
    const auto fresh = facts.observed.taint_after & ~facts.observed.taint_before;
    for (const auto& row : kTaints) {
        if ((fresh >> row.bit & 1) == 0 || findings.has(row.kind))
            continue;
        findings.add({.kind = row.kind,
                      .device = "",
                      .driver = "",
                      .detail = std::string(row.what) + ", and the line is not in the log",
                      .evidence = {"taint before " + std::to_string(facts.observed.taint_before) +
                                   ", after " + std::to_string(facts.observed.taint_after)}});
    }
}

} // namespace dmarace::verdict
