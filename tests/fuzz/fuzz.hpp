// SPDX-License-Identifier: GPL-2.0-or-later
// The corpora, for those who replay them.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

// The part of the corpora's file that is for one reader: what stands between
// '===== TARGET' and the next such line.
inline std::string_view part_of(std::string_view all, std::string_view target) {
    constexpr std::string_view kMark = "===== ";
    while (all.starts_with(kMark)) {
        const auto line = all.substr(kMark.size(), all.find('\n') - kMark.size());
        all.remove_prefix(std::min(all.find('\n') + 1, all.size()));
        const auto next = all.find("\n" + std::string(kMark));
        if (line == target)
            return next == all.npos ? all : all.substr(0, next + 1);
        all.remove_prefix(next == all.npos ? all.size() : next + 1);
    }
    return {};
}

// The inputs of a part: what follows each line '##### NAME', or, where there is
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
