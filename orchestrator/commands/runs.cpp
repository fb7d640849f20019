// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommands for runs that have ended: 'dmarace report' and 'dmarace restore'.
#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "board/boot_files.hpp"
#include "board/task.hpp"
#include "campaign/restore.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "explore/sweep.hpp"
#include "job/load.hpp"
#include "report/report.hpp"
#include "run/record.hpp"
#include "run/recording.hpp"
#include "run/run_dir.hpp"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

std::string file_text(const std::filesystem::path& dir, const char* name) {
    return read_text(dir / name).value_or("");
}

bool is_missing(int os_error) { return os_error == ENOENT || os_error == ENOTDIR; }

// .. with what of it has turned over.
std::string log_text(const std::filesystem::path& dir, const std::string& name) {
    return file_text(dir, (name + run::files::kOlder).c_str()) + file_text(dir, name.c_str());
}

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

// What the iterations observed.
run::Recording recording_in(const std::filesystem::path& dir) {
    return {.journal = file_text(dir, run::files::kJournal),
            .events = log_text(dir, run::files::kEvents),
            .log = log_text(dir, run::files::kLog),
            .observed = log_text(dir, run::files::kObserved)};
}

// Says on stderr what became of each iteration, so that stdout is the report alone.
Result<run::Run> read_anew(const std::filesystem::path& dir, const std::string& other) {
    TRY_AS(const auto old, read_run(dir));
    const auto job = job_of(dir, other);
    if (!job)
        return std::unexpected(Error(job.error()).within(dir.string()));
    auto anew = run::rejudge(old, *job, recording_in(dir));
    if (!anew)
        return std::unexpected(std::move(anew.error()).within(dir.string()));
    for (const auto& note : anew->notes)
        std::cerr << dir.string() << ": " << note << "\n";
    std::cerr << dir.string() << ": " << anew->changed << " of " << anew->run.ended.size()
              << " iterations are judged differently\n";
    return std::move(anew->run);
}

constexpr const char* kReportAbout =
    "Says again what runs found, from their journals. A run with holds and one of the same\n"
    "job without stand beside each other in the table.\n"
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

Result<int> report_runs(const Parsed& parsed) {
    if (parsed.words.empty())
        return fail(Fault::usage, "give at least one DIR of a run");
    if (parsed.flag("merge")) {
        for (const char* other : {"table", "ktap", "types", "rejudge", "disk", "job"})
            if (other == std::string("disk") || other == std::string("job") ? parsed.has(other)
                                                                            : parsed.flag(other))
                return fail(Fault::usage,
                            "--merge goes with --json alone, not with --" + std::string(other));
        return report_sweeps(parsed);
    }
    if (parsed.has("disk"))
        return report_disk(parsed.words, parsed.text("disk"));
    if (parsed.has("job") && !parsed.flag("rejudge"))
        return fail(Fault::usage, "--job goes with --rejudge");
    std::vector<run::Run> runs;
    for (const auto& dir : parsed.words) {
        TRY_AS(auto run,
               parsed.flag("rejudge") ? read_anew(dir, parsed.text("job")) : read_run(dir));
        runs.push_back(std::move(run));
    }
    const auto types = parsed.flag("types") ? report::ShownTypes::all : report::ShownTypes::reasons;
    if (parsed.flag("table"))
        return print(report::table(runs));
    for (const auto& run : runs)
        if (const int code = print(parsed.flag("json")   ? report::result_line(run) + "\n"
                                   : parsed.flag("ktap") ? report::ktap(run)
                                                         : report::summary(run, types));
            code != 0)
            return code;
    return 0;
}

} // namespace

int run_report(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("table", po::bool_switch(), "one table of all runs")(
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

namespace {

constexpr const char* kRestoreAbout =
    "Restores what interrupted runs changed: group types, bindings, driver_override, modules,\n"
    "drivers_autoprobe, removed PCI devices, virtual functions. Without DIR it takes every run of\n"
    "this boot that has not restored its board. Doing it twice does nothing the second time; what\n"
    "cannot be restored is told as the command that would. Exit 3 when something is left.\n"
    "--reboot takes away what 'run --reboot' left for the next boots, and so ends that run.\n";

struct UnrestoredRun {
    std::filesystem::path dir;
    campaign::Snapshot snapshot;
};

// Nothing when the run has put everything back, or a boot has.
Result<std::optional<UnrestoredRun>> read_left(const run::RunDir& dir) {
    TRY_AS(const auto text, dir.journal());
    const auto run = run::read_journal(text);
    if (!run)
        return std::unexpected(run.error());
    if (!run->before || run->before->boot != campaign::boot_id())
        return std::nullopt;
    TRY_AS(auto snapshot, campaign::from_words(run->before->state));
    return UnrestoredRun{dir.path(), std::move(snapshot)};
}

int tell(const std::filesystem::path& dir, const std::vector<std::string>& commands,
         const char* none, const char* some) {
    std::string out = dir.string() + ": " + (commands.empty() ? none : some) + "\n";
    for (const auto& command : commands)
        out += "  " + command + "\n";
    return print(out) == 0 && commands.empty() ? 0 : kExitEnvironment;
}

int look(const UnrestoredRun& left) {
    const auto commands = campaign::differences(board::Devices(board::Files().read_only()),
                                                board::Modules(), left.snapshot);
    tell(left.dir, commands, "everything is as it was", "these would restore it");
    return 0;
}

int restore_left(run::RunDir& dir, const UnrestoredRun& left, const board::Modules& modules) {
    auto control = open_module(modules);
    if (!control)
        return report_error("restore", control.error());
    auto log = board::KernelLog::open();
    if (!log)
        return report_error("restore", log.error());
    campaign::Machine machine{board::Devices(), modules.fresh(), *log, **control, {}};
    SignalInterrupts interrupts;
    TerminalProgress progress("restore", TerminalProgress::stderr_is_live());
    const auto commands = campaign::restore(machine, progress, interrupts, left.snapshot);
    if (commands.empty())
        campaign::Pending().remove(left.dir);
    dir.use_reserve();
    if (auto put = dir.append(run::restored_to_journal(commands), true); !put)
        return report_error("restore", put.error());
    return tell(left.dir, commands, "restored", "not restored; these would");
}

int restore_one(const std::filesystem::path& path, const board::Modules& modules, bool dry_run) {
    std::error_code ec;
    // What cannot be looked at now may be there all the same, and is remembered.
    if (!std::filesystem::exists(path / run::files::kJournal, ec)) {
        if (ec && !is_missing(ec.value()))
            return report_error(
                "restore",
                Error{Fault::environment, "cannot read " + path.string() + ": " + ec.message(), 0});
        campaign::Pending().remove(path);
        return report_error(
            "restore", Error{Fault::usage,
                             path.string() + " holds no run (no " + run::files::kJournal + ")", 0});
    }
    auto dir = run::RunDir::open(path, true);
    if (!dir)
        return report_error("restore", dir.error());
    const auto left = read_left(*dir);
    if (!left)
        return report_error("restore", Error(left.error()).within(path.string()));
    if (!*left) {
        campaign::Pending().remove(path);
        return tell(path, {}, "nothing to restore", "");
    }
    return dry_run ? look(**left) : restore_left(*dir, **left, modules);
}

// What 'dmarace run --reboot' has left for boots that nobody wants any more.
Result<int> take_boot_files_away(bool dry_run) {
    if (!board::BootFiles().armed())
        return print("no run --reboot has left anything\n");
    if (dry_run)
        return print("would take the rules of dmarace run --reboot out of the initramfs\n");
    TRY(board::BootFiles().disarm());
    return print("took the rules of dmarace run --reboot out of the initramfs\n");
}

Result<int> restore_runs(const Parsed& parsed) {
    if (parsed.flag("reboot"))
        return take_boot_files_away(parsed.flag("dry-run"));
    std::vector<std::filesystem::path> runs(parsed.words.begin(), parsed.words.end());
    if (runs.empty())
        runs = campaign::Pending().all();
    if (runs.empty())
        return print("no run of this boot has left anything to restore\n");
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    int worst = 0;
    // The last run saw what those before it had left: it goes first.
    for (auto run = runs.rbegin(); run != runs.rend(); ++run)
        worst = std::max(worst, restore_one(*run, modules, parsed.flag("dry-run")));
    return worst;
}

} // namespace

int run_restore(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("dry-run", po::bool_switch(), "only print the commands that would")(
        "reboot", po::bool_switch(), "take the rules of run --reboot out of the initramfs");
    add_module_option(visible);
    return run_command("restore [DIR..]", kRestoreAbout, visible, words, restore_runs);
}

Result<RecordedRun> read_recorded(const std::filesystem::path& dir) {
    TRY_AS(auto run, read_run(dir));
    TRY_AS(auto iterations, run::read_recording(recording_in(dir)));
    return RecordedRun{std::move(run), std::move(iterations)};
}

} // namespace dmarace::commands
