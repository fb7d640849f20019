// SPDX-License-Identifier: GPL-2.0-or-later
// The [type] table of a job: which groups it selects, and the work of the actors it
// makes. A type step selects groups in the same way. Pure.
#pragma once

#include "base/duration.hpp"
#include "base/error.hpp"
#include "types/record.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace::types {

// A device as a member of its group, before the run.
struct GroupMember {
    std::string name;                 // BUS/NAME
    std::string driver;               // the one it is bound to; "" when unbound, and left so
    bool managed = false;             // driver_managed_dma: may stay bound while the type changes
    bool endpoint = true;             // no bridge, no port
    std::vector<std::string> iommu{}; // instance, driver and module of its IOMMU
    unsigned virtual_functions = 0;   // how many it can make (sriov_totalvfs)

    // Its driver may be taken from it and given back.
    bool binds() const { return !driver.empty() && !managed; }
    bool removable() const { return endpoint && name.starts_with("pci/"); }
};

struct InventoryGroup {
    unsigned number = 0;
    std::string type; // what sysfs says
    std::vector<GroupMember> devices;
    // Nobody says what would miss them (a GPU, a USB host of a SoC): only where they are named.
    bool named_only = false;
};

// The groups that type writes may go to: only those that the guard allows, as they were
// before the run.
struct Inventory {
    using Device = GroupMember;
    using Group = InventoryGroup;
    std::vector<InventoryGroup> groups;
};

// The [type] table: writes to iommu_groups/N/type, and what goes on beside them.
struct TypeStorm {
    // Which groups; all of these hold at once.
    std::vector<std::string> groups{"all"}; // all | {param} | N ..
    std::vector<std::string> devices;       // of one of these devices
    std::vector<std::string> drivers;       // with a device of one of these drivers
    std::vector<std::string> iommus;        // behind one of these: instance, driver or module
    std::string size;                       // how many devices: "1", "2..", "2..4"
    std::vector<std::string> types;         // default DMA, DMA-FQ, identity, auto
    std::string order = "pairs";            // a word of type_orders()
    std::optional<unsigned> count;          // writes of each writer
    std::optional<Nanoseconds> duration;
    unsigned writers = 1;
    std::string share = "same";      // same: all on the same groups; split: each on its own
    std::string driver = "rebind";   // a word of type_drivers()
    std::vector<std::string> beside; // words of side_works()
};

// Every ordered pair of types; the types in turn; or types drawn by seed.
enum class TypeOrder { pairs, sequence, random };

// rebind: members are unbound before each change and bound after it. keep: they stay as
// they are. live: the type to start from is written unbound, the next one under the driver.
enum class TypeDriver { rebind, keep, live };

// What one actor of the table does, again and again, until it is told to stop.
struct TypeWork {
    enum class Kind { write, bind, remove, sriov, reserved_regions };
    Kind kind = Kind::write;
    // All groups of the table; 'mine' are the indices this actor works on.
    std::shared_ptr<const std::vector<InventoryGroup>> groups;
    std::vector<unsigned> mine;
    std::vector<TypeWord> types;
    TypeOrder order = TypeOrder::pairs;
    TypeDriver driver = TypeDriver::rebind;
    std::optional<unsigned> count;       // writes of this actor
    std::optional<Nanoseconds> duration; // neither: every change once
    unsigned number = 1;                 // of the writer: each draws its own random types
    bool alone = true;                   // nobody else works on these groups
};

// One actor that the table makes.
struct TypeRole {
    std::string name;
    std::string text; // what it does
    std::shared_ptr<const TypeWork> work;
};

// What may go on beside the writes: a word of 'beside'.
struct SideWork {
    std::string_view word;
    std::string_view help;
    std::string_view actor;
    TypeWork::Kind kind;
    bool (*fits)(const GroupMember&); // at least one device has to
    const char* lacks;
    const char* does;
};
std::span<const SideWork> side_works();
// The words of 'order' and 'driver', in the order of their enumerators.
std::vector<std::string> type_orders();
std::vector<std::string> type_drivers();
inline constexpr std::string_view kSplitShare = "split";

// Most writes that one writer makes in an iteration: what its record has room for
// (type_hands/hands.hpp).
inline constexpr unsigned kTypeWritesMax = 200'000;

// "1", "2..", "2..4": least and most; nothing when it is none of these.
std::optional<std::pair<std::size_t, std::size_t>> size_range(std::string_view text);

// The groups that meet all conditions of the table, in order of their numbers.
// Fault::untestable, saying what was asked, when there is none.
Result<std::vector<InventoryGroup>> select_groups(const TypeStorm& storm,
                                                  const Inventory& inventory);

// The lists of the table in which a {param} may stand.
std::vector<const std::vector<std::string>*> selection_lists(const TypeStorm& storm);

// "writer", "writer2" ..; then "binder", "remover", "vf-maker", "reader" for what goes on
// beside them.
std::vector<std::string> type_actor_names(const TypeStorm& storm);

// Is this actor one of the table's writers?
bool is_type_writer(const TypeStorm& storm, std::string_view actor);

// What each actor will do, for --help, where no board is known yet.
std::string storm_text(const TypeStorm& storm);

// The actors, each with its work. Parameters are filled in. Fault::untestable when no
// group is left, or none that what goes on beside the writes could be done to.
Result<std::vector<TypeRole>> expand_type_storm(const TypeStorm& storm, const Inventory& inventory);

} // namespace dmarace::types
