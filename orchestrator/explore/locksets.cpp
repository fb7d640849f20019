// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/locksets.hpp"

#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace dmarace::explore {

namespace {

// What tells that a lock was taken: the call, or that it returns 0, or that it does not. Or no
// lock: it sleeps, or may where its second argument says so.
enum class LockCall {
    takes,
    takes_if_zero,
    takes_if_not_zero,
    downgrades,
    releases,
    sleeps,
    sleeps_if_told
};
constexpr std::uint64_t kMayReclaim = 0x400; // __GFP_DIRECT_RECLAIM

struct LockFunction {
    std::string_view name;
    LockCall call;
    bool reads = false;  // others who read may own it as well
    bool is_dma = false; // it is the DMA of a group, which one task may take and another one give

    bool is_lock() const { return call < LockCall::sleeps; }
};

// With lockdep some have another name.
constexpr std::array<LockFunction, 42> kLockFunctions{{
    {"mutex_lock", LockCall::takes},
    {"mutex_lock_nested", LockCall::takes},
    {"_mutex_lock_nest_lock", LockCall::takes},
    {"mutex_lock_io", LockCall::takes},
    {"mutex_lock_io_nested", LockCall::takes},
    {"mutex_lock_interruptible", LockCall::takes_if_zero},
    {"mutex_lock_interruptible_nested", LockCall::takes_if_zero},
    {"mutex_lock_killable", LockCall::takes_if_zero},
    {"mutex_lock_killable_nested", LockCall::takes_if_zero},
    {"_mutex_lock_killable", LockCall::takes_if_zero},
    {"mutex_trylock", LockCall::takes_if_not_zero},
    {"_mutex_trylock_nest_lock", LockCall::takes_if_not_zero},
    {"mutex_unlock", LockCall::releases},
    {"down_read", LockCall::takes, true},
    {"down_read_nested", LockCall::takes, true},
    {"down_read_interruptible", LockCall::takes_if_zero, true},
    {"down_read_killable", LockCall::takes_if_zero, true},
    {"down_read_killable_nested", LockCall::takes_if_zero, true},
    {"down_read_trylock", LockCall::takes_if_not_zero, true},
    {"down_write", LockCall::takes},
    {"down_write_nested", LockCall::takes},
    {"_down_write_nest_lock", LockCall::takes},
    {"down_write_killable", LockCall::takes_if_zero},
    {"down_write_killable_nested", LockCall::takes_if_zero},
    {"down_write_trylock", LockCall::takes_if_not_zero},
    {"downgrade_write", LockCall::downgrades},
    {"up_read", LockCall::releases, true},
    {"up_write", LockCall::releases},
    {"iommu_device_use_default_domain", LockCall::takes_if_zero, true, true},
    {"iommu_device_unuse_default_domain", LockCall::releases, true, true},
    {"iommu_group_claim_dma_owner", LockCall::takes_if_zero, false, true},
    {"iommu_group_release_dma_owner", LockCall::releases, false, true},
    {"iommu_device_claim_dma_owner", LockCall::takes_if_zero, false, true},
    {"iommu_device_release_dma_owner", LockCall::releases, false, true},
    {"wait_for_completion", LockCall::sleeps},
    {"synchronize_srcu", LockCall::sleeps},
    {"synchronize_rcu", LockCall::sleeps},
    {"msleep", LockCall::sleeps},
    {"__kmalloc_cache_noprof", LockCall::sleeps_if_told},
    {"__kmalloc_noprof", LockCall::sleeps_if_told},
    {"kmalloc_trace", LockCall::sleeps_if_told},
    {"__kmalloc", LockCall::sleeps_if_told},
}};

// What it is called where lockdep is off.
std::string_view plain_name(std::string_view name) {
    for (const std::string_view ending : {"_nested", "_nest_lock"})
        if (name.ends_with(ending))
            name.remove_suffix(ending.size());
    if (name.starts_with('_'))
        name.remove_prefix(1);
    return name;
}

// Every mapping of a bound device reads its group and domain.
constexpr std::array<std::string_view, 13> kDmaApi{
    "dma_map_",       "dma_unmap_",     "dma_alloc_",          "dma_free_",       "dma_sync_",
    "__dma_map_",     "dmam_",          "iommu_dma_map",       "iommu_dma_unmap", "iommu_dma_alloc",
    "iommu_dma_free", "iommu_dma_sync", "iommu_get_dma_domain"};

// Memory as such: that of an object which is being made, or of another one where it was.
constexpr std::array<std::string_view, 9> kMemory{
    "memset",      "__memset",     "__pi_memset",     "memcpy",      "__memcpy",
    "__pi_memcpy", "__pi_memmove", "__pi_clear_page", "__arch_copy_"};

// They let go of a spinlock of their caller before they sleep: no proof for those above.
constexpr std::array<std::string_view, 6> kNoProof{"rpm_",          "__rpm_",   "pm_runtime_",
                                                   "__pm_runtime_", "schedule", "__schedule"};

constexpr std::string_view kOwnModule = "dmarace", kReturnsThrough = "dmarace_trampoline";

constexpr std::size_t kTouchesMost = 4000;

bool begins_with_one_of(std::string_view name, const auto& beginnings) {
    return std::ranges::any_of(beginnings, [&](auto one) { return name.starts_with(one); });
}

class Interpreter {
public:
    Interpreter(const SampleNames& names, search::ActRecord& record)
        : names_(names), record_(record) {}

    void take(const board::WatchSample& sample) {
        if (sample.is_probe)
            passed(sample, lock_probes().at(sample.index));
        else
            touched(sample);
    }

private:
    struct OwnedLock {
        std::uint64_t address = 0;
        bool reads = false;
        std::vector<search::Frame> chain;
    };
    struct Task {
        std::vector<OwnedLock> owned, asked;
    };

    // A function without a frame of its own hides who called it, whom the link register has.
    std::vector<search::Frame> chain_of(const board::WatchSample& sample) {
        std::vector<search::Frame> out;
        module_ = false;
        const auto add = [&](std::uint64_t address, bool returns) {
            const auto at = names_.symbols->function_at(returns ? address - 1 : address);
            const bool own = at.module == kOwnModule;
            // What the module waits for the end of returns through it.
            if (own && names_.symbols->function_at(address).name == kReturnsThrough)
                return;
            module_ = module_ || own;
            out.push_back({at.name, at.offset + (returns ? 1 : 0)});
        };
        add(sample.chain.front(), false);
        const auto second = sample.chain.size() > 1 ? sample.chain[1] : 0;
        if (sample.link != 0 && sample.link != second &&
            names_.symbols->function_at(sample.link - 1).name != out.front().function &&
            !names_.symbols->function_at(sample.link - 1).name.starts_with("0x"))
            add(sample.link, true);
        for (std::size_t i = 1; i < sample.chain.size(); ++i)
            add(sample.chain[i], true);
        return out;
    }

    std::string name_of(const OwnedLock& lock) const {
        const auto known = names_.locks.find(lock.address);
        auto name =
            known != names_.locks.end() ? known->second : names_.symbols->named(lock.address);
        if (name.empty())
            name = in_hex(lock.address);
        return lock.reads ? search::owned_for_reading(name) : name;
    }

    void tell(bool taken, const OwnedLock& lock, const board::WatchSample& sample) {
        record_.locks.push_back({taken, name_of(lock), lock.chain, sample.time, sample.task});
    }

    void owns(Task& task, OwnedLock lock, const board::WatchSample& sample) {
        tell(true, lock, sample);
        task.owned.push_back(std::move(lock));
    }

    void passed(const board::WatchSample& sample, const board::FunctionProbe& probe) {
        auto& task = tasks_[sample.task];
        const auto* function =
            std::ranges::find(kLockFunctions, probe.function, &LockFunction::name);
        if (probe.returns) {
            if (task.asked.empty())
                return;
            auto asked = std::move(task.asked.back());
            task.asked.pop_back();
            const bool zero = static_cast<std::uint32_t>(sample.value) == 0;
            if (zero == (function->call == LockCall::takes_if_zero))
                owns(task, std::move(asked), sample);
            return;
        }
        if (function->call == LockCall::sleeps_if_told && (sample.value & kMayReclaim) == 0)
            return;
        OwnedLock lock{sample.value, function->reads, chain_of(sample)};
        if (function->is_dma && function->call == LockCall::releases)
            return gave_dma(std::move(lock), sample);
        if (!function->is_lock())
            return may_sleep(lock.chain);
        if (function->call == LockCall::releases)
            return released(task, std::move(lock), sample);
        if (function->call == LockCall::downgrades)
            return downgraded(task, lock.address);
        if (function->call != LockCall::takes_if_not_zero)
            may_sleep(lock.chain);
        if (function->call == LockCall::takes)
            owns(task, std::move(lock), sample);
        else
            task.asked.push_back(std::move(lock));
    }

    static std::vector<OwnedLock>::iterator own(Task& task, std::uint64_t address) {
        return std::ranges::find(task.owned, address, &OwnedLock::address);
    }

    void released(Task& task, OwnedLock lock, const board::WatchSample& sample) {
        if (const auto found = own(task, lock.address); found != task.owned.end()) {
            lock.reads = found->reads;
            task.owned.erase(found);
        }
        tell(false, lock, sample);
    }

    // Whoever took it: a bind does, and the unbind, by another task, gives it back. What nobody was
    // seen to take was owned from the beginning.
    void gave_dma(OwnedLock lock, const board::WatchSample& sample) {
        for (auto& [number, task] : tasks_)
            if (const auto found = own(task, lock.address); found != task.owned.end()) {
                task.owned.erase(found);
                return tell(false, lock, sample);
            }
        const auto name = name_of(lock);
        for (auto& touch : record_.touches)
            if (touch.task == sample.task)
                touch.locks.push_back(name);
        tell(false, lock, sample);
    }

    static void downgraded(Task& task, std::uint64_t address) {
        if (const auto found = own(task, address); found != task.owned.end())
            found->reads = true;
    }

    void may_sleep(const std::vector<search::Frame>& chain) {
        for (std::size_t i = 1; i < chain.size(); ++i) {
            if (begins_with_one_of(chain[i].function, kNoProof))
                return;
            record_.sleepers.insert(chain[i].function);
        }
    }

    void touched(const board::WatchSample& sample) {
        auto chain = chain_of(sample);
        const bool below = std::ranges::any_of(
            chain, [](const auto& frame) { return begins_with_one_of(frame.function, kDmaApi); });
        if (below || module_ || begins_with_one_of(chain.front().function, kMemory))
            return;
        if (record_.touches.size() >= kTouchesMost) {
            if (!std::exchange(full_, true))
                record_.lost.push_back("more than " + std::to_string(kTouchesMost) + " accesses");
            return;
        }
        search::Touch touch;
        touch.word = names_.words.at(sample.index);
        touch.kind = kind_of(sample.chain.front());
        touch.chain = std::move(chain);
        for (const auto& lock : tasks_[sample.task].owned)
            touch.locks.push_back(name_of(lock));
        touch.time = sample.time;
        touch.task = sample.task;
        record_.touches.push_back(std::move(touch));
    }

    search::Access kind_of(std::uint64_t address) const {
        if (names_.memory == nullptr)
            return search::Access::both;
        const auto code = names_.memory->read(address, 4);
        const auto use =
            code ? board::arm64_memory_use(static_cast<std::uint32_t>(*code)) : board::MemoryUse{};
        if (use.reads == use.writes)
            return search::Access::both;
        return use.writes ? search::Access::write : search::Access::read;
    }

    const SampleNames& names_;
    search::ActRecord& record_;
    std::map<int, Task> tasks_;
    bool module_ = false; // the last chain has a function of dmarace's
    bool full_ = false;   // and it was said
};

// Names of what still runs; an actor of ours has ended.
std::string comm_of(int task) {
    const auto text = read_text("/proc/" + std::to_string(task) + "/comm");
    return text ? first_line(*text) : "";
}

} // namespace

const std::vector<board::FunctionProbe>& lock_probes() {
    static const auto probes = [] {
        std::vector<board::FunctionProbe> out;
        for (const auto& function : kLockFunctions) {
            out.push_back({std::string(function.name), false,
                           function.call == LockCall::sleeps_if_told ? 1U : 0U});
            if (function.call == LockCall::takes_if_zero ||
                function.call == LockCall::takes_if_not_zero)
                out.push_back({std::string(function.name), true, 0});
        }
        return out;
    }();
    return probes;
}

std::vector<std::string> unseen_locks(const std::vector<std::string>& absent) {
    std::set<std::string> out;
    for (const auto& name : absent) {
        const auto plain = plain_name(name);
        const auto* known = std::ranges::find(kLockFunctions, name, &LockFunction::name);
        if (known->is_lock() && !known->is_dma &&
            std::ranges::none_of(kLockFunctions, [&](const auto& function) {
                return plain_name(function.name) == plain &&
                       std::ranges::count(absent, function.name) == 0;
            }))
            out.emplace(plain);
    }
    return {out.begin(), out.end()};
}

void interpret(const board::WatchResult& watched, const SampleNames& names,
               search::ActRecord& record) {
    const auto first = record.touches.size();
    Interpreter interpreter(names, record);
    // Locks of others are nobody's concern, but for what they give back of an act's.
    const auto is_dma = [](const board::WatchSample& sample) {
        return sample.is_probe && std::ranges::any_of(kLockFunctions, [&](const auto& function) {
                   return function.is_dma &&
                          function.name == lock_probes().at(sample.index).function;
               });
    };
    std::set<int> tasks;
    for (const auto& sample : watched.samples)
        if (!sample.is_probe)
            tasks.insert(sample.task);
    for (const auto& sample : watched.samples)
        if (tasks.contains(sample.task) || is_dma(sample))
            interpreter.take(sample);
    std::map<int, std::string> comms;
    for (auto i = first; i < record.touches.size(); ++i) {
        auto& touch = record.touches[i];
        const auto [at, is_new] = comms.try_emplace(touch.task);
        if (is_new)
            at->second = comm_of(touch.task);
        touch.comm = at->second;
    }
    record.lost.insert(record.lost.end(), watched.lost.begin(), watched.lost.end());
}

} // namespace dmarace::explore
