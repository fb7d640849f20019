// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel says: its log through /dev/kmsg, and the last words of one that went
// down, which pstore (ramoops, EFI, ERST) or systemd-pstore has kept.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "board/files.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::board {

struct KernelRecord {
    std::uint64_t ts = 0; // us since boot
    int level = 6;        // 0 emergency .. 7 debug
    std::string text;
    std::string device; // BUS/NAME from DEVICE=, "" if none
};

class KernelLog {
public:
    // now: starts after the last record there is. boot: with the oldest that the
    // kernel still has.
    enum class From { now, boot };
    static Result<KernelLog> open(From from = From::now);
    // A log that says nothing and takes nothing, for tests.
    static KernelLog none() { return KernelLog(UniqueFd()); }
    // Writes a record of our own, so that a log read elsewhere (a console, a
    // pstore) shows where the iteration began.
    Status mark(const std::string& text);
    // The records since the last call. A record that was overwritten before it
    // was read is an error: what it said is lost.
    Result<std::vector<KernelRecord>> read_new();

private:
    explicit KernelLog(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

// One record as /dev/kmsg gives it: "prio,seq,us,flags;text\n KEY=value\n..".
KernelRecord parse_kernel_record(std::string_view record);

// The text of every record that is there, those of one dump put together in
// the order of time. Nothing is removed.
std::vector<std::string> last_words(const Files& files);

// The lines after the last one that holds 'mark', at most 'most' of them, from
// the end; empty when no text holds it.
std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most);

} // namespace dmarace::board
