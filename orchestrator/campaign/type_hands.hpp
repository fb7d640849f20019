// SPDX-License-Identifier: GPL-2.0-or-later
// This file does single things to IOMMU groups, as fast as the kernel lets it,
// and records each. For actors only: every one of them may wait for locks of
// the kernel under test.
#pragma once

#include "base/unique_fd.hpp"
#include "campaign/steps.hpp"
#include "campaign/type_memory.hpp"
#include "job/type_work.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

class TypeHands {
public:
    using Device = job::Inventory::Device;

    TypeHands(StepContext& context, const job::TypeWork& work, TypeLog& log);

    // Records what each of the actor's groups and devices is before it begins.
    void look();
    // There is room only for putting back what was changed.
    bool out_of_room() const { return full_; }

    // Writes and reads back. A group that went away is looked for again, by its
    // first device: a new group has another file and may have another number.
    void write(unsigned group, verdict::TypeWord asked, bool undo = false);
    verdict::TypeWord type_of(unsigned group);
    void unbind(unsigned group, bool undo = false);
    void bind(unsigned group, bool undo = false);
    void remove(unsigned group);
    void rescan(unsigned group);
    void virtual_functions(unsigned group, bool make);
    void read_reserved_regions(unsigned group);

    // A driver that may be taken from its device and given back.
    static bool binds(const Device& device) { return !device.driver.empty() && !device.managed; }
    // Such a driver is bound to a member now.
    bool bound(unsigned group) const;
    bool any_binds(unsigned group) const;
    const job::Inventory::Group& group(unsigned index) const { return work_.groups->at(index); }

private:
    verdict::TypeAct* begin(verdict::TypeAct::What what, unsigned group);
    int file(unsigned group, const char* name, int flags, std::vector<UniqueFd>& files);
    verdict::TypeWord read_type(unsigned group);
    std::string driver_of(const Device& device) const;

    StepContext& context_;
    const job::TypeWork& work_;
    TypeLog& log_;
    std::vector<UniqueFd> types_, regions_; // by group
    bool full_ = false;
};

} // namespace dmarace::campaign
