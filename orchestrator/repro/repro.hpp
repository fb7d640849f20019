// SPDX-License-Identifier: GPL-2.0-or-later
// A job as upstream wants it: a patch that lets tasks sleep where the job holds them, a shell
// script that does its acts, and a mail. Pure: sources of a kernel come as texts.
#pragma once

#include "base/error.hpp"
#include "job/job.hpp"
#include "run/recording.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::repro {

// What a run of the job showed, for times and call traces.
struct SeenRun {
    std::string kernel, arch, board, tool;
    job::Bindings params;
    std::map<std::string, std::int64_t> held_us; // by rule
    verdict::Observed observed;                  // of the iteration that showed most
    verdict::Judgement judgement;
};
// Of the first iteration that failed, or the first.
Result<SeenRun> seen_in(const run::Run& run, const std::map<unsigned, run::RecordedIteration>& all);

// A rule as a place in a source: where somebody sleeps, or (sleep 0) is told of.
struct Hold {
    std::string rule, says, actor;      // says: what the kernel prints, "repro: SAYS: "
    std::vector<std::string> functions; // the first that the tree has
    std::string device;                 // "" for any
    bool exit = false, in_table = false;
    unsigned nth = 1;
    int mark = 0;                       // of the tasks that it is for; 0: of all
    std::optional<unsigned> argument{}; // that is the device
    std::chrono::milliseconds sleep{0};
    std::vector<std::string> waits_for{}; // that the time stands for
    std::string locks{};                  // owned there, as the table has it
    Place where{};
};
// Fault::usage, with the place in the job: what no sleep in a source can do.
Result<std::vector<Hold>> holds_of(const job::Job& job, const job::Plan& plan, const SeenRun* seen,
                                   std::optional<std::chrono::milliseconds> sleep);

// The oom_score_adj by which the patch knows the tasks of an actor: a shell can set it, and fork
// and exec keep it.
int mark_of(const job::Plan& plan, std::string_view actor);

// The definition of a function, in kernel style: its braces in the first column.
struct Definition {
    unsigned line = 0;                   // of the '{', from 1
    std::vector<std::string> parameters; // as written
    std::string behind;                  // attributes between ')' and '{'
    std::string body;                    // without comments and strings
};
std::vector<Definition> definitions_of(const std::string& text, std::string_view function);

struct SourceFile {
    std::string path; // in the tree
    std::string text;
};
// The files of a tree that define the function.
using Tree = std::function<Result<std::vector<SourceFile>>(const std::string& function)>;

// Unified, for 'git apply' and 'patch -p1'; 'holds' get the function that each one is in.
// Fault::usage: a function that is not there, or is in several files, or where nobody may sleep; a
// tree that has a reproducer already.
Result<std::string> patch_of(std::vector<Hold>& holds, const Tree& tree);

// Fault::untestable: an act that no shell can do, with the place.
Status can_script(const job::Job& job);
// POSIX sh.
Result<std::string> script_of(const job::Job& job, const job::Plan& plan,
                              const std::vector<Hold>& holds);

inline constexpr std::size_t kMailLines = 60;
struct MailFacts {
    std::string tree; // its version
    const SeenRun* seen = nullptr;
};
std::string mail_of(const job::Job& job, const job::Plan& plan, const std::vector<Hold>& holds,
                    const MailFacts& facts);

// What the three are called.
inline constexpr const char *kPatch = "repro.patch", *kScript = "repro.sh", *kMail = "mail.txt";

} // namespace dmarace::repro
