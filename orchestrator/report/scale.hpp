// SPDX-License-Identifier: GPL-2.0-or-later
// Where on a picture a moment stands. A pause longer than all the rest together is cut short, so
// that what happens around a hang can be seen. Pure.
#pragma once

#include "verdict/timeline.hpp"

#include <vector>

namespace dmarace::report {

class Scale {
public:
    Scale(const verdict::Timeline& timeline, double width);

    double at(std::uint64_t ts) const;
    struct Cut {
        std::uint64_t from, to; // ns
        std::uint64_t shown;    // as long as this
    };
    const std::vector<Cut>& cuts() const { return cuts_; }
    // Moments that an axis names: the first and the last, and what stands about a step apart.
    std::vector<std::uint64_t> ticks(unsigned count) const;

private:
    std::uint64_t shown_until(std::uint64_t ts) const;
    std::uint64_t began_ = 0, ended_ = 0;
    double width_;
    std::vector<Cut> cuts_;
};

} // namespace dmarace::report
