// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/architecture.hpp"

#include "vm/ui/say.hpp"

#include <elf.h>

#include <algorithm>

namespace dmarace::vm {
namespace {

constexpr std::string_view kMmio[] = {"virtio-9p-device,fsdev=out,mount_tag=out"};

// A PC has no virtio-mmio. A root bus of its own that bypasses the IOMMU is in
// no table that firmware has of IOMMUs (DMAR, VIOT).
constexpr std::string_view kBypass[] = {
    "pxb-pcie,id=outside,bus=pcie.0,bus_nr=224,addr=1e.0,bypass_iommu=on",
    "pcie-root-port,id=wire,bus=outside,chassis=250,slot=250",
    "virtio-9p-pci,bus=wire,disable-legacy=on,fsdev=out,mount_tag=out"};

constexpr Architecture kArchitectures[] = {
    {.name = "arm64",
     .kbuild = "arm64",
     .triplet = "aarch64-linux-gnu",
     .image = "arch/arm64/boot/Image",
     .machine = "aarch64",
     .elf = EM_AARCH64,
     .qemu = "qemu-system-aarch64",
     .qemu_package = "qemu-system-arm",
     .console = "ttyAMA0",
     .wire = kMmio,
     .wire_module = "virtio_mmio",
     .wire_option = "CONFIG_VIRTIO_MMIO"},
    {.name = "amd64",
     .kbuild = "x86_64",
     .triplet = "x86_64-linux-gnu",
     .image = "arch/x86/boot/bzImage",
     .machine = "x86_64",
     .elf = EM_X86_64,
     .qemu = "qemu-system-x86_64",
     .qemu_package = "qemu-system-x86",
     .console = "ttyS0",
     .wire = kBypass,
     .wire_module = "virtio_pci",
     .wire_option = "CONFIG_VIRTIO_PCI"},
};

// Documentation/arch/x86/boot.rst: the header's signature.
constexpr std::size_t kX86At = 0x202;
constexpr std::string_view kX86Magic = "HdrS";
// arch/arm/boot/compressed/head.S: the zImage's, little and big endian.
constexpr std::size_t kArmAt = 0x24;
constexpr std::string_view kArmMagic("\x18\x28\x6f\x01", 4), kArmMagicBig("\x01\x6f\x28\x18", 4);

bool has(std::string_view bytes, std::size_t at, std::string_view magic) {
    return bytes.size() >= at && bytes.substr(at).starts_with(magic);
}

} // namespace

std::span<const Architecture> architectures() {
    return kArchitectures;
}

const Architecture& arm64() {
    return kArchitectures[0];
}

const Architecture* host_architecture() {
#if defined(__aarch64__)
    return &kArchitectures[0];
#elif defined(__x86_64__)
    return &kArchitectures[1];
#else
    return nullptr;
#endif
}

Result<const Architecture*> find_architecture(std::string_view name) {
    for (const Architecture& one : kArchitectures)
        if (one.name == name)
            return &one;
    return fail(Fault::usage, fmt::format("no architecture '{}': boards are {} or {}", name,
                                          kArchitectures[0].name, kArchitectures[1].name));
}

Result<const Architecture*> architecture_of_image(std::string_view start) {
    if (has(start, kArmAt, kArmMagic) || has(start, kArmAt, kArmMagicBig))
        return fail(Fault::usage, "a 32-bit ARM kernel: dmarace.ko takes threads away in assembly "
                                  "that is there for arm64 and x86-64 only; boot a 64-bit kernel");
    return has(start, kX86At, kX86Magic) ? &kArchitectures[1] : &kArchitectures[0];
}

} // namespace dmarace::vm
