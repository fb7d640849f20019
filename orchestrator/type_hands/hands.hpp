// SPDX-License-Identifier: GPL-2.0-or-later
// What changes the types of IOMMU groups and looks at what became of it: type steps, and
// the actors of a [type] table. For actors only: every act may wait for locks of the kernel
// under test.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "board/devices.hpp"
#include "types/table.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace dmarace::types {

// The records of one actor. Only that actor writes them.
class TypeLog {
public:
    static constexpr std::size_t kMax = 262'144;
    // Kept for restoring the groups.
    static constexpr std::size_t kReserve = 8'192;

    // A new record that has begun, or null when there is no room left.
    TypeAct* begin(TypeAct::What what, unsigned group);
    static void end(TypeAct& act, int os_error);

    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    const TypeAct& at(std::size_t index) const { return acts_[index]; }
    // When the act that goes on now began, 0 if none does.
    std::uint64_t since() const;

private:
    std::atomic<std::size_t> size_{0};
    TypeAct acts_[kMax];
};

// The memory that the actors of a [type] table share with the owner: their records, and
// the word to stop. A record is written in place, so it costs no system call, the owner
// sees what an actor is doing right now, and the records of an actor that an oops killed
// are not lost.
class TypeMemory {
public:
    // One log for each role that has work; null when none has.
    static Result<std::unique_ptr<TypeMemory>> make(const std::vector<TypeRole>& roles,
                                                    std::uint64_t seed);
    ~TypeMemory();
    TypeMemory(const TypeMemory&) = delete;
    TypeMemory& operator=(const TypeMemory&) = delete;

    // Null for a role without work.
    TypeLog* log(std::size_t role) const { return slots_.at(role).log; }
    std::uint64_t seed() const { return seed_; }

    // Actors: says that this one is ready, and waits until all are.
    void wait_for_all();
    // The owner: an actor died, or all are given up.
    void stop() { shared_->stop = true; }
    bool stopped() const { return shared_->stop; }
    // A writer is done; nothing goes on beside writers that are gone.
    void writer_done() { --shared_->writing; }
    bool writing() const { return shared_->writing > 0 && !stopped(); }
    // An actor is done. True for the last one.
    bool last_out() { return --shared_->left == 0; }

    // Writes so far, of all writers.
    std::uint64_t writes() const;
    // What an act does, in words.
    std::string text(const TypeAct& act) const;
    // All records, by actor.
    TypeRecord record() const;

private:
    struct SharedCounts {
        std::atomic<unsigned> waiting{0}; // actors that are not ready yet
        std::atomic<unsigned> writing{0}; // writers that are not done
        std::atomic<unsigned> left{0};    // actors that are not done
        std::atomic<bool> stop{false};
    };
    TypeMemory() = default;

    SharedCounts* shared_ = nullptr; // mapped before the actors are forked
    std::size_t bytes_ = 0;
    std::uint64_t seed_ = 0;
    struct LogSlot {
        std::string name;
        bool writes = false;
        TypeLog* log = nullptr;
    };
    std::vector<LogSlot> slots_;
    std::vector<TypeGroup> groups_;
};

// What the work of a [type] table needs of its actor.
struct TypeTools {
    const board::Devices& devices;
    TypeMemory& memory;
    std::size_t role = 0;                                               // whose log it writes
    std::function<void(const std::vector<std::string>& devices)> audit; // tells their facts
    std::function<void()> settle;                                       // waits for probing to end
};

// Single things done to the groups of some work, as fast as the kernel lets it, each
// recorded.
class TypeHands {
public:
    TypeHands(const board::Devices& devices, const TypeWork& work, TypeLog& log);

    // Records what each of the actor's groups and devices is before it begins.
    void look();
    // There is room only for restoring what was changed.
    bool out_of_room() const { return full_; }

    // Writes and reads back. A group that went away is looked for again, by its
    // first device: a new group has another file and may have another number.
    void write(unsigned group, TypeWord asked, bool undo = false);
    TypeWord type_of(unsigned group);
    void unbind(unsigned group, bool undo = false);
    void bind(unsigned group, bool undo = false);
    void remove(unsigned group);
    void rescan(unsigned group);
    void virtual_functions(unsigned group, bool make);
    void read_reserved_regions(unsigned group);

    // A driver that may be taken from its device is bound to a member now.
    bool bound(unsigned group) const;
    bool any_binds(unsigned group) const;
    const InventoryGroup& group(unsigned index) const { return work_.groups->at(index); }

private:
    TypeAct* begin(TypeAct::What what, unsigned group, std::size_t device, bool undo = false);
    // Does something to each device of the group that fits.
    void each(TypeAct::What what, unsigned group, bool undo, auto fits, auto does);
    int file(unsigned group, const char* name, int flags, std::vector<UniqueFd>& files);
    TypeWord read_type(unsigned group);
    std::string driver_of(const GroupMember& device) const;

    const board::Devices& devices_;
    const TypeWork& work_;
    TypeLog& log_;
    std::vector<UniqueFd> types_, regions_; // by group
    bool full_ = false;
};

// Waits for the table's other actors, works, and lets the last actor out restore every
// group's type and drivers. What was done, in words.
Result<std::string> do_type_work(const TypeTools& tools, const TypeWork& work);

// What a type step knows from before it.
struct KnownGroup {
    int number = 0;
    std::uint64_t identity = 0; // Devices::group_identity
};

struct KnownGroups {
    // Groups of devices before anything was armed: a device that is being removed is not
    // found any more while its group is still there.
    std::map<std::string, KnownGroup> of_devices{};
    // Types of groups that steps write to, by identity, read then and after each write. To read
    // one before a write could wait where the write itself should.
    std::map<std::uint64_t, TypeWord> types{};
};

// 'group' is a number, or a device whose group is meant, the one it was in when the actors
// were made if it cannot be found any more. Fills in the record once the group is known,
// and the device that stands for it; the kernel's refusal is the status and its errno.
Status write_type(const board::Devices& devices, KnownGroups& known, const std::string& group,
                  const std::string& type, std::optional<TypeStep>& record, std::string& device);

// Drivers that leave the DMA of their device to others (driver_managed_dma): bound to one,
// a device does not keep its group from changing type. A guess by name, for where no audit of
// the module has said it: the ports', pci-stub, and VFIO's.
bool seems_to_manage_its_dma(const std::string& driver);

} // namespace dmarace::types
