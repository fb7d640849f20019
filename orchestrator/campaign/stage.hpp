// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a plan's actors between arm and disarm. The process that calls
// it owns the control device and makes no call that can wait for a lock of the
// kernel under test.
#pragma once

#include "board/task.hpp"
#include "campaign/machine.hpp"
#include "campaign/type_memory.hpp"
#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct StageLimits {
    // A step, or one act of a [type] table, that has not returned after this is
    // stuck once holds are released.
    std::chrono::milliseconds step{60000};
    // The same once another actor was killed in the kernel: what it held stays held.
    std::chrono::milliseconds step_after_oops{10000};
    // How long a stuck actor may take to return after that.
    std::chrono::milliseconds grace{20000};
    // Putting the board back goes on after the first Ctrl-C.
    bool heeds_interrupts = true;
};

class Stage {
public:
    Stage(Machine& machine, Progress& progress, Interrupts& interrupts, StageLimits limits)
        : machine_(machine), progress_(progress), interrupts_(interrupts), limits_(limits) {}

    // Starts one child for each actor; they wait for go.
    // 'seed' is of what the actors of a [type] table draw.
    Status prepare(const std::vector<job::Actor>& actors, bool holds, std::uint64_t seed = 0);
    // Tells the module which process is which actor. Holds know actors by it.
    Status introduce();
    // Lets the actors go and follows them to their end, relaying signals both
    // ways. 'armed' says whether the module takes signals.
    Status play(verdict::Observed& observed, bool armed);

private:
    struct Player {
        std::string name;
        board::ForkedChild child;
        board::BlockedWatch blocked;
        std::chrono::steady_clock::time_point step_began;
        std::string step_text;
        bool in_step = false;
        bool over = false;
        std::set<std::string> awaits{}; // signals that it waits for and was not told of
        TypeLog* log = nullptr;         // of an actor of a [type] table
    };

    Status play_all(verdict::Observed& observed, bool armed);
    Status hear_module(verdict::Observed& observed);
    Status hear(Player& player, verdict::Observed& observed, bool armed);
    Status ended(Player& player, verdict::Observed& observed, bool armed);
    Status raise(const std::string& name, bool armed);
    Status look_for_blocked(verdict::Observed& observed, bool armed);
    void free_hopeless();
    void show_types();
    // When what the actor does now began: the step, or the act of a [type] table.
    std::chrono::steady_clock::time_point doing_since(const Player& player) const;
    std::string doing_text(const Player& player) const;
    bool step_overdue() const;
    bool all_over() const;
    void wait_for_news() const;
    Status give_up(verdict::Observed& observed, bool armed);
    Status serve(verdict::Observed& observed, bool armed);

    Machine& machine_;
    Progress& progress_;
    Interrupts& interrupts_;
    StageLimits limits_;
    std::vector<Player> players_;
    std::unique_ptr<TypeMemory> types_;
    std::chrono::steady_clock::time_point shown_;
    std::uint64_t writes_shown_ = 0;
    std::chrono::steady_clock::time_point lease_;
    bool oopsed_ = false; // an actor was killed in the kernel
    bool hopeless_told_ = false;
};

} // namespace dmarace::campaign
