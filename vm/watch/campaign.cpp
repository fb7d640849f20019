// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/campaign.hpp"

#include "vm/commands/run_options.hpp"
#include "vm/image/image.hpp"
#include "vm/image/root.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"
#include "vm/qemu/arguments.hpp"
#include "vm/qemu/device_tree.hpp"
#include "vm/watch/data_disk.hpp"

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kBarrenBoots = 3; // boots in a row that end no iteration
constexpr unsigned kMostBoots = 60;  // of a command that boots its board again itself
constexpr int kEnvironment = 3, kTimeout = 124, kInterrupted = 130, kBisectBroken = 128;

// The harness failed, not the kernel under test.
int broken(const Setup& setup) {
    return exit_style(setup.command) == report::ExitStyle::bisect ? kBisectBroken : kEnvironment;
}

// A board with a disk of its own keeps its own books: what a death cost, dmarace
// there finds and writes down when it resumes.
bool keeps_books(const Setup& setup) {
    return setup.board->data.has_value();
}

fs::path data_image(const Setup& setup) {
    return setup.out / "data.img";
}

// In place of QEMU's own, on boards that add to it; "" on the others.
fs::path device_tree(const Setup& setup) {
    return setup.board->clients > 0 ? setup.scratch / "board.dtb" : fs::path();
}

// Packs what the board boots into, or reads it from the board's own disk.
Status ready_initramfs(const Setup& setup, const Launch& launch, const fs::path& initramfs) {
    if (const auto& root = setup.board->root; !root.empty()) {
        const Image image(disk_file(setup.scratch, root));
        if (auto replayed = image.replay(); !replayed)
            return replayed;
        return image.take(initramfs_inside(setup.contents.kernel->release), initramfs);
    }
    const fs::path tree = setup.scratch / "tree";
    std::error_code error;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    return pack(setup.contents, launch, initramfs, tree);
}

Status make_ready(const Setup& setup, const Launch& launch, const fs::path& initramfs) {
    if (auto ready = ready_initramfs(setup, launch, initramfs); !ready)
        return ready;
    if (keeps_books(setup))
        if (auto made = make_data_disk(*setup.board->data, data_image(setup)); !made)
            return made;
    if (setup.board->clients > 0)
        if (auto made = make_device_tree(*setup.board, device_tree(setup)); !made)
            return made;
    return make_disks(*setup.board, setup.scratch);
}

// What a guest left where we look for it. Memory outlives a reset, not a power cut.
Status gather(const Setup& setup, const Outcome& outcome, const fs::path& memory) {
    std::error_code error;
    if (outcome.end == End::qemu_failed)
        fs::remove(memory, error);
    return keeps_books(setup) ? copy_run_out(data_image(setup), setup.out, setup.scratch)
                              : Status{};
}

// From QEMU's start to the command's: systemd and udev take longer than our init.
std::chrono::seconds first_beat(const Board& board) {
    return board.root.empty() ? Watch{}.first_beat : 3 * Watch{}.first_beat;
}

Result<BootRecord> boot(const Setup& setup, unsigned number) {
    const auto start = std::chrono::steady_clock::now();
    const fs::path initramfs = setup.scratch / "initramfs", memory = setup.scratch / "memory";
    const std::string out = keeps_books(setup) ? kDataRun : "/run/out";
    Launch launch{guest_command(setup.command, out, number > 1, setup.fresh), setup.environment};
    launch.environment["DMARACE_BOOT"] = std::to_string(number);
    if (auto ready = make_ready(setup, launch, initramfs); !ready)
        return std::unexpected(ready.error());
    const fs::path console = setup.out / "console.log";
    const auto qemu = qemu_arguments(*setup.board, {.image = setup.contents.kernel->image,
                                                    .initramfs = initramfs,
                                                    .console = console,
                                                    .share = setup.out,
                                                    .disks = setup.scratch,
                                                    .data = data_image(setup),
                                                    .memory = memory,
                                                    .append = setup.append,
                                                    .dtb = device_tree(setup),
                                                    .kvm = setup.accel.kvm});
    auto outcome = run_guest(qemu, {.share = setup.out,
                                    .console = console,
                                    .deadline = setup.deadline,
                                    .first_beat = first_beat(*setup.board),
                                    .keeps_disk = keeps_books(setup) || !setup.board->root.empty(),
                                    .files = launch_files(setup.contents, launch)});
    if (!outcome)
        return std::unexpected(outcome.error());
    if (auto gathered = gather(setup, *outcome, memory); !gathered)
        return std::unexpected(gathered.error());
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

// Gives the interrupted iteration its verdict, if there is one.
Status settle_death(const Setup& setup, BootRecord& record) {
    if (!is_run(setup.command) || !took_iteration(record.outcome.end))
        return {};
    const auto progress = survey(setup.out);
    if (!progress)
        return std::unexpected(progress.error());
    if (!progress->journal)
        return {};
    const auto end = judge_death(progress->iteration, record.outcome);
    if (!keeps_books(setup))
        if (auto recorded = record_death(*progress->journal, end); !recorded)
            return std::unexpected(recorded.error());
    record.lost_iteration = progress->iteration;
    return {};
}

// What the last boot would have printed, had it lived.
Status print_totals(const Setup& setup) {
    const auto asked = [&](const char* word) {
        return std::find(setup.command.begin(), setup.command.end(), word) != setup.command.end();
    };
    const auto text = totals(setup.out, asked("--json")   ? report::result_line
                                        : asked("--ktap") ? report::ktap
                                                          : report::summary);
    if (!text)
        return std::unexpected(text.error());
    fmt::print("{}", *text);
    std::fflush(stdout);
    return {};
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
    if (course.boots.back().outcome.end != End::ended)
        return print_totals(setup);
    if (!lost)
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

// Why the board is to boot again; nothing when this was the last boot. Once a
// boot has ended iterations, one that dies before its own is tried again.
std::optional<std::string> why_again(const Setup& setup, const BootRecord& record, bool first) {
    const Outcome& outcome = record.outcome;
    if (!is_run(setup.command) || outcome.end == End::rebooted) {
        const bool lives_on = !setup.board->root.empty() &&
                              (outcome.end == End::rebooted || may_boot_again(outcome.end));
        return lives_on ? std::optional(outcome.detail) : std::nullopt;
    }
    if (outcome.end == End::ended)
        return take_boot_again(setup.out);
    if (!may_boot_again(outcome.end) || (!record.lost_iteration && first))
        return std::nullopt;
    const std::string what = record.lost_iteration
                                 ? fmt::format("iteration {}", *record.lost_iteration)
                                 : "between iterations";
    return fmt::format("{}: {} ({})", what, to_text(outcome.end), outcome.detail);
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
    std::size_t done = 0;
    for (unsigned barren = 0;;) {
        auto record = boot(setup, static_cast<unsigned>(course.boots.size()) + 1);
        if (!record)
            return std::unexpected(record.error());
        if (auto settled = settle_death(setup, *record); !settled)
            return std::unexpected(settled.error());
        const auto ended = iterations_ended(setup);
        if (!ended)
            return std::unexpected(ended.error());
        const bool asked_to = !is_run(setup.command) && record->outcome.end == End::rebooted;
        barren = *ended > done || asked_to ? 0 : barren + 1;
        done = *ended;
        conclude(setup, record->outcome, course);
        course.boots.push_back(*std::move(record));
        const auto why = why_again(setup, course.boots.back(), done == 0);
        if (!why)
            break;
        if (course.boots.size() == setup.most_boots)
            break;
        if (barren == kBarrenBoots || (asked_to && course.boots.size() == kMostBoots)) {
            course.why = fmt::format("{} boots came to nothing; giving up (the last: {})",
                                     barren == kBarrenBoots ? barren : kMostBoots, *why);
            break;
        }
        say("{}; booting again to go on", *why);
        course.why.clear();
    }
    if (auto finished = finish(setup, course); !finished)
        return std::unexpected(finished.error());
    return course;
}

} // namespace dmarace::vm
