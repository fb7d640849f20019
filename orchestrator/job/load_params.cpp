// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/nearest.hpp"
#include "job/load_parts.hpp"
#include "job/params.hpp"
#include "job/signals.hpp"
#include "job/words.hpp"

namespace dmarace::job {

namespace {

// Picks that name another parameter: "driver-of {client}".
constexpr std::string_view kPicksOf[] = {"driver-of", "sibling-of", "peer-of"};

void check_pick_word(Section& section, const Text& pick) {
    for (const auto of : kPicksOf) {
        if (!pick.value.starts_with(of))
            continue;
        const auto rest = std::string_view(pick.value).substr(of.size());
        if (!rest.starts_with(' ') || !is_one_param(rest.substr(1)))
            section.error(pick.where,
                          std::string(of) + " names a parameter: " + std::string(of) + " {client}");
        return;
    }
    if (!contains(pick_words(), pick.value))
        section.error(pick.where, "unknown pick '" + pick.value + "'" +
                                      did_you_mean(pick.value, names(pick_words())));
}

void load_type(Section& section, Param& param) {
    const Text type = section.required("type");
    const auto known = param_type_from(type.value);
    if (!known && !type.value.empty())
        section.error(type.where, "'" + type.value + "' is no type of a parameter" +
                                      did_you_mean(type.value, names(param_type_words())));
    param.type = known.value_or(ParamType::text);
}

void load_choosing(Section& section, Param& param) {
    if (const auto behind = section.text("behind")) {
        param.behind = behind->value;
        if (behind->value != "iommu" && behind->value != "two-iommus")
            section.error(behind->where, "'" + behind->value +
                                             "' is nothing a device can be behind; it is iommu or "
                                             "two-iommus");
    }
    if (const auto bus = section.text("bus")) {
        param.bus = bus->value;
        if (!contains(bus_words(), bus->value))
            section.error(bus->where, "'" + bus->value + "' is no bus that can have an IOMMU" +
                                          did_you_mean(bus->value, names(bus_words())));
    }
    const auto pick = section.text("pick");
    if (!pick)
        return;
    param.pick = pick->value;
    check_pick_word(section, *pick);
}

// A default: a string, a whole number, or for a list parameter a list.
void load_default(Section& section, Param& param) {
    const auto* node = section.node("default");
    if (!node)
        return;
    if (node->is_array()) {
        if (!is_list(param.type))
            section.error(section.where(*node), "the default of a " +
                                                    std::string(to_text(param.type)) +
                                                    " is one value, not a list");
        std::string joined;
        for (const auto& text : section.texts("default"))
            joined += (joined.empty() ? "" : ",") + text.value;
        param.value = joined;
        return;
    }
    const auto word = section.word("default");
    if (!word)
        return;
    param.value = word->value;
    const bool digits =
        !word->value.empty() && word->value.find_first_not_of("0123456789") == std::string::npos;
    if ((param.type == ParamType::number || param.type == ParamType::group) && !digits)
        section.error(word->where, "'" + word->value + "' is no whole number");
    if (param.type != ParamType::duration)
        return;
    if (const auto parsed = parse_duration(word->value); !parsed)
        section.error(word->where, parsed.error().message);
}

} // namespace

std::vector<Param> load_params(const toml::table& table, Section& parent) {
    std::vector<Param> params;
    for (const auto& [key, value] : table) {
        const std::string name(key.str());
        const Place where{parent.file(), key.source().begin.line, key.source().begin.column};
        if (!is_name(name))
            parent.error(where, "'" + name + "' is no name for a parameter");
        const auto* one = value.as_table();
        if (!one) {
            parent.error(where, "parameter '" + name + "' is a table: { type = \"device\", .. }");
            continue;
        }
        Section section(*one, "parameter '" + name + "'", parent.file(), parent.diagnostics());
        Param param;
        param.name = name;
        param.where = where;
        load_type(section, param);
        load_choosing(section, param);
        load_default(section, param);
        param.help = section.line("help");
        section.done();
        params.push_back(std::move(param));
    }
    return params;
}

} // namespace dmarace::job
