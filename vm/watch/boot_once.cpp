// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/boot_once.hpp"

#include "vm/qemu/accel.hpp"
#include "vm/qemu/arguments.hpp"
#include "vm/watch/guest.hpp"

#include <fmt/format.h>

namespace dmarace::vm {
namespace {

Result<std::string> boot_once(const Board& board, const GuestBoot& boot) {
    if (auto disks = make_disks(board, boot.disks); !disks)
        return std::unexpected(disks.error());
    const auto qemu = qemu_arguments(board, {.image = boot.kernel->image,
                                             .initramfs = boot.initramfs,
                                             .console = boot.console,
                                             .share = boot.share,
                                             .disks = boot.disks,
                                             .kvm = find_accel(*board.architecture).kvm});
    const auto outcome = run_guest(
        qemu,
        {.share = boot.share, .console = boot.console, .out = boot.output, .err = boot.output});
    std::error_code error;
    for (const std::string& disk : board.disks)
        std::filesystem::remove(disk_file(boot.disks, disk), error);
    if (!outcome)
        return std::unexpected(outcome.error());
    if (outcome->end == End::ended)
        return outcome->status == 0 ? ""
                                    : fmt::format("{} {}", to_text(outcome->end), outcome->status);
    return fmt::format("{}: {}", to_text(outcome->end), outcome->detail);
}

} // namespace

BootGuest boots_of(const Board& board) {
    return [&board](const GuestBoot& boot) { return boot_once(board, boot); };
}

} // namespace dmarace::vm
