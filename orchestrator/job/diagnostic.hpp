// SPDX-License-Identifier: GPL-2.0-or-later
// What can be wrong with a job file: the message and its place, the kind of it, why
// that matters and what to do. Pure.
#pragma once

#include "base/text.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// The kinds of a diagnostic: its name, which scripts and 'dmarace lint --explain' use; what goes
// wrong when it stays, who waits for whom; and what to write instead.
// clang-format off
#define DMARACE_CODES(ROW) \
    ROW(syntax, "syntax", "The file is no TOML, so nothing in it can be read.", \
        "Texts stand in double quotes, lists in [ ], a table under its [name].") \
    ROW(key, "unknown-key", \
        "A key that nobody reads is a slip: what it was meant to say would silently not happen.", \
        "Take the nearest key, or see docs/job-format.md for those of this table.") \
    ROW(missing, "missing", "Without it the job does not say what is to be done.", \
        "Add the key, with a value.") \
    ROW(kind, "wrong-kind", \
        "The value is of another kind than the key takes: a number for a text, a text for a " \
        "list.", \
        "Write the kind that the message names.") \
    ROW(value, "wrong-value", "The word is none of those the key takes.", \
        "Take one of those the message names, or see docs/job-format.md.") \
    ROW(unit, "unit", "Without its unit a time could be off by a factor of a million.", \
        "Write a whole number and a unit, in quotes: 10ns, 30us, 250ms, 2s, 5m, 1h.") \
    ROW(limit, "limit", \
        "The module has room for so much and no more, and no hold may outlast the kernel's own " \
        "watchdogs.", \
        "Stay below the limit that the message names.") \
    ROW(together, "together", \
        "Keys and tables depend on each other: as they stand, one of them says nothing, or says the " \
        "opposite of the other.", \
        "Add or take out what the message names.") \
    ROW(name, "bad-name", \
        "Names become parts of signals, of files and of the module's lines.", \
        "Use letters, digits, '-' and '_'.") \
    ROW(twice, "twice", \
        "Signals and results are told apart by name; with two of one name nobody knows which.", \
        "Rename one of them.") \
    ROW(step, "step", "The step is not one that an actor can do, as it is written.", \
        "Take the nearest, or see the steps of docs/job-format.md.") \
    ROW(param, "parameter", \
        "The word cannot be filled in, so the step or rule would work on nothing.", \
        "Define the parameter in [params] with the type that this place wants.") \
    ROW(actor, "unknown-actor", \
        "No process of this job has that name: a filter would never match, a signal never come.", \
        "Take the name of an [[actor]]; a [type] table makes the actor 'writer'.") \
    ROW(point, "unknown-point", \
        "A task can be held only where the module knows the arguments and the locks.", \
        "Take a name of 'dmarace list points'; unsafe = true tries any symbol.") \
    ROW(no_sleep, "cannot-sleep", \
        "A task that cannot sleep at this point would take the processor with it.", \
        "Hold or delay it at a caller or a callee that may sleep.") \
    ROW(no_action, "no-action", \
        "The rule is hit and does nothing, so it changes nothing and tests nothing.", \
        "Give it delay, signal, wait_for or return.") \
    ROW(owned_lock, "owned-lock", \
        "The held task owns a lock. The one it waits for needs that lock and sleeps on it, so " \
        "the two never meet in the window: the hold ends by its timeout and the race was not " \
        "tried.", \
        "Hold the task where it does not own the lock: often the exit of the function that " \
        "releases it, or the enter of the one that takes it. Where the lock is the fix, wait " \
        "for blocked:ACTOR: the other side asleep on it is then what a fixed kernel shows.") \
    ROW(maybe_owned_lock, "maybe-owned-lock", \
        "Two devices may sit in one IOMMU group or be one device. Then the held task owns the " \
        "lock that the awaited one needs, the hold ends by its timeout, and nothing is tested.", \
        "Name the same parameter on both sides if they are meant to be one, else look at " \
        "'dmarace list groups' before you trust a timeout.") \
    ROW(holds_anybody, "holds-anybody", \
        "Every task that comes by is held. If the awaited actor comes by, it waits for its own " \
        "end until the timeout.", \
        "Add actor = \"NAME\" of the one that has to stand still; for kworkers dev or from.") \
    ROW(holds_awaited, "holds-awaited", \
        "The rule holds the very actor whose progress it waits for: nobody else can end it.", \
        "Wait for a signal of another actor.") \
    ROW(stops_binds, "stops-binds", \
        "iommu_probe_device_lock is one for the whole machine: while a task stays here, every " \
        "bind of every device waits behind it, those of other actors too.", \
        "Hold at a point outside it, or keep the time short; 'dmarace list points' tells " \
        "which.") \
    ROW(no_device, "no-device", \
        "The function does not get the device as an argument, so the filter can match nothing.", \
        "Leave 'dev' out and filter by actor or from, or take a point that knows its device.") \
    ROW(no_timeout, "no-timeout", \
        "A hold always ends; without a word from you that is after 2s.", \
        "Write timeout = \"2s\", or what the other side really needs.") \
    ROW(not_raised, "not-raised", \
        "Who waits for it waits until the time is over, and the race was not tried.", \
        "Raise it: signal = \"NAME\" in a rule, or a step \"signal NAME\".") \
    ROW(unheard, "unheard", "The signal changes nothing: nobody waits for it.", \
        "Wait for it in a step or a rule, or leave it out.") \
    ROW(waits_for_itself, "waits-for-itself", \
        "The signal comes only after a step that this actor has not reached, because it waits.", \
        "Let another actor or a rule raise it, or move the wait.") \
    ROW(circle, "circle", \
        "Each of them goes on only after the other has ended: all wait until the time is over.", \
        "Take one of the waits out, or wait for step:ACTOR:N instead of done:ACTOR.") \
    ROW(only_optional, "only-optional", \
        "An optional rule need not be hit; where it is not, the wait runs into its limit.", \
        "Give the wait a short time, or a rule that must be hit.") \
    ROW(raises_own, "raises-own", \
        "The signal is up before the rule begins to wait for it, so the hold ends at once.", \
        "Wait for a signal of somebody else.") \
    ROW(reset_signal, "reset-signal", \
        "Signals count from arming on, and reset is done before it.", \
        "Move the step into an actor.") \
    ROW(unused_param, "unused-parameter", \
        "The board chooses it, the user may set it, and nothing follows from it.", \
        "Use it as {name}, or take it out.") \
    ROW(no_source, "no-source", "Others cannot judge whether the job tests what it says.", \
        "Name the thread, the commit or the report: source = \"..\".") \
    ROW(no_steps, "no-steps", "The actor ends at once and does nothing.", \
        "Give it steps, or take it out.") \
    ROW(needs_unsafe, "needs-unsafe", \
        "The guard cannot see what this does, or it may wedge the machine; without --unsafe " \
        "the job is refused.", \
        "Keep it only if there is no other way, and run it on a board that has nothing to " \
        "lose.") \
    ROW(risk, "risk", \
        "The user is told that the job leaves the machine as it was, and it does not.", \
        "Write risk = \"taint\", or \"reboot\" where it may wedge the machine or the message says so.")
// clang-format on

#define DMARACE_ENUMERATOR(code, name, why, remedy) code,
enum class Code { DMARACE_CODES(DMARACE_ENUMERATOR) };
#undef DMARACE_ENUMERATOR

struct CodeRow {
    Code code;
    std::string_view name, why, remedy;
};

// One row for each Code, in its order.
std::span<const CodeRow> code_rows();
const CodeRow& row_of(Code code);
std::optional<Code> code_from(std::string_view name);
std::vector<std::string> code_names();

// Since 6.5: the group's domain goes with its last device, and the queue is made in it.
inline constexpr const char* kQueueBesideRemoval =
    "writing DMA-FQ while a group's last device is removed is a NULL dereference since 6.5: write "
    "risk = \"reboot\", or leave DMA-FQ out";

struct Diagnostic {
    enum class Level { error, warning };
    Level level = Level::error;
    Place where;
    std::string message; // one line, with the nearest valid word where it helps
    Code code = Code::value;
};

using Diagnostics = std::vector<Diagnostic>;

// One line, without '\n': "FILE:LINE:COLUMN: error: MESSAGE".
std::string to_text(const Diagnostic& diagnostic);

// Control characters of the message are written as \xNN.
void add_error(Code code, Diagnostics& diagnostics, Place where, const std::string& message);
void add_warning(Code code, Diagnostics& diagnostics, Place where, const std::string& message);

bool has_errors(const Diagnostics& diagnostics);

// In the order of the file, doubles left out.
void sort(Diagnostics& diagnostics);

// The line of the file that a place is in, without its end; "" beyond the file.
// Control characters but tabs are shown as blanks.
std::string line_at(const std::string& text, const Place& where);

// The message with its code, the line of 'text' (the whole file) with the word
// marked, why, and the remedy.
std::string explained(const Diagnostic& diagnostic, const std::string& text);

// 'dmarace lint --explain CODE'
std::string code_text(Code code);

} // namespace dmarace::job
