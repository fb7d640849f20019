// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/steps.hpp"

#include "job/words.hpp"
#include "parts.hpp"

#include <algorithm>
#include <array>

namespace dmarace::generate {

namespace {

using catalogue::Verb;
namespace effect = catalogue::effect;

std::string in_quotes(const std::string& text) {
    return "\"" + text + "\"";
}

// A verb and one of its forms.
struct FormChoice {
    const catalogue::VerbRow* verb;
    const catalogue::VerbForm* form;
};

const std::vector<FormChoice>& all_forms() {
    static const auto forms = [] {
        std::vector<FormChoice> out;
        for (const auto& row : catalogue::verb_rows())
            for (const auto& form : row.forms())
                out.push_back({&row, &form});
        return out;
    }();
    return forms;
}

bool takes_away(const catalogue::VerbRow& verb) {
    return verb.does(effect::adds | effect::removes) && !verb.does(effect::walks);
}

// write needs --unsafe, a repeat is a table, signals are drawn by those who know
// who raises them; a walk of all buses does what an arriving IOMMU does. Checked
// I/O needs a disk or a link that a board may not have, and a driver's or an
// IOMMU's name may select no group.
bool usable(const Sketch& sketch, const catalogue::VerbRow& verb, const catalogue::VerbForm& form) {
    constexpr std::array kDrawnElsewhere{Verb::repeat, Verb::wait, Verb::signal, Verb::io};
    const bool may_select_none =
        verb.verb == Verb::type && form.usage.find("DRIVER") != std::string_view::npos;
    if (verb.does(effect::unsafe) || may_select_none ||
        std::ranges::find(kDrawnElsewhere, verb.verb) != kDrawnElsewhere.end())
        return false;
    return sketch.removals || !takes_away(verb);
}

// The words after the verb; "" when a word of it has no value here.
std::string fill_form(Sketch& sketch, const catalogue::VerbRow& verb,
                      const catalogue::VerbForm& form) {
    std::string out(verb.name);
    std::string_view rest = form.usage.substr(std::min(form.usage.find(' '), form.usage.size()));
    while (!rest.empty()) {
        rest.remove_prefix(1);
        auto word = rest.substr(0, std::min(rest.find(' '), rest.size()));
        rest.remove_prefix(word.size());
        const bool optional = word.starts_with('[');
        if (optional && sketch.random.chance(60))
            continue;
        if (optional)
            word = word.substr(1, word.size() - 2);
        if (word.ends_with("..."))
            word.remove_suffix(3);
        const auto value = word_of_kind(sketch, word);
        if (value.empty() && !optional)
            return "";
        out += value.empty() ? "" : " " + value;
    }
    return out;
}

// A signal that comes from elsewhere: from an actor before this one, so that no
// circle closes, from a rule, or from the bus.
std::string awaited(Sketch& sketch, std::size_t actor) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < actor; ++i) {
        known.push_back("done:" + sketch.actors[i]);
        known.push_back("blocked:" + sketch.actors[i]);
        known.push_back("step:" + sketch.actors[i] + ":1");
        known.push_back(sketch.step_signals[i]);
    }
    for (const auto& signal : sketch.rule_signals)
        known.push_back(signal);
    for (const auto& prefix : job::signal_prefixes())
        if (!job::parse_signal(prefix + ":x").about_actor())
            known.push_back(prefix + ":{client}");
    return sketch.random.of(known);
}

} // namespace

std::string kernel_step(Sketch& sketch) {
    for (;;) {
        const auto& [verb, form] = sketch.random.of(all_forms());
        if (!usable(sketch, *verb, *form))
            continue;
        const auto text = fill_form(sketch, *verb, *form);
        if (!text.empty())
            return (sketch.random.chance(80) ? "try " : "") + text;
    }
}

std::string steps_of(Sketch& sketch, std::size_t actor) {
    auto& random = sketch.random;
    std::vector<std::string> steps;
    if (random.chance(50))
        steps.push_back(in_quotes("wait " + awaited(sketch, actor) + " " +
                                  std::to_string(random.between(1, 900)) + "ms"));
    if (sketch.arrival && actor == 0)
        steps.push_back(
            in_quotes(random.chance(50) ? "insmod {iommu}" : "try insmod {iommu} async"));
    for (unsigned i = random.between(1, 4); i > 0; --i)
        steps.push_back(in_quotes(kernel_step(sketch)));
    if (random.chance(20))
        steps.push_back("{ repeat = " + std::string(random.chance(50) ? "\"{n}\"" : "2") +
                        ", steps = [" + in_quotes(kernel_step(sketch)) + "] }");
    steps.push_back(in_quotes("signal " + sketch.step_signals[actor]));
    std::string out;
    for (const auto& step : steps)
        out += (out.empty() ? "" : ", ") + step;
    return "[" + out + "]";
}

std::string word_of_kind(Sketch& sketch, std::string_view kind) {
    auto& random = sketch.random;
    const auto listed = [&](const std::vector<job::Word>& words) {
        return std::string(random.of(words).word);
    };
    if (kind.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos) {
        std::vector<std::string> choices{""}; // a literal, a|b a choice
        for (const char c : kind) {
            if (c == '|')
                choices.emplace_back("");
            else
                choices.back() += c;
        }
        return random.of(choices);
    }
    if (kind == "DEVICE" || kind == "GROUP|DEVICE")
        return random.chance(70) ? "{client}" : "{clients}";
    if (kind == "MODULE")
        return sketch.arrival && random.chance(40) ? "{iommu}" : "{drivers}";
    if (kind == "IOMMU")
        return sketch.arrival && random.chance(50) ? "{iommu}" : "iommu";
    if (kind == "BUS")
        return "pci";
    if (kind == "TYPE") {
        const auto type = listed(job::type_words());
        return type == "DMA-FQ" && sketch.removals ? "DMA" : type;
    }
    if (kind == "SIZE")
        return "1..";
    if (kind == "STATE")
        return listed(job::type_state_words());
    if (kind == "GROUP")
        return std::to_string(random.between(0, 4));
    if (kind == "DRIVER")
        return random.chance(50) ? "none" : "vfio-pci";
    if (kind == "N")
        return std::to_string(random.between(0, 2));
    if (kind == "TIME")
        return random.chance(30) ? "{t}" : std::to_string(random.between(1, 2000)) + "ms";
    return "";
}

} // namespace dmarace::generate
