// SPDX-License-Identifier: GPL-2.0-or-later
// This file orders what happened to IOMMU groups in time, so that a write to a
// type can be judged by what may have been true while it ran: which types the
// group may have had, whether a driver may have been bound, whether a member
// was being removed. Two steps of two actors that overlap may have taken effect
// in either order; those that do not overlap may not. Pure.
#pragma once

#include "verdict/facts.hpp"
#include "verdict/type_acts.hpp"
#include "verdict/type_lives.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::verdict {

// A set of TypeWords, one bit each.
using TypeSet = unsigned;
constexpr TypeSet set_of(TypeWord word) {
    return 1U << static_cast<unsigned>(word);
}
inline constexpr TypeSet kThreeTypes =
    set_of(TypeWord::dma) | set_of(TypeWord::dma_fq) | set_of(TypeWord::identity);
inline constexpr TypeSet kAnyType = kThreeTypes | set_of(TypeWord::other);

// A write, from a type step or from an actor of a [type] table.
struct HistoryWrite {
    std::string_view actor;
    std::size_t group = 0; // index into TypeHistory::groups
    std::uint64_t began = 0, ended = 0;
    std::uint64_t read_began = 0, read_ended = 0;
    int os_error = 0;
    TypeWord asked = TypeWord::none, after = TypeWord::none;
    TypeWord before = TypeWord::none; // as far as its own actor knew
    std::optional<bool> bound{};      // looked at by the writer itself, just before
    const StepResult* step = nullptr; // where it is a type step
};

class TypeHistory {
public:
    explicit TypeHistory(const Facts& facts);

    const std::vector<TypeGroup>& groups() const { return groups_; }
    // Every write that returned, those of type steps first.
    const std::vector<HistoryWrite>& writes() const { return writes_; }

    // Types that the group may have had when the write took effect.
    TypeSet before(const HistoryWrite& write) const;
    // Types that its read-back may show.
    TypeSet after(const HistoryWrite& write) const;
    // May a driver that owns the group have been bound, and may none have been?
    struct Bound {
        bool maybe = false, maybe_not = false;
    };
    Bound bound(const HistoryWrite& write) const;
    // Was a member away, going or coming at some time of the write?
    bool removing(const HistoryWrite& write) const;
    // Had a member been removed by the end of the write?
    bool removed(const HistoryWrite& write) const;
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
    };
    // What set one group's type: each actor's in order of time, and for all of
    // them the newest begin among those that had ended by then.
    struct Line {
        TypeSet first = kAnyType;
        std::map<std::string_view, std::vector<Setting>> actors;
        std::vector<std::pair<std::uint64_t, std::uint64_t>> newest; // end, begin
        TypeSet automatic = 0;                                       // what 'auto' was seen to make
        bool falls_back = false; // DMA-FQ was written and never seen to hold
    };

    std::size_t group_of(const StepResult& step);
    void take_steps(const Facts& facts);
    void take_acts(const TypeRun& run);
    void take_act(const TypeActor& actor, const TypeAct& act, const TypeGroup& group);
    static void looked(Line& line, TypeWord found);
    void take_audits(const std::vector<Audit>& audits);
    void take_lives(const Facts& facts);
    void take_settings();
    void learn();
    bool disturbed(const HistoryWrite& write) const;
    TypeSet effect(const HistoryWrite& write) const;
    TypeSet types_between(const Line& line, std::uint64_t from, std::uint64_t to,
                          std::uint64_t superseded, const HistoryWrite* without) const;

    std::vector<TypeGroup> groups_;
    std::vector<HistoryWrite> writes_;
    std::vector<Doing> doings_;
    std::vector<Line> lines_;                 // by group
    std::map<std::string, Life> lives_;       // by device
    std::map<std::string, bool> first_bound_; // by device, as first looked at or audited
    bool queue_failed_ = false;               // the log says that a flush queue could not be made
};

} // namespace dmarace::verdict
