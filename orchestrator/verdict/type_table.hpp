// SPDX-License-Identifier: GPL-2.0-or-later
// This file says which results of a write to iommu_groups/N/type the kernel
// may give. Judged by behaviour, not by kernel version.
#pragma once

#include "verdict/observed.hpp"

#include <string_view>

namespace dmarace::verdict {

// One write and what surrounded it.
struct TypeWrite {
    const StepResult& step;
    bool bound = false;         // a driver that owns the group was bound
    bool managed = false;       // a driver with driver_managed_dma was, or may have been
    bool contended = false;     // another actor bound, removed or wrote meanwhile
    bool removing = false;      // a member was removed in this iteration
    bool group_refuses = false; // more than one device, and no such write ever went through
    bool word_refused = false;  // the log says why, or this word never went through, twice
};

struct TypeRow {
    std::string_view what;
    bool (*allows)(const TypeWrite&);
    std::string_view note; // worth a sentence when this row allowed it; "" if not
};

// The first row that allows the result, or null: it is unexpected.
const TypeRow* allowed_result(const TypeWrite& write);

// DMA, DMA-FQ, identity, auto.
bool is_type_word(std::string_view word);

// A type step that the kernel answered with a success or a refusal; EACCES
// and the like mean that nothing was tried.
bool reached_kernel(const StepResult& step);

} // namespace dmarace::verdict
