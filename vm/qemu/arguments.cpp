// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu/arguments.hpp"

namespace dmarace::vm {
namespace {

// loglevel=5 lets warnings through and keeps boots short: the serial console
// is slow, and an oops raises the level by itself. panic=-1 reboots at once,
// which -no-reboot turns into the end of QEMU.
constexpr const char* kKernelArguments = "console=ttyAMA0 panic=-1 loglevel=5";

std::string kernel_arguments(const Board& board, const Boot& boot) {
    std::string text = kKernelArguments;
    for (const std::string& word : board.append)
        text += " " + word;
    if (!boot.append.empty())
        text += " " + boot.append;
    return text;
}

} // namespace

std::string escape_commas(const std::string& value) {
    std::string text;
    for (const char letter : value)
        text.append(letter == ',' ? 2 : 1, letter);
    return text;
}

std::vector<std::string> qemu_arguments(const Board& board, const Boot& boot) {
    std::vector<std::string> arguments{
        "qemu-system-aarch64", "-nodefaults", "-no-user-config", "-display", "none",
        "-monitor", "none", "-no-reboot",
        "-machine", board.machine,
        "-cpu", boot.kvm ? "host" : board.cpu,
        "-accel", boot.kvm ? "kvm" : "tcg,thread=multi",
        "-smp", std::to_string(board.smp),
        "-m", board.memory,
        "-chardev", "file,id=console,append=on,path=" + escape_commas(boot.console.string()),
        "-serial", "chardev:console",
        "-kernel", boot.image.string(),
        "-initrd", boot.initramfs.string(),
        "-append", kernel_arguments(board, boot),
        // On virtio-mmio: outside the IOMMU, so no job cuts the wire it reports on.
        "-fsdev",
        "local,id=out,security_model=none,path=" + escape_commas(boot.share.string()),
        "-device", "virtio-9p-device,fsdev=out,mount_tag=out"};
    for (const std::string& blockdev : board.blockdevs)
        arguments.insert(arguments.end(), {"-blockdev", blockdev});
    for (const std::string& device : board.devices)
        arguments.insert(arguments.end(), {"-device", device});
    return arguments;
}

} // namespace dmarace::vm
