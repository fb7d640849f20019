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
    std::vector<std::string> arguments{"qemu-system-aarch64", "-nodefaults", "-no-user-config",
                                       "-no-reboot"};
    const auto add = [&](const char* option, const std::string& value) {
        arguments.insert(arguments.end(), {option, value});
    };
    add("-display", "none");
    add("-monitor", "none");
    add("-machine", board.machine);
    add("-cpu", boot.kvm ? "host" : board.cpu);
    add("-accel", boot.kvm ? "kvm" : "tcg,thread=multi");
    add("-smp", std::to_string(board.smp));
    add("-m", board.memory);
    add("-chardev", "file,id=console,append=on,path=" + escape_commas(boot.console.string()));
    add("-serial", "chardev:console");
    add("-kernel", boot.image.string());
    add("-initrd", boot.initramfs.string());
    add("-append", kernel_arguments(board, boot));
    // On virtio-mmio: outside the IOMMU, so no job cuts the wire it reports on.
    add("-fsdev", "local,id=out,security_model=none,path=" + escape_commas(boot.share.string()));
    add("-device", "virtio-9p-device,fsdev=out,mount_tag=out");
    for (const std::string& blockdev : board.blockdevs)
        add("-blockdev", blockdev);
    for (const std::string& device : board.devices)
        add("-device", device);
    return arguments;
}

} // namespace dmarace::vm
