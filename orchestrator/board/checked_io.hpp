// SPDX-License-Identifier: GPL-2.0-or-later
// Does I/O on a device and checks every byte that comes back: on a
// disk that holds no data of anybody, or between two NICs that are wired to
// each other. For actors only.
#pragma once

#include "board/files.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace dmarace::board {

// What came of it.
struct IoEnd {
    std::uint64_t sent = 0;    // blocks or frames written
    std::uint64_t checked = 0; // .. read back and compared
    std::uint64_t bytes = 0;   // compared
    std::uint64_t wrong = 0;   // .. that differed
    std::string trouble;       // the first wrong one, or why I/O failed; "" if neither

    std::string text() const;
    // 0; EILSEQ when a byte was wrong; EIO when I/O failed; ENODATA when nothing
    // was compared.
    int os_error() const;
};

class IoPath;

class CheckedIo {
public:
    // One device is a disk, two are NICs; by their names on their bus.
    static Result<std::unique_ptr<CheckedIo>> start(const Files& files,
                                                    const std::vector<std::string>& devices);
    ~CheckedIo();
    CheckedIo(const CheckedIo&) = delete;
    CheckedIo& operator=(const CheckedIo&) = delete;

    IoEnd stop();

private:
    explicit CheckedIo(std::unique_ptr<IoPath> path);
    void run();

    std::unique_ptr<IoPath> path_;
    std::atomic<bool> stop_{false};
    IoEnd end_;
    std::thread thread_;
};

} // namespace dmarace::board
