// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu/arguments.hpp"

#include "vm/image/root.hpp"
#include "vm/kernels/cache.hpp"

#include <fmt/format.h>

namespace dmarace::vm {
namespace {

// loglevel=5 lets warnings through and keeps boots short: the serial console
// is slow, and an oops raises the level by itself. panic=-1 reboots at once,
// which -no-reboot turns into the end of QEMU.
constexpr const char* kKernelArguments = "panic=-1 loglevel=5";

constexpr std::uintmax_t kDiskBytes = 64 << 20;

std::string kernel_arguments(const Board& board, const Boot& boot) {
    std::string text = fmt::format("console={} {}", board.architecture->console, kKernelArguments);
    if (!board.root.empty())
        text += std::string(" rw root=LABEL=") + kRootLabel;
    for (const std::string& word : board.append)
        text += " " + word;
    if (!boot.append.empty())
        text += " " + boot.append;
    return text;
}

} // namespace

Status make_disks(const Board& board, const std::filesystem::path& directory) {
    for (const std::string& disk : board.disks) {
        const auto file = disk_file(directory, disk);
        std::error_code error;
        std::filesystem::remove(file, error);
        if (auto made = write_text(file, ""); !made)
            return made;
        std::filesystem::resize_file(file, kDiskBytes, error);
        if (error)
            return fail(Fault::environment, file.string() + ": " + error.message());
    }
    return {};
}

std::string escape_commas(const std::string& value) {
    std::string text;
    for (const char letter : value)
        text.append(letter == ',' ? 2 : 1, letter);
    return text;
}

std::vector<std::string> dump_arguments(const Board& board, const std::filesystem::path& dtb) {
    return {std::string(board.architecture->qemu),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            board.machine + ",dumpdtb=" + escape_commas(dtb.string()),
            "-cpu",
            board.cpu,
            "-smp",
            std::to_string(board.smp),
            "-m",
            board.memory};
}

std::vector<std::string> qemu_arguments(const Board& board, const Boot& boot) {
    std::vector<std::string> arguments{std::string(board.architecture->qemu), "-nodefaults",
                                       "-no-user-config", "-no-reboot"};
    const auto add = [&](const char* option, const std::string& value) {
        arguments.insert(arguments.end(), {option, value});
    };
    add("-display", "none");
    add("-monitor", "none");
    add("-machine", board.machine + (board.keep_memory ? ",memory-backend=memory" : ""));
    if (board.keep_memory)
        add("-object", "memory-backend-file,id=memory,share=on,size=" + board.memory +
                           ",mem-path=" + escape_commas(boot.memory.string()));
    if (!board.firmware.empty())
        add("-bios", board.firmware);
    add("-cpu", boot.kvm ? "host" : board.cpu);
    add("-accel", boot.kvm ? "kvm" : "tcg,thread=multi");
    add("-smp", std::to_string(board.smp));
    add("-m", board.memory);
    add("-chardev", "file,id=console,append=on,path=" + escape_commas(boot.console.string()));
    add("-serial", "chardev:console");
    add("-kernel", boot.image.string());
    add("-initrd", boot.initramfs.string());
    add("-append", kernel_arguments(board, boot));
    add("-fsdev", "local,id=out,security_model=none,path=" + escape_commas(boot.share.string()));
    if (!boot.dtb.empty())
        add("-dtb", boot.dtb.string());
    if (board.data)
        add("-blockdev", "file,node-name=" + board.data->disk +
                             ",filename=" + escape_commas(boot.data.string()));
    // Nothing of these is to outlive the guest, so no flush has to reach the host's disk.
    auto disks = board.disks;
    if (!board.root.empty())
        disks.push_back(board.root);
    for (const std::string& disk : disks)
        add("-blockdev", "file,node-name=" + disk + ",cache.no-flush=on,filename=" +
                             escape_commas(disk_file(boot.disks, disk).string()));
    for (const std::string& netdev : board.netdevs)
        add("-netdev", netdev);
    for (const std::string& blockdev : board.blockdevs)
        add("-blockdev", blockdev);
    for (const std::string& device : board.devices)
        add("-device", device);
    // Last: a device that names no bus goes to the root bus that came last.
    for (const std::string_view device : board.architecture->wire)
        add("-device", std::string(device));
    return arguments;
}

} // namespace dmarace::vm
