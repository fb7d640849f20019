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
    return std::tie(cell.before, cell.asked, cell.bound, cell.result, cell.after, cell.why,
                    cell.reads, cell.read_lost, cell.either);
}

std::uint64_t sum_of(const std::vector<TypeCell>& cells, bool (*counts)(const TypeCell&)) {
    std::uint64_t sum = 0;
    for (const auto& cell : cells)
        sum += counts(cell) ? cell.count : 0;
    return sum;
}

// A write's result, in one of the states that its group may have been in.
struct TypeAttempt {
    TypeWord asked = TypeWord::none;
    int os_error = 0;
    TypeWord before = TypeWord::none;
    TypeKernel kernel = TypeKernel::unknown;
    TypeHistory::MemberCount members{};
    bool lost = false;          // nothing reads back
    bool bound = false;         // a driver that owns the group
    bool managed = false;       // a driver with driver_managed_dma was, or may have been, bound
    bool claimed = false;       // .. and had taken the group for itself
    bool removed = false;       // a member was removed at some time before the write's end
    bool emptying = false;      // the last member may have gone meanwhile
    bool emptied = false;       // .. at some time before the write's end
    bool resetting = false;     // a PCI function was being reset
    bool said = false;          // the log says that a device cannot have the type
    bool never = false;         // this word was refused twice and never went through
    bool identity_held = false; // the group was seen with an identity domain
    bool permitted = false;     // the kernel lets this process write types
};

struct AllowedAnswer {
    std::string_view what;
    bool (*allows)(const TypeAttempt&);
    std::optional<catalogue::LogHint> says{}; // what an early kernel says beside it
    std::string_view note{};                  // worth a sentence when this row allowed it
    bool guess = false;                       // nothing contradicts it, and nobody said it
};

bool succeeded(const TypeAttempt& w) { return w.os_error == 0; }
bool valid(const TypeAttempt& w) { return may_be_written(w.asked); }
bool early(const TypeAttempt& w) { return w.kernel != TypeKernel::late; }
bool late(const TypeAttempt& w) { return w.kernel != TypeKernel::early; }
bool refused(const TypeAttempt& w) {
    return ((w.os_error == EBUSY && early(w)) || (w.os_error == EPERM && late(w))) && valid(w);
}
bool invalid(const TypeAttempt& w) { return w.os_error == EINVAL && valid(w); }
// The kernel does not get to the change where the number of members forbids it.
bool countable(const TypeAttempt& w) {
    return w.members.most > 0 &&
           (w.kernel != TypeKernel::early || (w.members.least <= 1 && w.members.most >= 1));
}

using catalogue::LogHint;

constexpr auto kAllowed = std::to_array<AllowedAnswer>({
    {"no driver is bound",
     [](const TypeAttempt& w) { return succeeded(w) && !w.bound && valid(w) && countable(w); }},
    // A driver may be bound or not: the domain stays.
    {"a flush queue brought up on the live domain",
     [](const TypeAttempt& w) {
         return succeeded(w) && w.asked == TypeWord::dma_fq && w.before == TypeWord::dma &&
                countable(w);
     }},
    // An early kernel counts the members first.
    {"a driver is bound",
     [](const TypeAttempt& w) { return refused(w) && w.bound && countable(w); },
     LogHint::type_bound},
    {"an unknown word", [](const TypeAttempt& w) { return w.os_error == EINVAL && !valid(w); }},
    // Of a group that lost its last one, an early kernel says the same.
    {"not one device in the group",
     [](const TypeAttempt& w) {
         return invalid(w) && w.kernel == TypeKernel::early && !w.members.surely(1);
     },
     LogHint::type_devices, "this kernel refuses groups that are not of one device"},
    {"more than one device in the group, perhaps",
     [](const TypeAttempt& w) {
         return invalid(w) && w.kernel == TypeKernel::unknown && !w.members.surely(1);
     },
     {},
     "this kernel seems to refuse groups that are not of one device",
     true},
    {"a driver with driver_managed_dma is bound",
     [](const TypeAttempt& w) {
         return refused(w) && countable(w) &&
                (w.kernel == TypeKernel::late ? w.claimed : w.managed);
     },
     LogHint::type_bound},
    {"the device cannot have this type",
     [](const TypeAttempt& w) { return invalid(w) && w.said; },
     {},
     "the device cannot have this type"},
    {"the device cannot have this type, perhaps",
     [](const TypeAttempt& w) { return invalid(w) && w.never && late(w); },
     {},
     "it seems that the device cannot have this type, and the kernel does not say so",
     true},
    {"the IOMMU has no identity domain",
     [](const TypeAttempt& w) {
         return w.os_error == EOPNOTSUPP && w.asked == TypeWord::identity && !w.identity_held;
     },
     {},
     "the IOMMU has no identity domain"},
    {"no default domain",
     [](const TypeAttempt& w) { return invalid(w) && !may_be_written(w.before); },
     {},
     "the group has no default domain"},
    {"the group has no member, and no default domain",
     [](const TypeAttempt& w) { return invalid(w) && w.emptying; }},
    {"the group has no member",
     [](const TypeAttempt& w) { return w.os_error == EPERM && late(w) && w.emptying; }},
    {"another device came into the group",
     [](const TypeAttempt& w) {
         return w.os_error == EBUSY && early(w) && w.members.least != w.members.most;
     },
     LogHint::type_changed},
    {"the group is going away",
     [](const TypeAttempt& w) {
         return w.os_error == ENODEV && (w.emptying || (w.emptied && w.lost));
     }},
    // A removal ends the group that had the number, and on 6.14 and older a device
    // that came back is in none until it is bound.
    {"the group went away with a removed device",
     [](const TypeAttempt& w) { return w.removed && w.os_error == ENOENT; }},
    // The writer saw no group of that number before it wrote either.
    {"there was no such group",
     [](const TypeAttempt& w) { return w.before == TypeWord::none && w.os_error == ENOENT; }},
    // A PCI function under reset keeps its group from changing (since 6.19).
    {"a PCI function is being reset",
     [](const TypeAttempt& w) { return w.os_error == EBUSY && w.resetting; }},
    {"no permission",
     [](const TypeAttempt& w) { return w.os_error == EACCES && !w.permitted; },
     {},
     "needs CAP_SYS_ADMIN and CAP_SYS_RAWIO; nothing was tried"},
    {"not written", [](const TypeAttempt& w) { return w.os_error == ECANCELED; }},
});

constexpr auto kEveryWord = [] {
    std::array<TypeWord, kTypeWords> words{};
    for (unsigned i = 0; i < kTypeWords; ++i)
        words[i] = static_cast<TypeWord>(i);
    return words;
}();

// What holds for a group all through the iteration.
struct GroupSummary {
    bool managed = false; // a driver with driver_managed_dma was bound to a member
    bool claimed = false; // .. while somebody owned the group
    bool identity_held = false;
    std::uint64_t writes = 0, accepted = 0; // that asked for another type
    std::map<TypeWord, unsigned> refused;   // EINVAL for a change to this word
    std::map<TypeWord, bool> went_through;
};

class TypeJudge {
public:
    explicit TypeJudge(const TypeEvidence& evidence)
        : evidence_(evidence), history_(evidence), sentences_(evidence, history_.writes()) {}

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
            const auto managed = evidence_.managed.find(history_.groups()[i].number);
            groups_[i].managed = managed != evidence_.managed.end();
            groups_[i].claimed = groups_[i].managed && managed->second;
        }
        std::uint64_t eperm = 0, ebusy = 0;
        for (const auto& write : history_.writes()) {
            auto& group = groups_[write.group];
            const bool changes = history_.before(write) != set_of(write.act.asked);
            if (may_be_written(write.act.asked) && was_tried(write.os_error) && changes) {
                ++group.writes;
                group.accepted += write.os_error == 0 ? 1 : 0;
            }
            permitted_ = permitted_ || write.os_error == 0 || write.os_error == EPERM;
            several_ = several_ || (write.os_error == 0 && may_be_written(write.act.asked) &&
                                    history_.members(write).least > 1);
            eperm += write.os_error == EPERM ? 1U : 0U;
            ebusy += write.os_error == EBUSY && !history_.resetting(write) ? 1U : 0U;
            group.identity_held = group.identity_held || write.act.after == TypeWord::identity;
            if (write.act.after == write.act.asked)
                group.went_through[write.act.asked] = true;
            if (!changes)
                continue;
            if (write.os_error == 0)
                group.went_through[write.act.asked] = true;
            else if (write.os_error == EINVAL)
                ++group.refused[write.act.asked];
        }
        kernel_ = sentences_.any()            ? TypeKernel::early
                  : several_ || eperm > ebusy ? TypeKernel::late
                  : ebusy > eperm             ? TypeKernel::early
                                              : TypeKernel::unknown;
    }

    // What does not depend on the state that the write met.
    TypeAttempt attempt(const HistoryWrite& write, int os_error) const {
        const auto& group = groups_[write.group];
        const auto refused = group.refused.find(write.act.asked);
        TypeAttempt tried;
        tried.asked = write.act.asked;
        tried.os_error = os_error;
        tried.kernel = kernel_;
        tried.members = history_.members(write);
        tried.lost = write.act.after == TypeWord::none;
        const bool unseen = write.step != nullptr && write.act.bound == BoundSeen::unknown;
        tried.managed = group.managed || unseen;
        tried.claimed = group.claimed || unseen;
        tried.removed = history_.removed(write);
        tried.emptying = history_.emptied(write, write.began);
        tried.emptied = history_.emptied(write, 0);
        tried.resetting = history_.resetting(write);
        tried.said = sentences_.heard(LogHint::type_refused, write) ||
                     sentences_.spent(LogHint::type_refused, write);
        tried.never = !group.went_through.contains(write.act.asked) &&
                      refused != group.refused.end() && refused->second > 1;
        tried.identity_held = group.identity_held;
        tried.permitted = permitted_;
        return tried;
    }

    // The first row that allows such an answer in one of the possible states, or null. An
    // early kernel that did not say so had another reason.
    const AllowedAnswer* explain(const HistoryWrite& write, int os_error) const {
        auto tried = attempt(write, os_error);
        const auto before = types_before(write);
        const auto bound = history_.bound(write, kernel_);
        for (const auto& row : kAllowed) {
            if (row.says && kernel_ == TypeKernel::early && sentences_.missing(*row.says, write))
                continue;
            for (const bool is_bound : {false, true})
                for (const auto word : kEveryWord) {
                    if ((before & set_of(word)) == 0 ||
                        (is_bound ? !bound.maybe : !bound.maybe_not))
                        continue;
                    tried.before = word;
                    tried.bound = is_bound;
                    if (row.allows(tried))
                        return &row;
                }
        }
        return nullptr;
    }

    TypeSet types_before(const HistoryWrite& write) const {
        if (write.step != nullptr && write.act.before == TypeWord::none)
            return set_of(TypeWord::none) | kThreeTypes;
        return history_.before(write);
    }

    // Why it reads back what it does, after such an answer; "" when nothing explains it.
    std::string_view read_reason(const HistoryWrite& write, int os_error) const {
        const auto after = set_of(write.act.after);
        if (write.act.after == TypeWord::none)
            return os_error == ENOENT || os_error == ECANCELED ||
                           history_.emptied(write, os_error == ENODEV ? 0 : write.began) ||
                           (write.step != nullptr && write.act.before == TypeWord::none)
                       ? "nothing: there is no such group"
                       : "";
        if ((history_.after(write, os_error) & after) == 0)
            return history_.emptied(write, write.began) ? "the group is going or coming" : "";
        if ((history_.own(write, os_error) & after) == 0)
            return "another write's type";
        if (os_error != 0)
            return "as before";
        if (write.act.asked == TypeWord::automatic)
            return "the driver's or the kernel's default";
        return write.act.asked == write.act.after ? "the type asked for" : "no flush queue came up";
    }

    // The opposite answer would be explained as well, with what reads back. Had the write gone
    // through, nobody could have been told what it alone can have been told.
    bool either_way(const HistoryWrite& write) const {
        if (write.os_error != 0)
            return !sentences_.told(write) && explain(write, 0) != nullptr &&
                   !read_reason(write, 0).empty();
        return std::ranges::any_of(std::array{EPERM, EBUSY, EINVAL}, [&](int os_error) {
            const auto* row = explain(write, os_error);
            return row != nullptr && !row->guess && !read_reason(write, os_error).empty();
        });
    }

    void judge(const HistoryWrite& write) {
        if (write.ended == kForever)
            return; // a hang, if anything
        const auto* row = explain(write, write.os_error);
        auto found = cell(write);
        found.reads = read_reason(write, write.os_error);
        found.read_lost = found.reads.empty();
        if (row != nullptr) {
            found.why = row->what;
            found.either = !found.read_lost && (row->guess || either_way(write));
        }
        if (found.explained())
            note(write, *row);
        else
            fail(write, found);
        judgement_.tally.add(found);
    }

    void note(const HistoryWrite& write, const AllowedAnswer& row) {
        const auto group = "group " + std::to_string(history_.groups()[write.group].number) + ": ";
        if (!row.note.empty())
            note(group + std::string(row.note));
        const bool fell_back = write.os_error == 0 && write.act.asked == TypeWord::dma_fq &&
                               write.act.after == TypeWord::dma;
        if (fell_back && !history_.contended(write) &&
            (history_.before(write) & set_of(TypeWord::dma)) == 0)
            note(group + "fell back from DMA-FQ to DMA without a word");
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

    TypeCell cell(const HistoryWrite& write) const {
        const auto* step = write.step;
        return {.before = word_text(types_before(write), write),
                .asked = step != nullptr ? step->word : std::string(to_text(write.act.asked)),
                .bound = bound_text(history_.bound(write, kernel_)),
                .result = result_text(write.os_error),
                .after = std::string(to_text(write.act.after)),
                .why = "",
                .count = 1};
    }

    std::string describe(const HistoryWrite& write, const TypeCell& known) const {
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

    void fail(const HistoryWrite& write, const TypeCell& known) {
        constexpr std::size_t kOthers = 3, kTold = 6;
        const auto& devices = history_.groups()[write.group].devices;
        TypeJudgement::Unexplained found{.device = devices.empty() ? "" : devices.front(),
                                         .text = describe(write, known),
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
    TypeSentences sentences_;
    TypeJudgement judgement_;
    std::vector<GroupSummary> groups_;
    TypeKernel kernel_ = TypeKernel::unknown;
    bool several_ = false;   // a group of more than one device was changed
    bool permitted_ = false; // to write types at all
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

std::uint64_t TypeTally::explained() const {
    return sum_of(cells, [](const TypeCell& cell) { return cell.explained(); });
}

std::uint64_t TypeTally::unexplained() const {
    return sum_of(cells, [](const TypeCell& cell) { return !cell.explained(); });
}

std::uint64_t TypeTally::either() const {
    return sum_of(cells, [](const TypeCell& cell) { return cell.either; });
}

TypeJudgement judge_types(const TypeEvidence& evidence) { return TypeJudge(evidence).run(); }

namespace {

bool changes_devices(const TypeAct& act) {
    return act.what >= TypeAct::What::unbind && act.what <= TypeAct::What::sriov;
}

} // namespace

bool in_the_way(int os_error) {
    constexpr std::array kInTheWay{ENODEV, ENOENT, EBUSY};
    return std::ranges::count(kInTheWay, os_error) != 0;
}

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
