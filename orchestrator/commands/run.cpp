// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace run'.
#include "base/size.hpp"
#include "board/boot_files.hpp"
#include "board/devices.hpp"
#include "board/task.hpp"
#include "campaign/campaign.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "job/load.hpp"
#include "report/pictures.hpp"
#include "report/tally.hpp"
#include "report/teller.hpp"
#include "run/run_dir.hpp"

#include <cstdlib>
#include <iostream>
#include <span>

namespace dmarace::commands {

namespace {

namespace words = run::words;

constexpr const char* kAbout =
    "Runs jobs: puts the board into the window, audits DMA and judges. JOB is a library name or\n"
    "a path. 'dmarace run JOB --help' shows the job's own parameters.\n"
    "DIR gets journal.jsonl, result.json, result.ktap, events.log and kmsg.log.\n";

void add_run_options(po::options_description& visible) {
    visible.add_options()("device", po::value<std::string>(),
                          "the job's first device parameter; sim: one that is simulated")(
        "set", po::value<std::vector<std::string>>(),
        "NAME=VALUE of a job's parameter; repeatable")("iterations,n", po::value<unsigned>(),
                                                       "how many; default: the job's own number")(
        "duration", po::value<std::string>(), "run for so long: 30s, 5m, 2h")(
        "timeout", po::value<std::string>(), "T: then it ends as if interrupted, exit code 124")(
        "seed", po::value<std::uint64_t>(),
        "of random delays (default: 1); same seed, same delays")(
        "no-holds", po::bool_switch(), "without holds and delays: what luck alone would hit")(
        words::kCompare, po::bool_switch(),
        "both, with holds and without, and both rates beside each other")(
        "unsafe", po::bool_switch(), "allow what may wedge the machine (risk = reboot, write)")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the run may touch; repeatable")(
        "all-clients", po::bool_switch(),
        "also devices of no PCI bus (a SoC's GPU, USB host) where a job takes all")(
        words::kAllow, po::value<std::vector<std::string>>(),
        kAllowHelp)(words::kOut, po::value<std::string>(),
                    "DIR for the results (default: dmarace-JOB-DATE in $DMARACE_OUT, or here)")(
        "quota", po::value<std::string>()->default_value("1G"),
        "SIZE that the files in DIR may take together, or none: logs turn over within a\n"
        "fifth of it, and the run stops before the rest is full")(
        "reboot", po::bool_switch(),
        "the job's iterations are boots of this machine: leave the rules for the next one, boot,\n"
        "judge, and again; at the end nothing is left on the disk")(
        "async-probe", po::value<std::vector<std::string>>(),
        "MODULE whose driver probes asynchronously in those boots; repeatable")(
        words::kResume, po::bool_switch(), "go on with the run that DIR holds")(
        words::kFresh,
        po::value<std::string>()->default_value(std::string(run::to_text(run::Fresh::never))),
        "WHEN to end after one iteration and leave the rest to --resume after a boot: never,\n"
        "risky (jobs of risk reboot) or always")(
        "crash-limit", po::value<std::string>()->default_value("3/5"),
        "CRASHES/BOOTS: stop when so many iterations of the last so many boots killed the\n"
        "machine; none: never stop")(words::kDryRun, po::bool_switch(),
                                     "show what would be done to which device, and do nothing")(
        words::kJson, po::bool_switch(),
        "result.json, on one line, to stdout instead of the summary")(
        words::kKtap, po::bool_switch(),
        "KTAP to stdout instead of the summary, line by line as iterations end")(
        words::kLava, po::bool_switch(),
        "signals of LAVA's test shell to stdout as iterations end, before the summary")(
        words::kExitStyle, po::value<std::string>()->default_value("plain"),
        "plain, bisect or ksft");
    add_module_option(visible);
}

Result<report::ExitStyle> exit_style(const std::string& text) {
    if (const auto style = run::exit_style_from(text))
        return *style;
    return fail(Fault::usage, "--exit-style is plain, bisect or ksft, not '" + text + "'");
}

Result<std::optional<std::chrono::nanoseconds>> duration_of(const Parsed& parsed,
                                                            const char* option) {
    if (!parsed.has(option))
        return std::nullopt;
    const auto duration = parse_duration(parsed.text(option));
    if (!duration)
        return std::unexpected(Error(duration.error()).within(std::string("--") + option));
    if (duration->count() == 0)
        return fail(Fault::usage,
                    std::string("--") + option + " " + parsed.text(option) + " would run nothing");
    return *duration;
}

Result<std::uint64_t> quota_of(const std::string& text) {
    constexpr std::uint64_t kLeast = 1'000'000;
    if (text == "none")
        return 0;
    const auto size = parse_size(text);
    if (!size)
        return std::unexpected(Error(size.error()).within("--quota"));
    if (*size < kLeast)
        return fail(Fault::usage, "--quota of less than 1M holds no run");
    return *size;
}

Result<campaign::CampaignOptions> to_options(const Parsed& parsed) {
    campaign::CampaignOptions out;
    out.wishes.device = parsed.text("device");
    for (const auto& word : parsed.texts("set")) {
        const auto equals = word.find('=');
        if (equals == 0 || equals == std::string::npos)
            return fail(Fault::usage, "--set takes NAME=VALUE, not '" + word + "'");
        out.wishes.set[word.substr(0, equals)] = word.substr(equals + 1);
    }
    out.wishes.i_know = parsed.texts("i-know");
    out.wishes.all_clients = parsed.flag("all-clients");
    if (parsed.has("iterations"))
        out.iterations = parsed.values["iterations"].as<unsigned>();
    if (out.iterations == 0U)
        return fail(Fault::usage, "--iterations 0 would run nothing");
    TRY_AS(out.duration, duration_of(parsed, "duration"));
    TRY(duration_of(parsed, "timeout"));
    if (parsed.has("seed"))
        out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.holds = !parsed.flag("no-holds");
    out.unsafe = parsed.flag("unsafe");
    out.resume = parsed.flag(words::kResume);
    out.at_boot = parsed.flag("reboot");
    out.async = parsed.texts("async-probe");
    if (!out.async.empty() && !out.at_boot)
        return fail(Fault::usage, "--async-probe is for the boots of --reboot; for an insmod in a "
                                  "job there is 'insmod MODULE async'");
    const auto fresh = run::fresh_from(parsed.text(words::kFresh));
    if (!fresh)
        return fail(Fault::usage,
                    "--fresh is never, risky or always, not '" + parsed.text(words::kFresh) + "'");
    out.fresh = *fresh;
    if (out.fresh != run::Fresh::never && !parsed.has(words::kOut))
        return fail(Fault::usage, "--fresh takes --out DIR: the run goes on there after a boot");
    TRY_AS(const auto limit, campaign::crash_limit_from(parsed.text("crash-limit")));
    out.crash_limit = limit;
    TRY_AS(out.quota, quota_of(parsed.text("quota")));
    TRY_AS(out.allow, allowed_by(parsed));
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    return out;
}

// All jobs are loaded before the first is run: a bad one changes nothing.
Result<std::vector<job::Job>> load_all(const Words& names, bool unsafe) {
    std::vector<job::Job> jobs;
    for (const auto& name : names) {
        TRY_AS(auto job, load_job(name, unsafe));
        if (const auto why = job::why_unsafe(job); !why.empty() && !unsafe)
            return fail(Fault::usage, "job " + job.name + ": " + why + "; --unsafe runs it");
        jobs.push_back(std::move(job));
    }
    if (jobs.empty())
        return fail(Fault::usage, "give at least one JOB (dmarace list jobs)");
    return jobs;
}

// The board as it may be looked at without changing anything.
Result<campaign::Onlooker> onlooker(const Parsed& parsed) {
    TRY_AS(auto modules, modules_for(parsed));
    return campaign::Onlooker{board::Devices(board::Files().read_only()), std::move(modules)};
}

Result<int> dry_run(const std::vector<job::Job>& jobs, const campaign::CampaignOptions& options,
                    const Parsed& parsed) {
    TRY_AS(const auto board, onlooker(parsed));
    std::string text;
    int code = 0;
    for (const auto& job : jobs) {
        auto told = campaign::preview(board, job, options);
        if (told) {
            text += (text.empty() ? "" : "\n") + *told;
            continue;
        }
        // A skip of one says nothing of the others, whose errors are graver.
        const auto failed = report_error("run", std::move(told).error().within(job.name));
        code = code == 0 || code == kExitUntestable ? failed : code;
    }
    const auto printed = print(text);
    return code == 0 ? printed : code;
}

// What stdout is told of each run while it goes on, if anything. Where somebody boots and resumes,
// KTAP would begin anew with each boot: it is shown once.
const report::ToldForm* told_form(const Parsed& parsed) {
    if (parsed.flag(words::kLava))
        return &report::kLavaForm;
    const bool once = parsed.text(words::kFresh) != run::to_text(run::Fresh::never);
    return parsed.flag(words::kKtap) && !once ? &report::kKtapForm : nullptr;
}

void show(const run::Run& run, const std::filesystem::path& out, const Parsed& parsed) {
    if (parsed.flag(words::kJson))
        print(report::result_line(run) + "\n");
    else if (parsed.flag(words::kKtap))
        print(told_form(parsed) ? "" : report::ktap(run));
    else
        print(report::summary(run, report::ShownTypes::reasons,
                              report::bad_count(run) > 0 ? run::seen_in(out, run::kReadAtEnd)
                                                         : run::SeenIterations()) +
              (run.head.holds || parsed.flag(words::kCompare)
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

// What is left to do takes a booted machine.
Status leave_boot(const std::filesystem::path& out, const std::string& why, bool resumed,
                  int status) {
    if (resumed)
        return run::mark_boot_again(out, why, status);
    std::cerr << "dmarace: " << why << "; --resume goes on then\n";
    return {};
}

// One run of one job; with --compare a job has two.
struct Pass {
    const job::Job& job;
    bool holds;
    std::filesystem::path out;
};

std::vector<Pass> passes_of(const std::vector<job::Job>& jobs, bool holds, const Parsed& parsed) {
    const auto base = parsed.text(words::kOut);
    const bool several = !base.empty() && jobs.size() > 1;
    std::vector<Pass> out;
    for (const auto& job : jobs) {
        const std::filesystem::path dir = base.empty() ? default_out(job.name) : base;
        const auto prefix = several ? job.name + "-" : "";
        if (parsed.flag(words::kCompare)) {
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
void show_last(std::span<const run::Run> runs, const std::filesystem::path& out,
               const Parsed& parsed) {
    show(runs.back(), out, parsed);
    if (parsed.flag(words::kCompare) && !parsed.flag(words::kJson) && runs.size() % 2 == 0)
        print(report::beside(runs[runs.size() - 2], runs.back()));
}

// What it names is found from any directory and without this environment.
Words with_absolute_files(Words given, const Words& files) {
    std::error_code ec;
    for (auto& word : given)
        if (const auto path = job::job_path(word); std::ranges::count(files, word) > 0 && path)
            word = std::filesystem::absolute(*path, ec).string();
    return given;
}

// Rules that stay in the initramfs are told of by whatever went wrong.
Error with_armed(Error error) {
    if (board::BootFiles().armed())
        error.message += "; the rules of run --reboot are still in the initramfs, dmarace restore "
                         "--reboot takes them out";
    return error;
}

void tell_unbegun(std::span<const Pass> passes) {
    for (const auto& pass : passes)
        std::cerr << "dmarace run: " << pass.job.name << " was not begun (" << pass.out.string()
                  << ")\n";
}

Result<int> run_all(campaign::Machine& machine, const std::vector<job::Job>& jobs,
                    campaign::CampaignOptions options, const Parsed& parsed, const Words& given,
                    report::ExitStyle style) {
    TRY_AS(const auto limit, duration_of(parsed, "timeout"));
    SignalInterrupts interrupts(limit);
    const auto base = parsed.text(words::kOut);
    const auto passes = passes_of(jobs, options.holds, parsed);
    if (options.at_boot) {
        auto files = parsed.words;
        std::ranges::copy(parsed.texts(words::kAllow), std::back_inserter(files));
        options.words = run::words_to_go_on(with_absolute_files(given, files),
                                            std::filesystem::absolute(passes.front().out).string());
    }
    // What one job finds and resets is nothing that lives which are at another have alike.
    if (passes.size() > 1) {
        TRY_AS(const bool goes_on, run::stand());
        options.resume = options.resume || goes_on;
    }
    // Somebody boots and resumes: the run is shown once, by its last boot.
    const bool resumed = options.fresh != run::Fresh::never;
    std::vector<run::Run> runs;
    std::vector<std::filesystem::path> outs;
    auto worst = verdict::Verdict::pass;
    (void)run::take_boot_again(base);
    for (const auto& pass : passes) {
        options.holds = pass.holds;
        options.out = pass.out;
        std::optional<report::RunTeller> teller;
        if (const auto* form = told_form(parsed)) {
            teller.emplace(*form);
            options.told = [&](const run::Run& run) { print(teller->more(run)); };
        }
        // A live line and what is told may stand on one console.
        TerminalProgress progress(pass.job.name, !teller && TerminalProgress::stderr_is_live());
        auto ran = campaign::run_job(machine, progress, interrupts, pass.job, options);
        if (!ran && passes.size() == 1)
            return std::unexpected(options.at_boot ? with_armed(ran.error()) : ran.error());
        if (!ran) { // the other jobs have verdicts, which are not to be lost with it
            report_error("run", ran.error());
            worst = worse(worst, verdict::Verdict::error);
            continue;
        }
        if (teller)
            print(teller->rest(ran->run));
        worst = worse(worst, counted(ran->run, parsed.flag(words::kCompare)));
        const bool over = ran->run.end->how == run::RunEnding::done && &pass == &passes.back();
        runs.push_back(std::move(ran->run));
        outs.push_back(pass.out);
        if (!resumed)
            show_last(runs, outs.back(), parsed);
        if (interrupts.count() > 0) {
            tell_unbegun({&pass + 1, &passes.back() + 1});
            break;
        }
        const bool boots = options.at_boot && !resumed;
        if (ran->boot_again.empty() || (over && !boots))
            continue;
        const int code = report::exit_code(worst, style);
        TRY(boots ? board::boot_machine() : leave_boot(base, ran->boot_again, resumed, code));
        return code;
    }
    for (std::size_t i = 1; resumed && i <= runs.size(); ++i)
        show_last(std::span(runs).first(i), outs[i - 1], parsed);
    return interrupts.count() > 0 ? interrupts.exit_code() : report::exit_code(worst, style);
}

Result<int> show_help(const Parsed& parsed, const po::options_description& visible) {
    std::string text = help_text("run JOB.. [OPTION..]", kAbout, visible);
    for (const auto& name : parsed.words) {
        TRY_AS(const auto job, load_job(name));
        TRY_AS(const auto board, onlooker(parsed));
        text += "\n" + campaign::help_here(board, job);
    }
    return print(text);
}

// The device of --device sim: the simulated IOMMU with two clients, each in a group of its own:
// there as long as this lives, unless it was there before. Keeps a reference to modules.
class SimulatedBoard {
public:
    static constexpr const char* kWord = "sim";

    explicit SimulatedBoard(const board::Modules& modules) : modules_(modules) {}
    SimulatedBoard(const SimulatedBoard&) = delete;
    SimulatedBoard& operator=(const SimulatedBoard&) = delete;
    ~SimulatedBoard() {
        if (!ours_)
            return;
        const board::Files files;
        (void)board::Simulated(files).remove("all");
        (void)modules_.remove(board::kSimulatedModule);
    }

    Status insert() {
        const auto inserted = modules_.insert(board::kSimulatedModule, "devices=2");
        ours_ = inserted.has_value();
        if (inserted || inserted.error().os_error == EEXIST)
            return {};
        return std::unexpected(Error(inserted.error()).within("--device sim"));
    }

private:
    const board::Modules& modules_;
    bool ours_ = false;
};

// given: the words that were parsed.
Result<int> run_jobs(const Parsed& parsed, const Words& given) {
    TRY_AS(const auto style, exit_style(parsed.text(words::kExitStyle)));
    TRY_AS(auto options, to_options(parsed));
    if (parsed.flag(words::kCompare) &&
        (parsed.flag("no-holds") || parsed.flag(words::kKtap) || parsed.flag(words::kLava)))
        return fail(Fault::usage, "--compare runs with holds and without, and tells nothing while "
                                  "it does; leave --no-holds, --ktap and --lava out");
    if (parsed.flag(words::kKtap) + parsed.flag(words::kLava) + parsed.flag(words::kJson) > 1)
        return fail(Fault::usage, "stdout has one of --json, --ktap and --lava");
    TRY_AS(const auto jobs, load_all(parsed.words, options.unsafe));
    if (options.at_boot && (jobs.size() > 1 || parsed.flag(words::kCompare)))
        return fail(Fault::usage, "--reboot runs one job, once");
    if (options.at_boot && parsed.has(words::kModule))
        return fail(Fault::usage, "--reboot takes dmarace.ko from the kernel's tree, by which the "
                                  "initramfs is made: install it there instead of --module");
    if (parsed.flag(words::kDryRun))
        return dry_run(jobs, options, parsed);
    if (board::Files().on_read_only("/sys"))
        return fail(Fault::environment, "/sys is mounted read-only, so nothing could be changed "
                                        "or restored; mount -o remount,rw /sys");
    const std::filesystem::path out = parsed.text(words::kOut);
    TRY(run::can_hold_runs(out.empty() ? results_place() : out));
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(auto log, board::KernelLog::open());
    SimulatedBoard simulated(modules);
    if (options.wishes.device == SimulatedBoard::kWord) {
        TRY(simulated.insert());
        options.wishes.device = board::kSimulatedClient;
    }
    campaign::Machine machine{board::Devices(), modules.fresh(), log, *control, {}};
    return run_all(machine, jobs, options, parsed, given, style);
}

Result<Parsed> parse_run(const Words& given, po::options_description& visible) {
    add_run_options(visible);
    return parse(given, visible);
}

// What an earlier call left for the machine's next boot goes on, with its words.
Result<Words> words_left() {
    auto left = board::BootFiles().waiting();
    if (!left)
        return fail(Fault::usage, "no run --reboot waits for a boot here; give a JOB to begin one");
    return std::move(left->words);
}

} // namespace

Status check_run(const std::string& name, const Words& args) {
    po::options_description known("");
    TRY_AS(const auto parsed, parse_run(args, known));
    TRY_AS(const auto job, load_job(name, parsed.flag("unsafe")));
    const auto options = to_options(parsed);
    if (!options)
        return std::unexpected(options.error());
    if (const auto why = job::why_unsafe(job); !why.empty() && !options->unsafe)
        return fail(Fault::usage, "job " + job.name + ": " + why + "; --unsafe queues it");
    return {};
}

int run_run(const Words& given) {
    po::options_description visible("Options"), again("Options");
    auto asked = Result<Words>(given);
    auto parsed = parse_run(given, visible);
    if (parsed && parsed->flag("reboot") && parsed->flag(words::kResume) && parsed->words.empty()) {
        asked = words_left();
        parsed = asked ? parse_run(*asked, again) : std::unexpected(asked.error());
    }
    if (!parsed)
        return report_error("run", parsed.error());
    const auto code =
        parsed->flag("help") ? show_help(*parsed, visible) : run_jobs(*parsed, *asked);
    return code ? *code : report_error("run", code.error());
}

} // namespace dmarace::commands
