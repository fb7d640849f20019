// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds what a job that loads still gets wrong: rules that wait for a
// task which needs a lock the held task owns, signals that nothing raises,
// tasks that wait for each other. Pure.
#pragma once

#include "job/diagnostic.hpp"

namespace dmarace::job {

// Errors and warnings, in the order of the file. A job with a lint error must
// not be run: it would test nothing, or wait for ever.
Diagnostics lint(const Job& job);

// Why the job must not be run without --unsafe: its risk, a step that the guard
// cannot oversee, a rule at a function no table knows. "" when it may.
std::string why_unsafe(const Job& job);

} // namespace dmarace::job
