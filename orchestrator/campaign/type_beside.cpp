// SPDX-License-Identifier: GPL-2.0-or-later
// What goes on beside the writers of a [type] table.
#include "campaign/type_work.hpp"

#include <thread>

namespace dmarace::campaign {

namespace {

using std::chrono::microseconds;

// Between two things: long enough that writers meet both states.
constexpr std::uint64_t kPauseMaxUs = 20'000;
// Readers leave the mutex to others for a moment.
constexpr microseconds kReaderPause{200};

class Beside {
public:
    Beside(StepContext& context, const job::TypeWork& work, TypeHands& hands)
        : context_(context), work_(work), hands_(hands),
          draw_(~context.types->seed() + static_cast<std::uint64_t>(work.kind)) {}

    void run() {
        while (goes_on())
            for (const auto group : work_.mine) {
                if (!goes_on())
                    break;
                once(group);
            }
    }

private:
    bool goes_on() const { return context_.types->writing() && !hands_.out_of_room(); }

    void pause() { std::this_thread::sleep_for(microseconds(draw_.below(kPauseMaxUs))); }

    // Whatever is taken away is given back before this returns.
    void once(unsigned group) {
        using Kind = job::TypeWork::Kind;
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

    StepContext& context_;
    const job::TypeWork& work_;
    TypeHands& hands_;
    Draw draw_;
};

} // namespace

void work_beside(StepContext& context, const job::TypeWork& work, TypeHands& hands) {
    Beside(context, work, hands).run();
}

} // namespace dmarace::campaign
