// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load.hpp"

#include "base/nearest.hpp"
#include "job/load_parts.hpp"
#include "job/signals.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>

namespace dmarace::job {

namespace {

void load_head(Section& top, Job& job) {
    const Text name = top.required("name");
    job.name = name.value;
    job.where = name.where;
    if (!name.value.empty() && !is_name(name.value))
        top.error(name.where,
                  "'" + name.value + "' is no name for a job; use letters, digits, '-' and '_'");
    job.summary = top.required("summary").value;
    job.source = top.line("source");
    if (const auto risk = top.text("risk")) {
        const auto known = risk_from(risk->value);
        if (!known)
            top.error(risk->where, "'" + risk->value + "' is no risk" +
                                       did_you_mean(risk->value, names(risk_words())) +
                                       "; it is none, taint or reboot");
        job.risk = known.value_or(Risk::none);
    }
    for (const auto& need : top.texts("needs")) {
        if (!contains(need_words(), need.value))
            top.error(need.where, "unknown need '" + need.value + "'" +
                                      did_you_mean(need.value, names(need_words())));
        job.needs.push_back(need.value);
    }
    job.at_boot = top.flag("at_boot").value_or(false);
    job.iterations = top.count("iterations", 1, 1'000'000).value_or(job.iterations);
}

void load_actors(Section& top, Job& job) {
    for (const auto* table : top.tables("actor")) {
        Section section(*table, "[[actor]]", top.file(), top.diagnostics());
        const Text name = section.required("name");
        if (!name.value.empty() && !is_name(name.value))
            section.error(name.where, "'" + name.value +
                                          "' is no name for an actor; use letters, digits, '-' "
                                          "and '_'");
        if (name.value.size() >= DMARACE_NAME_MAX)
            section.error(name.where, "the name of an actor is too long");
        for (const auto& other : job.actors)
            if (other.name == name.value && !name.value.empty())
                section.error(Code::twice, name.where,
                              "two actors are named '" + name.value + "'; the first is in line " +
                                  std::to_string(other.where.line));
        auto steps = load_steps(section, "steps");
        if (!section.node("steps"))
            section.error(Code::missing, section.where(), "[[actor]] has no 'steps'");
        section.done();
        job.actors.push_back({name.value, std::move(steps), name.where});
    }
    if (job.actors.size() > DMARACE_ACTORS_MAX)
        top.error(Code::limit, job.actors[DMARACE_ACTORS_MAX].where,
                  "a job has at most " + std::to_string(DMARACE_ACTORS_MAX) + " actors");
}

void load_rules(Section& top, Job& job) {
    for (const auto* table : top.tables("rule")) {
        auto rules = load_rule(*table, top);
        std::move(rules.begin(), rules.end(), std::back_inserter(job.rules));
    }
    name_rules(job.rules, top.diagnostics());
    if (job.rules.size() > DMARACE_RULES_MAX)
        top.error(Code::limit, job.rules[DMARACE_RULES_MAX].where,
                  "a job has at most " + std::to_string(DMARACE_RULES_MAX) + " rules");
}

void load_expect(Section& top, Job& job) {
    const auto* table = top.table("expect");
    if (!table)
        return;
    Section section(*table, "[expect]", top.file(), top.diagnostics());
    job.expect.where = section.where();
    if (const auto dma = section.text("dma")) {
        const auto known = dma_from(dma->value);
        if (!known)
            section.error(dma->where, "'" + dma->value +
                                          "' is nothing that DMA can be expected as" +
                                          did_you_mean(dma->value, names(dma_words())) +
                                          "; it is translated, as-type or baseline");
        job.expect.dma = known.value_or(Dma::baseline);
    }
    for (const auto& device : section.texts("devices"))
        job.expect.devices.push_back(device.value);
    job.expect.timeout_is_legal = section.flag("timeout_is_legal").value_or(false);
    section.done();
}

std::vector<std::string> failure_names() {
    std::vector<std::string> out;
    for (const auto& row : catalogue::failure_kinds())
        out.emplace_back(row.text);
    return out;
}

void load_allow(Section& top, Job& job) {
    for (const auto* table : top.tables("allow")) {
        Section section(*table, "allow", top.file(), top.diagnostics());
        Allow allow;
        const Text kind = section.required("kind");
        if (const auto known = catalogue::failure_kind_from(kind.value))
            allow.kind = *known;
        else if (!kind.value.empty())
            section.error(kind.where, "unknown kind of failure '" + kind.value + "'" +
                                          did_you_mean(kind.value, failure_names()));
        allow.device = section.line("device");
        allow.reason = section.required("reason").value;
        allow.where = kind.where;
        section.done();
        job.allow.push_back(std::move(allow));
    }
}

// While the machine boots nobody is there to do steps.
void check_at_boot(Section& top, const Job& job) {
    const char* who = " at_boot = true: the machine's boot is all that acts";
    for (const auto& actor : job.actors)
        top.error(actor.where, "actor '" + actor.name + "':" + who);
    if (!job.reset.empty())
        top.error(job.reset.front().where, std::string("[reset]:") + who);
    if (job.type_storm)
        top.error(job.type_where, std::string("[type]:") + who);
    if (job.rules.empty())
        top.error(Code::missing, job.where, "the job does nothing: it has no [[rule]]");
}

Job load_tables(const toml::table& root, const std::string& file, Diagnostics& diagnostics) {
    Section top(root, "the job", file, diagnostics);
    Job job;
    job.file = file;
    load_head(top, job);
    if (const auto* params = top.table("params"))
        job.params = load_params(*params, top);
    if (const auto* reset = top.table("reset")) {
        Section section(*reset, "[reset]", file, diagnostics);
        job.reset = load_steps(section, "steps");
        section.done();
    }
    load_actors(top, job);
    load_rules(top, job);
    load_type_storm(top, job);
    load_expect(top, job);
    load_allow(top, job);
    load_trigger(top, job);
    top.done();
    if (job.at_boot)
        check_at_boot(top, job);
    else if (job.actors.empty() && !job.type_storm)
        top.error(Code::missing, job.where,
                  "the job does nothing: it has no [[actor]] and no [type]");
    return job;
}

} // namespace

std::expected<Job, Diagnostics> load(const std::string& text, const std::string& file) {
    Diagnostics diagnostics;
    try {
        const toml::table root = toml::parse(text, file);
        Job job = load_tables(root, file, diagnostics);
        check_references(job, diagnostics);
        sort(diagnostics);
        if (!has_errors(diagnostics))
            return job;
    } catch (const toml::parse_error& error) {
        const auto& begin = error.source().begin;
        add_error(Code::syntax, diagnostics,
                  {file, std::max<unsigned>(begin.line, 1), std::max<unsigned>(begin.column, 1)},
                  std::string(error.description()));
    }
    return std::unexpected(std::move(diagnostics));
}

} // namespace dmarace::job
