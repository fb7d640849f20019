// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace lint'.
#include "base/text.hpp"
#include "commands/commands.hpp"
#include "job/diagnostic.hpp"

#include <nlohmann/json.hpp>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAbout =
    "Checks job files: keys, units, points, signals, and holds that own the lock which the\n"
    "awaited actor needs. Each fault comes with its line, why it matters and what to do.\n"
    "Nothing is run. Exit 0 when all are free of errors, else 2; warnings do not count.\n";

std::string counted(std::size_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string in_words(const std::string& name, const job::CheckedJob& checked) {
    std::string out;
    for (const auto& diagnostic : checked.diagnostics)
        out += job::explained(diagnostic, checked.text);
    if (checked.diagnostics.empty())
        return name + ": clean\n";
    return out + name + ": " + counted(checked.errors(), "error") + ", " +
           counted(checked.warnings(), "warning") + "\n";
}

Json to_json(const job::Diagnostic& diagnostic, const std::string& text) {
    const auto& row = job::row_of(diagnostic.code);
    return {{"level", diagnostic.level == job::Diagnostic::Level::error ? "error" : "warning"},
            {"code", row.name},
            {"line", diagnostic.where.line},
            {"column", diagnostic.where.column},
            {"message", diagnostic.message},
            {"source", job::line_at(text, diagnostic.where)},
            {"why", row.why},
            {"remedy", row.remedy}};
}

std::string as_json(const std::string& name, const job::CheckedJob& checked) {
    Json out{{"job", name},
             {"file", checked.path},
             {"errors", checked.errors()},
             {"warnings", checked.warnings()},
             {"diagnostics", Json::array()}};
    for (const auto& diagnostic : checked.diagnostics)
        out["diagnostics"].push_back(to_json(diagnostic, checked.text));
    return out.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

int explain(const std::string& name) {
    std::string text;
    if (name == "all")
        for (const auto& row : job::code_rows())
            text += job::code_text(row.code);
    else if (const auto code = job::code_from(name))
        text = job::code_text(*code);
    else
        return report_error("lint",
                            Error{Fault::usage,
                                  "no code '" + name + "'" + did_you_mean(name, job::code_names()) +
                                      " (--explain all shows every one)",
                                  0});
    return print(text) ? 0 : kExitEnvironment;
}

} // namespace

int run_lint(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object for each JOB, a line each")(
        "explain", po::value<std::string>(), "CODE: say why it matters and what to do; or all");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("lint", parsed.error());
    if (parsed->flag("help"))
        return print(help_text("lint JOB..", kAbout, visible)) ? 0 : kExitEnvironment;
    if (parsed->has("explain"))
        return explain(parsed->text("explain"));
    if (parsed->words.empty())
        return report_error("lint", Error{Fault::usage, "give at least one JOB", 0});
    int worst = 0;
    for (const auto& name : parsed->words) {
        const auto checked = job::check_job(name);
        if (!checked) {
            worst = report_error("lint", checked.error());
            continue;
        }
        if (!print(parsed->flag("json") ? as_json(name, *checked) : in_words(name, *checked)))
            return kExitEnvironment;
        if (checked->errors() > 0)
            worst = kExitUsage;
    }
    return worst;
}

} // namespace dmarace::commands
