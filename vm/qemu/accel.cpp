// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu/accel.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

namespace dmarace::vm {

Accel find_accel(const Architecture& guest) {
    if (host_architecture() != &guest)
        return {false, "this host is not " + std::string(guest.name)};
    const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm)
        return {false, std::string("/dev/kvm: ") + std::strerror(errno)};
    if (ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return {false, "/dev/kvm does not speak KVM's API"};
    const UniqueFd machine(ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!machine)
        return {false, std::string("KVM makes no machine: ") + std::strerror(errno)};
    return {true, ""};
}

} // namespace dmarace::vm
