// SPDX-License-Identifier: GPL-2.0-or-later
// The words of a job file: the fixed ones, each list once, for the checker, the help and
// the documents; the names of signals; {param}; and the grammar of steps, text to step and
// back, by the forms of catalogue/verbs.def. Pure.
#pragma once

#include "job/job.hpp"

#include <expected>
#include <map>
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

// What a job may need (needs = [..]), and the sentence said when the board lacks it.
// clang-format off
#define DMARACE_NEEDS(ROW) \
    ROW(iommu, "iommu", "no device of this board has an IOMMU") \
    ROW(iommu_module, "iommu-module", "the job inserts the driver of the IOMMU, and here it is no module") \
    ROW(client, "client", "no device behind an IOMMU may be touched here") \
    ROW(pci_client, "pci-client", "no PCI device behind an IOMMU may be touched here") \
    ROW(two_clients, "two-clients", "fewer than two devices behind an IOMMU may be touched here") \
    ROW(two_iommus, "two-iommus", "no device of this board is behind two IOMMU instances") \
    ROW(shared_group, "shared-group", "no IOMMU group of this board holds two devices") \
    ROW(writable_type, "writable-type", "this kernel does not let the type of an IOMMU group be written") \
    ROW(walk, "walk", "a walk on demand needs the module dmarace_sim, which this kernel's tree does not have")

// How the board chooses a device or a module (pick = ".."). Those that end in "of" take
// a {PARAM} besides.
#define DMARACE_PICKS(ROW) \
    ROW(unused, "unused", "one that nothing on the machine stands on; first those that are unbound in a group where nothing is bound") \
    ROW(any, "any", "the first the guard allows") \
    ROW(all, "all", "all the guard allows") \
    ROW(shared, "shared", "one whose IOMMU group holds another of the same bus that may be touched") \
    ROW(sibling_of, "sibling-of", "another device in the group of another parameter; written sibling-of {PARAM}") \
    ROW(disk, "disk", "a disk") \
    ROW(nic, "nic", "a NIC beside another one of its driver") \
    ROW(peer_of, "peer-of", "the other NIC of the driver; written peer-of {PARAM}") \
    ROW(iommu_driver, "iommu-driver", "the module of the driver that serves the board's IOMMU") \
    ROW(driver_of, "driver-of", "the modules that drive the devices of another parameter, without those that also drive others; written driver-of {PARAM}")
// clang-format on

#define DMARACE_ENUMERATOR(id, word, help) id,
enum class BoardNeed { DMARACE_NEEDS(DMARACE_ENUMERATOR) };
enum class Pick { DMARACE_PICKS(DMARACE_ENUMERATOR) };
#undef DMARACE_ENUMERATOR

// behind = "..": what must serve the device.
inline constexpr std::string_view kBehindOne = "iommu", kBehindTwo = "two-iommus";

std::string_view to_text(Risk risk);
std::string_view to_text(ParamType type);
std::string_view to_text(Dma dma);

// In the order of their enumerators.
const std::vector<Word>& risk_words();
const std::vector<Word>& param_type_words();
const std::vector<Word>& dma_words();
const std::vector<Word>& need_words();
const std::vector<Word>& pick_words();
template <class Enum>
std::optional<Enum> word_from(const std::vector<Word>& words, std::string_view text) {
    return enum_from<Enum>(words, text, &Word::word);
}

// Buses whose devices can have an IOMMU.
const std::vector<Word>& bus_words();
// What may be written to iommu_groups/N/type, and what may be read from it.
const std::vector<Word>& type_words();
const std::vector<Word>& type_state_words();

std::vector<std::string> names(const std::vector<Word>& words);
bool contains(const std::vector<Word>& words, std::string_view word);

// Why a job that needs this is skipped on a board that lacks it.
std::string skip_reason(BoardNeed need);

// Does the parameter choose in this way, and "{client}": of what.
bool picks(const Param& param, Pick pick);
std::string picks_of(const Param& param);

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

// The name, when the whole word is one {name}; else "".
std::string_view one_param(std::string_view word);

// The text with every {name} filled in from values; names that values lacks
// are left as they stand.
std::string fill(std::string_view text, const std::map<std::string, std::string>& values);

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

// Which of its args is a signal that the step waits for: a wait, a repeat that ends with one.
std::optional<std::size_t> awaited_word(const Step& step);
// .. and that signal, or "".
std::string awaited_signal(const Step& step);

// Every step, those inside repeats too; a repeat until a signal stands behind its own.
std::vector<const Step*> flattened(const std::vector<Step>& steps);

} // namespace dmarace::job
