// SPDX-License-Identifier: GPL-2.0-or-later
// A run as its journal tells it: dmarace writes it, dmarace, dmaraced and dmarace-vm
// read it back, so a guest that died still gets its result.json. Pure.
#pragma once

#include "base/error.hpp"
#include "verdict/verdict.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::run {

inline constexpr int kSchema = 1;

// The first record of a journal.
struct RunHead {
    std::string tool_version, job, kernel, arch, board, started, run_id;
    std::uint64_t seed = 0;
    bool holds = true;
    unsigned planned = 0; // iterations asked for; 0 when --duration decides
    std::map<std::string, std::vector<std::string>> params;
    std::vector<job::Allow> allow{}; // known of the board, not of the job
    std::uint64_t taint = 0;
};

// Before arming: what the iteration may change, with the old values.
struct IterationBegin {
    unsigned iteration = 0;
    std::string at;                      // ISO 8601, UTC
    std::vector<std::string> may_change; // "group 3 type DMA", "pci/0000:00:02.0 driver e1000e"
    std::string boot{}; // of an iteration that is a boot: the one that is judged from here on
};

struct IterationEnd {
    unsigned iteration = 0;
    verdict::Judgement judgement;
    std::uint64_t lost_events = 0, taint = 0;
    double seconds = 0;
    std::string phases{}; // "guard=0.012 before=0.031": where they went
    std::string boot{};   // the boot that was the iteration, "" where it was none
};

// What the log and the taint showed where no iteration was going on.
struct Outside {
    std::string where; // "the first reset"
    verdict::Judgement judgement;
};

// How a call of dmarace left a run.
enum class RunEnding {
    done,        // as many iterations as were asked for, or so long
    interrupted, // by the user
    skipped,     // it cannot be tested here
    error,       // the harness failed
    stopped,     // too many crashes
    boot_again,  // this kernel is to be left behind: resumed after a boot
    reboot,      // the next iteration is a boot of the machine
};
std::string_view to_text(RunEnding ending);

struct RunEnd {
    RunEnding how;
    std::string why; // a sentence

    RunEnd(RunEnding ending, std::string sentence) : how(ending), why(std::move(sentence)) {}
    // Of a journal that has the sentence alone.
    explicit RunEnd(std::string sentence);
};

// Before a run changes anything: the board as it was, in words that its writer
// can read back, and the boot of which that is true.
struct Before {
    std::string boot;
    std::vector<std::string> state;
    std::uint64_t taint = UINT64_MAX; // of the kernel, then; all of it where nobody said
};

struct Run {
    RunHead head;
    std::optional<Before> before; // what is not restored yet

    std::vector<IterationBegin> begun;
    std::vector<IterationEnd> ended;
    std::vector<Outside> outside;
    std::vector<std::string> left; // commands for what the run could not restore
    std::optional<RunEnd> end;
    std::vector<std::size_t> boots; // of each, how many iterations had ended before
    bool torn = false;              // the last line was cut off and dropped

    // The iteration that began and never ended, if the last one did.
    std::optional<unsigned> interrupted() const;
};

// Journal records, each one line of JSON without '\n'.
std::string to_journal(const RunHead& head);
std::string to_journal(const Before& before);
// Restored; 'left' has the commands for what could not be. With none left,
// nothing is to be restored any more.
std::string restored_to_journal(const std::vector<std::string>& left);
std::string to_journal(const IterationBegin& begin);
std::string to_journal(const verdict::StepResult& step, unsigned iteration);
std::string to_journal(const IterationEnd& end);
std::string to_journal(const Outside& outside);
std::string to_journal(const RunEnd& end);

// Reads journal.jsonl back. A torn last line is dropped; anything else that
// cannot be read is an error with its line number.
Result<Run> read_journal(const std::string& text);
// Whether a line is a whole record, and not the beginning of one.
bool is_record(std::string_view line);
// The steps of each iteration; a Run is kept for days and goes without.
Result<std::map<unsigned, std::vector<verdict::StepResult>>> read_steps(const std::string& text);

} // namespace dmarace::run
