// SPDX-License-Identifier: GPL-2.0-or-later
// What 'dmarace check' found, on one page: what is sound, what is not, what could not be tried
// and why; the same as JSON; and the verdict over all of it. Pure.
#pragma once

#include "check/choice.hpp"
#include "report/report.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace dmarace::check {

// One thing that was looked at before any job.
struct DoctorCheck {
    std::string name;
    std::string state; // ok | note | guard | skip | stop
    std::string found;
    std::string remedy;
};

// A device that an IOMMU may serve, as it was found.
struct Master {
    verdict::Audit audit;
    std::vector<std::string> members{}; // of its group
    std::string waits_for{};
};

// A run that was made, and where it lies below the directory.
struct Tried {
    Try what;
    std::string directory{};
    verdict::Verdict verdict = verdict::Verdict::error;
    std::string why{};    // "" where it passed
    bool missed = false;  // nobody came by its window, and nothing else is in doubt
    bool unbegun = false; // the board could not be brought to where it begins
    std::vector<verdict::Failure> failures{};
    std::vector<std::string> notes{}, left{};
    double seconds = 0;
};
// What a run came to; one that ended before its first iteration as well.
Tried to_tried(const Try& what, const std::string& directory, const run::Run& run);

struct CheckedBoard {
    std::string tool_version{}, kernel{}, arch{}, board{}, started{}, directory{};
    double seconds = 0, limit = 0;
    std::vector<DoctorCheck> machine{};
    std::vector<Master> masters{};
    std::size_t without = 0;    // devices that firmware gives no IOMMU
    verdict::Judgement found{}; // what the board showed before anything was tried
    std::vector<Tried> tried{};
    std::vector<Untried> untried{};
    std::string stopped{}; // why it ended before its end, "" if it did not
    bool ended = false;
};

// The worst that was seen; skip where nothing could be tried, and inconclusive where what could
// be tried was not. A window that was missed counts only where no other one of its order was
// hit.
verdict::Verdict overall(const CheckedBoard& board);
// One line: why it is no pass, "" if it is.
std::string why_not_pass(const CheckedBoard& board);

std::string page(const CheckedBoard& board);
// Without a newline at its end.
std::string check_json(const CheckedBoard& board);
std::string check_line(const CheckedBoard& board);

} // namespace dmarace::check
