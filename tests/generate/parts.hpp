// SPDX-License-Identifier: GPL-2.0-or-later
// The sketch of a job that the parts of the generator share.
// Inside this folder only.
#pragma once

#include "base/draw.hpp"

#include <string>
#include <vector>

namespace dmarace::generate {

// What a job may use, drawn first: the rest follows.
struct Sketch {
    Draw random;
    std::uint64_t seed = 0;
    bool removals = false; // PCI devices and modules come and go; else DMA-FQ may be written
    bool arrival = false;  // the IOMMU's module is inserted; reset takes it out
    bool table = false;    // has a [type] table
    std::vector<std::string> actors;
    // Signals that rules raise; actors wait for them.
    std::vector<std::string> rule_signals;
    // Signals that the steps of an actor raise, by the actor's index.
    std::vector<std::string> step_signals;
};

// A value of the kind that a step's usage names; "" when there is none here.
std::string word_of_kind(Sketch& sketch, std::string_view kind);

// One step that does something in the kernel or looks at it, as it is written.
std::string kernel_step(Sketch& sketch);

// The steps of an actor, by its index, as a TOML list.
std::string steps_of(Sketch& sketch, std::size_t actor);

// [[rule]] tables. Each of rule_signals is raised by one of them.
std::string rules_of(Sketch& sketch);

} // namespace dmarace::generate
