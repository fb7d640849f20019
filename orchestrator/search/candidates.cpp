// SPDX-License-Identifier: GPL-2.0-or-later
// From who touched what with which locks to where two acts could meet.
#include "base/hex.hpp"
#include "catalogue/points.hpp"
#include "search/search.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>

namespace dmarace::search {

namespace {

// Two sections of a lock that are further apart belong to two runs.
constexpr std::uint64_t kTogether = 2'000'000'000;
constexpr std::size_t kParksMost = 10;

// As functions are called at which a system call begins.
constexpr std::string_view kSystemCall = "_sys_";

bool writes(const Touch& touch) { return touch.kind != Access::read; }

bool owns(const Touch& touch, const std::string& lock) {
    return std::ranges::count(touch.locks, lock) > 0;
}

bool is_kept_out(const Touch& touch, const std::string& lock) {
    return std::ranges::any_of(touch.locks, [&](const auto& own) { return exclude(own, lock); });
}

// A lock keeps two apart when both own it, one of them to write, and it is one object in both runs.
bool share_lock(const Touch& a, const Touch& b) {
    return std::ranges::any_of(a.locks, [&](const auto& lock) { return is_kept_out(b, lock); });
}

// A byte of several bits: who stores it stores what it loaded of the others.
constexpr std::string_view kFlags = "device.dma_iommu", kBeforeStore = ".rmw";

// What decides how a device's DMA is set up.
bool is_leading(const WatchedWord& word) {
    constexpr std::array<std::string_view, 5> kLeading{
        "device.iommu", "device.iommu_group", "device.driver", "group.default_domain", kFlags};
    return std::ranges::count(kLeading, word.name) > 0;
}

// Of an access without a lock in common.
int rank_of(const WatchedWord& word) {
    return is_leading(word) ? 0 : guard_of(word).empty() ? 2 : 4;
}

// What docs/races.md calls it: a function on either chain, and the word.
struct KnownRace {
    CandidateKind kind;
    std::string_view word, one, other, race;
};
constexpr std::array<KnownRace, 10> kKnown{{
    {CandidateKind::unlocked, "device.iommu_group", "__iommu_probe_device",
     "iommu_device_use_default_domain", "R1f, R1a"},
    {CandidateKind::unlocked, "device.iommu_group", "__iommu_probe_device", "iommu_dma_prepare_msi",
     "R1f"},
    {CandidateKind::left_open, "device.iommu", "__iommu_probe_device", "of_iommu_configure", "R1f"},
    {CandidateKind::unlocked, "device.driver", "__iommu_probe_device", "really_probe", "R4d"},
    {CandidateKind::unlocked, "device.driver", "pci_dma_configure", "really_probe", "R4e"},
    {CandidateKind::unlocked, "device.driver", "amba_dma_configure", "really_probe", "R4e"},
    {CandidateKind::unlocked, "group.default_domain", "iommu_group_store_type",
     "iommu_deinit_device", "R3e"},
    {CandidateKind::unlocked, "device.iommu", "__iommu_probe_device", "iommu_release_device",
     "R4b"},
    {CandidateKind::unlocked, kFlags, "arch_setup_dma_ops", "iommu_setup_dma_ops", "R1e"},
    {CandidateKind::half_way, "iommu_device_list", "iommu_device_register", "driver_find_device",
     "R1b"},
}};

bool passes(const Touch& touch, std::string_view function) {
    return std::ranges::count(touch.chain, function, &Frame::function) > 0;
}

std::string known_race(const Candidate& candidate) {
    const auto fits = [&](const Touch& a, const Touch& b, const KnownRace& known) {
        return passes(a, known.one) && passes(b, known.other);
    };
    for (const auto& known : kKnown)
        if (known.kind == candidate.kind && known.word == candidate.word.name &&
            (fits(candidate.a, candidate.b, known) || fits(candidate.b, candidate.a, known)))
            return std::string(known.race);
    return "";
}

class Parks {
public:
    explicit Parks(const std::set<std::string>& sleepers) : sleepers_(sleepers) {}

    // True: one may be parked there.
    bool add(const std::string& function, bool exit) {
        if (!sleepers_.contains(function))
            return false;
        put(function, exit);
        return true;
    }
    // At the call of a lock that may sleep: so may its caller there.
    void add_call(const std::vector<Frame>& chain) {
        if (chain.size() > 1 && chain[1].offset > 0 && !chain[0].function.contains("trylock"))
            put(chain[1].function, false, chain[1].offset);
    }
    // Between a load and its store: where the table knows the place, else at the store itself, as
    // long as its function, or the one that calls it, was seen to sleep.
    void add_inside(const std::vector<Frame>& chain) {
        const auto& store = chain.front();
        if (const auto point = store.function + std::string(kBeforeStore);
            catalogue::find_point(point))
            put(point, false);
        else if (std::ranges::any_of(chain | std::views::take(2), [&](const auto& frame) {
                     return sleepers_.contains(frame.function);
                 }))
            put(store.function + "+" + in_hex(store.offset), false);
    }
    std::vector<Park> take() { return std::move(list_); }

private:
    void put(const std::string& function, bool exit, std::uint64_t returns = 0) {
        Park park;
        park.function = function;
        park.exit = exit;
        park.returns = returns;
        if (list_.size() < kParksMost && std::ranges::count(list_, park) == 0)
            list_.push_back(std::move(park));
    }

    const std::set<std::string>& sleepers_;
    std::vector<Park> list_;
};

// How many of the functions of the one, from the outermost in, the other is in as well.
std::size_t shared_frames(const std::vector<Frame>& chain, const std::vector<Frame>* other) {
    std::size_t out = 0;
    while (other != nullptr && out < chain.size() && out < other->size() &&
           chain[chain.size() - 1 - out].function == (*other)[other->size() - 1 - out].function)
        ++out;
    return out;
}

// Between two moments of a task: it leaves what only the first is in, and enters what only the
// second is in; and where the second takes a lock, it comes to that call.
void park_between(const std::vector<Frame>& first, const std::vector<Frame>& second, Parks& out,
                  bool locks = false) {
    const auto common = shared_frames(first, &second);
    for (const auto& frame : std::span(first).first(first.size() - common))
        out.add(frame.function, true);
    const auto entered = std::span(second).first(second.size() - common);
    bool is_place = false;
    for (auto at = entered.rbegin(); at != entered.rend(); ++at)
        is_place = out.add(at->function, false) || is_place;
    if (locks && !is_place)
        out.add_call(second);
}

// What the task of an access was seen to do last before it, and first behind it: where it touched
// or locked something.
struct Neighbours {
    const std::vector<Frame>*before = nullptr, *behind = nullptr;
};

Neighbours neighbours_of(const Touch& touch, const ActRecord& record) {
    Neighbours out;
    std::uint64_t last = 0, next = touch.time + kTogether;
    const auto look = [&](const auto& event) {
        if (event.task != touch.task || event.time + kTogether < touch.time)
            return;
        if (event.time < touch.time && event.time >= last) {
            last = event.time;
            out.before = &event.chain;
        } else if (event.time > touch.time && event.time < next) {
            next = event.time;
            out.behind = &event.chain;
        }
    };
    std::ranges::for_each(record.touches, look);
    std::ranges::for_each(record.locks, look);
    return out;
}

// The lock that its task takes next.
const LockStep* next_lock(const Touch& touch, const ActRecord& record) {
    const LockStep* out = nullptr;
    for (const auto& step : record.locks)
        if (step.taken && step.task == touch.task && step.time > touch.time &&
            step.time < touch.time + kTogether && (out == nullptr || step.time < out->time))
            out = &step;
    return out;
}

// From which frame on everything that the task was seen to do before it is in there, and behind it:
// to park at their entries or exits is to do one act after the other.
std::pair<std::size_t, std::size_t> outermost_of(const Touch& touch, const ActRecord& record) {
    std::size_t begins = 0, ends = 0;
    const auto look = [&](const auto& event) {
        if (event.task != touch.task || event.time == touch.time)
            return;
        auto& side = event.time < touch.time ? begins : ends;
        side = std::max(side, touch.chain.size() - shared_frames(touch.chain, &event.chain));
    };
    std::ranges::for_each(record.touches, look);
    std::ranges::for_each(record.locks, look);
    return {begins, ends};
}

// Around one access: the functions that it is in, from the innermost out. Those that were entered
// since the task was last seen are one place at their entries, and those that are left until it is
// seen next are one at their exits: between them nothing happens that anybody could see.
// What is passed only after another act stands for no other place, and comes last: who is parked
// first has nobody before it.
std::vector<Park> parks_around(const Touch& touch, const ActRecord& record,
                               const std::set<std::string>& sleepers,
                               const std::set<std::string>* alone) {
    Parks out(sleepers);
    if (touch.word.name == kFlags && writes(touch))
        out.add_inside(touch.chain);
    const auto near = neighbours_of(touch, record);
    const auto size = touch.chain.size();
    // What was looked at without the lock that is taken next: before that one.
    if (const auto* lock = next_lock(touch, record);
        lock != nullptr && shared_frames(touch.chain, &lock->chain) == size)
        park_between(touch.chain, lock->chain, out, true);
    const std::size_t entered = size - shared_frames(touch.chain, near.before),
                      left = size - shared_frames(touch.chain, near.behind);
    const auto [begins, ends] = outermost_of(touch, record);
    const auto is_passed = [alone](std::string_view function) {
        if (function.ends_with(kBeforeStore))
            function.remove_suffix(kBeforeStore.size());
        function = function.substr(0, function.find('+'));
        return alone == nullptr || alone->contains(std::string(function));
    };
    // Of the first and the last that was seen one place stays: not all is seen.
    const auto is_place = [](std::size_t frame, std::size_t outermost, std::size_t as_one,
                             bool has_one) {
        return (frame < outermost || (outermost == 0 && !has_one)) && (frame >= as_one || !has_one);
    };
    bool has_entry = false, has_exit = false;
    for (std::size_t i = 0; i < size; ++i) {
        const auto& function = touch.chain[i].function;
        if (is_place(i, begins, entered, has_entry))
            has_entry = (out.add(function, false) && is_passed(function)) || has_entry;
        if (is_place(i, ends, left, has_exit))
            has_exit = (out.add(function, true) && is_passed(function)) || has_exit;
    }
    auto list = out.take();
    std::ranges::stable_partition(list, [&](const auto& park) { return is_passed(park.function); });
    return list;
}

using Key = std::tuple<CandidateKind, WatchedWord, std::string, Frame, std::string, Frame>;

Key key_of(const Candidate& candidate) {
    return {candidate.kind,  candidate.word,           candidate.act_a, candidate.a.chain.front(),
            candidate.act_b, candidate.b.chain.front()};
}

// Two calls of the kernel that differ are two: nothing of the first goes on in the second.
bool is_one_call(const std::vector<Frame>& first, const std::vector<Frame>& second) {
    const auto apart = [common = shared_frames(first, &second)](const std::vector<Frame>& chain) {
        return chain.size() > common &&
               chain[chain.size() - 1 - common].function.contains(kSystemCall);
    };
    return !apart(first) && !apart(second);
}

// Of one task: it owned the lock at 'before', then not, then again at 'behind'.
struct Opening {
    std::string lock;
    Touch before, behind;
    LockStep left, taken;
};

std::vector<Opening> openings_of(const ActRecord& record) {
    std::vector<Opening> out;
    for (auto left = record.locks.begin(); left != record.locks.end(); ++left) {
        if (left->taken || !is_known_lock(left->lock))
            continue;
        const auto is_same = [&](const LockStep& step) {
            return step.task == left->task && step.lock == left->lock && step.taken &&
                   step.time - left->time < kTogether && is_one_call(left->chain, step.chain);
        };
        const auto taken = std::find_if(left + 1, record.locks.end(), is_same);
        if (taken == record.locks.end())
            continue;
        // The last access before it was left, and the first once it was taken again.
        const Touch *before = nullptr, *behind = nullptr;
        for (const auto& touch : record.touches) {
            if (touch.task != left->task || !owns(touch, left->lock))
                continue;
            if (touch.time < left->time && left->time - touch.time < kTogether)
                before = &touch;
            else if (touch.time > taken->time && touch.time - taken->time < kTogether &&
                     behind == nullptr && before != nullptr && touch.word.of == before->word.of)
                behind = &touch;
        }
        if (before != nullptr && behind != nullptr)
            out.push_back({left->lock, *before, *behind, *left, *taken});
    }
    return out;
}

class Finder {
public:
    explicit Finder(const std::vector<ActRecord>& as_seen) {
        std::vector<ActRecord> records;
        std::ranges::transform(as_seen, std::back_inserter(records), with_ownership);
        for (const auto& record : records) {
            sleepers_.insert(record.sleepers.begin(), record.sleepers.end());
            if (record.after.empty() && record.lost.empty())
                note_alone(record);
        }
        for (const auto& a : records)
            for (const auto& b : records) {
                if (a.act == b.act)
                    continue;
                if (a.act < b.act)
                    unlocked(a, b);
                left_open(a, b);
                half_way(a, b);
            }
    }

    std::vector<Candidate> take() {
        std::vector<Candidate> out;
        for (auto& [key, candidate] : found_)
            out.push_back(std::move(candidate));
        std::ranges::stable_sort(out, {}, &Candidate::rank);
        return out;
    }

private:
    void unlocked(const ActRecord& a, const ActRecord& b) {
        for (const auto& one : a.touches)
            for (const auto& other : b.touches) {
                if (one.word != other.word || (!writes(one) && !writes(other)) ||
                    share_lock(one, other))
                    continue;
                auto* made = add(CandidateKind::unlocked, a, one, b, other, rank_of(one.word));
                if (made == nullptr)
                    continue;
                made->parks_a = parks_of(one, a);
                made->parks_b = parks_of(other, b);
            }
    }

    void note_alone(const ActRecord& record) {
        auto& functions = alone_[record.act];
        const auto note = [&](const auto& event) {
            for (const auto& frame : event.chain)
                functions.insert(frame.function);
        };
        std::ranges::for_each(record.touches, note);
        std::ranges::for_each(record.locks, note);
    }

    std::vector<Park> parks_of(const Touch& touch, const ActRecord& record) const {
        const auto alone = alone_.find(record.act);
        return parks_around(touch, record, sleepers_,
                            alone == alone_.end() ? nullptr : &alone->second);
    }

    // B comes while A has its lock open.
    void left_open(const ActRecord& a, const ActRecord& b) {
        for (const auto& opening : openings_of(a))
            for (const auto& other : b.touches) {
                const auto& own = opening.behind;
                if (other.word.of != own.word.of || !is_kept_out(other, opening.lock) ||
                    excluded(opening, other) || !conflicts(a, other))
                    continue;
                auto* made = add(CandidateKind::left_open, a, own, b, other, 1);
                if (made == nullptr)
                    continue;
                Parks parks(sleepers_);
                auto last = opening.left.chain;
                for (const auto& touch : a.touches)
                    if (touch.task == opening.left.task && touch.time > opening.left.time &&
                        touch.time < opening.taken.time) {
                        park_between(last, touch.chain, parks);
                        last = touch.chain;
                    }
                park_between(last, opening.taken.chain, parks, true);
                made->parks_a = parks.take();
            }
    }

    // A does something that B's access changes, or that changes what B sees.
    static bool conflicts(const ActRecord& a, const Touch& other) {
        return std::ranges::any_of(a.touches, [&](const auto& one) {
            return one.word == other.word && (writes(one) || writes(other));
        });
    }

    // What A owns all the time, and B as well.
    static bool excluded(const Opening& opening, const Touch& other) {
        return std::ranges::any_of(opening.before.locks, [&](const auto& lock) {
            return lock != opening.lock && owns(opening.behind, lock) && is_kept_out(other, lock);
        });
    }

    void half_way(const ActRecord& a, const ActRecord& b) {
        for (auto first = a.touches.begin(); first != a.touches.end(); ++first)
            for (auto second = first + 1;
                 first->kind == Access::write && second != a.touches.end() &&
                 second->time - first->time < kTogether;
                 ++second) {
                if (first->task != second->task || second->kind != Access::write ||
                    first->word == second->word)
                    continue;
                const auto* one = comes_between(b, *first, *second);
                auto* made =
                    one == nullptr ? nullptr : add(CandidateKind::half_way, a, *second, b, *one, 3);
                if (made == nullptr)
                    continue;
                Parks parks(sleepers_);
                park_between(first->chain, second->chain, parks);
                for (const auto& step : a.locks)
                    if (step.taken && step.task == first->task && step.time > first->time &&
                        step.time < second->time)
                        park_between(first->chain, step.chain, parks, true);
                made->parks_a = parks.take();
            }
    }

    // The access of the first's word of two by which B may see one written and the other not: no
    // lock is around both of A, and both of B.
    static const Touch* comes_between(const ActRecord& b, const Touch& first, const Touch& second) {
        const auto kept_apart = [&](const Touch& one, const Touch& other) {
            return std::ranges::any_of(first.locks, [&](const auto& lock) {
                return owns(second, lock) && is_kept_out(one, lock) && is_kept_out(other, lock);
            });
        };
        for (const auto& one : b.touches)
            for (const auto& other : b.touches)
                if (one.word == first.word && other.word == second.word && !kept_apart(one, other))
                    return &one;
        return nullptr;
    }

    // Nothing where there is such a one already.
    Candidate* add(CandidateKind kind, const ActRecord& a, const Touch& one, const ActRecord& b,
                   const Touch& other, int rank) {
        Candidate candidate;
        candidate.kind = kind;
        candidate.word = one.word;
        candidate.a = one;
        candidate.b = other;
        candidate.act_a = a.act;
        candidate.act_b = b.act;
        candidate.rank = rank;
        candidate.known = known_race(candidate);
        const auto key = key_of(candidate);
        const auto [at, is_new] = found_.try_emplace(key, std::move(candidate));
        return is_new ? &at->second : nullptr;
    }

    std::set<std::string> sleepers_;
    std::map<std::string, std::set<std::string>> alone_; // functions that an act passes by itself
    std::map<Key, Candidate> found_;
};

} // namespace

std::string_view guard_of(const WatchedWord& word) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kGuards{
        {{"iommu_device_list", "iommu_device_lock"}, {"driver.devices", "its klist's k_lock"}}};
    const auto* found =
        std::ranges::find(kGuards, word.name, [](const auto& row) { return row.first; });
    return found == kGuards.end() ? "" : found->second;
}

std::string_view to_text(CandidateKind kind) {
    constexpr std::array<std::string_view, 3> kTexts{"unlocked", "left open", "half-way"};
    return kTexts.at(static_cast<std::size_t>(kind));
}

std::vector<Candidate> candidates(const std::vector<ActRecord>& records) {
    return Finder(records).take();
}

} // namespace dmarace::search
