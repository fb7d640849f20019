// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "base/text.hpp"
#include "job/words.hpp"

#include <algorithm>
#include <cctype>

namespace dmarace::job {

namespace {

bool is_word(std::string_view text, std::string_view also) {
    const auto fits = [&](unsigned char c) {
        return std::isalnum(c) || also.find(static_cast<char>(c)) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_device(std::string_view text) {
    const auto slash = text.find('/');
    const bool one_slash = slash == std::string_view::npos ||
                           (slash > 0 && text.find('/', slash + 1) == std::string_view::npos);
    const auto bus = text.substr(0, slash);
    const auto name = slash == std::string_view::npos ? text : text.substr(slash + 1);
    const auto dots = [](std::string_view part) { return part == "." || part == ".."; };
    return one_slash && is_word(text, "-_.:,@+!/") && !name.empty() && !dots(name) && !dots(bus);
}

bool is_number(std::string_view text) { return text.size() <= 9 && is_digits(text); }

// "" when the word is one of the list, else a message with the nearest.
std::string check_listed(std::string_view word, const std::vector<Word>& words,
                         const std::string& what) {
    if (contains(words, word))
        return "";
    return in_quotes(word) + " is no " + what + did_you_mean(word, names(words));
}

std::string check_time(std::string_view word) {
    const auto time = parse_duration(word);
    return time ? "" : time.error().message;
}

std::string check_setting(std::string_view word) {
    const auto equals = word.find('=');
    if (equals != std::string_view::npos && is_word(word.substr(0, equals), "_-."))
        return "";
    return in_quotes(word) + " is no module parameter; write name=value";
}

using catalogue::VerbForm;

constexpr std::string_view kTry = "try", kSignalKind = "SIGNAL";

// What is wrong with a word of that kind, or "". A word with {param} fits any.
std::string check_kind(std::string_view kind, std::string_view word) {
    if (word.find('{') != std::string_view::npos || kind == "VALUE")
        return "";
    if (kind == "MODULE" || kind == "IOMMU")
        return is_word(word, "_-./") ? "" : in_quotes(word) + " is no module name";
    if (kind == "DEVICE")
        return is_device(word) ? "" : in_quotes(word) + " is no device; write BUS/NAME";
    if (kind == "DRIVER")
        return is_word(word, "_-.:+") ? "" : in_quotes(word) + " is no driver name";
    if (kind == "BUS")
        return check_listed(word, bus_words(), "bus that can have an IOMMU");
    if (kind == "GROUP|DEVICE")
        return is_number(word) || is_device(word)
                   ? ""
                   : in_quotes(word) + " is neither the number of a group nor a device";
    if (kind == "TYPE")
        return check_listed(word, type_words(), "type of a group");
    if (kind == "SIZE")
        return types::size_range(word)
                   ? ""
                   : in_quotes(word) + " is no number of devices; write 1, 2.. or 2..4";
    if (kind == "STATE")
        return check_listed(word, type_state_words(), "type of a group");
    if (kind == "N")
        return is_number(word) ? "" : in_quotes(word) + " is no whole number";
    if (kind == "TIME")
        return check_time(word);
    if (kind == kSignalKind)
        return check_signal(word);
    if (kind == "NAME")
        return is_name(word) ? "" : in_quotes(word) + " is no name for a signal of the job's own";
    if (kind == "PATH")
        return word.starts_with('/') ? "" : in_quotes(word) + " is no path; write it from the root";
    return check_setting(word);
}

struct FormWord {
    std::string_view text; // without brackets and dots
    bool optional = false;
    bool many = false;

    bool literal() const { return std::islower(static_cast<unsigned char>(text.front())) != 0; }
};

std::vector<FormWord> words_of(const VerbForm& form) {
    std::vector<FormWord> out;
    auto rest = form.usage;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(' '), rest.size());
        FormWord word{rest.substr(0, end)};
        if (word.text.starts_with('[')) {
            word.optional = true;
            word.text = word.text.substr(1, word.text.size() - 2);
        }
        if (word.text.ends_with("...")) {
            word.many = true;
            word.text.remove_suffix(3);
        }
        out.push_back(word);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    out.erase(out.begin());
    return out;
}

std::vector<std::string> choices(std::string_view literal) {
    std::vector<std::string> out;
    while (true) {
        const auto bar = literal.find('|');
        out.emplace_back(literal.substr(0, bar));
        if (bar == std::string_view::npos)
            return out;
        literal.remove_prefix(bar + 1);
    }
}

bool is_choice(std::string_view literal, std::string_view word) {
    const auto all = choices(literal);
    return std::find(all.begin(), all.end(), word) != all.end();
}

StepFault with_usage(std::size_t word, std::string message, const VerbForm& form) {
    return {word, std::move(message) + "; usage: " + std::string(form.usage)};
}

// One form against all args.
std::expected<WordKinds, StepFault> match_form(const VerbForm& form,
                                               const std::vector<std::string>& args) {
    WordKinds kinds;
    std::size_t next = 0;
    for (const auto& word : words_of(form)) {
        do {
            if (next == args.size()) {
                if (word.optional)
                    break;
                return std::unexpected(
                    with_usage(next, in_quotes(word.text) + " is missing", form));
            }
            if (word.literal()) {
                if (is_choice(word.text, args[next])) {
                    kinds.emplace_back("");
                    ++next;
                } else if (!word.optional) {
                    return std::unexpected(
                        with_usage(next + 1,
                                   "unknown word " + in_quotes(args[next]) +
                                       did_you_mean(args[next], choices(word.text)),
                                   form));
                }
                break;
            }
            if (auto fault = check_kind(word.text, args[next]); !fault.empty())
                return std::unexpected(StepFault{next + 1, std::move(fault)});
            kinds.push_back(word.text);
            ++next;
        } while (word.many);
    }
    if (next < args.size())
        return std::unexpected(
            with_usage(next + 1, "one word too many: " + in_quotes(args[next]), form));
    return kinds;
}

// Of several forms of a verb, the one whose first literal the step has.
const VerbForm* choose_form(const Step& step, std::vector<std::string>& first_words) {
    const VerbForm* open = nullptr;
    for (const auto& form : catalogue::row_of(step.verb).forms()) {
        const auto words = words_of(form);
        if (words.empty() || !words.front().literal() || words.front().optional) {
            open = &form;
            continue;
        }
        if (!step.args.empty() && is_choice(words.front().text, step.args.front()))
            return &form;
        const auto all = choices(words.front().text);
        first_words.insert(first_words.end(), all.begin(), all.end());
    }
    return open;
}

} // namespace

const VerbForm* form_of(const Step& step) {
    std::vector<std::string> ignored;
    return choose_form(step, ignored);
}

bool does(const Step& step, catalogue::Effects any) {
    const auto* form = form_of(step);
    return catalogue::does(step.verb, any) || (form && (form->effects & any) != 0);
}

std::expected<WordKinds, StepFault> match_step(const Step& step) {
    std::vector<std::string> first_words;
    if (const auto* form = choose_form(step, first_words))
        return match_form(*form, step.args);
    const std::string verb(to_text(step.verb));
    if (step.args.empty())
        return std::unexpected(
            StepFault{0, "'" + verb + "' needs a word: " + joined(first_words, ", ")});
    return std::unexpected(StepFault{1, verb + " knows no word " + in_quotes(step.args.front()) +
                                            did_you_mean(step.args.front(), first_words) +
                                            "; it has " + joined(first_words, ", ")});
}

std::vector<TextWord> split_words(std::string_view text) {
    std::vector<TextWord> out;
    std::size_t at = 0;
    while ((at = text.find_first_not_of(" \t", at)) != std::string_view::npos) {
        TextWord word{"", at};
        bool quote = false;
        for (; at < text.size() && (quote || (text[at] != ' ' && text[at] != '\t')); ++at) {
            if (text[at] == '\'')
                quote = !quote;
            else
                word.text += text[at];
        }
        out.push_back(std::move(word));
    }
    return out;
}

std::expected<Step, StepFault> parse_step(const std::string& text, const Place& where) {
    const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
    if (std::any_of(text.begin(), text.end(), control))
        return std::unexpected(StepFault{0, "a step is one line"});
    auto words = split_words(text);
    Step step;
    step.text = text;
    step.where = where;
    const bool tried = !words.empty() && words.front().text == kTry;
    if (tried)
        words.erase(words.begin());
    step.may_fail = tried;
    if (words.empty())
        return std::unexpected(StepFault{0, "an empty step"});
    const auto verb = catalogue::verb_from(words.front().text);
    if (!verb)
        return std::unexpected(
            StepFault{0, "unknown step " + in_quotes(words.front().text) +
                             did_you_mean(words.front().text, catalogue::verb_names())});
    step.verb = *verb;
    for (std::size_t i = 1; i < words.size(); ++i)
        step.args.push_back(words[i].text);
    if (step.verb == Verb::repeat)
        return std::unexpected(
            StepFault{0, "a repeat is written as a table: { repeat = N, steps = [..] }"});
    TRY(match_step(step));
    return step;
}

Place place_of_word(const Step& step, std::size_t word) {
    const auto words = split_words(step.text);
    const std::size_t index = word + (step.may_fail ? 1 : 0);
    Place place = step.where;
    if (index < words.size())
        place.column += static_cast<unsigned>(words[index].offset);
    return place;
}

bool needs_unsafe(const Step& step) {
    const bool by_path = does(step, catalogue::effect::inserts_module) && !step.args.empty() &&
                         step.args.front().find('/') != std::string::npos;
    const bool inside = std::any_of(step.body.begin(), step.body.end(), needs_unsafe);
    return does(step, catalogue::effect::unsafe) || by_path || inside;
}

std::optional<std::size_t> awaited_word(const Step& step) {
    const auto kinds = match_step(step);
    if (!kinds)
        return std::nullopt;
    const auto at = std::ranges::find(*kinds, kSignalKind);
    return at == kinds->end() ? std::nullopt : std::optional(at - kinds->begin());
}

std::string awaited_signal(const Step& step) {
    const auto word = awaited_word(step);
    return word ? step.args.at(*word) : "";
}

std::vector<const Step*> flattened(const std::vector<Step>& steps) {
    std::vector<const Step*> out;
    for (const auto& step : steps) {
        if (step.verb != Verb::repeat) {
            out.push_back(&step);
            continue;
        }
        for (const auto* inner : flattened(step.body))
            out.push_back(inner);
        if (awaited_word(step))
            out.push_back(&step);
    }
    return out;
}

} // namespace dmarace::job
