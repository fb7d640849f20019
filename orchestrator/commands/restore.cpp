// SPDX-License-Identifier: GPL-2.0-or-later
// 'dmarace restore'.
#include "campaign/restore.hpp"

#include "board/boot_files.hpp"
#include "board/task.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "run/record.hpp"
#include "run/run_dir.hpp"

#include <cerrno>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace {

bool is_missing(int os_error) { return os_error == ENOENT || os_error == ENOTDIR; }

constexpr const char* kRestoreAbout =
    "Restores what interrupted runs changed: group types, bindings, driver_override, modules,\n"
    "drivers_autoprobe, removed PCI devices, virtual functions. Without DIR it takes every run of\n"
    "this boot that has not restored its board. Doing it twice does nothing the second time; what\n"
    "cannot be restored is told as the command that would. Exit 3 when something is left.\n"
    "--reboot takes away what 'run --reboot' left for the next boots, and so ends that run.\n";

struct UnrestoredRun {
    std::filesystem::path dir;
    campaign::Snapshot snapshot;
};

// Nothing when the run has put everything back, or a boot has.
Result<std::optional<UnrestoredRun>> read_left(const run::RunDir& dir) {
    TRY_AS(const auto text, dir.journal());
    const auto run = run::read_journal(text);
    if (!run)
        return std::unexpected(run.error());
    if (!run->before || run->before->boot != campaign::boot_id())
        return std::nullopt;
    TRY_AS(auto snapshot, campaign::from_words(run->before->state));
    return UnrestoredRun{dir.path(), std::move(snapshot)};
}

int tell(const std::filesystem::path& dir, const std::vector<std::string>& commands,
         const char* none, const char* some) {
    std::string out = dir.string() + ": " + (commands.empty() ? none : some) + "\n";
    for (const auto& command : commands)
        out += "  " + command + "\n";
    return print(out) == 0 && commands.empty() ? 0 : kExitEnvironment;
}

int look(const UnrestoredRun& left) {
    const auto commands = campaign::differences(board::Devices(board::Files().read_only()),
                                                board::Modules(), left.snapshot);
    tell(left.dir, commands, "everything is as it was", "these would restore it");
    return 0;
}

int restore_left(run::RunDir& dir, const UnrestoredRun& left, const board::Modules& modules) {
    auto control = open_module(modules);
    if (!control)
        return report_error("restore", control.error());
    auto log = board::KernelLog::open();
    if (!log)
        return report_error("restore", log.error());
    campaign::Machine machine{board::Devices(), modules.fresh(), *log, **control, {}};
    SignalInterrupts interrupts;
    TerminalProgress progress("restore", TerminalProgress::stderr_is_live());
    const auto commands = campaign::restore(machine, progress, interrupts, left.snapshot);
    if (commands.empty())
        campaign::Pending().remove(left.dir);
    dir.use_reserve();
    if (auto put = dir.append(run::restored_to_journal(commands), true); !put)
        return report_error("restore", put.error());
    return tell(left.dir, commands, "restored", "not restored; these would");
}

int restore_one(const std::filesystem::path& path, const board::Modules& modules, bool dry_run) {
    std::error_code ec;
    // What cannot be looked at now may be there all the same, and is remembered.
    if (!std::filesystem::exists(path / run::files::kJournal, ec)) {
        if (ec && !is_missing(ec.value()))
            return report_error(
                "restore",
                Error{Fault::environment, "cannot read " + path.string() + ": " + ec.message(), 0});
        campaign::Pending().remove(path);
        return report_error(
            "restore", Error{Fault::usage,
                             path.string() + " holds no run (no " + run::files::kJournal + ")", 0});
    }
    auto dir = run::RunDir::open(path, true);
    if (!dir)
        return report_error("restore", dir.error());
    const auto left = read_left(*dir);
    if (!left)
        return report_error("restore", Error(left.error()).within(path.string()));
    if (!*left) {
        campaign::Pending().remove(path);
        return tell(path, {}, "nothing to restore", "");
    }
    return dry_run ? look(**left) : restore_left(*dir, **left, modules);
}

// What 'dmarace run --reboot' has left for boots that nobody wants any more.
Result<int> take_boot_files_away(bool dry_run) {
    if (!board::BootFiles().armed())
        return print("no run --reboot has left anything\n");
    if (dry_run)
        return print("would take the rules of dmarace run --reboot out of the initramfs\n");
    TRY(board::BootFiles().disarm());
    return print("took the rules of dmarace run --reboot out of the initramfs\n");
}

Result<int> restore_runs(const Parsed& parsed) {
    if (parsed.flag("reboot"))
        return take_boot_files_away(parsed.flag("dry-run"));
    std::vector<std::filesystem::path> runs(parsed.words.begin(), parsed.words.end());
    if (runs.empty())
        runs = campaign::Pending().all();
    if (runs.empty())
        return print("no run of this boot has left anything to restore\n");
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    int worst = 0;
    // The last run saw what those before it had left: it goes first.
    for (auto run = runs.rbegin(); run != runs.rend(); ++run)
        worst = std::max(worst, restore_one(*run, modules, parsed.flag("dry-run")));
    return worst;
}

} // namespace

int run_restore(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("dry-run", po::bool_switch(), "only print the commands that would")(
        "reboot", po::bool_switch(), "take the rules of run --reboot out of the initramfs");
    add_module_option(visible);
    return run_command("restore [DIR..]", kRestoreAbout, visible, words, restore_runs);
}

} // namespace dmarace::commands
