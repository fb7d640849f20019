// SPDX-License-Identifier: GPL-2.0-or-later
// This file draws: the same seed gives the same draws on every machine
// (splitmix64; the standard library's distributions differ between libraries).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dmarace::generate {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15U;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
        return mixed ^ (mixed >> 31);
    }
    // From 'least' to 'most', both included.
    unsigned between(unsigned least, unsigned most) {
        return least + static_cast<unsigned>(next() % (most - least + 1));
    }
    bool chance(unsigned percent) { return between(1, 100) <= percent; }
    template <class T>
    const T& of(const std::vector<T>& list) {
        return list.at(between(0, static_cast<unsigned>(list.size()) - 1));
    }

private:
    std::uint64_t state_;
};

} // namespace dmarace::generate
