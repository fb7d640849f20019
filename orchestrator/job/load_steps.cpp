// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load_parts.hpp"
#include "job/steps.hpp"

namespace dmarace::job {

namespace {

constexpr unsigned kRepeatMax = 10'000;
constexpr unsigned kNestingMax = 4;

std::vector<Step> load_list(const toml::array& list, Section& section, unsigned depth);

// The place of a word in a text that did not become a step.
Place place_in(const Text& text, std::size_t word) {
    auto words = split_words(text.value);
    if (!words.empty() && words.front().text == "try")
        ++word;
    Place place = text.where;
    if (word < words.size())
        place.column += static_cast<unsigned>(words[word].offset);
    else
        place.column += static_cast<unsigned>(text.value.size());
    return place;
}

// { repeat = 3, steps = [..] }
std::optional<Step> load_repeat(const toml::table& table, Section& parent, unsigned depth) {
    Section section(table, "a repeat", parent.file(), parent.diagnostics());
    Step step;
    step.verb = Verb::repeat;
    step.where = section.where();
    const auto times = section.word("repeat");
    const auto* steps = section.node("steps");
    section.done();
    if (depth > kNestingMax) {
        section.error(Code::limit, step.where, "repeats are nested too deep");
        return std::nullopt;
    }
    if (!times || !steps || !steps->is_array()) {
        section.error(step.where, "a repeat is written as a table: { repeat = 3, steps = [..] }");
        return std::nullopt;
    }
    step.args = {times->value};
    step.text = "repeat " + times->value;
    if (times->value.find('{') == std::string::npos) {
        const bool digits = !times->value.empty() && times->value.size() <= 5 &&
                            times->value.find_first_not_of("0123456789") == std::string::npos;
        const unsigned long count = digits ? std::stoul(times->value) : 0;
        if (count < 1 || count > kRepeatMax)
            section.error(times->where, "'" + times->value +
                                            "' is no count; repeat goes from 1 to " +
                                            std::to_string(kRepeatMax));
    }
    step.body = load_list(*steps->as_array(), parent, depth + 1);
    return step;
}

std::vector<Step> load_list(const toml::array& list, Section& section, unsigned depth) {
    std::vector<Step> out;
    for (const auto& element : list) {
        if (const auto* table = element.as_table()) {
            if (auto repeat = load_repeat(*table, section, depth))
                out.push_back(*std::move(repeat));
            continue;
        }
        const auto* string = element.as_string();
        if (!string) {
            section.error(section.where(element),
                          "a step is a string, or a table { repeat = 3, steps = [..] }");
            continue;
        }
        const Text text = text_of(*string, section.file());
        auto step = parse_step(text.value, text.where);
        if (step)
            out.push_back(*std::move(step));
        else
            section.error(Code::step, place_in(text, step.error().word), step.error().message);
    }
    return out;
}

} // namespace

std::vector<Step> load_steps(Section& section, std::string_view key) {
    const auto* node = section.node(key);
    if (!node)
        return {};
    if (const auto* list = node->as_array())
        return load_list(*list, section, 0);
    section.error(section.where(*node),
                  "'" + std::string(key) + "' in " + section.shown() + " is a list of steps");
    return {};
}

} // namespace dmarace::job
