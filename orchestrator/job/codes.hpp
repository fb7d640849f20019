// SPDX-License-Identifier: GPL-2.0-or-later
// This file names every kind of thing that can be wrong with a job file, and
// knows why it matters and what to do. Pure.
#pragma once

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

} // namespace dmarace::job
