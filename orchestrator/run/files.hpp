// SPDX-License-Identifier: GPL-2.0-or-later
// The names of the files in a run's directory, and how whoever watches it from outside the
// machine has its records before the machine is put at risk. For programs without libraries
// too.
#pragma once

namespace dmarace::run {

// docs/results.md says what is in each.
namespace files {
inline constexpr const char* kJournal = "journal.jsonl";
inline constexpr const char* kEvents = "events.log";
inline constexpr const char* kLog = "kmsg.log";
inline constexpr const char* kObserved = "observed.log";
inline constexpr const char* kJob = "job.toml";
inline constexpr const char* kResult = "result.json";
inline constexpr const char* kKtap = "result.ktap";
inline constexpr const char* kReserve = "reserve";
inline constexpr const char* kBootAgain = "boot-again";
// What follows the name of a log that has turned over.
inline constexpr const char* kOlder = ".1";
} // namespace files

// The watcher's agent on the board hands over the number of one end of a socket pair, in the
// environment. A byte asks "has the other side what the run's directory holds?"; a byte is the
// answer.
inline constexpr const char* kWitness = "DMARACE_WITNESS";

// In the environment of a guest that may be one of several lives of one boot: which one. They
// have the kernel's boot_id in common, and nothing else.
inline constexpr const char* kLife = "DMARACE_LIFE";

// Of a program that may be kept with its guest: one end of a socket pair, by number. A byte says
// that all is known which another life would find alike; the answer, to its end, is what the life
// that begins has in its environment, each with a NUL. There: the files that are its output, and
// whether it goes on with what an earlier one began.
inline constexpr const char *kStand = "DMARACE_STAND", *kStdout = "DMARACE_STDOUT",
                            *kStderr = "DMARACE_STDERR", *kGoesOn = "DMARACE_GOES_ON";

} // namespace dmarace::run
