// SPDX-License-Identifier: GPL-2.0-or-later
// The grammar of steps: text to step and back, by the forms of
// catalogue/verbs.def. Pure.
#pragma once

#include "job/job.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// The form that the step is written in, or null: its words fit none.
const catalogue::VerbForm* form_of(const Step& step);

// Has the step, as it is written, one of these effects?
bool does(const Step& step, catalogue::Effects any);

// What a word of a step is, from the usage: "DEVICE", "MODULE", ..., or "" for
// a literal. One entry for each of the step's args.
using WordKinds = std::vector<std::string_view>;

// Something wrong with a step: the word (0 is the verb, args count from 1) and
// the message.
struct StepFault {
    std::size_t word = 0;
    std::string message;
};

// Matches a step against the forms of its verb. Words with {param} fit any kind.
std::expected<WordKinds, StepFault> match_step(const Step& step);

// A word of a text and the byte it begins at. Words are separated by blanks; a
// word in single quotes may hold blanks.
struct TextWord {
    std::string text;
    std::size_t offset = 0;
};
std::vector<TextWord> split_words(std::string_view text);

// Parses one step as written; {param} stays. 'where' is the first letter.
std::expected<Step, StepFault> parse_step(const std::string& text, const Place& where);

// The place of a word of a step (0 is the verb, args count from 1).
Place place_of_word(const Step& step, std::size_t word);

// A step that may do what the guard cannot oversee: write, a module by path.
bool needs_unsafe(const Step& step);

// Every step, those inside repeats too.
std::vector<const Step*> flattened(const std::vector<Step>& steps);

} // namespace dmarace::job
