// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommands of who writes jobs: 'dmarace lint' and 'dmarace new'.
#include "base/files.hpp"
#include "base/text.hpp"
#include "commands/commands.hpp"
#include "job/diagnostic.hpp"
#include "job/help.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

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

Result<int> explain(const std::string& name) {
    std::string text;
    if (name == "all")
        for (const auto& row : job::code_rows())
            text += job::code_text(row.code);
    else if (const auto code = job::code_from(name))
        text = job::code_text(*code);
    else
        return fail(Fault::usage, "no code '" + name + "'" + did_you_mean(name, job::code_names()) +
                                      " (--explain all shows every one)");
    return print(text);
}

Result<int> lint(const Parsed& parsed) {
    if (parsed.has("explain"))
        return explain(parsed.text("explain"));
    if (parsed.words.empty())
        return fail(Fault::usage, "give at least one JOB");
    int worst = 0;
    for (const auto& name : parsed.words) {
        const auto checked = job::check_job(name);
        if (!checked) {
            worst = report_error("lint", checked.error());
            continue;
        }
        if (const int code =
                print(parsed.flag("json") ? as_json(name, *checked) : in_words(name, *checked));
            code != 0)
            return code;
        if (checked->errors() > 0)
            worst = kExitUsage;
    }
    return worst;
}

} // namespace

int run_lint(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object for each JOB, a line each")(
        "explain", po::value<std::string>(), "CODE: say why it matters and what to do; or all");
    return run_command("lint JOB..", kAbout, visible, words, lint);
}

namespace {

Status write_new(const std::string& path, const std::string& text) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd)
        return errno == EEXIST ? fail(Fault::usage, path + " is there already; it stays as it is")
                               : Status(fail_errno("cannot make " + path));
    auto put = write_all(fd.get(), text, path);
    if (!put)
        ::unlink(path.c_str());
    return put;
}

std::string kinds_text() {
    std::string out;
    for (const auto& kind : job::skeleton_kinds())
        out += "  " + std::string(kind.word) + ": " + std::string(kind.help) + "\n";
    return out;
}

Result<int> make_new(const Parsed& parsed) {
    if (parsed.words.size() != 1)
        return fail(Fault::usage, "give one NAME");
    const auto& name = parsed.words.front();
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
        return fail(Fault::usage, "a job's name is of a-z, 0-9 and '-', not '" + name + "'");
    const auto kind = parsed.text("kind");
    if (!job::contains(job::skeleton_kinds(), kind))
        return fail(Fault::usage, "no kind '" + kind + "'" +
                                      did_you_mean(kind, job::names(job::skeleton_kinds())) +
                                      "; it is hold, delay or type");
    TRY(write_new(name + ".toml", job::skeleton(name, kind)));
    print(name + ".toml written; edit it, then: dmarace lint ./" + name + ".toml\n");
    return 0;
}

} // namespace

int run_new(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("kind", po::value<std::string>()->default_value("hold"),
                          "what the job shows: hold, delay or type");
    return run_command("new NAME",
                       "Writes NAME.toml here: a job with comments that lints clean, to "
                       "start from.\nKinds:\n" +
                           kinds_text(),
                       visible, words, make_new);
}

} // namespace dmarace::commands
