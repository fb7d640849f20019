// SPDX-License-Identifier: GPL-2.0-or-later
// This file remembers which runs have not put the board back yet: one link to
// the run's directory each, in a place that a boot empties, since a boot puts
// the board back better than anybody.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::campaign {

class Pending {
public:
    explicit Pending(std::filesystem::path place = "/run/dmarace/pending")
        : place_(std::move(place)) {}

    // The same directory twice is one entry.
    Status add(const std::filesystem::path& run) const;
    void remove(const std::filesystem::path& run) const;
    // Directories of runs, oldest first.
    std::vector<std::filesystem::path> all() const;

private:
    std::filesystem::path link_of(const std::filesystem::path& run) const;
    std::filesystem::path place_;
};

// Of this boot; "" where the kernel does not say.
std::string boot_id();

} // namespace dmarace::campaign
