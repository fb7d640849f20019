// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace predict'.
#include "base/files.hpp"
#include "board/devices.hpp"
#include "campaign/campaign.hpp"
#include "commands/acts.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "explore/record.hpp"
#include "run/request.hpp"

#include <cstdlib>

namespace dmarace::commands {

namespace {

namespace words = run::words;

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
    return on_machine(parsed, [&](auto& machine, const auto& survey) -> Result<int> {
        TRY_AS(const auto asked,
               asked_acts(parsed.words, act_board(survey, parsed.text("device"))));
        SignalInterrupts interrupts;
        TerminalProgress progress("predict", TerminalProgress::stderr_is_live());
        TRY_AS(auto records,
               explore::record_acts(machine, progress, interrupts, asked.set, to_options(parsed)));
        auto candidates = explore::candidates_of(records);
        if (auto why = explore::name_lines(candidates, parsed.text("vmlinux")); !why.empty())
            records.notes.push_back(std::move(why));
        if (parsed.has("html"))
            TRY(write_text(parsed.text("html"), explore::predict_html(records, candidates)));
        const auto printed =
            print(parsed.flag(words::kJson)
                      ? explore::predict_json(records, candidates)
                      : explore::predict_page(records, candidates, parsed.flag("records")));
        return interrupts.count() > 0 ? interrupts.exit_code() : printed;
    });
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
        "html", po::value<std::string>(), "FILE: the same as a page to be looked at")(
        "vmlinux", po::value<std::string>(),
        "FILE of this kernel with debug information, for source lines (default: where debug "
        "packages and build trees have it; takes eu-addr2line)")(
        "records", po::bool_switch(), "show every access and every lock as well, as they are kept")(
        words::kJson, po::bool_switch(), "one line of JSON");
    add_module_option(visible);
    return run_command("predict ACT ACT [ACT] | JOB [OPTION..]", kAbout, visible, given, predict);
}

} // namespace dmarace::commands
