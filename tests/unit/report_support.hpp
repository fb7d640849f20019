// SPDX-License-Identifier: GPL-2.0-or-later
// Makes runs for the tests of report/.
#pragma once

#include "report/report.hpp"

#include <string>
#include <vector>

namespace dmarace::report::testing {

using namespace run;

using verdict::Verdict;

inline verdict::Failure failure() {
    return {.kind = verdict::FailureKind::domain_underfoot,
            .device = "pci/0000:00:02.0",
            .driver = "e1000e",
            .detail = "DMA direct then translated",
            .evidence = {"audit at=binding dev=pci/0000:00:02.0 via_iommu=0",
                         "[   12.000000] e1000e 0000:00:02.0: late IOMMU probe at driver bind"}};
}

inline types::TypeCell type_write(const std::string& before, const std::string& asked,
                                  const std::string& result, const std::string& after) {
    return {before, asked, "no", result, after, "no driver is bound", 1, "as before"};
}

inline IterationEnd end_of(unsigned iteration, Verdict verdict) {
    IterationEnd end{.iteration = iteration, .judgement = {}, .taint = 4608, .seconds = 1.5};
    end.judgement.verdict = verdict;
    end.judgement.rules = {
        {.rule = "1", .point = "of_iommu_configure", .holds = true, .hits = 2, .met = 1}};
    if (verdict != Verdict::pass)
        end.judgement.reason = "reason " + std::to_string(iteration);
    if (verdict == Verdict::fail || verdict == Verdict::crash || verdict == Verdict::hang)
        end.judgement.failures = {failure()};
    return end;
}

// A run of late-probe on kernel 7 that ended, one iteration for each verdict;
// a bad one has a domain-underfoot of pci/0000:00:02.0.
inline Run run_of(const std::vector<Verdict>& verdicts) {
    Run run;
    run.head = {.tool_version = "0.1.0",
                .job = "late-probe",
                .kernel = "7.3.4+deb13-arm64",
                .arch = "aarch64",
                .board = "virtio-iommu",
                .started = "2026-11-21T10:00:00Z",
                .run_id = "late-probe-1",
                .seed = 18'446'744'073'709'551'615U,
                .planned = static_cast<unsigned>(verdicts.size()),
                .params = {{"client", {"pci/0000:00:02.0"}}},
                .taint = 4096};
    for (const auto verdict : verdicts) {
        const auto number = static_cast<unsigned>(run.ended.size() + 1);
        run.begun.push_back({number, "2026-11-21T10:00:01Z", {"group 1 type DMA"}});
        run.ended.push_back(end_of(number, verdict));
    }
    run.end = RunEnd{"done"};
    return run;
}

inline verdict::StepResult type_step() {
    verdict::StepResult step;
    step.actor = "writer";
    step.index = 3;
    step.verb = catalogue::Verb::type;
    step.text = "type 1 identity";
    step.type = types::TypeStep{.group = 1, .devices = 1, .word = "identity"};
    auto& act = step.type->act;
    act.before = types::TypeWord::dma;
    act.asked = act.after = types::TypeWord::identity;
    act.bound = types::BoundSeen::no;
    return step;
}

// Its journal, every record with its '\n'.
inline std::string journal_of(const Run& run) {
    std::string text = to_journal(run.head) + "\n";
    for (std::size_t i = 0; i < run.begun.size(); ++i) {
        text += to_journal(run.begun[i]) + "\n";
        if (i < run.ended.size()) {
            text += to_journal(type_step(), run.begun[i].iteration) + "\n" +
                    to_journal(run.ended[i]) + "\n";
        }
    }
    if (run.end)
        text += to_journal(*run.end) + "\n";
    return text;
}

} // namespace dmarace::report::testing
