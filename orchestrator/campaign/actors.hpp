// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a plan's actors between arm and disarm. The process that calls
// it owns the control device and makes no call that can wait for a lock of the
// kernel under test.
#pragma once

#include "board/task.hpp"
#include "campaign/survey.hpp"
#include "catalogue/verbs.hpp"
#include "job/job.hpp"
#include "type_hands/hands.hpp"
#include "verdict/verdict.hpp"

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct ActorLimits {
    // A step, or one act of a [type] table, that has not returned after this is
    // stuck once holds are released.
    std::chrono::milliseconds step{60000};
    // The same once another actor was killed in the kernel: what it held stays held.
    std::chrono::milliseconds step_after_oops{10000};
    // .. or, before that, after this, where all that are left wait for another task, none of
    // them woke, and no other task of the machine is at work.
    std::chrono::milliseconds lost{300};
    // How long a stuck actor may take to return after that.
    std::chrono::milliseconds grace{20000};
    // A restore goes on after the first Ctrl-C.
    bool heeds_interrupts = true;
    std::function<Status(const Line&)> held; // told of each hold, if anybody is to be
};

class ActorRunner {
public:
    ActorRunner(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                ActorLimits limits)
        : machine_(machine), progress_(progress), interrupts_(interrupts), limits_(limits) {}

    // Starts one child for each actor; they wait for go.
    // 'seed' is of what the actors of a [type] table draw.
    Status start(const std::vector<job::Actor>& actors, bool holds, std::uint64_t seed = 0);
    // Tells the module which process is which actor. Holds know actors by it.
    Status introduce();
    // Lets the actors go and follows them to their end, relaying signals both
    // ways. 'armed' says whether the module takes signals.
    Status run(verdict::Observed& observed, bool armed);

private:
    struct RunningActor {
        std::string name;
        board::ForkedChild child;
        board::BlockedWatch blocked;
        std::chrono::steady_clock::time_point step_began;
        std::optional<catalogue::Verb> step_verb;
        std::string step_text;
        bool in_step = false;
        bool over = false;
        std::set<std::string> awaits{}; // signals that it waits for and was not told of
        types::TypeLog* log = nullptr;  // of an actor of a [type] table
    };

    Status run_all(verdict::Observed& observed, bool armed);
    Status hear_module(verdict::Observed& observed);
    Status hear(RunningActor& actor, verdict::Observed& observed, bool armed);
    Status ended(RunningActor& actor, verdict::Observed& observed, bool armed);
    Status raise(const std::string& name, bool armed);
    Status look_for_blocked(verdict::Observed& observed, bool armed);
    void free_hopeless();
    void show_types();
    // When what the actor does now began: the step, or the act of a [type] table.
    std::chrono::steady_clock::time_point since(const RunningActor& actor) const;
    std::string act_text(const RunningActor& actor) const;
    bool step_overdue() const;
    bool all_over() const;
    bool all_lost();
    void wait_for_news() const;
    Status give_up(verdict::Observed& observed, bool armed);
    Status serve(verdict::Observed& observed, bool armed);

    Machine& machine_;
    RunProgress& progress_;
    RunInterrupts& interrupts_;
    ActorLimits limits_;
    std::vector<RunningActor> actors_;
    std::unique_ptr<types::TypeMemory> types_;
    std::chrono::steady_clock::time_point shown_;
    std::uint64_t writes_shown_ = 0;
    std::chrono::steady_clock::time_point lease_;
    bool oopsed_ = false; // an actor was killed in the kernel
    std::string asleep_;  // how all that are left sleep, and since when
    std::chrono::steady_clock::time_point asleep_since_;
    bool hopeless_told_ = false;
};

} // namespace dmarace::campaign
