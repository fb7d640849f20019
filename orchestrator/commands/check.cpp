// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace check': all that can be asked of a board that nobody knows, in a minute.
#include "base/duration.hpp"
#include "base/files.hpp"
#include "board/devices.hpp"
#include "board/task.hpp"
#include "campaign/campaign.hpp"
#include "campaign/iteration.hpp"
#include "check/page.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "run/check_request.hpp"
#include "run/run_dir.hpp"
#include "verdict/standing.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

namespace fs = std::filesystem;
namespace words = run::words;
using check::CheckedBoard;

constexpr const char* kAbout =
    "Looks at a board that nobody knows, and says on one page what is sound, what is not, and "
    "what\n"
    "could not be tried and why: the machine, the DMA set-up of each device, then the orders in\n"
    "which an IOMMU and its clients can come, each as far as this board can give it, and the "
    "types\n"
    "of its groups. What the machine stands on is left alone, all else is restored. The\n"
    "kernel may warn, and is tainted. DIR gets the page (check.txt, check.json) and a directory "
    "for\n"
    "each run. Exit codes are those of 'dmarace run'; 5 when something that could be tried was "
    "not.\n";

constexpr const char *kPage = "check.txt", *kJsonFile = "check.json";

double seconds_of(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

// One check, from the first look to the page.
class Check {
public:
    Check(CheckedBoard& board, const board::Modules& modules, campaign::CampaignOptions options,
          std::chrono::nanoseconds limit)
        : board_(board), modules_(modules), options_(std::move(options)), budget_(limit),
          interrupts_(budget_.cut()) {}

    Status run() {
        TRY_AS(auto control, open_module(modules_));
        TRY_AS(auto log, board::KernelLog::open());
        campaign::Machine machine{board::Devices(), modules_.fresh(), log, *control, {}};
        progress_.note("how DMA is set up");
        TRY_AS(const auto survey, campaign::survey(machine));
        TRY(look(machine, survey));
        TRY_AS(const auto points, points_here(*control));
        const auto inventory = campaign::inventory(survey, machine.devices, options_.wishes);
        TRY_AS(auto choice,
               check::choose({survey, options_.wishes, inventory, absent_points(points)}));
        board_.untried = std::move(choice.untried);
        TRY(try_all(machine, choice.tries));
        board_.ended = true;
        return keep();
    }

    // The page so far, durably: what comes next may take the machine with it.
    Status keep() {
        board_.seconds = seconds_of(boottime() - began_);
        const fs::path dir = board_.directory;
        TRY(replace_file(dir / kPage, check::page(board_)));
        return replace_file(dir / kJsonFile, check::check_json(board_) + "\n");
    }

    bool interrupted() {
        return interrupts_.count() > 0 && interrupts_.exit_code() != kExitTimeout;
    }

private:
    Status look(campaign::Machine& machine, const campaign::Survey& survey) {
        TRY_AS(const auto lines, board::ask_audit(machine.control, "", true));
        verdict::Observed seen;
        seen.outside = seen.compared = true;
        seen.found = std::make_shared<const verdict::FoundBoard>(survey.found);
        seen.iommus = campaign::iommus_now(machine.devices.files());
        for (const auto& line : lines)
            if (auto audit = verdict::to_audit(line)) {
                check::Master master{*audit, {}, waits_for(line, machine.modules)};
                for (const auto& group : survey.groups)
                    if (audit->group == group.number)
                        master.members = group.devices;
                seen.settled.push_back(*std::move(audit));
                board_.masters.push_back(std::move(master));
            }
        TRY_AS(seen.log, log_of_boot());
        board_.without = survey.devices.size() - std::min(survey.devices.size(), lines.size());
        board_.found = verdict::judge_standing(seen);
        return keep();
    }

    static Result<std::vector<verdict::LogLine>> log_of_boot() {
        TRY_AS(auto log, board::KernelLog::open(board::KernelLog::From::boot));
        TRY_AS(auto records, log.read_new());
        std::vector<verdict::LogLine> out;
        for (auto& record : records)
            out.push_back(campaign::to_log_line(std::move(record)));
        return out;
    }

    Status try_all(campaign::Machine& machine, const std::vector<check::Try>& tries) {
        for (std::size_t i = 0; i < tries.size(); ++i) {
            const auto spent = boottime() - began_;
            const auto& what = tries[i];
            if (interrupts_.count() == 0 && board_.stopped.empty() && is_not_here(what)) {
                not_tried(what, "another client has shown it: it fails, or nothing of it is here");
                continue;
            }
            if (!board_.stopped.empty() || interrupted()) {
                not_tried(what, board_.stopped.empty() ? "interrupted" : board_.stopped);
                continue;
            }
            if (interrupts_.count() > 0 || !budget_.allows(what.job, spent)) {
                not_tried(what, "the time was over", true);
                continue;
            }
            TRY(try_one(machine, what, i + 1, tries.size()));
        }
        if (interrupted())
            board_.stopped = "interrupted";
        return {};
    }

    // A client has shown that this kernel or board does not have it; or that it fails: what a lost
    // race leaves of a disk may take its driver a minute to give up.
    bool is_not_here(const check::Try& what) const {
        return std::ranges::any_of(board_.tried, [&](const auto& tried) {
            return tried.what.job == what.job && !what.device.empty() &&
                   (tried.verdict == verdict::Verdict::skip ||
                    tried.verdict == verdict::Verdict::fail ||
                    (tried.verdict == verdict::Verdict::inconclusive && tried.missed));
        });
    }

    void not_tried(const check::Try& what, std::string why, bool for_time = false) {
        board_.untried.push_back({what.job + (what.device.empty() ? "" : " " + what.device),
                                  std::move(why), "", for_time, what.order});
    }

    Status try_one(campaign::Machine& machine, const check::Try& what, std::size_t number,
                   std::size_t of) {
        TRY_AS(const auto job, load_job(what.job));
        auto options = options_;
        options.wishes.device = what.device;
        if (!what.list.empty())
            options.wishes.set[what.list] = what.clients;
        auto name = std::to_string(number) + "-" + what.job;
        options.out = fs::path(board_.directory) / name;
        TerminalProgress progress("check " + std::to_string(number) + "/" + std::to_string(of) +
                                      " " + what.job,
                                  TerminalProgress::stderr_is_live());
        const auto began = boottime();
        const auto ran = campaign::run_job(machine, progress, interrupts_, job, options);
        budget_.took(what.job, boottime() - began);
        check::Tried tried{.what = what, .directory = name};
        if (ran) {
            tried = check::to_tried(what, name, ran->run);
            board_.stopped = ran->boot_again;
        } else {
            tried.why = ran.error().message;
        }
        tried.seconds = seconds_of(boottime() - began);
        const bool cut = ran && ran->run.end->how == run::RunEnding::interrupted;
        if (cut && tried.verdict == verdict::Verdict::inconclusive && tried.left.empty())
            not_tried(what, interrupted() ? "interrupted" : "cut off, the time was over",
                      !interrupted());
        else
            board_.tried.push_back(std::move(tried));
        return keep();
    }

    CheckedBoard& board_;
    const board::Modules& modules_;
    campaign::CampaignOptions options_;
    check::TimeBudget budget_;
    std::chrono::nanoseconds began_ = boottime();
    SignalInterrupts interrupts_;
    TerminalProgress progress_{"check", TerminalProgress::stderr_is_live()};
};

// An existing directory will do, but for one that holds a check.
Status make_directory(const std::string& directory) {
    TRY(run::can_hold_runs(directory));
    std::error_code error;
    fs::create_directories(directory, error);
    if (error)
        return fail(Fault::environment, directory + ": " + error.message());
    if (fs::exists(fs::path(directory) / kJsonFile, error))
        return fail(Fault::usage, directory + " holds a check already; give another --out");
    return {};
}

CheckedBoard begin(const std::string& directory, const board::Modules& modules,
                   std::chrono::nanoseconds limit) {
    CheckedBoard board{.tool_version = DMARACE_VERSION,
                       .kernel = board::kernel_release(),
                       .arch = board::kernel_machine(),
                       .board = board::host_name(),
                       .started = utc_now("%Y-%m-%dT%H:%M:%SZ"),
                       .directory = directory,
                       .limit = seconds_of(limit)};
    if (const char* named = std::getenv("DMARACE_BOARD"))
        board.board = named;
    board.machine = machine_checks(board::Files(), this_host(modules));
    return board;
}

int show(const CheckedBoard& board, const Parsed& parsed) {
    return print(parsed.flag(words::kJson) ? check::check_line(board) + "\n" : check::page(board));
}

Result<int> check_board(const Parsed& parsed) {
    if (!parsed.words.empty())
        return fail(Fault::usage, "it takes no word; 'dmarace audit DEVICE' looks at one device, "
                                  "'dmarace run JOB' runs one job");
    const auto limit = parse_duration(parsed.text("time"));
    if (!limit)
        return std::unexpected(Error(limit.error()).within("--time"));
    TRY_AS(const auto modules, modules_for(parsed));
    const auto directory =
        parsed.has(words::kOut) ? parsed.text(words::kOut) : default_out("check");
    auto board = begin(directory, modules, *limit);
    if (check::overall(board) == verdict::Verdict::error) {
        board.directory.clear();
        TRY_AS(const int shown, Result<int>(show(board, parsed)));
        return shown == 0 ? kExitEnvironment : shown;
    }
    TRY(board::kernel_answers_reads(board::Files()));
    TRY(make_directory(directory));
    campaign::CampaignOptions options;
    options.iterations = 1;
    options.board = board.board;
    options.wishes.i_know = parsed.texts("i-know");
    Check check(board, modules, std::move(options), *limit);
    const auto ran = check.run();
    if (!ran && board.tried.empty())
        return std::unexpected(ran.error());
    if (!ran) // what has been seen is not to be lost with it
        report_error("check", ran.error());
    if (const int code = show(board, parsed); code != 0)
        return code;
    if (check.interrupted())
        return kExitInterrupted;
    return ran ? report::exit_code(check::overall(board), run::ExitStyle::plain)
               : exit_code_of(ran.error().fault);
}

} // namespace

int run_check(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("time", po::value<std::string>()->default_value("60s"),
                          "T that it may take in all: 60s, 5m; more time, more clients")(
        words::kOut, po::value<std::string>(),
        "DIR for the results (default: dmarace-check-DATE in $DMARACE_OUT, or here)")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the check may touch; repeatable")(
        words::kJson, po::bool_switch(), "check.json, on one line, to stdout instead of the page");
    add_module_option(visible);
    return run_command(run::kCheck, kAbout, visible, words, check_board);
}

} // namespace dmarace::commands
