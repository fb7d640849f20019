// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds out whether KVM runs arm64 guests here.
#pragma once

#include <string>

namespace dmarace::vm {

struct Accel {
    bool kvm = false;
    std::string why; // why KVM is not used
};

// Opens /dev/kvm and makes an empty virtual machine: a device node alone
// proves nothing.
Accel find_accel();

} // namespace dmarace::vm
