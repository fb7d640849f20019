// SPDX-License-Identifier: GPL-2.0-or-later
#include "types/judge.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

namespace dmarace::types {

namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, kTypeWords> kWords{
    "", "DMA", "DMA-FQ", "identity", "auto", "unmanaged", "blocked", "unknown", "other"};

constexpr std::array<std::string_view, 8> kWhats{"look",   "write",  "unbind", "bind",
                                                 "remove", "rescan", "sriov",  "read"};

auto key(const TypeCell& cell) {
    return std::tie(cell.before, cell.asked, cell.bound, cell.result, cell.after, cell.why);
}

std::uint64_t sum_of(const std::vector<TypeCell>& cells, bool explained) {
    std::uint64_t sum = 0;
    for (const auto& cell : cells)
        sum += cell.explained() == explained ? cell.count : 0;
    return sum;
}

// A write's result, in one of the states that its group may have been in.
struct TypeAttempt {
    TypeWord asked = TypeWord::none;
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

struct AllowedAnswer {
    std::string_view what;
    bool (*allows)(const TypeAttempt&);
    std::string_view note{}; // worth a sentence when this row allowed it; "" if not
};

bool succeeded(const TypeAttempt& w) { return w.os_error == 0; }
bool valid(const TypeAttempt& w) { return may_be_written(w.asked); }
// EBUSY up to 6.3, EPERM since 6.4.
bool refused(const TypeAttempt& w) {
    return (w.os_error == EBUSY || w.os_error == EPERM) && valid(w);
}
bool invalid(const TypeAttempt& w) { return w.os_error == EINVAL && valid(w); }

constexpr auto kAllowed = std::to_array<AllowedAnswer>({
    {"the type asked for",
     [](const TypeAttempt& w) {
         return succeeded(w) && !w.bound && valid(w) && w.asked != TypeWord::automatic;
     }},
    // A driver may be bound or not: the domain stays.
    {"a flush queue brought up on the live domain",
     [](const TypeAttempt& w) {
         return succeeded(w) && w.asked == TypeWord::dma_fq && w.before == TypeWord::dma;
     }},
    {"the driver's or the kernel's default",
     [](const TypeAttempt& w) {
         return succeeded(w) && !w.bound && w.asked == TypeWord::automatic;
     }},
    {"no change",
     [](const TypeAttempt& w) { return succeeded(w) && valid(w) && w.asked == w.before; }},
    {"refused while a driver is bound", [](const TypeAttempt& w) { return refused(w) && w.bound; }},
    {"an unknown word", [](const TypeAttempt& w) { return w.os_error == EINVAL && !valid(w); }},
    {"more than one device in the group",
     [](const TypeAttempt& w) { return invalid(w) && w.group_refuses; },
     "this kernel refuses groups of several devices"},
    {"refused for a driver with driver_managed_dma",
     [](const TypeAttempt& w) { return refused(w) && w.managed; }},
    {"the device cannot have this type",
     [](const TypeAttempt& w) { return invalid(w) && w.word_refused; },
     "the device cannot have this type"},
    {"the IOMMU has no identity domain",
     [](const TypeAttempt& w) { return w.os_error == EOPNOTSUPP && w.asked == TypeWord::identity; },
     "the IOMMU has no identity domain"},
    {"no default domain",
     [](const TypeAttempt& w) { return invalid(w) && !may_be_written(w.before); },
     "the group has no default domain"},
    {"the group is going away",
     [](const TypeAttempt& w) {
         constexpr std::array kGone{ENOENT, ENODEV, EINVAL, EPERM, EBUSY};
         return w.removing && std::ranges::count(kGone, w.os_error) != 0;
     }},
    // A removal ends the group that had the number, and on 6.14 and older a device
    // that came back is in none until it is bound.
    {"the group went away with a removed device",
     [](const TypeAttempt& w) {
         return w.removed && (w.os_error == ENOENT || w.os_error == ENODEV);
     }},
    // The writer saw no group of that number before it wrote either.
    {"there was no such group",
     [](const TypeAttempt& w) { return w.before == TypeWord::none && w.os_error == ENOENT; }},
    // A PCI function under reset keeps its group from changing (since 6.19).
    {"a PCI function is being reset",
     [](const TypeAttempt& w) { return w.os_error == EBUSY && w.resetting; }},
    {"no permission", [](const TypeAttempt& w) { return w.os_error == EACCES; },
     "needs CAP_SYS_ADMIN and CAP_SYS_RAWIO; nothing was tried"},
    {"not written", [](const TypeAttempt& w) { return w.os_error == ECANCELED; }},
});

// The first row that allows the result, or null: it is unexpected.
const AllowedAnswer* allowed(const TypeAttempt& attempt) {
    const auto* row =
        std::ranges::find_if(kAllowed, [&](const auto& known) { return known.allows(attempt); });
    return row == kAllowed.end() ? nullptr : row;
}

constexpr auto kEveryWord = [] {
    std::array<TypeWord, kTypeWords> words{};
    for (unsigned i = 0; i < kTypeWords; ++i)
        words[i] = static_cast<TypeWord>(i);
    return words;
}();

// What holds for a group all through the iteration.
struct GroupSummary {
    bool managed = false; // a driver with driver_managed_dma was bound to a member
    std::size_t devices = 1;
    std::uint64_t writes = 0, accepted = 0; // that asked for another type
    std::map<TypeWord, unsigned> refused;   // EINVAL for a change to this word
    std::map<TypeWord, bool> went_through;
};

class TypeJudge {
public:
    explicit TypeJudge(const TypeEvidence& evidence) : evidence_(evidence), history_(evidence) {}

    TypeJudgement run() {
        gather();
        for (const auto& write : history_.writes())
            judge(write);
        time_writers();
        for (std::size_t i = 0; i < groups_.size(); ++i)
            if (groups_[i].writes > 0 && groups_[i].accepted == 0)
                judgement_.refused.push_back({history_.groups()[i].number, groups_[i].writes});
        return std::move(judgement_);
    }

private:
    void gather() {
        groups_.resize(history_.groups().size());
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            groups_[i].managed =
                std::ranges::count(evidence_.managed, history_.groups()[i].number) != 0;
            groups_[i].devices = std::max<std::size_t>(history_.groups()[i].devices.size(), 1);
        }
        for (const auto& write : history_.writes()) {
            auto& group = groups_[write.group];
            const bool changes = history_.before(write) != set_of(write.act.asked);
            if (may_be_written(write.act.asked) && was_tried(write.os_error) && changes) {
                ++group.writes;
                group.accepted += write.os_error == 0 ? 1 : 0;
            }
            if (write.step != nullptr)
                group.devices = std::max<std::size_t>(group.devices, write.step->devices);
            if (write.os_error == 0 && may_be_written(write.act.asked) && group.devices > 1)
                several_succeeded_ = true;
            if (!changes)
                continue;
            if (write.os_error == 0)
                group.went_through[write.act.asked] = true;
            else if (write.os_error == EINVAL)
                ++group.refused[write.act.asked];
        }
    }

    // The first row that allows the result in one of the possible states.
    const AllowedAnswer* explain(const HistoryWrite& write, TypeSet before,
                                 TypeHistory::BoundState bound) const {
        const auto& group = groups_[write.group];
        const auto refused = group.refused.find(write.act.asked);
        TypeAttempt tried;
        tried.asked = write.act.asked;
        tried.os_error = write.os_error;
        tried.managed =
            group.managed || (write.step != nullptr && write.act.bound == BoundSeen::unknown);
        tried.removing = history_.removing(write);
        tried.removed = history_.removed(write);
        tried.resetting = history_.resetting(write);
        tried.group_refuses = group.devices != 1 && !several_succeeded_;
        tried.word_refused =
            evidence_.type_refused || (!group.went_through.contains(write.act.asked) &&
                                       refused != group.refused.end() && refused->second > 1);
        for (const bool is_bound : {false, true})
            for (const auto word : kEveryWord) {
                if ((before & set_of(word)) == 0 || (is_bound ? !bound.maybe : !bound.maybe_not))
                    continue;
                tried.before = word;
                tried.bound = is_bound;
                if (const auto* row = allowed(tried))
                    return row;
            }
        return nullptr;
    }

    bool read_back_allowed(const HistoryWrite& write) const {
        if (write.act.after == TypeWord::none)
            return write.step != nullptr || write.os_error == ENOENT || history_.removing(write);
        return (history_.after(write) & set_of(write.act.after)) != 0 || history_.removing(write);
    }

    void judge(const HistoryWrite& write) {
        if (write.ended == kForever)
            return; // a hang, if anything
        auto before = history_.before(write);
        if (write.step != nullptr && write.act.before == TypeWord::none)
            before = set_of(TypeWord::none) | kThreeTypes;
        const auto bound = history_.bound(write);
        const auto* row = explain(write, before, bound);
        const bool good = row != nullptr && read_back_allowed(write);
        const auto group = std::to_string(history_.groups()[write.group].number);
        if (good && !row->note.empty())
            note("group " + group + ": " + std::string(row->note));
        const bool fell_back = write.os_error == 0 && write.act.asked == TypeWord::dma_fq &&
                               write.act.after == TypeWord::dma;
        if (good && fell_back && !history_.contended(write) &&
            (history_.before(write) & set_of(TypeWord::dma)) == 0)
            note("group " + group + ": fell back from DMA-FQ to DMA without a word");
        judgement_.tally.add(cell(write, before, bound, good ? row->what : ""));
        if (!good)
            fail(write, before, bound);
    }

    static std::string word_text(TypeSet set, const HistoryWrite& write) {
        if (write.step != nullptr)
            return std::string(to_text(write.act.before));
        for (const auto word : kEveryWord)
            if (set == set_of(word))
                return std::string(to_text(word));
        return "?";
    }

    static std::string bound_text(TypeHistory::BoundState bound) {
        return bound.maybe == bound.maybe_not ? "?" : bound.maybe ? "yes" : "no";
    }

    static std::string result_text(int os_error) {
        if (os_error == 0)
            return "ok";
        const char* name = ::strerrorname_np(os_error);
        return name != nullptr ? name : "errno " + std::to_string(os_error);
    }

    static TypeCell cell(const HistoryWrite& write, TypeSet before, TypeHistory::BoundState bound,
                         std::string_view why) {
        const auto* step = write.step;
        return {.before = word_text(before, write),
                .asked = step != nullptr ? step->word : std::string(to_text(write.act.asked)),
                .bound = bound_text(bound),
                .result = result_text(write.os_error),
                .after = std::string(to_text(write.act.after)),
                .why = std::string(why),
                .count = 1};
    }

    std::string describe(const HistoryWrite& write, TypeSet before,
                         TypeHistory::BoundState bound) const {
        const auto known = cell(write, before, bound, "");
        std::string text = "write '" + known.asked + "' to group " +
                           std::to_string(history_.groups()[write.group].number);
        if (!known.before.empty() && known.before != "?")
            text += " of type " + known.before;
        if (known.bound != "?")
            text += known.bound == "yes" ? ", driver bound" : ", no driver bound";
        text += ": " + std::string(write.os_error == 0 ? "success" : std::strerror(write.os_error));
        if (!known.after.empty())
            text += ", reads back " + known.after;
        return text;
    }

    void fail(const HistoryWrite& write, TypeSet before, TypeHistory::BoundState bound) {
        constexpr std::size_t kOthers = 3, kTold = 6;
        const auto& devices = history_.groups()[write.group].devices;
        TypeJudgement::Unexplained found{.device = devices.empty() ? "" : devices.front(),
                                         .text = describe(write, before, bound),
                                         .meanwhile = {}};
        if (judgement_.unexplained.size() < kTold)
            found.meanwhile = history_.meanwhile(write, kOthers);
        judgement_.unexplained.push_back(std::move(found));
    }

    void note(std::string text) {
        if (std::ranges::find(judgement_.notes, text) == judgement_.notes.end())
            judgement_.notes.push_back(std::move(text));
    }

    // How long the writers of a [type] table wrote, and how often.
    void time_writers() {
        std::uint64_t first = kForever, last = 0;
        for (const auto& actor : evidence_.record.actors)
            for (const auto& act : actor.acts) {
                if (act.what != TypeAct::What::write || act.undo || act.ended == 0)
                    continue;
                first = std::min(first, act.began);
                last = std::max({last, act.ended, act.read});
                ++judgement_.tally.writes;
            }
        if (last > first)
            judgement_.tally.seconds = static_cast<double>(last - first) * 1e-9;
    }

    const TypeEvidence& evidence_;
    TypeHistory history_;
    TypeJudgement judgement_;
    std::vector<GroupSummary> groups_;
    bool several_succeeded_ = false;
};

} // namespace

std::string_view to_text(TypeAct::What what) { return kWhats.at(static_cast<std::size_t>(what)); }

std::optional<TypeAct::What> type_act_from(std::string_view text) {
    return enum_from<TypeAct::What>(kWhats, text);
}

std::string_view to_text(TypeWord word) { return kWords.at(static_cast<std::size_t>(word)); }

TypeWord type_word_from(std::string_view text) {
    return enum_from<TypeWord>(kWords, text).value_or(TypeWord::other);
}

bool may_be_written(TypeWord word) { return word >= TypeWord::dma && word <= TypeWord::automatic; }

void TypeTally::add(const TypeCell& cell) {
    const auto at = std::ranges::lower_bound(
        cells, cell, [](const auto& a, const auto& b) { return key(a) < key(b); });
    if (at != cells.end() && key(*at) == key(cell))
        at->count += cell.count;
    else
        cells.insert(at, cell);
}

void TypeTally::add(const TypeTally& other) {
    for (const auto& cell : other.cells)
        add(cell);
    writes += other.writes;
    seconds += other.seconds;
}

std::uint64_t TypeTally::explained() const { return sum_of(cells, true); }

std::uint64_t TypeTally::unexplained() const { return sum_of(cells, false); }

TypeJudgement judge_types(const TypeEvidence& evidence) { return TypeJudge(evidence).run(); }

namespace {

bool changes_devices(const TypeAct& act) {
    return act.what >= TypeAct::What::unbind && act.what <= TypeAct::What::sriov;
}

// Two that bind and remove the same devices are in each other's way.
bool in_the_way(int os_error) {
    constexpr std::array kInTheWay{ENODEV, ENOENT, EBUSY};
    return std::ranges::count(kInTheWay, os_error) != 0;
}

} // namespace

std::vector<FailedAct> failed_acts(const TypeRecord& record) {
    const bool several = std::ranges::count_if(record.actors, [](const TypeActor& actor) {
                             return std::ranges::any_of(actor.acts, changes_devices);
                         }) > 1;
    std::map<std::tuple<std::string, TypeAct::What, std::string, int>, std::uint64_t> counts;
    for (const auto& actor : record.actors)
        for (const auto& act : actor.acts) {
            if (act.os_error == 0 || act.os_error == EAGAIN || !changes_devices(act) ||
                act.group >= record.groups.size() || (several && in_the_way(act.os_error)))
                continue;
            const auto& devices = record.groups[act.group].devices;
            const auto device = act.device < devices.size() ? devices[act.device] : "";
            ++counts[{actor.name, act.what, device, act.os_error}];
        }
    std::vector<FailedAct> out;
    for (const auto& [key, count] : counts) {
        const auto& [actor, what, device, os_error] = key;
        out.push_back({actor, what, device, os_error, count});
    }
    return out;
}

bool was_tried(int os_error) {
    constexpr std::array kNothingTried{EACCES, ENOENT, ECANCELED, EROFS};
    return std::ranges::count(kNothingTried, os_error) == 0;
}

std::uint64_t tried_writes(const TypeRecord& record) {
    std::uint64_t writes = 0;
    for (const auto& actor : record.actors)
        for (const auto& act : actor.acts)
            if (act.what == TypeAct::What::write && act.ended != 0 && was_tried(act.os_error))
                ++writes;
    return writes;
}

} // namespace dmarace::types
