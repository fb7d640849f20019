// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace report': what the journals of runs say.
#include "report/report.hpp"

#include "base/files.hpp"
#include "commands/commands.hpp"
#include "job/load.hpp"
#include "run/recording.hpp"
#include "run/run_dir.hpp"

#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

std::string file_text(const std::filesystem::path& dir, const char* name) {
    return read_text(dir / name).value_or("");
}

Result<run::Run> read_run(const std::filesystem::path& dir) {
    const auto text = read_text(dir / run::files::kJournal);
    if (!text)
        return fail(Fault::usage, dir.string() + " holds no run (no " + run::files::kJournal + ")");
    auto run = run::read_journal(*text);
    if (!run)
        return std::unexpected(std::move(run.error()).within(dir.string()));
    return run;
}

// The job as it was run, or another one that is to judge what was recorded.
Result<job::Job> job_of(const std::filesystem::path& dir, const std::string& other) {
    const auto file = other.empty() ? (dir / run::files::kJob).string() : other;
    std::error_code ec;
    if (other.empty() && !std::filesystem::exists(file, ec))
        return fail(Fault::usage, "it holds no " + std::string(run::files::kJob) +
                                      ", which an older dmarace did not keep; without it and what "
                                      "was observed it cannot be judged anew");
    auto checked = job::check_job(file);
    if (!checked)
        return std::unexpected(checked.error());
    if (!checked->job)
        return fail(Fault::usage, file + " is no job (dmarace lint says why)");
    return *std::move(checked->job);
}

// Says on stderr what became of each iteration, so that stdout is the report alone.
Result<run::Run> read_anew(const std::filesystem::path& dir, const std::string& other) {
    const auto old = read_run(dir);
    if (!old)
        return old;
    const auto job = job_of(dir, other);
    if (!job)
        return std::unexpected(Error(job.error()).within(dir.string()));
    auto anew = run::rejudge(*old, *job,
                             {.journal = file_text(dir, run::files::kJournal),
                              .events = file_text(dir, run::files::kEvents),
                              .log = file_text(dir, run::files::kLog),
                              .observed = file_text(dir, run::files::kObserved)});
    if (!anew)
        return std::unexpected(std::move(anew.error()).within(dir.string()));
    for (const auto& note : anew->notes)
        std::cerr << dir.string() << ": " << note << "\n";
    std::cerr << dir.string() << ": " << anew->changed << " of " << anew->run.ended.size()
              << " iterations are judged differently\n";
    return std::move(anew->run);
}

constexpr const char* kAbout =
    "Says again what runs found, from their journals. A run with holds and one of the same\n"
    "job without stand beside each other in the table.\n"
    "--rejudge judges anew what the iterations observed, with this dmarace and the job that DIR\n"
    "holds, and says which verdicts change; DIR stays as it is.\n";

} // namespace

int run_report(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("table", po::bool_switch(), "one table of all runs")(
        "json", po::bool_switch(), "result.json of each run, one line each")(
        "ktap", po::bool_switch(), "KTAP of each run")("rejudge", po::bool_switch(),
                                                       "judge the recorded iterations anew")(
        "job", po::value<std::string>(), "with --rejudge: by this JOB, not the one that was run");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("report", parsed.error());
    if (parsed->flag("help"))
        return print(help_text("report DIR..", kAbout, visible)) ? 0 : kExitEnvironment;
    if (parsed->words.empty())
        return report_error("report", Error{Fault::usage, "give at least one DIR of a run", 0});
    if (parsed->has("job") && !parsed->flag("rejudge"))
        return report_error("report", Error{Fault::usage, "--job goes with --rejudge", 0});
    std::vector<run::Run> runs;
    for (const auto& dir : parsed->words) {
        auto run = parsed->flag("rejudge") ? read_anew(dir, parsed->text("job")) : read_run(dir);
        if (!run)
            return report_error("report", run.error());
        runs.push_back(*std::move(run));
    }
    if (parsed->flag("table"))
        return print(report::table(runs)) ? 0 : kExitEnvironment;
    for (const auto& run : runs) {
        const auto text = parsed->flag("json")   ? report::result_line(run) + "\n"
                          : parsed->flag("ktap") ? report::ktap(run)
                                                 : report::summary(run);
        if (!print(text))
            return kExitEnvironment;
    }
    return 0;
}

} // namespace dmarace::commands
