// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace explore': acts against each other, schedule after schedule.
#include "explore/explore.hpp"

#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "explore/record.hpp"
#include "run/run_dir.hpp"

namespace dmarace::commands {

namespace {

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

std::string guards_help() {
    Columns table;
    for (const auto& row : search::guard_rows())
        table.add({std::string(row.name), std::string(row.race), std::string(row.help)});
    return "Guards (--control):\n" + table.text("  ");
}

constexpr const char* kExplore = "explore";
// Where tasks are parked: --points
constexpr const char *kAll = "all", *kCandidates = "candidates", *kTable = "table";
constexpr const char* kNoCandidates =
    "no candidates: where nothing is predicted places come from the point table, those that the "
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

// Where the acts could meet, before they have met: first from each of them alone, and from all
// that can be watched where that is asked for. What cannot be watched costs only that.
class FirstLook {
public:
    FirstLook(campaign::Machine& machine, campaign::RunProgress& progress,
              campaign::RunInterrupts& interrupts, const search::ActSet& set,
              ExploreOptions& options)
        : machine_(machine), progress_(progress), interrupts_(interrupts), set_(set),
          options_(options) {}

    // Why the machine is to be booted before the rest is watched, or "".
    std::string predict() {
        const auto began = boottime();
        auto found = look(true);
        if (!found || found->candidates.empty())
            options_.no_candidates = std::string(kNoCandidates) + ": " +
                                     (found ? "none was found" : found.error().message);
        if (!found)
            return "";
        options_.watching = std::chrono::duration<double>(boottime() - began).count();
        options_.candidates = std::move(found->candidates);
        options_.predict_more = [this] { return look(false); };
        return found->boot_again;
    }

private:
    Result<explore::Predicted> look(bool brief) {
        explore::RecordOptions record;
        record.wishes = options_.wishes;
        record.place = options_.out / "watched";
        record.kept = options_.out / "records";
        record.as_they_are = true; // the same list in each life of the machine
        record.brief = brief;
        record.board = options_.board;
        TRY_AS(const auto records,
               explore::record_acts(machine_, progress_, interrupts_, set_, record));
        options_.acts = records.acts;
        return explore::Predicted{explore::candidates_of(records), records.boot_again};
    }

    campaign::Machine& machine_;
    campaign::RunProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const search::ActSet& set_;
    ExploreOptions& options_;
};

Result<int> explore_acts(const Parsed& parsed) {
    ExploreOptions options;
    TRY(read_search_options(parsed, kExplore, {kAll, kCandidates, kTable}, options));
    const auto points = parsed.text("points");
    options.all_points = points != kCandidates;
    options.control = parsed.text("control");
    if (!options.control.empty() && !parsed.flag("unsafe"))
        return fail(Fault::usage,
                    "--control makes the kernel do wrong on purpose: --unsafe allows");
    if (!options.control.empty())
        options.command += " --control " + options.control;
    TRY(can_begin(options, run::kExploreJson));
    return on_machine(parsed, [&](auto& machine, const auto& survey) -> Result<int> {
        TRY_AS(auto asked, asked_acts(parsed.words, act_board(survey, options.wishes.device)));
        options.acts = std::move(asked.names);
        if (!options.control.empty())
            TRY(search::take_out(options.control, asked.set));
        SignalInterrupts interrupts;
        (void)run::take_boot_again(options.out);
        Explored explored;
        {
            ExploreLine progress(kExplore, TerminalProgress::stderr_is_live());
            FirstLook first(machine, progress, interrupts, asked.set, options);
            if (points == kTable)
                options.no_candidates = kNoCandidates + std::string(" (--points table)");
            else
                explored.boot_again = first.predict();
            if (explored.boot_again.empty()) {
                TRY_AS(explored,
                       explore::explore(machine, progress, interrupts, asked.set, options));
            }
        }
        return end_search(parsed, options,
                          {explored.boot_again, explored.interrupted, verdict_of(explored)}, [&] {
                              return parsed.flag(words::kJson)
                                         ? explore_json(explored, options) + "\n"
                                         : explore_page(explored, options);
                          });
    });
}

} // namespace

int run_explore(const Words& given) {
    po::options_description visible("Options");
    visible.add_options()("device", po::value<std::string>(),
                          "DEVICE of the acts (default: the board chooses one)")(
        "points", po::value<std::string>()->default_value(kAll),
        "where tasks are parked: at what 'dmarace predict' names (candidates), at every point of "
        "the table that the acts pass (table), or all: those first, then these")(
        "schedules,n", po::value<unsigned>()->default_value(0), "at most so many; 0: all")(
        "findings", po::value<unsigned>()->default_value(0), "end after so many; 0: all")(
        "time", po::value<std::string>(), "T that schedules may take in all: 2m, 1h")(
        "control", po::value<std::string>(),
        "GUARD of the kernel's that is taken out: a search that works finds what it prevents")(
        "unsafe", po::bool_switch(), "allow --control");
    add_search_options(visible, kExplore, 1, 5);
    return run_command("explore ACT ACT [ACT] | JOB  [OPTION..]",
                       kAbout + ("\n" + acts_help() + guards_help()), visible, given, explore_acts);
}

} // namespace dmarace::commands
