// SPDX-License-Identifier: GPL-2.0-or-later
// Which results of a write to iommu_groups/N/type the kernel may give. Judged by
// behaviour, not by kernel version, and each in all the states that its group may have
// been in while it ran. docs/verdicts.md has the table. Pure.
#pragma once

#include "types/history.hpp"

namespace dmarace::types {

struct TypeJudgement {
    // A write that nothing explains.
    struct Unexplained {
        std::string device; // the first of its group, "" if none is known
        std::string text;
        std::vector<std::string> meanwhile; // what the other actors did
    };
    TypeTally tally;
    std::vector<std::string> notes;
    std::vector<Unexplained> unexplained;
};

TypeJudgement judge_types(const TypeEvidence& evidence);

// The kernel answered with a success or a refusal; EACCES and the like mean that nothing
// was tried.
bool was_tried(int os_error);
// Writes of the actors of a [type] table that the kernel answered.
std::uint64_t tried_writes(const TypeRecord& record);

} // namespace dmarace::types
