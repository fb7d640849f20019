// SPDX-License-Identifier: GPL-2.0-or-later
// Which results of a write to iommu_groups/N/type the kernel may give. Judged by
// behaviour, not by kernel version, and each by what may have been true while it ran: which
// types and how many members the group may have had, whether a driver may have been bound,
// what the kernel said. docs/verdicts.md has the table. Pure.
#pragma once

#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "catalogue/verbs.hpp"
#include "types/record.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace::types {

inline constexpr std::uint64_t kForever = UINT64_MAX;

// A step as its actor saw it: its time and its errno.
struct TimedStep {
    std::string_view actor;
    catalogue::Verb verb = catalogue::Verb::settle;
    std::string device; // "" for what may concern every device
    std::uint64_t began = 0, ended = 0;
    int os_error = 0;
    const TypeStep* type = nullptr; // of one that wrote a type

    bool overlaps(std::uint64_t from, std::uint64_t to) const {
        return began <= to && ended >= from;
    }
};

// A line of the log that tells why a type was refused.
struct TypeSentence {
    catalogue::LogHint hint = catalogue::LogHint::type_refused;
    std::uint64_t ts = 0; // of the log's clock, in ns
};

// All that an iteration tells of its groups.
struct TypeEvidence {
    const TypeRecord& record;        // of a [type] table
    const std::vector<Line>& events; // of the module
    std::vector<TimedStep> steps{};
    std::vector<TypeGroup> settled{}; // groups after settle
    // Whether a driver that owns the group was bound to a device before the actors began, and
    // devices with one that manages its DMA.
    std::map<std::string, bool> bound_first{};
    std::set<std::string> managed_first{};
    // Groups with a driver that manages its DMA, and whether somebody owned them then: since
    // 6.4 only who opened the device through such a driver does.
    std::map<std::int64_t, bool> managed{};
    bool queue_failed = false; // the log says that a flush queue could not be made
    std::vector<TypeSentence> said{};
};

// A stretch of a device's life. sure: true all through it; else it may be.
struct LifeSpan {
    std::uint64_t from = 0, to = kForever;
    bool sure = false;

    bool overlaps(std::uint64_t begin, std::uint64_t end) const {
        return from <= end && to >= begin;
    }
};

struct DeviceLife {
    std::vector<LifeSpan> owned;  // its driver owns the group; in between: none does
    std::vector<LifeSpan> bound;  // any driver is bound; in between, and not locked: none is
    std::vector<LifeSpan> locked; // the driver core owns the device's lock
    std::vector<LifeSpan> away;   // removed, going or coming
    std::vector<LifeSpan> out;    // of these the stretches in which it was in no group
    bool known = false;           // something told of its driver
};

// What was bound before all events.
struct FirstSeen {
    std::optional<bool> owned; // a driver that owns the group?
    bool managed = false;      // one that manages its DMA
};

// Of all events and steps.
DeviceLife life_of(const std::vector<Line>& events, const std::vector<TimedStep>& steps,
                   const std::string& device, const FirstSeen& first);

// A rule that the module has beside the job's where types are written: it does nothing but
// tell when a device claimed its group, gave it up, left it or came.
struct TypeWitness {
    std::string_view rule, point, on;
};
std::span<const TypeWitness> type_witnesses();
// The one that an event is of, or null.
const TypeWitness* witness_of(const Line& line);

// Kernels up to 6.3 (early) refuse groups that have not one device, look whether a driver is
// bound, and say why they refuse; later ones look who owns the group.
enum class TypeKernel { unknown, early, late };

// A set of TypeWords, one bit each.
using TypeSet = unsigned;
constexpr TypeSet set_of(TypeWord word) { return 1U << static_cast<unsigned>(word); }
inline constexpr TypeSet kThreeTypes =
    set_of(TypeWord::dma) | set_of(TypeWord::dma_fq) | set_of(TypeWord::identity);
inline constexpr TypeSet kAnyType = kThreeTypes | set_of(TypeWord::unmanaged) |
                                    set_of(TypeWord::blocked) | set_of(TypeWord::unknown) |
                                    set_of(TypeWord::other);

// A write, of a type step or of an actor of a [type] table.
struct HistoryWrite {
    std::string_view actor;
    std::size_t group = 0; // index into TypeHistory::groups
    std::uint64_t began = 0, ended = 0;
    std::uint64_t read_began = 0, read_ended = 0;
    int os_error = 0;
    TypeAct act{};
    const TypeStep* step = nullptr; // where it is a type step
};

// What happened to the groups, in order of time. Two steps of two actors that overlap may
// have taken effect in either order; those that do not overlap may not.
class TypeHistory {
public:
    explicit TypeHistory(const TypeEvidence& evidence);

    const std::vector<TypeGroup>& groups() const { return groups_; }
    // Every write that returned.
    const std::vector<HistoryWrite>& writes() const { return writes_; }

    // Types that the group may have had when the write took effect.
    TypeSet before(const HistoryWrite& write) const;
    // Types that its read-back may show, had it been answered so.
    TypeSet after(const HistoryWrite& write, int os_error) const;
    // .. by the write's own doing, or for want of it.
    TypeSet own(const HistoryWrite& write, int os_error) const;
    // May a driver that owns the group have been bound, and may none have been?
    struct BoundState {
        bool maybe = false, maybe_not = false;
    };
    BoundState bound(const HistoryWrite& write, TypeKernel kernel) const;
    // How many members the group may have had at some time of the write.
    struct MemberCount {
        std::size_t least = 0, most = 0;
        bool surely(std::size_t count) const { return least == count && most == count; }
    };
    MemberCount members(const HistoryWrite& write) const;
    // Had a member been removed by the end of the write?
    bool removed(const HistoryWrite& write) const;
    // May the group have lost its last member between then and the end of the read-back?
    bool emptied(const HistoryWrite& write, std::uint64_t since) const;
    // Was a PCI function reset at some time of the write?
    bool resetting(const HistoryWrite& write) const;
    // Did another actor set the type between its begin and the end of its read-back?
    bool contended(const HistoryWrite& write) const;
    // What other actors did to the group meanwhile, in words, at most 'most'.
    std::vector<std::string> meanwhile(const HistoryWrite& write, std::size_t most) const;

private:
    // Something that set the type: a write that went through, or a new group.
    struct Setting {
        std::uint64_t began = 0, ended = 0;
        TypeSet types = 0;
        const HistoryWrite* write = nullptr;
        bool sure = true; // it happened
    };
    // From then on the group has between so many members.
    struct Crowd {
        std::uint64_t from = 0;
        MemberCount count;
    };
    // What set one group's type: each actor's in order of time, and for all of
    // them the newest begin among those that had ended by then.
    struct GroupTrack {
        TypeSet first = kAnyType;
        std::map<std::string_view, std::vector<Setting>> actors;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> newest; // end, begin
        TypeSet automatic = 0;                                       // what 'auto' was seen to make
        bool falls_back = false;   // DMA-FQ was written and never seen to hold
        std::vector<Crowd> crowds; // in order of time
    };

    std::size_t group_of(const TimedStep& step);
    void take_steps(const TypeEvidence& evidence);
    void take_acts(const TypeRecord& record);
    void take_act(const TypeActor& actor, const TypeAct& act, const TypeGroup& group);
    static void looked(GroupTrack& track, TypeWord found);
    void take_lives(const TypeEvidence& evidence);
    void count_members(const TypeGroup& group, GroupTrack& track) const;
    static void take_births(GroupTrack& track);
    void take_settings();
    void learn();
    bool disturbed(const HistoryWrite& write) const;
    TypeSet effect(const HistoryWrite& write) const;
    TypeSet types_between(const GroupTrack& track, std::uint64_t from, std::uint64_t to,
                          std::uint64_t superseded, const HistoryWrite* without) const;

    std::vector<TypeGroup> groups_;
    std::vector<HistoryWrite> writes_;
    std::vector<TimedStep> others_;           // that wrote no type
    std::vector<GroupTrack> tracks_;          // by group
    std::map<std::string, DeviceLife> lives_; // by device
    std::map<std::string, bool> bound_first_; // by device, as first looked at or audited
    std::set<std::string> managed_first_;
    bool queue_failed_ = false;
};

// What the kernel said of the writes that it refused.
class TypeSentences {
public:
    TypeSentences(const TypeEvidence& evidence, const std::vector<HistoryWrite>& writes);

    // A kernel that gives reasons spoke.
    bool any() const { return any_; }
    bool heard(catalogue::LogHint hint, const HistoryWrite& write) const;
    // It was said as often as the log takes it: it may have been said again without a line.
    bool spent(catalogue::LogHint hint, const HistoryWrite& write) const;
    // It was not said, and would have been heard. What was said before the log begins may
    // have spent the lines of the first seconds.
    bool missing(catalogue::LogHint hint, const HistoryWrite& write) const;
    // One was said that no other write can have been told.
    bool told(const HistoryWrite& write) const { return trusted_ && told_.contains(&write); }

private:
    std::size_t count(catalogue::LogHint hint, std::uint64_t from, std::uint64_t to) const;

    std::map<catalogue::LogHint, std::vector<std::uint64_t>> times_;
    std::set<const HistoryWrite*> told_;
    std::uint64_t since_ = kForever; // the log is known from then on
    bool any_ = false;
    bool trusted_ = false; // the log's clock goes with that of the writes
};

struct TypeJudgement {
    // A write that nothing explains.
    struct Unexplained {
        std::string device; // the first of its group, "" if none is known
        std::string text;
        std::vector<std::string> meanwhile; // what the other actors did
    };
    // A group that was asked to change, and never did.
    struct Refused {
        std::int64_t group = 0;
        std::uint64_t writes = 0;
    };
    TypeTally tally;
    std::vector<std::string> notes;
    std::vector<Unexplained> unexplained;
    std::vector<Refused> refused;
};

TypeJudgement judge_types(const TypeEvidence& evidence);

// What the actors of a [type] table did besides writing and that failed: not what another
// one's doing the same to the same devices explains, nor a bind that was deferred.
std::vector<FailedAct> failed_acts(const TypeRecord& record);

// Two that bind and remove the same devices are in each other's way.
bool in_the_way(int os_error);

// The kernel answered with a success or a refusal; EACCES and the like mean that nothing
// was tried.
bool was_tried(int os_error);
// Writes of the actors of a [type] table that the kernel answered.
std::uint64_t tried_writes(const TypeRecord& record);

} // namespace dmarace::types
