// SPDX-License-Identifier: GPL-2.0-or-later
// This file says which results of a write to iommu_groups/N/type the kernel
// may give. Judged by behaviour, not by kernel version.
#pragma once

#include "verdict/observed.hpp"
#include "verdict/type_acts.hpp"

#include <string_view>

namespace dmarace::verdict {

// A result of a write, in one of the states that its group may have been in.
struct TypeWrite {
    TypeWord asked = TypeWord::none; // other: no word of the kernel's
    int os_error = 0;
    TypeWord before = TypeWord::none;
    bool bound = false;         // a driver that owns the group
    bool managed = false;       // a driver with driver_managed_dma was, or may have been, bound
    bool removing = false;      // a member was away, going or coming
    bool removed = false;       // a member was removed at some time before the write's end
    bool resetting = false;     // a PCI function was being reset
    bool group_refuses = false; // more than one device, and no such write ever went through
    bool word_refused = false;  // the log says why, or this word never went through, twice
};

struct TypeRow {
    std::string_view what;
    bool (*allows)(const TypeWrite&);
    std::string_view note; // worth a sentence when this row allowed it; "" if not
};

// The first row that allows the result, or null: it is unexpected. What it
// reads back is judged by the history (type_history.hpp).
const TypeRow* allowed_result(const TypeWrite& write);

// A type step that the kernel answered with a success or a refusal; EACCES
// and the like mean that nothing was tried.
bool reached_kernel(const StepResult& step);
bool tried(int os_error);

} // namespace dmarace::verdict
