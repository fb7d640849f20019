// SPDX-License-Identifier: GPL-2.0-or-later
// This file follows files that a guest writes and hands on what is new.
#pragma once

#include "base/unique_fd.hpp"

#include <filesystem>
#include <string>

namespace dmarace::vm {

// Copies what is appended to a file to a descriptor. The file may not be there yet.
class Follower {
public:
    Follower(std::filesystem::path file, int to) : file_(std::move(file)), to_(to) {}
    // Copies what is new; true if there was anything.
    bool poll();
    // Ends a line in whose middle the writer died, and says so: what follows is no
    // part of it.
    void writer_died();

private:
    std::filesystem::path file_;
    UniqueFd from_;
    int to_;
    char last_ = '\n'; // of what was copied
};

inline constexpr const char* kCutOff = " [cut off]"; // ends such a line

// The small whole files of the channel; "" when absent.
std::string peek(const std::filesystem::path& file);

} // namespace dmarace::vm
