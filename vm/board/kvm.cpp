// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "vm/board/qemu.hpp"

#include <fcntl.h>

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace dmarace::vm {
namespace {

constexpr std::uint64_t kCodeAt = 0x10000; // a multiple of every page size
constexpr std::size_t kMemory = 0x10000;

#if defined(__x86_64__)
constexpr std::array<unsigned char, 2> kCode{0x90, 0xf4}; // nop; hlt
constexpr unsigned kEnd = KVM_EXIT_HLT;

bool set_registers(int /*machine*/, int cpu) {
    kvm_sregs segments{};
    if (ioctl(cpu, KVM_GET_SREGS, &segments) != 0)
        return false;
    // In real mode a segment is 64 KiB from its base on.
    segments.cs.base = kCodeAt;
    segments.cs.selector = kCodeAt >> 4;
    kvm_regs registers{};
    registers.rip = 0;
    registers.rflags = 2; // a bit that is always set
    return ioctl(cpu, KVM_SET_SREGS, &segments) == 0 && ioctl(cpu, KVM_SET_REGS, &registers) == 0;
}
#elif defined(__aarch64__)
// nop; str w0, [x1], and at 0 there is no memory
constexpr std::array<unsigned char, 8> kCode{0x1f, 0x20, 0x03, 0xd5, 0x20, 0x00, 0x00, 0xb9};
constexpr unsigned kEnd = KVM_EXIT_MMIO;

bool set_registers(int machine, int cpu) {
    kvm_vcpu_init init{};
    std::uint64_t at = kCodeAt;
    const kvm_one_reg counter{KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                  KVM_REG_ARM_CORE_REG(regs.pc),
                              reinterpret_cast<std::uintptr_t>(&at)};
    return ioctl(machine, KVM_ARM_PREFERRED_TARGET, &init) == 0 &&
           ioctl(cpu, KVM_ARM_VCPU_INIT, &init) == 0 && ioctl(cpu, KVM_SET_ONE_REG, &counter) == 0;
}
#else
constexpr std::array<unsigned char, 0> kCode{};
constexpr unsigned kEnd = 0;

bool set_registers(int, int) { return false; }
#endif

} // namespace

Status try_kvm(const Architecture& guest) {
    if (host_architecture() != &guest)
        return fail(Fault::environment, "KVM runs no guests of another architecture");
    const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm)
        return fail_errno("/dev/kvm");
    const UniqueFd machine(ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!machine)
        return fail_errno("KVM makes no machine");
    const Mapped memory(kMemory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    const kvm_userspace_memory_region region{
        .slot = 0,
        .flags = 0,
        .guest_phys_addr = kCodeAt,
        .memory_size = kMemory,
        .userspace_addr = reinterpret_cast<std::uintptr_t>(memory.as<unsigned char>())};
    if (!memory || ioctl(machine.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0)
        return fail_errno("KVM takes no memory");
    std::ranges::copy(kCode, memory.as<unsigned char>());
    const UniqueFd cpu(ioctl(machine.get(), KVM_CREATE_VCPU, 0));
    const int size = ioctl(kvm.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
    if (!cpu || size < static_cast<int>(sizeof(kvm_run)))
        return fail_errno("KVM makes no processor");
    const Mapped shared(static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED,
                        cpu.get());
    const auto* run = shared.as<kvm_run>();
    if (!run || !set_registers(machine.get(), cpu.get()) || ioctl(cpu.get(), KVM_RUN, 0) != 0)
        return fail_errno("KVM runs no guest");
    if (run->exit_reason != kEnd)
        return fail(Fault::environment,
                    "KVM did not run a guest of two instructions to its end: exit reason " +
                        std::to_string(run->exit_reason));
    return {};
}

} // namespace dmarace::vm
