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

// The kind of a diagnostic. Its name in code_rows() is stable: scripts and
// 'dmarace lint --explain' use it.
enum class Code {
    syntax,
    key,
    missing,
    kind,
    value,
    unit,
    limit,
    twice,
    step,
    param,
    actor,
    point,
    no_sleep,
    no_action,
    owned_lock,
    maybe_owned_lock,
    holds_anybody,
    holds_awaited,
    stops_binds,
    no_device,
    no_timeout,
    not_raised,
    unheard,
    waits_for_itself,
    circle,
    only_optional,
    raises_own,
    reset_signal,
    unused_param,
    no_source,
    no_steps,
    needs_unsafe,
    risk,
};

struct CodeRow {
    Code code;
    std::string_view name;
    std::string_view why;    // what goes wrong when it stays: who waits for whom
    std::string_view remedy; // what to write instead
};

// One row for each Code, in its order.
std::span<const CodeRow> code_rows();
const CodeRow& row_of(Code code);
std::optional<Code> code_from(std::string_view name);
std::vector<std::string> code_names();

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
