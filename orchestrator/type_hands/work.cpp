// SPDX-License-Identifier: GPL-2.0-or-later
// The work of the actors of a [type] table: writing types, and what goes on beside it; and
// the memory in which they record it.
#include "base/draw.hpp"
#include "base/duration.hpp"
#include "base/text.hpp"
#include "type_hands/hands.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

namespace dmarace::types {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// An actor that is not ready after this is not waited for.
constexpr milliseconds kReadyLimit{20000};

std::uint64_t load(const std::uint64_t& value) { return __atomic_load_n(&value, __ATOMIC_ACQUIRE); }

std::vector<TypeGroup> names_of(const std::vector<InventoryGroup>& groups) {
    std::vector<TypeGroup> out;
    for (const auto& group : groups)
        out.push_back({group.number, group.type, texts_of(group.devices, &GroupMember::name)});
    return out;
}

// Between two things beside the writers: long enough that they meet both states.
constexpr std::uint64_t kPauseMaxUs = 20'000;
// Readers leave the mutex to others for a moment.
constexpr microseconds kReaderPause{200};

void audit_group(const TypeTools& tools, const InventoryGroup& group) {
    tools.audit(texts_of(group.devices, &GroupMember::name));
}

// Changes until all are done, the count is reached or the time is over.
class TypeWriter {
public:
    TypeWriter(const TypeTools& tools, const TypeWork& work, TypeHands& hands)
        : tools_(tools), work_(work), hands_(hands), draw_(tools.memory.seed() + work.number) {
        if (work.duration)
            deadline_ = monotonic_now() + static_cast<std::uint64_t>(work.duration->count());
    }

    void run() {
        const bool again = work_.count || work_.duration;
        do {
            if (work_.order == TypeOrder::random)
                change(work_.mine.at(draw_.below(work_.mine.size())), drawn(), drawn());
            else
                for (const auto group : work_.mine)
                    all_changes(group);
        } while (again && !done());
    }

private:
    TypeWord drawn() { return work_.types.at(draw_.below(work_.types.size())); }

    bool done() const {
        return hands_.out_of_room() || tools_.memory.stopped() ||
               (work_.count && written_ >= *work_.count) ||
               (work_.duration && monotonic_now() >= deadline_);
    }

    void all_changes(unsigned group) {
        const auto& types = work_.types;
        if (work_.order == TypeOrder::sequence) {
            for (std::size_t i = 0; i < types.size() && !done(); ++i)
                change(group, types[(i + types.size() - 1) % types.size()], types[i]);
            return;
        }
        for (const auto from : types)
            for (const auto to : types)
                if (from != to && !done())
                    change(group, from, to);
    }

    void write(unsigned group, TypeWord type) {
        if (work_.count && written_ >= *work_.count)
            return;
        hands_.write(group, type);
        ++written_;
    }

    // In a sequence and at random the type to start from is what there is,
    // but for a live change, where it has to be written unbound.
    void change(unsigned group, TypeWord from, TypeWord to) {
        const bool takes = work_.driver != TypeDriver::keep && hands_.any_binds(group);
        const bool live = work_.driver == TypeDriver::live;
        if (takes)
            hands_.unbind(group);
        if (live || work_.order == TypeOrder::pairs)
            write(group, from);
        if (live)
            bind(group, takes);
        write(group, to);
        // The domain that the driver had at binding has to be there still.
        if (live)
            audit_group(tools_, hands_.group(group));
        else
            bind(group, takes);
    }

    // A driver that goes on probing after bind returned (nvme) has to be done
    // before it is unbound again, where this is the quiet case.
    void bind(unsigned group, bool takes) {
        if (!takes)
            return;
        hands_.bind(group);
        if (work_.alone)
            tools_.settle();
    }

    const TypeTools& tools_;
    const TypeWork& work_;
    TypeHands& hands_;
    Draw draw_;
    std::uint64_t deadline_ = 0;
    unsigned written_ = 0;
};

// What goes on beside the writers, until none is left.
class SideWorker {
public:
    SideWorker(const TypeTools& tools, const TypeWork& work, TypeHands& hands)
        : tools_(tools), work_(work), hands_(hands),
          draw_(~tools.memory.seed() + static_cast<std::uint64_t>(work.kind)) {}

    void run() {
        while (goes_on())
            for (const auto group : work_.mine) {
                if (!goes_on())
                    break;
                once(group);
            }
    }

private:
    bool goes_on() const { return tools_.memory.writing() && !hands_.out_of_room(); }

    void pause() { std::this_thread::sleep_for(microseconds(draw_.below(kPauseMaxUs))); }

    // Whatever is taken away is given back before this returns.
    void once(unsigned group) {
        using Kind = TypeWork::Kind;
        if (work_.kind == Kind::reserved_regions) {
            hands_.read_reserved_regions(group);
            std::this_thread::sleep_for(kReaderPause);
            return;
        }
        for (const bool take : {true, false}) {
            if (work_.kind == Kind::bind)
                take ? hands_.unbind(group) : hands_.bind(group);
            else if (work_.kind == Kind::remove)
                take ? hands_.remove(group) : hands_.rescan(group);
            else
                hands_.virtual_functions(group, take);
            pause();
        }
    }

    const TypeTools& tools_;
    const TypeWork& work_;
    TypeHands& hands_;
    Draw draw_;
};

// Drivers that are to stay are not taken away for this; the run's end does it.
void restore(const TypeWork& work, TypeHands& hands) {
    for (unsigned index = 0; index < work.groups->size(); ++index) {
        const auto type = type_word_from(hands.group(index).type);
        const bool differs = may_be_written(type) && hands.type_of(index) != type;
        const bool keeps = work.driver == TypeDriver::keep && work.alone;
        if (differs && !(keeps && hands.bound(index))) {
            hands.unbind(index, true);
            hands.write(index, type, true);
        }
        if (!keeps)
            hands.bind(index, true);
    }
}

} // namespace

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

void TypeMemory::wait_for_all() {
    --shared_->waiting;
    const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
    while (shared_->waiting > 0 && !stopped() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(milliseconds(1));
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

Result<std::string> do_type_work(const TypeTools& tools, const TypeWork& work) {
    auto* log = tools.memory.log(tools.role);
    if (log == nullptr)
        return std::unexpected(
            Error{Fault::environment, "a [type] table's actor has no memory to write to", EINVAL});
    TypeHands hands(tools.devices, work, *log);
    const bool writes = work.kind == TypeWork::Kind::write;
    // The facts of every device before the first write: what a bound one has to keep.
    if (writes && work.number == 1)
        for (const auto index : work.mine)
            audit_group(tools, work.groups->at(index));
    hands.look();
    tools.memory.wait_for_all();
    if (writes) {
        TypeWriter(tools, work, hands).run();
        tools.memory.writer_done();
    } else {
        SideWorker(tools, work, hands).run();
    }
    if (tools.memory.last_out())
        restore(work, hands);
    return std::to_string(log->size()) + " things done" +
           (hands.out_of_room() ? ", and no room to record more" : "");
}

} // namespace dmarace::types
