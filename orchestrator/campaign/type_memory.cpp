// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/type_memory.hpp"

#include "campaign/steps.hpp"
#include "job/type_work.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

namespace dmarace::campaign {

namespace {

using std::chrono::milliseconds;

// An actor that is not ready after this is not waited for.
constexpr milliseconds kReadyLimit{20000};

const job::TypeWork* work_of(const job::Actor& actor) {
    for (const auto& step : actor.steps)
        if (step.work)
            return step.work.get();
    return nullptr;
}

std::uint64_t load(const std::uint64_t& value) {
    return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}

} // namespace

struct TypeMemory::Shared {
    std::atomic<unsigned> waiting{0}; // actors that are not ready yet
    std::atomic<unsigned> writing{0}; // writers that are not done
    std::atomic<unsigned> left{0};    // actors that are not done
    std::atomic<bool> stop{false};
};

verdict::TypeAct* TypeLog::begin(verdict::TypeAct::What what, unsigned group) {
    const auto index = size_.load(std::memory_order_relaxed);
    if (index >= kMax)
        return nullptr;
    auto& act = acts_[index];
    act.what = what;
    act.device = verdict::TypeAct::kNoDevice;
    act.group = static_cast<std::uint16_t>(group);
    act.began = monotonic_now();
    size_.store(index + 1, std::memory_order_release);
    return &act;
}

void TypeLog::end(verdict::TypeAct& act, int os_error) {
    act.os_error = os_error;
    __atomic_store_n(&act.ended, monotonic_now(), __ATOMIC_RELEASE);
}

std::uint64_t TypeLog::since() const {
    const auto count = size();
    if (count == 0 || load(acts_[count - 1].ended) != 0)
        return 0;
    return load(acts_[count - 1].began);
}

Result<std::unique_ptr<TypeMemory>> TypeMemory::make(const std::vector<job::Actor>& actors,
                                                     std::uint64_t seed) {
    std::unique_ptr<TypeMemory> memory(new TypeMemory);
    memory->seed_ = seed;
    unsigned count = 0, writers = 0;
    for (const auto& actor : actors) {
        const auto* work = work_of(actor);
        memory->slots_.push_back(
            {actor.name, work != nullptr && work->kind == job::TypeWork::Kind::write, nullptr});
        if (work == nullptr)
            continue;
        ++count;
        writers += memory->slots_.back().writes ? 1U : 0U;
        if (memory->groups_.empty())
            for (const auto& group : *work->groups) {
                memory->groups_.push_back({group.number, {}});
                for (const auto& device : group.devices)
                    memory->groups_.back().devices.push_back(device.name);
            }
    }
    if (count == 0)
        return nullptr;
    const auto head = (sizeof(Shared) + alignof(TypeLog) - 1) / alignof(TypeLog) * alignof(TypeLog);
    memory->bytes_ = head + count * sizeof(TypeLog);
    // Pages come as they are written: most logs stay short.
    void* mapped = ::mmap(nullptr, memory->bytes_, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return fail_errno("cannot map memory for the type writers");
    memory->shared_ = new (mapped) Shared;
    memory->shared_->waiting = memory->shared_->left = count;
    memory->shared_->writing = writers;
    auto* place = static_cast<std::byte*>(mapped) + head;
    for (std::size_t i = 0; i < actors.size(); ++i) {
        if (work_of(actors[i]) == nullptr)
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

TypeLog* TypeMemory::log(std::size_t actor) const {
    return slots_.at(actor).log;
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

std::string TypeMemory::text(const verdict::TypeAct& act) const {
    const auto& group = groups_.at(act.group);
    if (act.what == verdict::TypeAct::What::write)
        return "type " + std::to_string(group.number) + " " +
               std::string(verdict::to_text(act.asked));
    std::string out(verdict::to_text(act.what));
    return out + " " +
           (act.device < group.devices.size() ? group.devices[act.device]
                                              : "group " + std::to_string(group.number));
}

verdict::TypeRun TypeMemory::run() const {
    verdict::TypeRun run;
    run.groups = groups_;
    for (const auto& slot : slots_) {
        if (slot.log == nullptr)
            continue;
        verdict::TypeActor actor{slot.name, slot.writes, {}};
        const auto count = slot.log->size();
        actor.acts.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            actor.acts.push_back(slot.log->at(i));
        run.actors.push_back(std::move(actor));
    }
    return run;
}

} // namespace dmarace::campaign
