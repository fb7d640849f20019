// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/words.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace dmarace::job {

namespace {

#define DMARACE_WORD(id, word, help) {word, help},

// The lists of words are in the order of the enumerators.
template <class Enum>
std::string_view enum_text(const std::vector<Word>& words, Enum value) {
    return words.at(static_cast<std::size_t>(value)).word;
}

bool is_device_signal_text(std::string_view text) {
    return text.find_first_of(" \t\"\\,") == std::string_view::npos;
}

// Parses the N of ACTOR:N; 0 when it is none.
unsigned step_number(std::string_view text) { return to_number<unsigned>(text).value_or(0); }

} // namespace

const std::vector<Word>& risk_words() {
    static const std::vector<Word> words{
        {"none", "leaves the machine as it was"},
        {"taint", "may leave warnings in the log and taint the kernel"},
        {"reboot", "may wedge the kernel until it is booted again; needs --unsafe"}};
    return words;
}

const std::vector<Word>& param_type_words() {
    static const std::vector<Word> words{{"device", "one device, BUS/NAME"},
                                         {"devices", "a list of devices; may be empty"},
                                         {"module", "one module of the board's own tree"},
                                         {"modules", "a list of modules; may be empty"},
                                         {"group", "one IOMMU group, by number"},
                                         {"text", "one word"},
                                         {"number", "a whole number"},
                                         {"duration", "whole numbers and their units: 1h30m"}};
    return words;
}

const std::vector<Word>& dma_words() {
    static const std::vector<Word> words{
        {"translated", "every judged device goes through its IOMMU, in a DMA or DMA-FQ domain"},
        {"as-type", "every judged device goes where its group's type says"},
        {"baseline", "every judged device is as it was in a quiet run"}};
    return words;
}

const std::vector<Word>& need_words() {
    static const std::vector<Word> words{DMARACE_NEEDS(DMARACE_WORD)};
    return words;
}

const std::vector<Word>& pick_words() {
    static const std::vector<Word> words{DMARACE_PICKS(DMARACE_WORD)};
    return words;
}

const std::vector<Word>& bus_words() {
    static const std::vector<Word> words{
        {"pci", "PCI functions"},   {"platform", "devices of the firmware's tables"},
        {"amba", "Arm primecells"}, {"fsl-mc", "NXP management complex objects"},
        {"cdx", "AMD CDX devices"}, {"virtio", "virtio devices, the virtio IOMMU among them"}};
    return words;
}

const std::vector<Word>& type_words() {
    static const std::vector<Word> words{{"DMA", "translated, strict invalidation"},
                                         {"DMA-FQ", "translated, invalidation from a flush queue"},
                                         {"identity", "addresses pass unchanged"},
                                         {"auto", "what the driver or the kernel's default says"}};
    return words;
}

const std::vector<Word>& type_state_words() {
    static const std::vector<Word> words{{"DMA", ""},       {"DMA-FQ", ""},  {"identity", ""},
                                         {"unmanaged", ""}, {"blocked", ""}, {"unknown", ""}};
    return words;
}

std::string_view to_text(Risk risk) { return enum_text(risk_words(), risk); }
std::string_view to_text(ParamType type) { return enum_text(param_type_words(), type); }
std::string_view to_text(Dma dma) { return enum_text(dma_words(), dma); }

std::vector<std::string> names(const std::vector<Word>& words) {
    return texts_of(words, &Word::word);
}

bool contains(const std::vector<Word>& words, std::string_view word) {
    return std::any_of(words.begin(), words.end(),
                       [&](const Word& known) { return known.word == word; });
}

std::string skip_reason(BoardNeed need) {
    return std::string(need_words().at(static_cast<std::size_t>(need)).help);
}

bool picks(const Param& param, Pick pick) {
    const auto first = std::string_view(param.pick).substr(0, param.pick.find(' '));
    return first == enum_text(pick_words(), pick);
}

std::string picks_of(const Param& param) {
    return param.pick.substr(std::min(param.pick.find('{'), param.pick.size()));
}

bool is_list(ParamType type) { return type == ParamType::devices || type == ParamType::modules; }

bool Signal::about_actor() const {
    return prefix == DMARACE_S_DONE || prefix == DMARACE_S_STEP || prefix == DMARACE_S_BLOCKED;
}

std::vector<std::string> signal_prefixes() {
    return {DMARACE_S_DONE,    DMARACE_S_STEP,    DMARACE_S_BLOCKED,
            DMARACE_S_BINDING, DMARACE_S_BOUND,   DMARACE_S_UNBOUND,
            DMARACE_S_ADDED,   DMARACE_S_REMOVED, DMARACE_S_DEFERRED};
}

bool is_name(std::string_view text) {
    const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

std::string check_signal(std::string_view text) {
    const std::string shown = "'" + std::string(text) + "'";
    if (text.empty())
        return "a signal has a name";
    if (text.size() >= DMARACE_NAME_MAX)
        return shown + " is too long for a signal";
    if (text.find('{') != std::string_view::npos)
        return "";
    const auto colon = text.find(':');
    if (colon == std::string_view::npos)
        return is_name(text) ? ""
                             : shown + " is no signal; names have letters, digits, '-' and '_'";
    const std::string prefix(text.substr(0, colon));
    const auto known = signal_prefixes();
    if (std::find(known.begin(), known.end(), prefix) == known.end())
        return "unknown kind of signal '" + prefix + ":'" + did_you_mean(prefix, known);
    const auto subject = text.substr(colon + 1);
    if (subject.empty())
        return shown + " does not say of whom; write " + prefix + ":NAME";
    if (prefix == DMARACE_S_STEP) {
        const auto last = subject.rfind(':');
        if (last == std::string_view::npos || step_number(subject.substr(last + 1)) == 0)
            return shown + " does not say which step; write step:ACTOR:N, N from 1";
    }
    return is_device_signal_text(subject) ? "" : shown + " is no signal";
}

Signal parse_signal(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos)
        return {"", std::string(text), 0};
    Signal signal{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1)), 0};
    if (signal.prefix == DMARACE_S_STEP) {
        const auto last = signal.subject.rfind(':');
        if (last != std::string::npos) {
            signal.step = step_number(std::string_view(signal.subject).substr(last + 1));
            signal.subject.resize(last);
        }
    }
    return signal;
}

std::vector<ParamUse> param_uses(std::string_view text) {
    std::vector<ParamUse> out;
    for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
        const auto end = text.find('}', at);
        if (end == std::string_view::npos)
            out.push_back({"", at});
        else
            out.push_back({std::string(text.substr(at + 1, end - at - 1)), at});
    }
    return out;
}

std::string_view one_param(std::string_view word) {
    const bool one = word.size() > 2 && word.front() == '{' && word.find('}') == word.size() - 1;
    return one ? word.substr(1, word.size() - 2) : "";
}

std::string fill(std::string_view text, const std::map<std::string, std::string>& values) {
    std::string out;
    std::size_t done = 0;
    for (const auto& use : param_uses(text)) {
        const auto value = values.find(use.name);
        if (value == values.end() || use.offset < done)
            continue;
        out += text.substr(done, use.offset - done);
        out += value->second;
        done = use.offset + use.name.size() + 2;
    }
    return out += text.substr(done);
}

} // namespace dmarace::job
