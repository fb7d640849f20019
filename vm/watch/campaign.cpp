// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/campaign.hpp"

#include "vm/cache/cache.hpp"
#include "vm/commands/run_options.hpp"
#include "vm/qemu/arguments.hpp"
#include "vm/ui/say.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kStuckBoots = 3; // boots lost in one and the same iteration
constexpr int kEnvironment = 3, kTimeout = 124, kInterrupted = 130, kBisectBroken = 128;

// The harness failed, not the kernel under test.
int broken(const Setup& setup) {
    return exit_style(setup.command) == report::ExitStyle::bisect ? kBisectBroken : kEnvironment;
}

Result<BootRecord> boot(const Setup& setup, bool resume) {
    const auto start = std::chrono::steady_clock::now();
    const fs::path initramfs = setup.scratch / "initramfs", tree = setup.scratch / "tree";
    std::error_code error;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    const Launch launch{guest_command(setup.command, resume), setup.environment};
    if (auto packed = pack(setup.contents, launch, initramfs, tree); !packed)
        return std::unexpected(packed.error());
    if (auto disks = make_disks(*setup.contents.board, setup.scratch); !disks)
        return std::unexpected(disks.error());
    const fs::path console = setup.out / "console.log";
    const auto qemu = qemu_arguments(*setup.contents.board,
                                     {setup.contents.kernel->image, initramfs, console, setup.out,
                                      setup.scratch, setup.append, setup.accel.kvm});
    auto outcome =
        run_guest(qemu, {.share = setup.out, .console = console, .deadline = setup.deadline});
    if (!outcome)
        return std::unexpected(outcome.error());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return BootRecord{std::move(*outcome), seconds.count(), std::nullopt};
}

// What an ending says to whoever called us, when no iteration is to be blamed.
void conclude(const Setup& setup, const Outcome& outcome, Course& course) {
    course.exit = broken(setup);
    switch (outcome.end) {
    case End::ended:
        course.exit = outcome.status;
        return;
    case End::timeout:
        course.exit = kTimeout;
        break;
    case End::interrupted:
        course.exit = kInterrupted;
        break;
    default:
        break;
    }
    course.why = fmt::format("the guest did not come to its end ({}): {}", to_text(outcome.end),
                             outcome.detail);
}

bool took_iteration(End end) {
    return end == End::panic || end == End::died || end == End::hang || end == End::qemu_failed ||
           end == End::timeout || end == End::interrupted;
}

// Gives the interrupted iteration its verdict. Nothing if there is none.
Result<std::optional<unsigned>> settle_death(const Setup& setup, BootRecord& record) {
    if (!is_run(setup.command) || !took_iteration(record.outcome.end))
        return std::nullopt;
    const auto progress = survey(setup.out);
    if (!progress)
        return std::unexpected(progress.error());
    if (!progress->journal)
        return std::nullopt;
    const auto end = judge_death(progress->iteration, record.outcome);
    if (auto recorded = record_death(*progress->journal, end); !recorded)
        return std::unexpected(recorded.error());
    record.lost_iteration = progress->iteration;
    return record.lost_iteration;
}

// The results that the guest could not write, and the code they call for.
Status finish(const Setup& setup, Course& course) {
    if (!is_run(setup.command))
        return {};
    bool lost = false;
    for (const BootRecord& record : course.boots)
        lost = lost || record.lost_iteration;
    lost = lost || course.boots.size() > 1;
    if (auto written = write_results(setup.out); !written)
        return written;
    if (!lost || course.boots.back().outcome.end != End::ended)
        return {};
    const auto verdict = overall(setup.out);
    if (!verdict)
        return std::unexpected(verdict.error());
    course.exit = report::exit_code(*verdict, exit_style(setup.command));
    return {};
}

bool may_boot_again(End end) {
    return end == End::panic || end == End::died || end == End::hang || end == End::qemu_failed;
}

// After a hang the command ends by itself and the kernel is of no more use.
Result<bool> goes_on_after_hang(const Setup& setup, const Outcome& outcome) {
    if (!is_run(setup.command) || outcome.end != End::ended)
        return false;
    return stopped_by_hang(setup.out);
}

Result<std::size_t> iterations_ended(const Setup& setup) {
    if (!is_run(setup.command))
        return 0U;
    const auto progress = survey(setup.out);
    if (!progress)
        return std::unexpected(progress.error());
    return progress->ended;
}

} // namespace

report::ExitStyle exit_style(const std::vector<std::string>& command) {
    constexpr std::string_view kOption = "--exit-style";
    std::string style;
    for (std::size_t i = 0; i < command.size(); ++i) {
        if (command[i] == kOption && i + 1 < command.size())
            style = command[i + 1];
        else if (command[i].starts_with(std::string(kOption) + "="))
            style = command[i].substr(kOption.size() + 1);
    }
    return style == "bisect" ? report::ExitStyle::bisect
           : style == "ksft" ? report::ExitStyle::ksft
                             : report::ExitStyle::plain;
}

Result<Course> run_campaign(const Setup& setup) {
    Course course;
    std::optional<unsigned> stuck_at;
    std::size_t done = 0;
    for (unsigned stuck = 0;;) {
        auto record = boot(setup, !course.boots.empty());
        if (!record)
            return std::unexpected(record.error());
        const auto lost = settle_death(setup, *record);
        if (!lost)
            return std::unexpected(lost.error());
        const Outcome outcome = record->outcome;
        course.boots.push_back(std::move(*record));
        conclude(setup, outcome, course);
        const auto hung = goes_on_after_hang(setup, outcome);
        const auto ended = iterations_ended(setup);
        if (!hung || !ended)
            return std::unexpected(hung ? ended.error() : hung.error());
        if (*hung && *ended > done) {
            done = *ended;
            say("a task hangs in the guest's kernel; booting again to go on");
            continue;
        }
        if (!*lost || !may_boot_again(outcome.end))
            break;
        stuck = stuck_at == *lost ? stuck + 1 : 1;
        stuck_at = *lost;
        if (stuck == kStuckBoots) {
            course.why =
                fmt::format("iteration {} took the guest {} times; giving up", **lost, kStuckBoots);
            break;
        }
        say("iteration {}: {} ({}); booting again to go on", **lost, to_text(outcome.end),
            outcome.detail);
        course.why.clear();
    }
    if (auto finished = finish(setup, course); !finished)
        return std::unexpected(finished.error());
    return course;
}

} // namespace dmarace::vm
