// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/campaign.hpp"

#include "base/files.hpp"
#include "report/report.hpp"
#include "run/check_request.hpp"
#include "run/run_dir.hpp"
#include "vm/campaign/run.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/image/root.hpp"
#include "vm/kernels/say.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using run::files::kJournal;

Result<run::Run> read(const fs::path& journal) {
    TRY_AS(const auto text, read_text(journal));
    auto run = run::read_journal(text);
    if (!run)
        return std::unexpected(std::move(run.error()).within(journal.string()));
    return run;
}

// A sweep's searches watch acts, each in a run of its own: OUT/watched/ACT/RUN.
constexpr int kDeepest = 2;

} // namespace

std::vector<fs::path> find_journals(const fs::path& out) {
    // One without a record is of a run that never began.
    const auto begun = [](const fs::path& journal) {
        std::error_code none;
        const auto size = fs::file_size(journal, none);
        return !none && size > 0;
    };
    if (begun(out / kJournal))
        return {out / kJournal};
    std::vector<fs::path> journals;
    std::error_code error;
    fs::recursive_directory_iterator entry(out, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        if (entry.depth() >= kDeepest)
            entry.disable_recursion_pending();
        if (begun(entry->path() / kJournal))
            journals.push_back(entry->path() / kJournal);
    }
    std::sort(journals.begin(), journals.end());
    return journals;
}

Result<RunSurvey> survey(const fs::path& out) {
    RunSurvey progress;
    for (const fs::path& journal : find_journals(out)) {
        TRY_AS(const auto run, read(journal));
        progress.ended += run.ended.size();
        if (const auto iteration = run.interrupted()) {
            progress.journal = journal;
            progress.iteration = *iteration;
        }
    }
    return progress;
}

run::IterationEnd judge_death(unsigned iteration, const BootOutcome& outcome) {
    const bool hang = outcome.end == BootEnd::hang;
    const bool ours = outcome.end == BootEnd::timeout || outcome.end == BootEnd::interrupted ||
                      outcome.end == BootEnd::qemu_failed || outcome.end == BootEnd::lost;
    run::IterationEnd end;
    end.iteration = iteration;
    end.judgement.verdict = ours   ? verdict::Verdict::error
                            : hang ? verdict::Verdict::hang
                                   : verdict::Verdict::crash;
    end.judgement.reason = outcome.detail;
    if (!ours)
        end.judgement.failures.push_back(
            {hang ? verdict::FailureKind::hang : verdict::FailureKind::crash, "", "",
             outcome.detail, outcome.evidence, false});
    return end;
}

Status record_death(const fs::path& journal, const run::IterationEnd& end) {
    return run::append_record(journal, run::to_journal(end));
}

Status write_results(const fs::path& out) {
    for (const fs::path& journal : find_journals(out)) {
        const fs::path result = journal.parent_path() / run::files::kResult;
        std::error_code error;
        if (fs::exists(result) &&
            fs::last_write_time(result, error) >= fs::last_write_time(journal, error))
            continue;
        TRY_AS(const auto run, read(journal));
        TRY(write_text(journal.parent_path() / run::files::kKtap, report::ktap(run)));
        TRY(write_text(result, report::result_json(run) + "\n"));
    }
    return {};
}

Result<std::string> totals(const fs::path& out, const Shower& show) {
    std::string text;
    for (const fs::path& journal : find_journals(out)) {
        TRY_AS(const auto run, read(journal));
        text += show(run, journal.parent_path());
        if (!text.ends_with('\n'))
            text += '\n';
    }
    return text;
}

Result<verdict::Verdict> overall(const fs::path& out) {
    std::vector<run::Run> all;
    for (const fs::path& journal : find_journals(out)) {
        TRY_AS(auto run, read(journal));
        all.push_back(std::move(run));
    }
    return report::overall(all);
}

namespace {

constexpr unsigned kBarrenBoots = 3; // boots in a row that end no iteration
constexpr unsigned kMostBoots = 60;  // of a command that boots its board again itself

// The harness failed, not the kernel under test.
int broken(const RunSetup& setup) {
    return setup.request && setup.request->exit_style == run::ExitStyle::bisect ? kExitBisectBroken
                                                                                : kExitEnvironment;
}

// A board with a disk of its own keeps its own books: what a death cost, dmarace
// there finds and writes down when it resumes.
bool keeps_books(const RunSetup& setup) { return setup.board->data.has_value(); }

// What the board boots into: packed, or on its own disk already.
Result<Boot> pack_boot(const RunSetup& setup, const Launch& launch) {
    const Kernel& kernel = *setup.contents.kernel;
    Boot boot{.kernel = kernel.image, .initramfs = {}, .append = setup.append};
    boot.files = launch_files(setup.contents, launch);
    if (setup.board->hardware) {
        boot.files[guest::kModules] = setup.inserts;
        return boot;
    }
    if (!setup.board->root.empty()) {
        boot.loads = initramfs_inside(kernel.release);
        return boot;
    }
    boot.initramfs = setup.scratch / "initramfs";
    boot.warm = setup.warm;
    const fs::path tree = setup.scratch / "tree";
    std::error_code error;
    // A guest that waits for what it begins with has nothing in it that another boot has not.
    if (launch.warm && fs::exists(boot.initramfs))
        return boot;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    TRY(pack(setup.contents, launch, boot.initramfs, tree));
    return boot;
}

// From QEMU's start to the command's: systemd and udev take longer than our init.
std::chrono::seconds first_beat(const Board& board) {
    return board.root.empty() ? Watch{}.first_beat : 3 * Watch{}.first_beat;
}

Result<BootRecord> boot_once(const RunSetup& setup, BoardControl& machine, unsigned number) {
    const auto start = std::chrono::steady_clock::now();
    const Board& board = *setup.board;
    Launch launch{guest_command(setup.command, run_inside(board), number > 1, setup.fresh),
                  setup.environment, setup.warm,
                  setup.warm && setup.command.front() == run::words::kRun};
    launch.environment["DMARACE_BOOT"] = std::to_string(number);
    if (setup.warm)
        launch.environment[run::kLife] = std::to_string(number);
    if (launch.standing && number > 1)
        launch.environment[run::kGoesOn] = "1";
    TRY_AS(const auto boot, pack_boot(setup, launch));
    Watch watch{.deadline = setup.deadline,
                .first_beat = first_beat(board),
                .keeps_disk = keeps_books(setup) || !board.root.empty()};
    if (board.hardware)
        watch.beat = board.hardware->silence;
    else if (!watch.keeps_disk && number != setup.most_boots)
        watch.last_word = setup.out / run::files::kBootAgain;
    TRY_AS(auto outcome, run_boot(machine, boot, watch));
    TRY(machine.collect(outcome));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return BootRecord{std::move(outcome), seconds.count(), std::nullopt, machine.restored()};
}

// What an ending says to whoever called us, when no iteration is to be blamed.
void conclude(const RunSetup& setup, const BootOutcome& outcome, BootedRun& run) {
    run.exit = broken(setup);
    switch (outcome.end) {
    case BootEnd::ended:
        run.exit = outcome.status;
        return;
    case BootEnd::timeout:
        run.exit = kExitTimeout;
        break;
    case BootEnd::interrupted:
        run.exit = kExitInterrupted;
        break;
    default:
        break;
    }
    run.why = fmt::format("the guest did not come to its end ({}): {}", to_text(outcome.end),
                          outcome.detail);
}

bool may_boot_again(BootEnd end) {
    return end == BootEnd::panic || end == BootEnd::died || end == BootEnd::hang ||
           end == BootEnd::qemu_failed || end == BootEnd::lost;
}

// A board with an installed system comes up again by itself after a reboot.
bool boots_itself(const Board& board) { return !board.root.empty() || board.hardware; }

bool took_iteration(BootEnd end) {
    return may_boot_again(end) || end == BootEnd::timeout || end == BootEnd::interrupted;
}

// Gives the interrupted iteration its verdict, if there is one.
Status settle_death(const RunSetup& setup, BootRecord& record) {
    if ((!setup.request && !run::is_check(setup.command)) || !took_iteration(record.outcome.end))
        return {};
    const auto progress = survey(setup.out);
    if (!progress)
        return std::unexpected(progress.error());
    if (!progress->journal)
        return {};
    const auto end = judge_death(progress->iteration, record.outcome);
    if (!keeps_books(setup))
        TRY(record_death(*progress->journal, end));
    record.lost_iteration = progress->iteration;
    return {};
}

// What the last boot would have printed, had it lived.
Status print_totals(const RunSetup& setup) {
    if (setup.request && !setup.request->page.empty()) {
        fmt::print("{}", read_text(setup.out / setup.request->page).value_or(""));
        std::fflush(stdout);
        return {};
    }
    const auto shown = setup.request ? setup.request->shown : run::Shown::summary;
    const auto show = [shown](const run::Run& run, const fs::path& dir) {
        return shown == run::Shown::json ? report::result_line(run)
               : shown == run::Shown::ktap
                   ? report::ktap(run)
                   : report::summary(run, report::ShownTypes::reasons, run::seen_in(dir));
    };
    TRY_AS(const auto text, totals(setup.out, show));
    fmt::print("{}", text);
    std::fflush(stdout);
    return {};
}

// The results that the guest could not write, and the code they call for.
Status finish(const RunSetup& setup, BootedRun& run) {
    const bool check = run::is_check(setup.command);
    if (!setup.request && !check)
        return {};
    const bool lost = run.boots.size() > 1 || run.boots.front().lost_iteration;
    const bool died = run.boots.back().outcome.end != BootEnd::ended;
    TRY(write_results(setup.out));
    if (died)
        TRY(print_totals(setup));
    const bool counts_itself = setup.request && !setup.request->page.empty();
    if (!lost || died != check || counts_itself)
        return {};
    TRY_AS(const auto verdict, overall(setup.out));
    const auto style = setup.request ? setup.request->exit_style : run::ExitStyle::plain;
    run.exit = report::exit_code(verdict, style);
    return {};
}

// Why the board is to boot again; nothing when this was the last boot. Once a
// boot has ended iterations, one that dies before its own is tried again.
std::optional<std::string> why_again(const RunSetup& setup, const BootRecord& record, bool first) {
    const BootOutcome& outcome = record.outcome;
    // A check is not taken up again: what killed the board is its result.
    if (run::is_check(setup.command))
        return std::nullopt;
    if (!setup.request || outcome.end == BootEnd::rebooted) {
        const bool lives_on = boots_itself(*setup.board) &&
                              (outcome.end == BootEnd::rebooted || may_boot_again(outcome.end));
        return lives_on ? std::optional(outcome.detail) : std::nullopt;
    }
    if (outcome.end == BootEnd::ended)
        return run::take_boot_again(setup.out);
    if (!may_boot_again(outcome.end) || (!record.lost_iteration && first))
        return std::nullopt;
    const std::string what = record.lost_iteration
                                 ? fmt::format("iteration {}", *record.lost_iteration)
                                 : "between iterations";
    return fmt::format("{}: {} ({})", what, to_text(outcome.end), outcome.detail);
}

Result<std::size_t> iterations_ended(const RunSetup& setup) {
    if (!setup.request)
        return 0U;
    TRY_AS(const auto progress, survey(setup.out));
    return progress.ended;
}

using Json = nlohmann::ordered_json;
constexpr int kSchema = 1;

Json to_json(const BootRecord& record) {
    Json json{{"outcome", to_text(record.outcome.end)}, {"seconds", record.seconds}};
    if (record.outcome.end == BootEnd::ended)
        json.update({{"status", record.outcome.status},
                     {"program_seconds", record.outcome.program_seconds}});
    if (!record.outcome.detail.empty())
        json["detail"] = record.outcome.detail;
    if (!record.outcome.evidence.empty())
        json["evidence"] = record.outcome.evidence;
    if (record.lost_iteration)
        json["lost_iteration"] = *record.lost_iteration;
    if (record.restored)
        json["restored"] = true;
    return json;
}

} // namespace

Result<BootedRun> run_campaign(const RunSetup& setup, BoardControl& machine) {
    BootedRun run;
    std::size_t done = 0;
    (void)run::take_boot_again(setup.out); // an earlier run's
    for (unsigned barren = 0;;) {
        TRY_AS(auto record, boot_once(setup, machine, static_cast<unsigned>(run.boots.size()) + 1));
        TRY(settle_death(setup, record));
        TRY_AS(const auto ended, iterations_ended(setup));
        const bool asked_to = !setup.request && record.outcome.end == BootEnd::rebooted;
        barren = ended > done || asked_to ? 0 : barren + 1;
        done = ended;
        conclude(setup, record.outcome, run);
        run.boots.push_back(std::move(record));
        const auto why = why_again(setup, run.boots.back(), done == 0);
        if (!why)
            break;
        if (run.boots.size() == setup.most_boots)
            break;
        if (barren == kBarrenBoots || (asked_to && run.boots.size() == kMostBoots)) {
            run.why = fmt::format("{} boots came to nothing; giving up (the last: {})",
                                  barren == kBarrenBoots ? barren : kMostBoots, *why);
            break;
        }
        say("{}; booting again to go on", *why);
        run.why.clear();
    }
    TRY(finish(setup, run));
    return run;
}

std::string vm_json(const RunSetup& setup, const BootedRun& run, const Carrier& carrier) {
    const Kernel& kernel = *setup.contents.kernel;
    Json boots = Json::array();
    for (const BootRecord& record : run.boots)
        boots.push_back(to_json(record));
    Json json{{"schema", kSchema},
              {"board", setup.board->name},
              {"kernel",
               {{"name", kernel.name},
                {"release", carrier.release.empty() ? kernel.release : carrier.release},
                {"version", kernel.version},
                {"source", kernel.source}}},
              {"command", setup.command}};
    if (setup.board->hardware)
        json["kernel"]["build_id"] = carrier.build_id;
    else
        json.update({{"qemu", carrier.qemu}, {"accel", carrier.accel}});
    json.update({{"boots", boots}, {"seconds", carrier.seconds}, {"exit", run.exit}});
    // A console may hold bytes that are no UTF-8.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> guest_command(const std::vector<std::string>& command,
                                       const std::string& out, bool resume, bool fresh) {
    const auto request = run::read_request(command);
    const auto option = [](const char* name) { return std::string("--") + name; };
    auto words = command;
    if (run::is_check(command))
        words.insert(words.begin() + 1, {option(run::words::kOut), out});
    if (!request)
        return words;
    std::vector<std::string> more;
    if (resume && !request->resume)
        more.push_back(option(run::words::kResume));
    if (!request->fresh)
        more.push_back(option(run::words::kFresh) + (fresh ? "=always" : "=risky"));
    more.insert(more.end(), {option(run::words::kOut), out});
    words.insert(words.begin() + 1, more.begin(), more.end());
    return words;
}

} // namespace dmarace::vm
