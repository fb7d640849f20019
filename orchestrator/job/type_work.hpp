// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what one actor of a [type] table does, again and again, until
// it is told to stop. Pure data.
#pragma once

#include "base/duration.hpp"
#include "job/inventory.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::job {

// Every ordered pair of types; the types in turn; or types drawn by seed.
enum class TypeOrder { pairs, sequence, random };

// rebind: members are unbound before each change and bound after it. keep: they
// stay as they are. live: the type to start from is written unbound, the next
// one under the driver.
enum class TypeDriver { rebind, keep, live };

struct TypeWork {
    enum class Kind { write, bind, remove, sriov, reserved_regions };
    Kind kind = Kind::write;
    // All groups of the table; 'mine' are the indices this actor works on.
    std::shared_ptr<const std::vector<Inventory::Group>> groups;
    std::vector<unsigned> mine;
    std::vector<std::string> types;
    TypeOrder order = TypeOrder::pairs;
    TypeDriver driver = TypeDriver::rebind;
    std::optional<unsigned> count;       // writes of this actor
    std::optional<Nanoseconds> duration; // neither: every change once
    unsigned number = 1;                 // of the writer: each draws its own random types
    bool alone = true;                   // nobody else works on these groups
};

} // namespace dmarace::job
