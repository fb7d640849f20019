// SPDX-License-Identifier: GPL-2.0-or-later
// What the iterations of a run observed, as its directory keeps it, and verdicts
// anew from it. docs/results.md describes the lines. Pure.
#pragma once

#include "run/record.hpp"
#include "types/table.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace dmarace::run {

// The board before the iterations that follow: for a job's plan, and to compare with.
std::string board_lines(const types::Inventory& inventory,
                        const verdict::FoundBoard* found = nullptr);
std::string baseline_lines(const verdict::Baseline& baseline);
// One iteration: what the module said, what the kernel said, and all else that its
// owner saw but for the steps, which are in the journal.
std::string event_lines(const verdict::Observed& observed);
std::string log_lines(const verdict::Observed& observed);
std::string outside_lines(const std::string& where, const verdict::Observed& observed);
std::string observed_lines(const verdict::Observed& observed);

// A step and a group as lines, whose verb the caller chooses: for who tells of them while
// they happen.
Line to_line(std::string_view verb, const verdict::StepResult& step);
verdict::StepResult step_from(const Line& line);
Line to_line(std::string_view verb, const types::TypeGroup& group);
types::TypeGroup group_from(const Line& line);
Line to_line(std::string_view verb, const verdict::FoundDevice& device);
verdict::FoundDevice found_device_from(const Line& line);
Line to_line(std::string_view verb, const verdict::FoundIommu& iommu);
verdict::FoundIommu found_iommu_from(const Line& line);

// The files of a run's directory.
struct Recording {
    std::string journal, events, log, observed;
};

struct RecordedBoard {
    types::Inventory inventory;
    verdict::Baseline baseline;
    std::shared_ptr<const verdict::FoundBoard> found{}; // null in older recordings
};

struct RecordedIteration {
    verdict::Observed observed;
    std::shared_ptr<const RecordedBoard> board;
    // It had a [type] table, whose some hundred thousand acts are recorded nowhere.
    bool acts_missing = false;
    bool cut_off = false; // some of what was recorded is not there any more
};

// By the iteration's number.
Result<std::map<unsigned, RecordedIteration>> read_recording(const Recording& texts);

// The last board that a run found, null if none was recorded.
std::shared_ptr<const verdict::FoundBoard> last_found(const std::string& observed);

struct Rejudgement {
    Run run;                        // with the new verdicts
    std::vector<std::string> notes; // of each iteration: what changed, or why it was kept
    unsigned changed = 0;
};

// Judges every iteration anew of which enough was recorded. Fault::usage for a run
// of which nothing was.
Result<Rejudgement> rejudge(const Run& run, const job::Job& job, const Recording& texts);

} // namespace dmarace::run
