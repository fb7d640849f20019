// SPDX-License-Identifier: GPL-2.0-or-later
// 'dmarace report'.
#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "commands/commands.hpp"
#include "explore/sweep.hpp"
#include "job/load.hpp"
#include "report/pictures.hpp"
#include "run/record.hpp"
#include "run/recorded.hpp"
#include "run/run_dir.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

bool is_missing(int os_error) { return os_error == ENOENT || os_error == ENOTDIR; }

std::unexpected<Error> holds_no_run(const std::filesystem::path& dir) {
    std::string what;
    std::error_code none;
    if (std::filesystem::exists(dir / run::kSweepJson, none))
        what = std::string("; it is a sweep: ") + run::kSweepPage + ", or report --merge, shows it";
    else if (std::filesystem::exists(dir / run::kExploreJson, none))
        what = std::string("; it is a search: ") + run::kExplorePage +
               " is its page, and its runs are in it (s0001, p01)";
    return fail(Fault::usage,
                dir.string() + " holds no run (no " + run::files::kJournal + ")" + what);
}

Result<run::Run> read_run(const std::filesystem::path& dir) {
    const auto text = read_text(dir / run::files::kJournal);
    if (!text && !is_missing(text.error().os_error))
        return std::unexpected(Error(text.error()).within("cannot read"));
    if (!text)
        return holds_no_run(dir);
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
    TRY_AS(const auto old, read_run(dir));
    const auto job = job_of(dir, other);
    if (!job)
        return std::unexpected(Error(job.error()).within(dir.string()));
    auto anew = run::rejudge(old, *job, run::recording_in(dir));
    if (!anew)
        return std::unexpected(std::move(anew.error()).within(dir.string()));
    for (const auto& note : anew->notes)
        std::cerr << dir.string() << ": " << note << "\n";
    std::cerr << dir.string() << ": " << anew->changed << " of " << anew->run.ended.size()
              << " iterations are judged differently\n";
    return std::move(anew->run);
}

constexpr const char* kReportAbout =
    "Says again what runs found, from their journals. DIR is a run's, that of 'run --compare', or\n"
    "any folder of such. A run with holds and one of the same job without stand beside each other\n"
    "in the table.\n"
    "--rejudge judges anew what the iterations observed, with this dmarace and the job that DIR\n"
    "holds, and says which verdicts change; DIR stays as it is.\n"
    "--merge shows the parts of a sweep (--shard) as one: DIRs are those of 'dmarace sweep'. Its\n"
    "exit code is the sweep's: 1 with a finding, 5 where no schedule was run or a part is missing "
    "or\n"
    "not at its end, else 0.\n";

// What a run as long as that would take, by what this one has taken.
Result<int> report_disk(const Words& dirs, const std::string& length) {
    const auto wanted = parse_duration(length);
    if (!wanted)
        return std::unexpected(Error(wanted.error()).within("--disk"));
    std::string out;
    for (const std::filesystem::path dir : dirs) {
        TRY_AS(const auto run, read_run(dir));
        double seconds = 0, stays = 0;
        for (const auto& end : run.ended)
            seconds += end.seconds;
        std::error_code ec;
        for (const char* file : {run::files::kJournal, run::files::kResult, run::files::kKtap})
            if (const auto size = std::filesystem::file_size(dir / file, ec); !ec)
                stays += static_cast<double>(size);
        const auto count = static_cast<double>(run.ended.size());
        if (seconds <= 0)
            return fail(Fault::usage, dir.string() + ": no iteration of it has ended");
        const double times = std::chrono::duration<double>(*wanted).count() / seconds;
        const auto bytes = static_cast<std::uint64_t>(stays * times);
        out += dir.string() + ": " + length + " at " +
               to_text(std::chrono::milliseconds(std::llround(seconds / count * 1000))) +
               " an iteration: " + std::to_string(std::llround(count * times)) + " iterations, " +
               size_text(bytes) + " of journal and results; --quota of " +
               size_text(run::limit_for(bytes)) + " holds it with its logs\n";
    }
    return print(out);
}

Result<int> report_sweeps(const Parsed& parsed) {
    TRY_AS(const auto merged, explore::merged_sweeps({parsed.words.begin(), parsed.words.end()}));
    const int shown = print(parsed.flag("json") ? sweep_json(merged) + "\n" : sweep_page(merged));
    return shown != 0 ? shown
                      : report::exit_code(explore::verdict_of(merged), run::ExitStyle::plain);
}

struct Runs {
    std::vector<run::Run> runs;
    std::vector<std::filesystem::path> dirs;

    std::vector<run::SeenIterations> seen() const {
        std::vector<run::SeenIterations> out;
        for (const auto& dir : dirs)
            out.push_back(run::seen_in(dir));
        return out;
    }
};

Result<Runs> runs_of(const Parsed& parsed) {
    Runs out;
    for (const auto& word : parsed.words)
        for (const auto& dir : run::runs_in(word)) {
            TRY_AS(auto run,
                   parsed.flag("rejudge") ? read_anew(dir, parsed.text("job")) : read_run(dir));
            out.runs.push_back(std::move(run));
            out.dirs.push_back(dir);
        }
    return out;
}

// What goes to a file or to stdout ("-"), and where --serve has it.
struct View {
    const char *option, *about, *path, *type;
    std::string (*text)(const Runs&);
};
constexpr std::array kViews{
    View{"html", "a page to be looked at: runs at a glance, timelines, what happened; - is stdout",
         "/", "text/html; charset=utf-8",
         [](const Runs& all) { return report::runs_html(all.runs, all.seen()); }},
    View{"trace", "trace events, for Perfetto and chrome://tracing; - is stdout", "/trace.json",
         "application/json",
         [](const Runs& all) { return report::trace_json(all.runs, all.seen()); }},
    View{"junit", "JUnit XML; - is stdout", "/junit.xml", "application/xml",
         [](const Runs& all) { return report::junit(all.runs); }},
};

Result<int> put(const std::string& file, const std::string& text) {
    if (file == "-")
        return print(text);
    TRY(write_text(file, text));
    return 0;
}

// The directories are read anew each time, so that a run can be watched.
Result<int> serve_runs(const Parsed& parsed) {
    TRY(runs_of(parsed));
    std::vector<Served> texts;
    for (const auto& view : kViews)
        texts.push_back({view.path, view.type, [&parsed, &view]() -> Result<std::string> {
                             TRY_AS(const auto runs, runs_of(parsed));
                             return view.text(runs);
                         }});
    TRY(serve(parsed.values["serve"].as<std::uint16_t>(), texts, [](std::uint16_t port) {
        const auto url = "http://127.0.0.1:" + std::to_string(port);
        print(url + "/\n");
        for (const auto& view : kViews)
            if (view.path != std::string_view("/"))
                print(url + view.path + "\n");
    }));
    return 0;
}

Result<int> report_merged(const Parsed& parsed) {
    for (const std::string other :
         {"html", "trace", "junit", "serve", "disk", "job", "table", "ktap", "types", "rejudge"})
        if (const auto& value = parsed.values[other]; !value.empty() && !value.defaulted())
            return fail(Fault::usage, "--merge goes with --json alone, not with --" + other);
    return report_sweeps(parsed);
}

Result<int> report_runs(const Parsed& parsed) {
    if (parsed.words.empty())
        return fail(Fault::usage, "give at least one DIR of a run");
    if (parsed.flag("merge"))
        return report_merged(parsed);
    if (parsed.has("disk"))
        return report_disk(parsed.words, parsed.text("disk"));
    if (parsed.has("job") && !parsed.flag("rejudge"))
        return fail(Fault::usage, "--job goes with --rejudge");
    if (parsed.has("serve"))
        return serve_runs(parsed);
    TRY_AS(const auto all, runs_of(parsed));
    bool viewed = false;
    for (const auto& view : kViews)
        if (parsed.has(view.option)) {
            TRY_AS(const int code, put(parsed.text(view.option), view.text(all)));
            if (code != 0)
                return code;
            viewed = true;
        }
    if (viewed)
        return 0;
    if (parsed.flag("table"))
        return print(report::table(all.runs));
    const auto types = parsed.flag("types") ? report::ShownTypes::all : report::ShownTypes::reasons;
    for (std::size_t i = 0; i < all.runs.size(); ++i)
        if (const auto& run = all.runs[i];
            const int code = print(parsed.flag("json") ? report::result_line(run) + "\n"
                                   : parsed.flag("ktap")
                                       ? report::ktap(run)
                                       : report::summary(run, types, run::seen_in(all.dirs[i]))))
            return code;
    return 0;
}

} // namespace

int run_report(const Words& words) {
    po::options_description visible("Options");
    for (const auto& view : kViews)
        visible.add_options()(view.option, po::value<std::string>()->value_name("FILE"),
                              view.about);
    visible.add_options()(
        "serve", po::value<std::uint16_t>()->value_name("PORT"),
        "show them to a browser on this machine, read anew each time; 0 is any free port")(
        "table", po::bool_switch(), "one table of all runs, and what its columns mean")(
        "json", po::bool_switch(), "result.json of each run, one line each")(
        "ktap", po::bool_switch(), "KTAP of each run")("types", po::bool_switch(),
                                                       "every kind of type write, with a legend")(
        "disk", po::value<std::string>(),
        "DURATION (60h): what a run as long as that would take on the disk")(
        "rejudge", po::bool_switch(), "judge the recorded iterations anew")(
        "merge", po::bool_switch(), "the parts of one sweep as one; with --json, its sweep.json")(
        "job", po::value<std::string>(), "with --rejudge: by this JOB, not the one that was run");
    return run_command("report DIR..", kReportAbout, visible, words, report_runs);
}

Result<RecordedRun> read_recorded(const std::filesystem::path& dir) {
    TRY_AS(auto run, read_run(dir));
    TRY_AS(auto iterations, run::read_recording(run::recording_in(dir)));
    return RecordedRun{std::move(run), std::move(iterations)};
}

} // namespace dmarace::commands
