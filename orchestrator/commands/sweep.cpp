// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace sweep': every pair of acts that a board allows.
#include "explore/sweep.hpp"

#include "base/duration.hpp"
#include "base/text.hpp"
#include "board/devices.hpp"
#include "board/task.hpp"
#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "report/report.hpp"
#include "run/run_dir.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

namespace dmarace::commands {

namespace {

namespace fs = std::filesystem;
namespace words = run::words;
using explore::SweepBoard;
using explore::SweepOptions;
using explore::Swept;

constexpr const char* kAbout =
    "Searches every pair of acts that this board allows for races ('dmarace explore --help' has "
    "the\n"
    "acts). Each act is watched alone first; pairs whose accesses conflict come first, and have "
    "more\n"
    "of the time. Each pair is a search in DIR/PAIR. sweep.txt (the page) and sweep.json say what "
    "was\n"
    "found, and what was not covered. With ACTs, only pairs of these.\n"
    "\n"
    "The kernel may warn, oops or hang: where the machine dies, the next boot goes on with "
    "--resume\n"
    "('dmarace-board run -- sweep ..' does so by itself). Several machines share the pairs with\n"
    "--shard, and 'dmarace report --merge DIR..' puts the parts together. Exit code 1 when it "
    "found\n"
    "something.\n";

constexpr const char *kCandidates = "candidates", *kAll = "all";

// The search of one pair, on the line of the sweep.
class SweepLine final : public explore::SweepProgress, public explore::ExploreProgress {
public:
    explicit SweepLine(bool live) : terminal_("sweep", live) {}

    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}
    void state(const explore::Explored& so_far, const std::string& now) override {
        terminal_.doing(pairs_ + ", " + std::to_string(so_far.tried.size()) + " schedules, " +
                        std::to_string(so_far.left) + " left, " +
                        std::to_string(so_far.findings.size()) + " findings: " + now);
    }
    void tried(const explore::TriedSchedule& schedule) override {
        if (schedule.end == search::to_text(search::ScheduleEnd::failed))
            terminal_.note(at_ + " " + schedule.run + " failed: " + schedule.what + ": " +
                           schedule.why);
    }

    ExploreProgress& of_pair() override { return *this; }
    void now(const Swept& so_far, const std::string& what) override {
        count(so_far);
        terminal_.doing(pairs_ + ": " + what);
        if (so_far.at != at_ && !so_far.at.empty())
            terminal_.note(pairs_ + ": " + what);
        at_ = so_far.at;
    }
    void ended(const explore::PairState& pair) override {
        terminal_.note(pair.pair.id + ": " + std::string(to_text(pair.end())) + ", " +
                       std::to_string(pair.tried) + " schedules, " + std::to_string(pair.left) +
                       " left, " + std::to_string(pair.findings.size()) + " findings" +
                       (pair.why.empty() ? "" : ": " + pair.why));
    }

private:
    void count(const Swept& so_far) {
        const auto begun = std::ranges::count_if(
            so_far.pairs, [](const auto& pair) { return pair.tried > 0 || pair.over; });
        pairs_ = std::to_string(begun) + " of " + std::to_string(so_far.pairs.size()) + " pairs";
        terminal_.iteration(static_cast<unsigned>(begun),
                            static_cast<unsigned>(so_far.pairs.size()));
    }

    TerminalProgress terminal_;
    std::string pairs_, at_;
};

// What the device of these acts is where they meet, "" for nothing.
std::string client_of(const std::vector<std::string>& acts, const search::ActBoard& board,
                      const campaign::Survey& survey, const campaign::Wishes& wishes) {
    std::vector<search::Act> parsed;
    for (const auto& text : acts)
        if (auto act = search::parse_act(text, board))
            parsed.push_back(*std::move(act));
    const auto set = search::common_start(parsed, board);
    const auto bindings =
        set ? campaign::resolve(set->job, survey, wishes) : Result<job::Bindings>();
    if (!bindings)
        return "";
    const auto found = bindings->find("client");
    return found == bindings->end() || found->second.empty() ? "" : found->second.front();
}

// One on each bus besides PCI, where the walk comes by without finding an IOMMU.
std::vector<std::string> without_iommu(const campaign::Survey& survey,
                                       const campaign::Wishes& wishes) {
    std::set<std::string> buses{"pci"};
    std::vector<std::string> out;
    for (const auto& item : survey.devices)
        if (!item.behind_iommu && item.endpoint && !item.driver.empty() && !item.named_only &&
            campaign::allowed(item, wishes) && buses.insert(item.device.bus).second)
            out.push_back(item.device.full_name());
    return out;
}

SweepBoard sweep_board(const campaign::Survey& survey, const campaign::Wishes& wishes) {
    SweepBoard out;
    out.board = act_board(survey, wishes.device);
    out.client = client_of({"bind"}, out.board, survey, wishes);
    auto any = wishes;
    any.device.clear();
    out.shared = client_of({"bind", "bind@sibling"}, act_board(survey, ""), survey, any);
    if (wishes.device.empty())
        out.others = without_iommu(survey, wishes);
    return out;
}

Status read_shard(const std::string& text, SweepOptions& options) {
    const auto parts = split(text, '/');
    const auto shard = to_number<unsigned>(parts.front()),
               shards = to_number<unsigned>(parts.back());
    if (parts.size() != 2 || !shard || !shards || *shard < 1 || *shard > *shards)
        return fail(Fault::usage, "--shard is I/N, the Ith of N parts: 1/3, not '" + text + "'");
    options.shard = *shard;
    options.shards = *shards;
    return {};
}

Result<SweepOptions> to_options(const Parsed& parsed) {
    SweepOptions out;
    out.wishes.device = parsed.text("device");
    out.wishes.i_know = parsed.texts("i-know");
    out.out = parsed.has(words::kOut) ? parsed.text(words::kOut) : default_out("sweep");
    out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.bound = parsed.values["bound"].as<unsigned>();
    out.prove = parsed.values["prove"].as<unsigned>();
    out.most = parsed.values["schedules"].as<unsigned>();
    out.stop_after = parsed.values["findings"].as<unsigned>();
    out.resume = parsed.flag(words::kResume);
    TRY_AS(out.allow, allowed_by(parsed));
    if (out.bound < 1 || out.bound > 2)
        return fail(Fault::usage, "--bound is 1 or 2: how many are parked at once");
    const auto points = parsed.text("points");
    out.all_points = points == kAll;
    if (points != kAll && points != kCandidates)
        return fail(Fault::usage, "--points is candidates or all, not '" + points + "'");
    TRY(read_shard(parsed.text("shard"), out));
    if (parsed.has("time")) {
        const auto limit = parse_duration(parsed.text("time"));
        if (!limit)
            return std::unexpected(Error(limit.error()).within("--time"));
        out.limit = *limit;
    }
    if (parsed.words.size() == 1)
        return fail(Fault::usage, "one act meets nobody: give two ACTs or more, or none for all");
    if (!run::fresh_from(parsed.text(words::kFresh)))
        return fail(Fault::usage, "--fresh is never, risky or always");
    out.booted = out.resume && run::fresh_from(parsed.text(words::kFresh)) != run::Fresh::never;
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    out.command = "sweep";
    for (const auto& word : parsed.words)
        out.command += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
    return out;
}

Status check_directory(const SweepOptions& options) {
    TRY(run::can_hold_runs(options.out));
    std::error_code error;
    if (!options.resume && fs::exists(options.out / run::kSweepJson, error))
        return fail(Fault::usage, options.out.string() + " holds a sweep already; --resume goes on "
                                                         "with it, or give another --out");
    return {};
}

int exit_code(const Swept& swept) {
    if (swept.interrupted)
        return kExitInterrupted;
    return report::exit_code(explore::verdict_of(swept), run::ExitStyle::plain);
}

Result<int> sweep_acts(const Parsed& parsed) {
    TRY_AS(auto options, to_options(parsed));
    TRY(check_directory(options));
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(auto log, board::KernelLog::open());
    campaign::Machine machine{board::Devices(), modules.fresh(), log, *control, {}};
    TRY_AS(const auto survey, campaign::survey(machine));
    const auto board = sweep_board(survey, options.wishes);
    for (const auto& word : parsed.words)
        TRY(search::parse_act(word, board.board));
    auto pairs = explore::sweep_pairs(board, parsed.words, parsed.flag("triples"));
    SignalInterrupts interrupts;
    (void)run::take_boot_again(options.out);
    std::optional<Swept> swept;
    {
        SweepLine progress(TerminalProgress::stderr_is_live());
        const explore::SweepHands hands{
            [&](const auto& set, const auto& record) {
                return explore::record_acts(machine, progress, interrupts, set, record);
            },
            [&](auto& shown, const auto& set, const auto& one) {
                return explore::explore(machine, shown, interrupts, set, one);
            }};
        TRY_AS(swept,
               explore::sweep(board, std::move(pairs), progress, interrupts, options, hands));
    }
    if (!swept->boot_again.empty()) {
        if (run::fresh_from(parsed.text(words::kFresh)) != run::Fresh::never) {
            TRY(run::mark_boot_again(options.out, swept->boot_again));
            return exit_code(*swept);
        }
        std::cerr << "dmarace: " << swept->boot_again << "; --resume goes on then\n";
    }
    const auto shown =
        print(parsed.flag(words::kJson) ? sweep_json(*swept) + "\n" : sweep_page(*swept));
    return shown != 0 ? shown : exit_code(*swept);
}

} // namespace

int run_sweep(const Words& given) {
    po::options_description visible("Options");
    visible.add_options()("time", po::value<std::string>(),
                          "T that all of it may take: 60m; what was not reached is said")(
        "device", po::value<std::string>(), "DEVICE of the acts, and no other")(
        "triples", po::bool_switch(), "three acts at a time instead of two")(
        "shard", po::value<std::string>()->default_value("1/1"),
        "I/N: the Ith of N parts, cut by pair; 'dmarace report --merge' puts them together")(
        "points", po::value<std::string>()->default_value(kCandidates),
        "where tasks are parked: at what is predicted, and for a pair of which nothing is at "
        "points "
        "of the table (candidates), or at those of the table too (all)")(
        "bound", po::value<unsigned>()->default_value(2),
        "how many are parked at once: 1, or 2 after all of 1")(
        "seed", po::value<std::uint64_t>()->default_value(1),
        "of the order among pairs and places of one rank; same seed, same order")(
        "schedules,n", po::value<unsigned>()->default_value(0), "at most so many a pair; 0: all")(
        "findings", po::value<unsigned>()->default_value(0), "leave a pair after so many; 0: all")(
        "prove", po::value<unsigned>()->default_value(3),
        "N: run a finding so often, and as often without its hold")(
        words::kOut, po::value<std::string>(),
        "DIR for the results (default: dmarace-sweep-DATE in $DMARACE_OUT, or here)")(
        words::kResume, po::bool_switch(), "go on with the sweep that DIR holds")(
        words::kFresh, po::value<std::string>()->default_value("never"),
        "anything but never: somebody boots the machine when it has to be, and resumes")(
        words::kAllow, po::value<std::vector<std::string>>(),
        kAllowHelp)("i-know", po::value<std::vector<std::string>>(),
                    "DEVICE that the guard protects and the sweep may touch; repeatable")(
        words::kJson, po::bool_switch(), "sweep.json to stdout instead of the page");
    add_module_option(visible);
    return run_command("sweep [ACT ACT..]  [OPTION..]", kAbout, visible, given, sweep_acts);
}

} // namespace dmarace::commands
