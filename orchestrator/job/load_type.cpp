// SPDX-License-Identifier: GPL-2.0-or-later
// The [type] table of a job file.
#include "base/text.hpp"
#include "job/load_parts.hpp"
#include "job/reader.hpp"
#include "job/words.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

constexpr unsigned kWritersMax = 8;

std::string listed(const std::vector<std::string>& choices) {
    std::string all;
    for (const auto& choice : choices)
        all += (all.empty() ? "" : " or ") + choice;
    return all;
}

void check_choice(Section& section, std::string_view key, const Text& word,
                  const std::vector<std::string>& choices) {
    if (std::ranges::find(choices, word.value) == choices.end())
        section.error(word.where, "'" + word.value + "' is no " + std::string(key) +
                                      did_you_mean(word.value, choices) + "; it is " +
                                      listed(choices));
}

// One word out of a few.
std::string load_choice(Section& section, std::string_view key, std::string fallback,
                        const std::vector<std::string>& choices) {
    const auto word = section.text(key);
    if (!word)
        return fallback;
    check_choice(section, key, *word, choices);
    return word->value;
}

std::vector<std::string> values_of(const std::vector<Text>& texts) {
    std::vector<std::string> out;
    for (const auto& text : texts)
        out.push_back(text.value);
    return out;
}

void load_groups(Section& section, TypeStorm& storm) {
    const auto* node = section.node("groups");
    if (!node)
        return;
    std::vector<Text> words;
    if (node->is_array())
        words = section.texts("groups");
    else if (auto word = section.word("groups"))
        words.push_back(*std::move(word));
    for (const auto& word : words) {
        const bool number =
            !word.value.empty() && word.value.find_first_not_of("0123456789") == std::string::npos;
        if (word.value != "all" && !word.value.starts_with('{') && !number)
            section.error(word.where,
                          "'" + word.value + "' names no groups; write all, a {param} or a number");
    }
    if (!words.empty())
        storm.groups = values_of(words);
}

void load_selection(Section& section, TypeStorm& storm) {
    load_groups(section, storm);
    storm.devices = values_of(section.texts("devices"));
    storm.drivers = values_of(section.texts("drivers"));
    storm.iommus = values_of(section.texts("iommu"));
    if (const auto size = section.word("size")) {
        storm.size = size->value;
        if (!types::size_range(size->value))
            section.error(size->where,
                          "'" + size->value + "' is no number of devices; write 1, 2.. or 2..4");
    }
}

// 'types' in any order, or a 'sequence' that is gone through as it stands.
void load_types(Section& section, TypeStorm& storm) {
    auto types = section.texts("types");
    const auto sequence = section.texts("sequence");
    if (!types.empty() && !sequence.empty())
        section.error(sequence.front().where, "[type] has 'types' or 'sequence', not both");
    if (!sequence.empty())
        types = sequence;
    for (const auto& type : types)
        if (!contains(type_words(), type.value))
            section.error(type.where, "'" + type.value + "' is no type of a group" +
                                          did_you_mean(type.value, names(type_words())));
    storm.types = types.empty() ? names(type_words()) : values_of(types);
    if (!sequence.empty())
        storm.order = "sequence";
    const auto order = section.text("order");
    if (!order)
        return;
    check_choice(section, "order", *order, types::type_orders());
    if (!sequence.empty() && order->value != "sequence")
        section.error(order->where, "a 'sequence' is gone through as it stands; for order = \"" +
                                        order->value + "\" write 'types'");
    storm.order = order->value;
}

void load_length(Section& section, const Job& job, TypeStorm& storm) {
    storm.count = section.count("count", 1, types::kTypeWritesMax);
    storm.duration = section.duration("duration");
    if (storm.order == "random" && !storm.count && !storm.duration)
        section.error(job.type_where, "order = \"random\" has no end of its own: give 'count' or "
                                      "'duration'");
}

bool writes_queue(const TypeStorm& storm) {
    return std::ranges::find(storm.types, "DMA-FQ") != storm.types.end();
}

std::vector<std::string> side_words() {
    std::vector<std::string> out;
    for (const auto& row : types::side_works())
        out.emplace_back(row.word);
    return out;
}

bool removes(const std::string& side_work) {
    const auto works = types::side_works();
    const auto row = std::ranges::find(works, side_work, &types::SideWork::word);
    return row != works.end() && row->kind == types::TypeWork::Kind::remove;
}

void load_beside(Section& section, const Job& job, TypeStorm& storm) {
    for (const auto& word : section.texts("beside")) {
        if (!std::ranges::count(side_words(), word.value))
            section.error(word.where, "'" + word.value + "' is nothing that goes on beside writes" +
                                          did_you_mean(word.value, side_words()) + "; it is " +
                                          listed(side_words()));
        if (std::ranges::find(storm.beside, word.value) != storm.beside.end())
            section.error(word.where, "'" + word.value + "' is there twice");
        if (removes(word.value) && writes_queue(storm) && job.risk != Risk::reboot)
            section.error(word.where,
                          "writing DMA-FQ while a group's last device is removed is a NULL "
                          "dereference since 6.5: write risk = \"reboot\", or leave DMA-FQ out");
        storm.beside.push_back(word.value);
    }
}

void check_names(Section& section, const Job& job, const TypeStorm& storm) {
    for (const auto& name : type_actor_names(storm))
        for (const auto& actor : job.actors)
            if (actor.name == name)
                section.error(actor.where,
                              "[type] makes the actor '" + name + "'; name this one otherwise");
}

} // namespace

void load_type_storm(Section& top, Job& job) {
    const auto* table = top.table("type");
    if (!table)
        return;
    Section section(*table, "[type]", top.file(), top.diagnostics());
    TypeStorm storm;
    job.type_where = section.where();
    load_selection(section, storm);
    load_types(section, storm);
    storm.driver = load_choice(section, "driver", storm.driver, types::type_drivers());
    load_length(section, job, storm);
    storm.writers = section.count("writers", 1, kWritersMax).value_or(1);
    storm.share = load_choice(section, "share", storm.share, {"same", "split"});
    load_beside(section, job, storm);
    section.done();
    check_names(section, job, storm);
    job.type_storm = std::move(storm);
}

} // namespace dmarace::job
