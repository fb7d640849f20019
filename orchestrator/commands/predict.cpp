// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace predict'.
#include "base/text.hpp"
#include "board/devices.hpp"
#include "campaign/campaign.hpp"
#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "explore/record.hpp"
#include "run/request.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>

namespace dmarace::commands {

namespace {

namespace words = run::words;
using nlohmann::ordered_json;

constexpr const char* kAbout =
    "Names the places where acts could meet, before they have met: watches who touches which word\n"
    "of a device and its group with which locks, in each act alone and after each other. Nothing\n"
    "is held, and nothing raced. ACT is a short name (iommu, bind, remove, type:DMA-FQ, ..) or a\n"
    "step of a job in quotes; JOB is a set of acts, without its rules and waits.\n"
    "unlocked: one word, one writes, no lock in common. left open: one leaves a lock and takes it\n"
    "again, and the other comes in between. half-way: one writes two words that the other "
    "touches.\n"
    "A place to park is a function in which a task may sleep: a hold there is what would show "
    "it.\n";

constexpr std::array<const char*, 3> kAccessWords{"reads", "writes", "reads or writes"};

constexpr std::size_t kParksShown = 4; // innermost; --json has all
constexpr const char* kUnseen = "spinlocks unknown, but for those of lists that are named";

std::string access_of(const search::Touch& touch) {
    return kAccessWords.at(static_cast<std::size_t>(touch.kind));
}

std::string shown(const search::Park& park) {
    return std::string(park.exit ? "exit" : "enter") + " of " + park.function;
}

std::string locks_of(const search::Touch& touch) {
    return touch.locks.empty() ? "no lock that was seen" : joined(touch.locks, ", ");
}

std::string side_text(const std::string& act, const search::Touch& touch,
                      const std::vector<search::Park>& parks) {
    std::string out = "     " + act + "\n       " + access_of(touch) + " in " +
                      search::shown(touch.chain) + "\n       owns " + locks_of(touch) + "\n";
    auto places = texts_of(parks, [](const auto& park) { return shown(park); });
    const auto more = places.size() - std::min(places.size(), kParksShown);
    places.resize(places.size() - more);
    if (!places.empty())
        out += "       park at " + joined(places, ", ") +
               (more == 0 ? "\n" : ", and " + std::to_string(more) + " further out\n");
    return out;
}

std::string candidate_text(std::size_t number, const search::Candidate& one) {
    auto head = std::to_string(number);
    head.resize(std::max<std::size_t>(head.size(), 3), ' ');
    const std::string guard(search::guard_of(one.word));
    return head + "  " + std::string(search::to_text(one.kind)) + ": " + one.word.name +
           (one.word.of.empty() ? "" : " of " + one.word.of) +
           (one.known.empty() ? "" : "  (" + one.known + " of docs/races.md)") +
           (guard.empty() ? "" : "  (a list that " + guard + " guards, a spinlock)") + "\n" +
           side_text(one.act_a, one.a, one.parks_a) + side_text(one.act_b, one.b, one.parks_b);
}

std::string record_text(const search::ActRecord& record, bool whole) {
    std::string out = record.act + (record.after.empty() ? "" : ", after " + record.after) + ": " +
                      std::to_string(record.touches.size()) + " accesses\n";
    for (const auto& why : record.lost)
        out += "  incomplete: " + why + "\n";
    return whole ? out + search::to_text(record) : out;
}

std::string as_text(const explore::ActRecords& records,
                    const std::vector<search::Candidate>& candidates, bool whole) {
    std::string out;
    for (const auto& record : records.records)
        out += record_text(record, whole);
    out += "\nwords of " + records.device + ": " + std::to_string(candidates.size()) +
           (candidates.size() == 1 ? " candidate\n" : " candidates\n");
    for (std::size_t i = 0; i < candidates.size(); ++i)
        out += "\n" + candidate_text(i + 1, candidates[i]);
    out += std::string("\nnote: ") + kUnseen + "\n";
    for (const auto& note : records.notes)
        out += "note: " + note + "\n";
    return out;
}

ordered_json side_json(const std::string& act, const search::Touch& touch,
                       const std::vector<search::Park>& parks) {
    ordered_json out{{"act", act},
                     {"access", access_of(touch)},
                     {"chain", ordered_json::array()},
                     {"locks", touch.locks},
                     {"parks", ordered_json::array()}};
    for (const auto& frame : touch.chain)
        out["chain"].push_back({{"function", frame.function}, {"offset", frame.offset}});
    for (const auto& park : parks) {
        ordered_json one{{"function", park.function}, {"on", park.exit ? "exit" : "enter"}};
        if (park.device_argument)
            one["arg"] = *park.device_argument;
        if (!park.device.empty())
            one["dev"] = park.device;
        out["parks"].push_back(std::move(one));
    }
    return out;
}

std::string as_json(const explore::ActRecords& records,
                    const std::vector<search::Candidate>& candidates) {
    ordered_json out{{"schema", 1},
                     {"device", records.device},
                     {"acts", records.acts},
                     {"records", ordered_json::array()},
                     {"candidates", ordered_json::array()},
                     {"notes", records.notes},
                     {"unseen", kUnseen}};
    for (const auto& record : records.records)
        out["records"].push_back({{"act", record.act},
                                  {"after", record.after},
                                  {"kernel", record.kernel},
                                  {"accesses", record.touches.size()},
                                  {"incomplete", record.lost}});
    for (const auto& one : candidates)
        out["candidates"].push_back({{"kind", search::to_text(one.kind)},
                                     {"rank", one.rank},
                                     {"word", one.word.name},
                                     {"of", one.word.of},
                                     {"known", one.known},
                                     {"guard", search::guard_of(one.word)},
                                     {"a", side_json(one.act_a, one.a, one.parks_a)},
                                     {"b", side_json(one.act_b, one.b, one.parks_b)}});
    return out.dump() + "\n";
}

explore::RecordOptions to_options(const Parsed& parsed) {
    explore::RecordOptions out;
    out.wishes.device = parsed.text("device");
    out.wishes.i_know = parsed.texts("i-know");
    out.place = parsed.has(words::kOut) ? parsed.text(words::kOut) : default_out("predict");
    out.kept = parsed.text("kept");
    out.anew = parsed.flag(words::kFresh);
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    return out;
}

Result<int> predict(const Parsed& parsed) {
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(auto log, board::KernelLog::open());
    campaign::Machine machine{board::Devices(), modules.fresh(), log, *control, {}};
    TRY_AS(const auto survey, campaign::survey(machine));
    TRY_AS(const auto asked, asked_acts(parsed.words, act_board(survey, parsed.text("device"))));
    SignalInterrupts interrupts;
    TerminalProgress progress("predict", TerminalProgress::stderr_is_live());
    TRY_AS(const auto records,
           explore::record_acts(machine, progress, interrupts, asked.set, to_options(parsed)));
    const auto candidates = explore::candidates_of(records);
    const auto printed =
        print(parsed.flag(words::kJson) ? as_json(records, candidates)
                                        : as_text(records, candidates, parsed.flag("records")));
    return interrupts.count() > 0 ? interrupts.exit_code() : printed;
}

} // namespace

int run_predict(const Words& given) {
    po::options_description visible("Options");
    visible.add_options()("device", po::value<std::string>(),
                          "the device, and its group, whose words are watched")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the acts may touch; repeatable")(
        words::kOut, po::value<std::string>(),
        "DIR for the runs in which acts are watched (default: dmarace-predict-DATE)")(
        "kept", po::value<std::string>()->default_value("/var/cache/dmarace/predict"),
        "DIR where records are kept: each act is watched once for a kernel and a board")(
        words::kFresh, po::bool_switch(), "watch all acts again")(
        "records", po::bool_switch(), "show every access and every lock as well, as they are kept")(
        words::kJson, po::bool_switch(), "one line of JSON");
    add_module_option(visible);
    return run_command("predict ACT ACT [ACT] | JOB [OPTION..]", kAbout, visible, given, predict);
}

} // namespace dmarace::commands
