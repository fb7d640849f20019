// SPDX-License-Identifier: GPL-2.0-or-later
// The writer of a [type] table.
#include "board/control.hpp"
#include "campaign/settle.hpp"
#include "campaign/type_work.hpp"

#include <algorithm>
#include <utility>

namespace dmarace::campaign {

namespace {

using job::TypeDriver;
using job::TypeOrder;
using verdict::TypeWord;

constexpr std::chrono::milliseconds kSettleLimit{20000};

class Writer {
public:
    Writer(StepContext& context, const job::TypeWork& work, TypeHands& hands)
        : context_(context), work_(work), hands_(hands),
          draw_(context.types->seed() + work.number) {
        for (const auto& type : work.types)
            types_.push_back(verdict::type_word_from(type));
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
    TypeWord drawn() { return types_.at(draw_.below(types_.size())); }

    bool done() const {
        return hands_.out_of_room() || context_.types->stopped() ||
               (work_.count && written_ >= *work_.count) ||
               (work_.duration && monotonic_now() >= deadline_);
    }

    void all_changes(unsigned group) {
        if (work_.order == TypeOrder::sequence) {
            for (std::size_t i = 0; i < types_.size() && !done(); ++i)
                change(group, types_[(i + types_.size() - 1) % types_.size()], types_[i]);
            return;
        }
        for (const auto from : types_)
            for (const auto to : types_)
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
        if (live)
            audit(group);
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
            (void)settle(context_, kSettleLimit);
    }

    // The domain that the driver had at binding has to be there still.
    void audit(unsigned group) {
        auto control = board::open_control();
        if (!control || context_.channel == nullptr)
            return;
        for (const auto& device : hands_.group(group).devices)
            if (const auto audits = board::ask_audit(**control, device.name, true))
                for (const auto& line : *audits)
                    (void)context_.channel->send(line);
    }

    StepContext& context_;
    const job::TypeWork& work_;
    TypeHands& hands_;
    Draw draw_;
    std::vector<TypeWord> types_;
    std::uint64_t deadline_ = 0;
    unsigned written_ = 0;
};

} // namespace

void write_types(StepContext& context, const job::TypeWork& work, TypeHands& hands) {
    Writer(context, work, hands).run();
}

} // namespace dmarace::campaign
