// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "types/hands.hpp"

#include <sys/mman.h>

#include <chrono>
#include <new>
#include <thread>

namespace dmarace::types {

namespace {

using std::chrono::milliseconds;

// An actor that is not ready after this is not waited for.
constexpr milliseconds kReadyLimit{20000};

std::uint64_t load(const std::uint64_t& value) {
    return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}

std::vector<TypeGroup> names_of(const std::vector<InventoryGroup>& groups) {
    std::vector<TypeGroup> out;
    for (const auto& group : groups) {
        out.push_back({.number = group.number, .type = group.type});
        for (const auto& device : group.devices)
            out.back().devices.push_back(device.name);
    }
    return out;
}

} // namespace

struct TypeMemory::SharedCounts {
    std::atomic<unsigned> waiting{0}; // actors that are not ready yet
    std::atomic<unsigned> writing{0}; // writers that are not done
    std::atomic<unsigned> left{0};    // actors that are not done
    std::atomic<bool> stop{false};
};

TypeAct* TypeLog::begin(TypeAct::What what, unsigned group) {
    const auto index = size_.load(std::memory_order_relaxed);
    if (index >= kMax)
        return nullptr;
    auto& act = acts_[index];
    act.what = what;
    act.device = TypeAct::kNoDevice;
    act.group = static_cast<std::uint16_t>(group);
    act.began = monotonic_now();
    size_.store(index + 1, std::memory_order_release);
    return &act;
}

void TypeLog::end(TypeAct& act, int os_error) {
    act.os_error = os_error;
    __atomic_store_n(&act.ended, monotonic_now(), __ATOMIC_RELEASE);
}

std::uint64_t TypeLog::since() const {
    const auto count = size();
    if (count == 0 || load(acts_[count - 1].ended) != 0)
        return 0;
    return load(acts_[count - 1].began);
}

Result<std::unique_ptr<TypeMemory>> TypeMemory::make(const std::vector<TypeRole>& roles,
                                                     std::uint64_t seed) {
    std::unique_ptr<TypeMemory> memory(new TypeMemory);
    memory->seed_ = seed;
    unsigned count = 0, writers = 0;
    for (const auto& role : roles) {
        const bool writes = role.work && role.work->kind == TypeWork::Kind::write;
        memory->slots_.push_back({role.name, writes, nullptr});
        if (!role.work)
            continue;
        ++count;
        writers += writes ? 1U : 0U;
        if (memory->groups_.empty())
            memory->groups_ = names_of(*role.work->groups);
    }
    if (count == 0)
        return nullptr;
    const auto head =
        (sizeof(SharedCounts) + alignof(TypeLog) - 1) / alignof(TypeLog) * alignof(TypeLog);
    memory->bytes_ = head + count * sizeof(TypeLog);
    // Pages come as they are written: most logs stay short.
    void* mapped = ::mmap(nullptr, memory->bytes_, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return fail_errno("cannot map memory for the type writers");
    memory->shared_ = new (mapped) SharedCounts;
    memory->shared_->waiting = memory->shared_->left = count;
    memory->shared_->writing = writers;
    auto* place = static_cast<std::byte*>(mapped) + head;
    for (std::size_t i = 0; i < roles.size(); ++i) {
        if (!roles[i].work)
            continue;
        // Fresh pages are zero, as an empty log is; a constructor would touch all.
        memory->slots_[i].log = reinterpret_cast<TypeLog*>(place);
        place += sizeof(TypeLog);
    }
    return memory;
}

TypeMemory::~TypeMemory() {
    if (shared_ != nullptr)
        ::munmap(static_cast<void*>(shared_), bytes_);
}

TypeLog* TypeMemory::log(std::size_t role) const {
    return slots_.at(role).log;
}

void TypeMemory::wait_for_all() {
    --shared_->waiting;
    const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
    while (shared_->waiting > 0 && !stopped() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds(1));
}

void TypeMemory::stop() {
    shared_->stop = true;
}

bool TypeMemory::stopped() const {
    return shared_->stop;
}

void TypeMemory::writer_done() {
    --shared_->writing;
}

bool TypeMemory::writing() const {
    return shared_->writing > 0 && !stopped();
}

bool TypeMemory::last_out() {
    return --shared_->left == 0;
}

std::uint64_t TypeMemory::writes() const {
    std::uint64_t sum = 0;
    for (const auto& slot : slots_)
        if (slot.log != nullptr && slot.writes)
            sum += slot.log->size();
    return sum;
}

std::string TypeMemory::text(const TypeAct& act) const {
    const auto& group = groups_.at(act.group);
    if (act.what == TypeAct::What::write)
        return "type " + std::to_string(group.number) + " " + std::string(to_text(act.asked));
    std::string out(to_text(act.what));
    return out + " " +
           (act.device < group.devices.size() ? group.devices[act.device]
                                              : "group " + std::to_string(group.number));
}

TypeRecord TypeMemory::record() const {
    TypeRecord record;
    record.groups = groups_;
    for (const auto& slot : slots_) {
        if (slot.log == nullptr)
            continue;
        TypeActor actor{slot.name, slot.writes, {}};
        const auto count = slot.log->size();
        actor.acts.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            actor.acts.push_back(slot.log->at(i));
        record.actors.push_back(std::move(actor));
    }
    return record;
}

} // namespace dmarace::types
