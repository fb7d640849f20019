// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "job/load_parts.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace dmarace::job {

namespace fs = std::filesystem;

namespace {

void check_pick_word(Section& section, const Text& pick) {
    for (const auto& word : pick_words()) {
        const auto of = word.word;
        if (!of.ends_with("-of") || !pick.value.starts_with(of))
            continue;
        const auto rest = std::string_view(pick.value).substr(of.size());
        if (!rest.starts_with(' ') || one_param(rest.substr(1)).empty())
            section.error(pick.where,
                          std::string(of) + " names a parameter: " + std::string(of) + " {client}");
        return;
    }
    section.listed(pick, names(pick_words()), "unknown pick " + in_quotes(pick.value));
}

void load_type(Section& section, Param& param) {
    const Text type = section.required("type");
    if (!type.value.empty())
        section.listed(type, names(param_type_words()),
                       in_quotes(type.value) + " is no type of a parameter");
    param.type = word_from<ParamType>(param_type_words(), type.value).value_or(ParamType::text);
}

void load_choosing(Section& section, Param& param) {
    if (const auto behind = section.text("behind")) {
        param.behind = behind->value;
        if (behind->value != kBehindOne && behind->value != kBehindTwo)
            section.error(behind->where, "'" + behind->value +
                                             "' is nothing a device can be behind; it is iommu or "
                                             "two-iommus");
    }
    if (const auto bus = section.text("bus")) {
        param.bus = bus->value;
        section.listed(*bus, names(bus_words()),
                       in_quotes(bus->value) + " is no bus that can have an IOMMU");
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
    const bool counts = param.type == ParamType::number || param.type == ParamType::group;
    if (counts && !is_digits(word->value))
        section.error(word->where, "'" + word->value + "' is no whole number");
    if (param.type != ParamType::duration)
        return;
    if (const auto parsed = parse_duration(word->value); !parsed)
        section.error(word->where, parsed.error().message);
}

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
    Section section(table, "a repeat", parent);
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
        section.error(Code::kind, step.where,
                      "a repeat is written as a table: { repeat = 3, steps = [..] }");
        return std::nullopt;
    }
    step.args = texts_of(split_words(times->value), &TextWord::text);
    step.text = "repeat " + times->value;
    if (form_of(step) != catalogue::row_of(step.verb).forms().data()) {
        step.where = times->where;
        step.where.column -= static_cast<unsigned>(step.text.size() - times->value.size());
        if (const auto kinds = match_step(step); !kinds)
            section.error(Code::step, place_of_word(step, kinds.error().word),
                          kinds.error().message);
    } else if (times->value.find('{') == std::string::npos) {
        const bool fits = times->value.size() <= 5 && is_digits(times->value);
        const unsigned long count = fits ? std::stoul(times->value) : 0;
        if (count < 1 || count > kRepeatMax)
            section.error(Code::limit, times->where,
                          "'" + times->value + "' is no count; repeat goes from 1 to " +
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
            section.error(Code::kind, section.where(element),
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

std::vector<Param> load_params(const toml::table& table, Section& parent) {
    std::vector<Param> params;
    for (const auto& [key, value] : table) {
        const std::string name(key.str());
        const Place where{parent.file(), key.source().begin.line, key.source().begin.column};
        if (!is_name(name))
            parent.error(Code::name, where, "'" + name + "' is no name for a parameter");
        const auto* one = value.as_table();
        if (!one) {
            parent.error(Code::kind, where,
                         "parameter '" + name + "' is a table: { type = \"device\", .. }");
            continue;
        }
        Section section(*one, "parameter '" + name + "'", parent);
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

// A list of steps under a key.
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

void load_head(Section& top, Job& job) {
    const Text name = top.required("name");
    job.name = name.value;
    job.where = name.where;
    top.check_name(name, "a job");
    job.summary = top.required("summary").value;
    job.source = top.line("source");
    if (const auto risk = top.text("risk")) {
        top.listed(*risk, names(risk_words()), in_quotes(risk->value) + " is no risk",
                   "; it is none, taint or reboot");
        job.risk = word_from<Risk>(risk_words(), risk->value).value_or(Risk::none);
    }
    for (const auto& need : top.texts("needs")) {
        top.listed(need, names(need_words()), "unknown need " + in_quotes(need.value));
        job.needs.push_back(need.value);
    }
    job.at_boot = top.flag("at_boot").value_or(false);
    job.iterations = top.count("iterations", 1, 1'000'000).value_or(job.iterations);
}

void load_actors(Section& top, Job& job) {
    for (const auto* table : top.tables("actor")) {
        Section section(*table, "[[actor]]", top);
        const Text name = section.required("name");
        section.check_name(name, "an actor");
        if (name.value.size() >= DMARACE_NAME_MAX)
            section.error(Code::limit, name.where, "the name of an actor is too long");
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

void load_expect(Section& top, Job& job) {
    const auto* table = top.table("expect");
    if (!table)
        return;
    Section section(*table, "[expect]", top);
    job.expect.where = section.where();
    if (const auto dma = section.text("dma")) {
        section.listed(*dma, names(dma_words()),
                       in_quotes(dma->value) + " is nothing that DMA can be expected as",
                       "; it is translated, as-type or baseline");
        job.expect.dma = word_from<Dma>(dma_words(), dma->value).value_or(Dma::baseline);
    }
    job.expect.devices = values_of(section.texts("devices"));
    job.expect.timeout_is_legal = section.flag("timeout_is_legal").value_or(false);
    section.done();
}

std::vector<Allow> load_allow(Section& top) {
    std::vector<Allow> out;
    for (const auto* table : top.tables("allow")) {
        Section section(*table, "allow", top);
        Allow allow;
        const Text kind = section.required("kind");
        if (const auto known = catalogue::failure_kind_from(kind.value))
            allow.kind = *known;
        else if (!kind.value.empty())
            section.listed(kind, texts_of(catalogue::failure_kinds(), &catalogue::FailureRow::text),
                           "unknown kind of failure " + in_quotes(kind.value));
        allow.device = section.line("device");
        allow.text = section.line("text");
        allow.reason = section.required("reason").value;
        allow.where = kind.where;
        section.done();
        out.push_back(std::move(allow));
    }
    return out;
}

// While the machine boots nobody is there to do steps.
void check_at_boot(Section& top, const Job& job) {
    const char* who = " at_boot = true: the machine's boot is all that acts";
    for (const auto& actor : job.actors)
        top.error(Code::together, actor.where, "actor '" + actor.name + "':" + who);
    if (!job.reset.empty())
        top.error(Code::together, job.reset.front().where, std::string("[reset]:") + who);
    if (job.type_storm)
        top.error(Code::together, job.type_where, std::string("[type]:") + who);
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
        Section section(*reset, "[reset]", top);
        job.reset = load_steps(section, "steps");
        section.done();
    }
    load_actors(top, job);
    load_rules(top, job);
    load_type_storm(top, job);
    load_expect(top, job);
    job.allow = load_allow(top);
    load_trigger(top, job);
    top.done();
    if (job.at_boot)
        check_at_boot(top, job);
    else if (job.actors.empty() && !job.type_storm)
        top.error(Code::missing, job.where,
                  "the job does nothing: it has no [[actor]] and no [type]");
    return job;
}

// Where the library is: $DMARACE_JOBS, the one that came with this program, the installed one.
std::string library_dir() {
    if (const char* dir = std::getenv("DMARACE_JOBS"))
        return dir;
    std::error_code ec;
    for (const char* place : {"share/dmarace/jobs", "jobs"})
        if (const auto dir = fs::canonical(own_tree() / place, ec); fs::is_directory(dir, ec))
            return dir.string();
    return DMARACE_JOBS_DIR;
}

} // namespace

void Section::check_name(const Text& text, const std::string& what) {
    if (!text.value.empty() && !is_name(text.value))
        error(Code::name, text.where,
              in_quotes(text.value) + " is no name for " + what +
                  "; use letters, digits, '-' and '_'");
}

void Section::wrong(TomlFault fault, Place where, const std::string& message) {
    constexpr std::array codes{Code::key, Code::missing, Code::kind, Code::value, Code::unit};
    error(codes.at(static_cast<std::size_t>(fault)), std::move(where), message);
}

std::expected<Job, Diagnostics> load(const std::string& text, const std::string& file) {
    Diagnostics diagnostics;
    const auto root = parse_toml(text, file);
    if (!root) {
        add_error(Code::syntax, diagnostics, root.error().where, root.error().message);
        return std::unexpected(std::move(diagnostics));
    }
    Job job = load_tables(*root, file, diagnostics);
    check_references(job, diagnostics);
    sort(diagnostics);
    if (has_errors(diagnostics))
        return std::unexpected(std::move(diagnostics));
    return job;
}

Result<std::vector<Allow>> load_allowed(const std::string& file) {
    const auto text = read_text(file);
    if (!text)
        return fail(Fault::usage, text.error().message);
    const auto root = parse_toml(*text, file);
    if (!root)
        return fail(Fault::usage, shown(root.error().where) + ": " + root.error().message);
    Diagnostics diagnostics;
    Section top(*root, "the file", file, diagnostics);
    auto out = load_allow(top);
    if (!top.node("allow"))
        top.error(Code::missing, {file, 1, 1}, "the file has no [[allow]]");
    for (const auto& allow : out)
        if (allow.device.find('{') != std::string::npos)
            top.error(Code::param, allow.where, "a board has no parameters: name its devices");
    if (!diagnostics.empty())
        return fail(Fault::usage, to_text(diagnostics.front()));
    return out;
}

std::vector<std::string> library_jobs() {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(library_dir(), ec), end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".toml")
            names.push_back(it->path().stem().string());
    std::ranges::sort(names);
    return names;
}

Result<std::string> job_path(const std::string& name) {
    std::error_code ec;
    if (name.find('/') != std::string::npos || name.ends_with(".toml")) {
        const auto type = fs::status(name, ec).type();
        if (type == fs::file_type::regular)
            return name;
        return fail(Fault::usage,
                    "no job file " + name +
                        (type == fs::file_type::none        ? ": " + ec.message()
                         : type == fs::file_type::directory ? ": it is a directory"
                         : type == fs::file_type::not_found ? ""
                                                            : ": it is no regular file"));
    }
    const auto path = fs::path(library_dir()) / (name + ".toml");
    if (fs::is_regular_file(path, ec))
        return path.string();
    return fail(Fault::usage, "no job " + name + did_you_mean(name, library_jobs()) +
                                  " (dmarace list jobs; a file is written with its path)");
}

std::size_t CheckedJob::errors() const {
    return static_cast<std::size_t>(
        std::ranges::count(diagnostics, Diagnostic::Level::error, &Diagnostic::level));
}

Result<CheckedJob> check_job(const std::string& name) {
    TRY_AS(const auto path, job_path(name));
    std::ifstream file(path);
    CheckedJob out{path, {std::istreambuf_iterator<char>(file), {}}, {}, {}};
    if (!file)
        return fail_errno("cannot read " + path);
    auto loaded = load(out.text, path);
    out.diagnostics = loaded ? lint(*loaded) : loaded.error();
    if (loaded)
        out.job = *std::move(loaded);
    return out;
}

} // namespace dmarace::job
