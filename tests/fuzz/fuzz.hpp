// SPDX-License-Identifier: GPL-2.0-or-later
// What the fuzz targets and those who replay their corpora share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

inline void require(bool condition) {
    if (!condition)
        std::abort();
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// The inputs of a corpus: what follows each line '##### NAME', or, where there is
// none, one input a line without its end.
inline std::vector<std::string> inputs_of(std::string_view corpus) {
    constexpr std::string_view kMark = "##### ", kCut = " (ends without a newline)";
    const bool named = corpus.starts_with(kMark);
    bool cut = !named;
    std::vector<std::string> out;
    while (!corpus.empty()) {
        const auto end = std::min(corpus.find('\n'), corpus.size() - 1);
        const auto line = corpus.substr(0, end);
        if (!named || line.starts_with(kMark)) {
            if (named && cut && !out.empty())
                out.back().pop_back();
            out.emplace_back(named ? "" : line);
            cut = line.ends_with(kCut);
        } else {
            out.back() += corpus.substr(0, end + 1);
        }
        corpus.remove_prefix(end + 1);
    }
    if (named && cut && !out.empty())
        out.back().pop_back();
    return out;
}

inline constexpr std::size_t kPlaces = 300;

// Damaged forms of an input: cut off at every byte, and at every byte one other
// byte, once in its place and 200 times before it. Of a long input some 300 bytes
// are taken, from its beginning to its end.
template <class Feed>
void damage(const std::string& bytes, Feed feed) {
    for (std::size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / kPlaces) {
        feed(bytes.substr(0, at));
        for (const char c : {'\0', ' ', '"', '\\', '=', ',', '.', '9', 'z', '\xff'}) {
            std::string other = bytes;
            other[at] = c;
            feed(other);
            other.insert(at, 200, c);
            feed(other);
        }
    }
}

} // namespace fuzz
