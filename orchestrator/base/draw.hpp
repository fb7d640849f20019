// SPDX-License-Identifier: GPL-2.0-or-later
// Random numbers that are the same on every machine for the same seed (splitmix64;
// the standard library's distributions differ between libraries).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dmarace {

inline constexpr std::uint64_t kDrawStep = 0x9e3779b97f4a7c15U;

// Numbers that lie side by side are far apart afterwards; none is met twice.
constexpr std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

class Draw {
public:
    explicit Draw(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() { return mixed(state_ += kDrawStep); }
    // From 0, without the limit; 0 of none.
    std::uint64_t below(std::uint64_t limit) {
        const auto drawn = next();
        return limit == 0 ? 0 : drawn % limit;
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

} // namespace dmarace
