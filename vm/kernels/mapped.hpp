// SPDX-License-Identifier: GPL-2.0-or-later
// This file is a whole file as memory: for what is only looked at or copied on.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

namespace dmarace::vm {

class Mapped {
public:
    // A regular file; who truncates it meanwhile ends this program with SIGBUS.
    static Result<Mapped> open(const std::filesystem::path& file);
    Mapped(Mapped&& other) noexcept
        : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Mapped& operator=(Mapped&&) = delete;
    ~Mapped();

    std::string_view text() const { return {bytes_, size_}; }

private:
    Mapped(const char* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
    const char* bytes_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace dmarace::vm
