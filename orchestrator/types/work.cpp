// SPDX-License-Identifier: GPL-2.0-or-later
// The work of the actors of a [type] table: writing types, and what goes on beside it.
#include "base/draw.hpp"
#include "base/duration.hpp"
#include "types/hands.hpp"

#include <algorithm>
#include <thread>

namespace dmarace::types {

namespace {

using std::chrono::microseconds;

// Between two things beside the writers: long enough that they meet both states.
constexpr std::uint64_t kPauseMaxUs = 20'000;
// Readers leave the mutex to others for a moment.
constexpr microseconds kReaderPause{200};

void audit_group(const TypeTools& tools, const InventoryGroup& group) {
    std::vector<std::string> names;
    for (const auto& device : group.devices)
        names.push_back(device.name);
    tools.audit(names);
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
        if (work_.kind == Kind::bind)
            hands_.unbind(group);
        else if (work_.kind == Kind::remove)
            hands_.remove(group);
        else
            hands_.virtual_functions(group, true);
        pause();
        if (work_.kind == Kind::bind)
            hands_.bind(group);
        else if (work_.kind == Kind::remove)
            hands_.rescan(group);
        else
            hands_.virtual_functions(group, false);
        pause();
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
