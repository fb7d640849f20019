// SPDX-License-Identifier: GPL-2.0-or-later
// This file is 'dmarace run'.
#include "campaign/run.hpp"

#include "commands/job_files.hpp"
#include "commands/module.hpp"
#include "commands/options.hpp"
#include "commands/output.hpp"
#include "commands/signals.hpp"
#include "commands/terminal.hpp"
#include "job/help.hpp"
#include "job/lint.hpp"

#include <cstdlib>
#include <ctime>
#include <iostream>

namespace dmarace::commands {

namespace {

constexpr const char* kAbout =
    "Runs jobs: puts the board into the window, audits DMA and judges. JOB is a library name or\n"
    "a path. 'dmarace run JOB --help' shows the job's own parameters.\n"
    "DIR gets journal.jsonl, result.json, result.ktap, events.log and kmsg.log.\n";

void add_options(po::options_description& visible) {
    visible.add_options()("device", po::value<std::string>(), "the job's first device parameter")(
        "set", po::value<std::vector<std::string>>(),
        "NAME=VALUE of a job's parameter; repeatable")("iterations,n", po::value<unsigned>(),
                                                       "how many; default: the job's own number")(
        "duration", po::value<std::string>(),
        "run for so long: 30s, 5m, 2h")("seed", po::value<std::uint64_t>(),
                                        "of random delays (default: 1); same seed, same delays")(
        "no-holds", po::bool_switch(), "without holds and delays: what luck alone would hit")(
        "unsafe", po::bool_switch(), "allow what may wedge the machine (risk = reboot, write)")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the run may touch; repeatable")(
        "out", po::value<std::string>(), "DIR for the results (default: dmarace-JOB-DATE here)")(
        "resume", po::bool_switch(), "go on with the run that DIR holds")(
        "fresh", po::value<std::string>()->default_value("never"),
        "WHEN to end after one iteration and leave the rest to --resume after a boot: never,\n"
        "risky (jobs of risk reboot) or always")(
        "dry-run", po::bool_switch(), "show what would be done to which device, and do nothing")(
        "json", po::bool_switch(), "result.json, on one line, to stdout instead of the summary")(
        "ktap", po::bool_switch(), "KTAP to stdout instead of the summary")(
        "exit-style", po::value<std::string>()->default_value("plain"), "plain, bisect or ksft");
}

Result<report::ExitStyle> exit_style(const std::string& text) {
    if (text == "plain")
        return report::ExitStyle::plain;
    if (text == "bisect")
        return report::ExitStyle::bisect;
    if (text == "ksft")
        return report::ExitStyle::ksft;
    return fail(Fault::usage, "--exit-style is plain, bisect or ksft, not '" + text + "'");
}

std::string default_out(const std::string& job) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::string date(32, '\0');
    date.resize(std::strftime(date.data(), date.size(), "%Y%m%d-%H%M%S", &parts));
    return "dmarace-" + job + "-" + date;
}

Result<campaign::RunOptions> to_options(const Parsed& parsed) {
    campaign::RunOptions out;
    out.wishes.device = parsed.text("device");
    if (parsed.has("set"))
        for (const auto& word : parsed.values["set"].as<std::vector<std::string>>()) {
            const auto equals = word.find('=');
            if (equals == 0 || equals == std::string::npos)
                return fail(Fault::usage, "--set takes NAME=VALUE, not '" + word + "'");
            out.wishes.set[word.substr(0, equals)] = word.substr(equals + 1);
        }
    if (parsed.has("i-know"))
        out.wishes.i_know = parsed.values["i-know"].as<std::vector<std::string>>();
    if (parsed.has("iterations"))
        out.iterations = parsed.values["iterations"].as<unsigned>();
    if (out.iterations == 0U)
        return fail(Fault::usage, "--iterations 0 would run nothing");
    if (parsed.has("duration")) {
        const auto duration = parse_duration(parsed.text("duration"));
        if (!duration)
            return std::unexpected(Error(duration.error()).within("--duration"));
        out.duration = *duration;
    }
    if (parsed.has("seed"))
        out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.holds = !parsed.flag("no-holds");
    out.unsafe = parsed.flag("unsafe");
    out.resume = parsed.flag("resume");
    const auto fresh = campaign::fresh_from(parsed.text("fresh"));
    if (!fresh)
        return fail(Fault::usage,
                    "--fresh is never, risky or always, not '" + parsed.text("fresh") + "'");
    out.fresh = *fresh;
    if (out.fresh != campaign::Fresh::never && !parsed.has("out"))
        return fail(Fault::usage, "--fresh takes --out DIR: the run goes on there after a boot");
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    return out;
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

int dry_run(campaign::Machine& machine, const std::vector<job::Job>& jobs,
            const campaign::RunOptions& options) {
    const auto survey = campaign::survey(machine);
    if (!survey)
        return report_error("run", survey.error());
    for (const auto& job : jobs) {
        const auto plan = campaign::plan_of(job, *survey, options);
        if (!plan)
            return report_error("run", plan.error());
        print(job.name + ": " + job.summary + "\n" + job::plan_text(*plan));
    }
    return 0;
}

void show(const report::Run& run, const Parsed& parsed) {
    if (parsed.flag("json"))
        print(report::result_line(run) + "\n");
    else if (parsed.flag("ktap"))
        print(report::ktap(run));
    else
        print(report::summary(run));
}

// Of several jobs the worst answer wins, in the order of DESIGN's exit codes.
verdict::Verdict worse(verdict::Verdict a, verdict::Verdict b) {
    using enum verdict::Verdict;
    for (const auto worst : {crash, hang, fail, error, inconclusive, skip})
        if (a == worst || b == worst)
            return worst;
    return pass;
}

// What is left to do takes a booted machine.
int leave_boot(const std::filesystem::path& out, const std::string& why, bool resumed, int code) {
    if (!resumed) {
        std::cerr << "dmarace: " << why << "; --resume goes on then\n";
        return code;
    }
    const auto marked = campaign::mark_boot_again(out, why);
    return marked ? code : report_error("run", marked.error());
}

int run_all(campaign::Machine& machine, const std::vector<job::Job>& jobs,
            campaign::RunOptions options, const Parsed& parsed, report::ExitStyle style) {
    SignalInterrupts interrupts;
    const auto base = parsed.text("out");
    // Somebody boots and resumes: the run is shown once, by its last boot.
    const bool resumed = options.fresh != campaign::Fresh::never;
    std::vector<report::Run> later;
    auto worst = verdict::Verdict::pass;
    campaign::clear_boot_again(base);
    for (const auto& job : jobs) {
        options.out = base.empty() ? default_out(job.name) : base;
        if (!base.empty() && jobs.size() > 1)
            options.out /= job.name;
        TerminalProgress progress(job.name, TerminalProgress::stderr_is_live());
        auto ran = campaign::run_job(machine, progress, interrupts, job, options);
        if (!ran)
            return report_error("run", ran.error());
        worst = worse(worst, report::overall(ran->run));
        const bool over = ran->run.end->why == "done" && &job == &jobs.back();
        resumed ? later.push_back(std::move(ran->run)) : show(ran->run, parsed);
        if (interrupts.count() > 0)
            break;
        if (!ran->boot_again.empty() && !over)
            return leave_boot(base, ran->boot_again, resumed, report::exit_code(worst, style));
    }
    for (const auto& run : later)
        show(run, parsed);
    return interrupts.count() > 0 ? kExitInterrupted : report::exit_code(worst, style);
}

int show_help(const Parsed& parsed, const po::options_description& visible) {
    std::string text = help_text("run JOB.. [OPTION..]", kAbout, visible);
    for (const auto& name : parsed.words) {
        const auto job = load_job(name);
        if (!job)
            return report_error("run", job.error());
        text += "\n" + job::job_help(*job);
    }
    return print(text) ? 0 : kExitEnvironment;
}

} // namespace

int run_run(const Words& words) {
    po::options_description visible("Options");
    add_options(visible);
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("run", parsed.error());
    if (parsed->flag("help"))
        return show_help(*parsed, visible);
    const auto style = exit_style(parsed->text("exit-style"));
    if (!style)
        return report_error("run", style.error());
    const auto options = to_options(*parsed);
    if (!options)
        return report_error("run", options.error());
    const auto jobs = load_all(parsed->words, options->unsafe);
    if (!jobs)
        return report_error("run", jobs.error());
    board::Modules modules;
    auto control = open_module(modules);
    if (!control)
        return report_error("run", control.error());
    auto log = board::KernelLog::open();
    if (!log)
        return report_error("run", log.error());
    campaign::Machine machine{board::Devices(), std::move(modules), *log, **control, {}};
    if (parsed->flag("dry-run"))
        return dry_run(machine, *jobs, *options);
    return run_all(machine, *jobs, *options, *parsed, *style);
}

} // namespace dmarace::commands
