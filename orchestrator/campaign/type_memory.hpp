// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the memory that the actors of a [type] table share with the
// owner: their records, and the word to stop. A record is written in place, so
// it costs no system call, the owner sees what an actor is doing right now, and
// the records of an actor that an oops killed are not lost.
#pragma once

#include "base/error.hpp"
#include "job/job.hpp"
#include "verdict/type_acts.hpp"

#include <atomic>
#include <cstddef>
#include <memory>

namespace dmarace::campaign {

// The records of one actor. Only that actor writes them.
class TypeLog {
public:
    static constexpr std::size_t kMax = 262'144;
    // Kept for putting the groups back.
    static constexpr std::size_t kReserve = 8'192;

    // A new record that has begun, or null when there is no room left.
    verdict::TypeAct* begin(verdict::TypeAct::What what, unsigned group);
    static void end(verdict::TypeAct& act, int os_error);

    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    const verdict::TypeAct& at(std::size_t index) const { return acts_[index]; }
    // When the act that goes on now began, 0 if none does.
    std::uint64_t since() const;

private:
    std::atomic<std::size_t> size_{0};
    verdict::TypeAct acts_[kMax];
};

class TypeMemory {
public:
    // One log for each actor whose step holds work; null when none does.
    static Result<std::unique_ptr<TypeMemory>> make(const std::vector<job::Actor>& actors,
                                                    std::uint64_t seed);
    ~TypeMemory();
    TypeMemory(const TypeMemory&) = delete;
    TypeMemory& operator=(const TypeMemory&) = delete;

    // Null for an actor without work.
    TypeLog* log(std::size_t actor) const;
    std::uint64_t seed() const { return seed_; }

    // Actors: says that this one is ready, and waits until all are.
    void wait_for_all();
    // The owner: an actor died, or all are given up.
    void stop();
    bool stopped() const;
    // A writer is done; nothing goes on beside writers that are gone.
    void writer_done();
    bool writing() const;
    // An actor is done. True for the last one.
    bool last_out();

    // Writes so far, of all writers.
    std::uint64_t writes() const;
    // What an act does, in words.
    std::string text(const verdict::TypeAct& act) const;
    // All records, by actor.
    verdict::TypeRun run() const;

private:
    struct Shared;
    TypeMemory() = default;

    Shared* shared_ = nullptr; // mapped before the actors are forked
    std::size_t bytes_ = 0;
    std::uint64_t seed_ = 0;
    struct Slot {
        std::string name;
        bool writes = false;
        TypeLog* log = nullptr;
    };
    std::vector<Slot> slots_;
    std::vector<verdict::TypeGroup> groups_;
};

} // namespace dmarace::campaign
