// SPDX-License-Identifier: GPL-2.0-or-later
// The words of a job file: the fixed ones, each list once, for the checker, the help and
// the documents; the names of signals; and {param}. Pure.
#pragma once

#include "job/job.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// A word and the sentence that explains it.
struct Word {
    std::string_view word;
    std::string_view help;
};

std::string_view to_text(Risk risk);
std::string_view to_text(ParamType type);
std::string_view to_text(Dma dma);

std::optional<Risk> risk_from(std::string_view text);
std::optional<ParamType> param_type_from(std::string_view text);
std::optional<Dma> dma_from(std::string_view text);

const std::vector<Word>& risk_words();
const std::vector<Word>& param_type_words();
const std::vector<Word>& dma_words();
// needs = [..]: help is the sentence said when the board lacks it.
const std::vector<Word>& need_words();
// pick = "..": driver-of and sibling-of take a {PARAM} besides.
const std::vector<Word>& pick_words();
// Buses whose devices can have an IOMMU.
const std::vector<Word>& bus_words();
// What may be written to iommu_groups/N/type, and what may be read from it.
const std::vector<Word>& type_words();
const std::vector<Word>& type_state_words();

std::vector<std::string> names(const std::vector<Word>& words);
bool contains(const std::vector<Word>& words, std::string_view word);

// Why a job that needs this is skipped on a board that lacks it.
std::string skip_reason(std::string_view need);

bool is_list(ParamType type);

// "done:walk", "step:walk:2", "bound:pci/0000:00:02.0", or a job's own name.
struct Signal {
    std::string prefix;  // "" for a job's own
    std::string subject; // the actor, the device, or the own name
    unsigned step = 0;   // of step:ACTOR:N

    bool own() const { return prefix.empty(); }
    // done, step and blocked are about an actor, the others about a device.
    bool about_actor() const;
};

std::vector<std::string> signal_prefixes();

// What is wrong with the name, or "". {param} in a name is left alone.
std::string check_signal(std::string_view text);

// The parts of a name that check_signal() found right.
Signal parse_signal(std::string_view text);

// Letters, digits, '-' and '_': names of jobs, actors, rules and own signals.
bool is_name(std::string_view text);

// One {name} in a text.
struct ParamUse {
    std::string name;
    std::size_t offset = 0; // of the '{'
};

// Every {name} of the text, in order. A '{' without its '}' gives a use with
// an empty name.
std::vector<ParamUse> param_uses(std::string_view text);

// Is the whole word one {name}?
bool is_one_param(std::string_view word);

// The text with every {name} filled in from values; names that values lacks
// are left as they stand.
std::string fill(std::string_view text, const std::map<std::string, std::string>& values);

} // namespace dmarace::job
