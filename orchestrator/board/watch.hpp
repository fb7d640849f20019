// SPDX-License-Identifier: GPL-2.0-or-later
// Who touches a word of the kernel's memory, and who passes a function: hardware watchpoints and
// kprobes by perf_event_open(), on every CPU, with call chains, on one clock. No code of ours
// runs in the kernel, and nothing is held.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dmarace::board {

// The registers that every arm64 core and x86 has; more may be busy or there.
inline constexpr std::size_t kWatchpoints = 4;

struct Watchpoint {
    std::uint64_t address = 0;
    unsigned length = 8; // 1, 2, 4 or 8, aligned to it
    bool writes_only = false;
    bool operator==(const Watchpoint&) const = default;
};

// Its entry, with an argument (0 to 3), or its return, with what it gives.
struct FunctionProbe {
    std::string function;
    bool returns = false;
    unsigned argument = 0;
};

struct WatchSample {
    bool is_probe = false;
    std::size_t index = 0;  // of the watchpoint or the probe
    std::uint64_t time = 0; // CLOCK_MONOTONIC, ns
    int process = 0, task = 0;
    std::uint64_t value = 0;          // of the probe's argument or return
    std::uint64_t link = 0;           // arm64: the link register, for functions without a frame
    std::vector<std::uint64_t> chain; // innermost first: where it was
};

struct WatchResult {
    std::vector<WatchSample> samples; // in order of time
    std::vector<std::string> lost;    // why they are not all
};

class KernelWatch {
public:
    // ring: bytes for each CPU, a power of two. A probe of a function that this kernel lacks is
    // left out and named in absent(). Fault::untestable where perf is not to be had.
    static Result<KernelWatch> open(const std::vector<FunctionProbe>& probes, std::size_t ring);
    const std::vector<std::string>& absent() const { return absent_; }
    // False where perf has no probes of functions at all (CONFIG_KPROBE_EVENTS).
    bool sees_functions() const { return sees_functions_; }
    // The words to be watched from the next start() on, kWatchpoints at most. What was watched
    // before is aimed anew: the kernel takes longer to make a watchpoint than anybody may be held.
    // Fault::untestable where there are none to be had, with the reason.
    Status aim(const std::vector<Watchpoint>& points);
    Status start();
    // Other words from now on: since when, by the clock of the samples.
    Result<std::uint64_t> aim_anew(const std::vector<Watchpoint>& points);
    // What was seen since.
    WatchResult stop();

private:
    struct EventSource {
        UniqueFd fd;
        std::uint64_t id = 0;
        bool is_probe = false;
        std::size_t index = 0;
        Watchpoint point{};  // where it is aimed
        bool wanted = false; // in the points of the last aim()
        bool is_on = false;
    };
    struct Ring {
        UniqueFd fd; // of the event whose pages they are
        Mapped pages;
        unsigned cpu = 0;
    };
    static Status turn(EventSource& source, bool on);
    static Status aim(EventSource& source, const Watchpoint& point);
    Status enable(bool probes);
    void disable(bool probes);
    Status add(const Ring& ring, const Watchpoint& point, std::size_t index);
    Status add(const Ring& ring, std::size_t index, unsigned type, unsigned return_bit);
    Status take(UniqueFd event, const Ring& ring, bool is_probe, std::size_t index);
    void read(const Ring& ring, WatchResult& out) const;
    const EventSource* source_of(std::uint64_t id) const;

    std::vector<FunctionProbe> probes_;
    std::vector<Ring> rings_;
    std::vector<EventSource> sources_;
    std::vector<std::string> absent_;
    bool sees_functions_ = false;
};

// Does the instruction (arm64) read or write memory? Neither: it could not be told.
struct MemoryUse {
    bool reads = false, writes = false;
};
MemoryUse arm64_memory_use(std::uint32_t instruction);

// Bytes of the kernel's memory (/proc/kcore).
class KernelMemory {
public:
    static Result<KernelMemory> open(const std::string& path = "/proc/kcore");
    // An error where there is nothing to be read.
    Result<std::uint64_t> read(std::uint64_t address, unsigned length) const;

private:
    struct Segment {
        std::uint64_t address, size, offset;
    };
    UniqueFd fd_;
    std::vector<Segment> segments_;
};

} // namespace dmarace::board
