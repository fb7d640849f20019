// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace explore': acts against each other, schedule after schedule.
#include "explore/explore.hpp"

#include "base/duration.hpp"
#include "base/files.hpp"
#include "board/devices.hpp"
#include "board/task.hpp"
#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "explore/record.hpp"
#include "report/report.hpp"
#include "run/run_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

namespace fs = std::filesystem;
namespace words = run::words;
using explore::Explored;
using explore::ExploreOptions;

constexpr const char* kAbout =
    "Finds races that nobody told it about: parks one act at each place that it passes while the\n"
    "other runs, and judges every device's DMA. A schedule that fails is minimised, proved, and\n"
    "written as a job file with its story. The kernel may warn, oops or hang: where the machine\n"
    "dies, the next boot goes on with --resume ('dmarace-board run -- explore ..' does so by\n"
    "itself).\n"
    "\n"
    "ACT is a short name, with @DEVICE, @sibling (another one of its group) or a word after ':', "
    "or\n"
    "a step in quotes ('bind pci/0000:00:02.0'). JOB, a file or one of the library, is taken "
    "without\n"
    "its rules. DIR gets a directory for each schedule, explore.txt (the page), explore.json,\n"
    "schedules.txt and findings/NN/ (the job, story.txt). Exit code 1 when it found something.\n";

std::string acts_help() {
    Columns table;
    for (const auto& row : search::act_rows())
        table.add({std::string(row.name), std::string(row.step), std::string(row.help)});
    std::string out = "Acts:\n" + table.text("  ") + "Not covered:\n";
    for (const auto& line : search::not_covered())
        out += "  " + std::string(line) + "\n";
    return out;
}

// Where tasks are parked: --points
constexpr const char *kAll = "all", *kCandidates = "candidates", *kTable = "table";
constexpr const char* kNoCandidates =
    "no candidates: places come from the point table, those that the "
    "acts pass with nobody held";

// A line on a terminal, drawn anew; elsewhere one for each schedule.
class ExploreLine final : public explore::ExploreProgress {
public:
    ExploreLine(std::string name, bool live)
        : name_(std::move(name)), live_(live), terminal_(name_, live) {}

    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}

    void state(const Explored& so_far, const std::string& now) override {
        const auto tried = so_far.tried.size();
        std::string rate = "-";
        if (tried > 0 && so_far.seconds > 0) {
            const auto hundredths =
                static_cast<unsigned>(100 * static_cast<double>(tried) / so_far.seconds);
            rate = std::to_string(hundredths / 100) + "." + std::to_string(hundredths / 10 % 10) +
                   std::to_string(hundredths % 10);
        }
        const auto line = rate + " schedules a second, " + std::to_string(so_far.left) + " left, " +
                          std::to_string(so_far.pruned) + " pruned, " +
                          std::to_string(so_far.findings.size()) + " findings: " + now;
        terminal_.iteration(static_cast<unsigned>(tried), 0);
        terminal_.doing(line);
        if (!live_ && tried == 0)
            terminal_.note(now);
    }
    void tried(const explore::TriedSchedule& one) override {
        if (live_ && one.why.empty())
            return;
        terminal_.note(one.run + " " + one.end + ": " + one.what +
                       (one.why.empty() ? "" : ": " + one.why));
    }

private:
    std::string name_;
    bool live_;
    TerminalProgress terminal_;
};

Result<ExploreOptions> to_options(const Parsed& parsed) {
    ExploreOptions out;
    out.wishes.device = parsed.text("device");
    out.wishes.i_know = parsed.texts("i-know");
    out.out = parsed.has(words::kOut) ? parsed.text(words::kOut) : default_out("explore");
    out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.bound = parsed.values["bound"].as<unsigned>();
    out.prove = parsed.values["prove"].as<unsigned>();
    out.stop_after = parsed.values["findings"].as<unsigned>();
    out.most = parsed.values["schedules"].as<unsigned>();
    out.resume = parsed.flag(words::kResume);
    if (out.bound < 1 || out.bound > 2)
        return fail(Fault::usage, "--bound is 1 or 2: how many are parked at once");
    const auto points = parsed.text("points");
    out.all_points = points != kCandidates;
    if (points != kAll && points != kCandidates && points != kTable)
        return fail(Fault::usage, "--points is all, candidates or table, not '" + points + "'");
    if (parsed.has("time")) {
        const auto limit = parse_duration(parsed.text("time"));
        if (!limit)
            return std::unexpected(Error(limit.error()).within("--time"));
        out.limit = *limit;
    }
    if (!run::fresh_from(parsed.text(words::kFresh)))
        return fail(Fault::usage, "--fresh is never, risky or always");
    out.booted = out.resume && run::fresh_from(parsed.text(words::kFresh)) != run::Fresh::never;
    TRY_AS(out.allow, allowed_by(parsed));
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    out.command = "explore";
    for (const auto& word : parsed.words)
        out.command += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
    return out;
}

Status check_directory(const ExploreOptions& options) {
    TRY(run::can_hold_runs(options.out));
    std::error_code error;
    if (!options.resume && fs::exists(options.out / run::kExploreJson, error))
        return fail(Fault::usage, options.out.string() + " holds a search already; --resume goes "
                                                         "on with it, or give another --out");
    return {};
}

int exit_code(const Explored& explored) {
    return explored.interrupted ? kExitInterrupted
                                : report::exit_code(verdict_of(explored), run::ExitStyle::plain);
}

// Where the acts could meet, before they have met. What cannot be watched costs only that. Why the
// machine is to be booted before the rest is watched, or "".
std::string predict_first(campaign::Machine& machine, campaign::RunProgress& progress,
                          campaign::RunInterrupts& interrupts, const search::ActSet& set,
                          ExploreOptions& options) {
    explore::RecordOptions record;
    record.wishes = options.wishes;
    record.place = options.out / "watched";
    record.kept = options.out / "records";
    record.as_they_are = true; // the same list in each life of the machine
    record.board = options.board;
    const auto records = explore::record_acts(machine, progress, interrupts, set, record);
    if (records && !records->boot_again.empty())
        return records->boot_again;
    if (records) {
        options.candidates = explore::candidates_of(*records);
        options.acts = records->acts;
    }
    if (options.candidates.empty())
        options.no_candidates = std::string(kNoCandidates) + ": " +
                                (records ? "none was found" : records.error().message);
    return "";
}

Result<int> explore_acts(const Parsed& parsed) {
    TRY_AS(auto options, to_options(parsed));
    TRY(check_directory(options));
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(auto log, board::KernelLog::open());
    campaign::Machine machine{board::Devices(), modules.fresh(), log, *control, {}};
    TRY_AS(const auto survey, campaign::survey(machine));
    TRY_AS(auto asked, asked_acts(parsed.words, act_board(survey, options.wishes.device)));
    options.acts = std::move(asked.names);
    SignalInterrupts interrupts;
    (void)run::take_boot_again(options.out);
    Explored explored;
    {
        ExploreLine progress("explore", TerminalProgress::stderr_is_live());
        if (parsed.text("points") == kTable)
            options.no_candidates = kNoCandidates + std::string(" (--points table)");
        else
            explored.boot_again = predict_first(machine, progress, interrupts, asked.set, options);
        if (explored.boot_again.empty()) {
            TRY_AS(explored, explore::explore(machine, progress, interrupts, asked.set, options));
        }
    }
    if (!explored.boot_again.empty()) {
        const bool somebody = run::fresh_from(parsed.text(words::kFresh)) != run::Fresh::never;
        if (somebody) {
            TRY(run::mark_boot_again(options.out, explored.boot_again));
            return exit_code(explored);
        }
        std::cerr << "dmarace: " << explored.boot_again << "; --resume goes on then\n";
    }
    const auto shown = print(parsed.flag(words::kJson) ? explore_json(explored, options) + "\n"
                                                       : explore_page(explored, options));
    return shown != 0 ? shown : exit_code(explored);
}

} // namespace

int run_explore(const Words& given) {
    po::options_description visible("Options");
    visible.add_options()("device", po::value<std::string>(),
                          "DEVICE of the acts (default: the board chooses one)")(
        "points", po::value<std::string>()->default_value(kAll),
        "where tasks are parked: at what 'dmarace predict' names (candidates), at every point of "
        "the table that the acts pass (table), or all: those first, then these")(
        "bound", po::value<unsigned>()->default_value(1),
        "how many are parked at once: 1, or 2 after all of 1")(
        "seed", po::value<std::uint64_t>()->default_value(1),
        "of the order among places of one rank; same seed, same list")(
        "schedules,n", po::value<unsigned>()->default_value(0), "at most so many; 0: all")(
        "findings", po::value<unsigned>()->default_value(0), "end after so many; 0: all")(
        "time", po::value<std::string>(), "T that schedules may take in all: 2m, 1h")(
        "prove", po::value<unsigned>()->default_value(5),
        "N: run a finding so often, and as often without its hold")(
        words::kOut, po::value<std::string>(),
        "DIR for the results (default: dmarace-explore-DATE in $DMARACE_OUT, or here)")(
        words::kResume, po::bool_switch(), "go on with the search that DIR holds")(
        words::kFresh, po::value<std::string>()->default_value("never"),
        "anything but never: somebody boots the machine when it has to be, and resumes")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the search may touch; repeatable")(
        words::kAllow, po::value<std::vector<std::string>>(),
        kAllowHelp)(words::kJson, po::bool_switch(), "explore.json to stdout instead of the page");
    add_module_option(visible);
    return run_command("explore ACT ACT [ACT] | JOB  [OPTION..]", kAbout + ("\n" + acts_help()),
                       visible, given, explore_acts);
}

} // namespace dmarace::commands
