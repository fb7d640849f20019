// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace sweep': every pair of acts that a board allows.
#include "explore/sweep.hpp"

#include "base/text.hpp"
#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "run/run_dir.hpp"

#include <algorithm>
#include <set>

namespace dmarace::commands {

namespace {

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

constexpr const char *kSweep = "sweep", *kCandidates = "candidates", *kAll = "all";

// The search of one pair, on the line of the sweep.
class SweepLine final : public explore::SweepProgress, public explore::ExploreProgress {
public:
    explicit SweepLine(bool live) : terminal_(kSweep, live) {}

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
    TRY(read_search_options(parsed, kSweep, {kCandidates, kAll}, out));
    out.all_points = parsed.text("points") == kAll;
    out.triples = parsed.flag("triples");
    TRY(read_shard(parsed.text("shard"), out));
    const std::size_t least = out.triples ? 3 : 2;
    if (!parsed.words.empty() && parsed.words.size() < least)
        return fail(Fault::usage, "give " + std::to_string(least) +
                                      " ACTs or more, or none for all: they are to meet");
    for (const auto& word : parsed.words)
        if (std::ranges::count(parsed.words, word) > 1)
            return fail(Fault::usage, "'" + word + "' is given twice: one act twice is no pair");
    return out;
}

Result<int> sweep_acts(const Parsed& parsed) {
    TRY_AS(const auto options, to_options(parsed));
    TRY(can_begin(options, run::kSweepJson));
    return on_machine(parsed, [&](auto& machine, const auto& survey) -> Result<int> {
        const auto board = sweep_board(survey, options.wishes);
        for (const auto& word : parsed.words)
            TRY(search::parse_act(word, board.board));
        auto pairs = explore::sweep_pairs(board, parsed.words, options.triples);
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
        return end_search(
            parsed, options, {swept->boot_again, swept->interrupted, verdict_of(*swept)}, [&] {
                return parsed.flag(words::kJson) ? sweep_json(*swept) + "\n" : sweep_page(*swept);
            });
    });
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
        "schedules,n", po::value<unsigned>()->default_value(0), "at most so many a pair; 0: all")(
        "findings", po::value<unsigned>()->default_value(0), "leave a pair after so many; 0: all");
    add_search_options(visible, kSweep, 2, 3);
    return run_command("sweep [ACT ACT..]  [OPTION..]", kAbout, visible, given, sweep_acts);
}

} // namespace dmarace::commands
