// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds out whether KVM runs guests of an architecture here.
#pragma once

#include "vm/kernels/kernel.hpp"

#include <string>

namespace dmarace::vm {

struct Accel {
    bool kvm = false;
    std::string why; // why KVM is not used
};

// Opens /dev/kvm and makes an empty virtual machine: a device node alone
// proves nothing.
Accel find_accel(const Architecture& guest);

} // namespace dmarace::vm
