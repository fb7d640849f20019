// SPDX-License-Identifier: GPL-2.0-or-later
// This file says what is wrong with a job file so that its writer can mend it:
// the line with a caret, why it matters, what to do. Pure; texts end with '\n'.
#pragma once

#include "job/diagnostic.hpp"

#include <string>

namespace dmarace::job {

// The line of the file that a place is in, without its end; "" beyond the file.
// Control characters but tabs are shown as blanks.
std::string line_at(const std::string& text, const Place& where);

// The message with its code, the line of 'text' (the whole file) with the word
// marked, why, and the remedy.
std::string explained(const Diagnostic& diagnostic, const std::string& text);

// 'dmarace lint --explain CODE'
std::string code_text(Code code);

} // namespace dmarace::job
