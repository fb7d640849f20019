// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace run'.
#include "board/boot_files.hpp"
#include "board/devices.hpp"
#include "campaign/campaign.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "commands/run_options.hpp"
#include "job/load.hpp"
#include "run/run_dir.hpp"

#include <ctime>
#include <iostream>

namespace dmarace::commands {

namespace {

constexpr const char* kAbout =
    "Runs jobs: puts the board into the window, audits DMA and judges. JOB is a library name or\n"
    "a path. 'dmarace run JOB --help' shows the job's own parameters.\n"
    "DIR gets journal.jsonl, result.json, result.ktap, events.log and kmsg.log.\n";

std::string default_out(const std::string& job) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::string date(32, '\0');
    date.resize(std::strftime(date.data(), date.size(), "%Y%m%d-%H%M%S", &parts));
    return "dmarace-" + job + "-" + date;
}

// All jobs are loaded before the first is run: a bad one changes nothing.
Result<std::vector<job::Job>> load_all(const Words& names, bool unsafe) {
    std::vector<job::Job> jobs;
    for (const auto& name : names) {
        auto job = load_job(name);
        if (!job)
            return std::unexpected(job.error());
        if (const auto why = job::why_unsafe(*job); !why.empty() && !unsafe)
            return fail(Fault::usage, "job " + job->name + ": " + why + "; --unsafe runs it");
        jobs.push_back(*std::move(job));
    }
    if (jobs.empty())
        return fail(Fault::usage, "give at least one JOB (dmarace list jobs)");
    return jobs;
}

// The board as it may be looked at without changing anything.
campaign::Onlooker onlooker() {
    return {board::Devices(board::Files().read_only()), board::Modules()};
}

int dry_run(const std::vector<job::Job>& jobs, const campaign::CampaignOptions& options) {
    const auto board = onlooker();
    std::string text;
    for (const auto& job : jobs) {
        const auto told = campaign::preview(board, job, options);
        if (!told)
            return report_error("run", Error(told.error()).within(job.name));
        text += (text.empty() ? "" : "\n") + *told;
    }
    return print(text) ? 0 : kExitEnvironment;
}

void show(const run::Run& run, const Parsed& parsed) {
    if (parsed.flag("json"))
        print(report::result_line(run) + "\n");
    else if (parsed.flag("ktap"))
        print(report::ktap(run));
    else
        print(report::summary(run) +
              (run.head.holds || parsed.flag("compare")
                   ? ""
                   : "  the rate with holds is not known here: --compare runs both\n"));
}

// Of several jobs the worst answer wins, in the order of DESIGN's exit codes.
verdict::Verdict worse(verdict::Verdict a, verdict::Verdict b) {
    using enum verdict::Verdict;
    for (const auto worst : {crash, hang, fail, error, inconclusive, skip})
        if (a == worst || b == worst)
            return worst;
    return pass;
}

int boot_now(int code) {
    const auto booting = board::boot_machine();
    return booting ? code : report_error("run", booting.error());
}

// What is left to do takes a booted machine.
int leave_boot(const std::filesystem::path& out, const std::string& why, bool resumed, int code) {
    if (!resumed) {
        std::cerr << "dmarace: " << why << "; --resume goes on then\n";
        return code;
    }
    const auto marked = run::mark_boot_again(out, why);
    return marked ? code : report_error("run", marked.error());
}

// One run of one job; with --compare a job has two.
struct Pass {
    const job::Job& job;
    bool holds;
    std::filesystem::path out;
};

std::vector<Pass> passes_of(const std::vector<job::Job>& jobs, bool holds, const Parsed& parsed) {
    const auto base = parsed.text("out");
    const bool several = !base.empty() && jobs.size() > 1;
    std::vector<Pass> out;
    for (const auto& job : jobs) {
        const std::filesystem::path dir = base.empty() ? default_out(job.name) : base;
        const auto prefix = several ? job.name + "-" : "";
        if (parsed.flag("compare")) {
            out.push_back({job, true, dir / (prefix + "with-holds")});
            out.push_back({job, false, dir / (prefix + "without-holds")});
        } else {
            out.push_back({job, holds, several ? dir / job.name : dir});
        }
    }
    return out;
}

// Luck hits nothing for sure: beside a run with holds only what it saw counts.
verdict::Verdict counted(const run::Run& run, bool compares) {
    using enum verdict::Verdict;
    const auto verdict = report::overall(run);
    const bool seen = verdict == crash || verdict == hang || verdict == fail || verdict == error;
    return compares && !run.head.holds && !seen ? pass : verdict;
}

// Shows the last of the runs so far, and beside it the one it is compared with.
void show_last(const std::vector<run::Run>& runs, const Parsed& parsed) {
    show(runs.back(), parsed);
    if (parsed.flag("compare") && !parsed.flag("json") && runs.size() % 2 == 0)
        print(report::beside(runs[runs.size() - 2], runs.back()));
}

// What goes on after a boot is the command itself, from wherever it is called.
Words words_for_boot(const Words& words, const std::filesystem::path& out) {
    Words kept{"--resume"};
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--out")
            ++i;
        else if (words[i] != "--resume" && !words[i].starts_with("--out="))
            kept.push_back(words[i]);
    }
    kept.insert(kept.end(), {"--out", std::filesystem::absolute(out).string()});
    return kept;
}

// The job is found from any directory and without this environment.
Words with_absolute_jobs(Words words, const Words& jobs) {
    std::error_code ec;
    for (auto& word : words)
        if (const auto path = job::job_path(word); std::ranges::count(jobs, word) > 0 && path)
            word = std::filesystem::absolute(*path, ec).string();
    return words;
}

// Rules that stay in the initramfs are told of by whatever went wrong.
Error with_armed(Error error) {
    if (board::BootFiles().armed())
        error.message += "; the rules of run --reboot are still in the initramfs, dmarace restore "
                         "--reboot takes them out";
    return error;
}

int run_all(campaign::Machine& machine, const std::vector<job::Job>& jobs,
            campaign::CampaignOptions options, const Parsed& parsed, const Words& words,
            report::ExitStyle style) {
    SignalInterrupts interrupts;
    const auto base = parsed.text("out");
    const auto passes = passes_of(jobs, options.holds, parsed);
    if (options.at_boot)
        options.words = words_for_boot(with_absolute_jobs(words, parsed.words), passes.front().out);
    // Somebody boots and resumes: the run is shown once, by its last boot.
    const bool resumed = options.fresh != campaign::Fresh::never;
    std::vector<run::Run> runs;
    auto worst = verdict::Verdict::pass;
    (void)run::take_boot_again(base);
    for (const auto& pass : passes) {
        options.holds = pass.holds;
        options.out = pass.out;
        TerminalProgress progress(pass.job.name, TerminalProgress::stderr_is_live());
        auto ran = campaign::run_job(machine, progress, interrupts, pass.job, options);
        if (!ran)
            return report_error("run", options.at_boot ? with_armed(ran.error()) : ran.error());
        worst = worse(worst, counted(ran->run, parsed.flag("compare")));
        const bool over = ran->run.end->how == run::RunEnding::done && &pass == &passes.back();
        runs.push_back(std::move(ran->run));
        if (!resumed)
            show_last(runs, parsed);
        if (interrupts.count() > 0)
            break;
        if (!ran->boot_again.empty() && options.at_boot && !resumed)
            return boot_now(report::exit_code(worst, style));
        if (!ran->boot_again.empty() && !over)
            return leave_boot(base, ran->boot_again, resumed, report::exit_code(worst, style));
    }
    for (std::size_t i = 1; resumed && i <= runs.size(); ++i)
        show_last({runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(i)}, parsed);
    return interrupts.count() > 0 ? kExitInterrupted : report::exit_code(worst, style);
}

int show_help(const Parsed& parsed, const po::options_description& visible) {
    std::string text = help_text("run JOB.. [OPTION..]", kAbout, visible);
    for (const auto& name : parsed.words) {
        const auto job = load_job(name);
        if (!job)
            return report_error("run", job.error());
        text += "\n" + campaign::help_here(onlooker(), *job);
    }
    return print(text) ? 0 : kExitEnvironment;
}

} // namespace

int run_run(const Words& given) {
    po::options_description visible("Options");
    add_run_options(visible);
    auto words = given;
    auto parsed = parse(words, visible);
    if (parsed && parsed->flag("reboot") && parsed->flag("resume") && parsed->words.empty()) {
        auto left = board::BootFiles().waiting();
        if (!left)
            return report_error("run", Error{Fault::usage,
                                             "no run --reboot waits for a boot here; give a JOB to "
                                             "begin one",
                                             0});
        words = std::move(left->words);
        po::options_description again("Options");
        add_run_options(again);
        parsed = parse(words, again);
    }
    if (!parsed)
        return report_error("run", parsed.error());
    if (parsed->flag("help"))
        return show_help(*parsed, visible);
    const auto style = exit_style(parsed->text("exit-style"));
    if (!style)
        return report_error("run", style.error());
    auto options = to_options(*parsed);
    if (!options)
        return report_error("run", options.error());
    if (parsed->flag("compare") && (parsed->flag("no-holds") || parsed->flag("ktap")))
        return report_error("run", Error{Fault::usage,
                                         "--compare runs with holds and without, and prints no "
                                         "KTAP; leave --no-holds and --ktap out",
                                         0});
    const auto jobs = load_all(parsed->words, options->unsafe);
    if (jobs && options->at_boot && (jobs->size() > 1 || parsed->flag("compare")))
        return report_error("run", Error{Fault::usage, "--reboot runs one job, once", 0});
    if (!jobs)
        return report_error("run", jobs.error());
    if (parsed->flag("dry-run"))
        return dry_run(*jobs, *options);
    if (board::Files().on_read_only("/sys"))
        return report_error("run", Error{Fault::environment,
                                         "/sys is mounted read-only, so nothing could be changed "
                                         "or restored; mount -o remount,rw /sys",
                                         0});
    board::Modules modules;
    auto control = open_module(modules);
    if (!control)
        return report_error("run", control.error());
    auto log = board::KernelLog::open();
    if (!log)
        return report_error("run", log.error());
    SimulatedBoard simulated(modules);
    if (options->wishes.device == kSimulatedWord) {
        if (auto inserted = simulated.insert(); !inserted)
            return report_error("run", inserted.error());
        options->wishes.device = board::kSimulatedClient;
    }
    campaign::Machine machine{board::Devices(), modules.fresh(), *log, **control, {}};
    return run_all(machine, *jobs, *options, *parsed, words, *style);
}

} // namespace dmarace::commands
