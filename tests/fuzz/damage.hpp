// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes damaged forms of an input: cut off at every byte, and at every
// byte one other byte, once in its place and 200 times before it. Of a long input
// some 300 bytes are taken, from its beginning to its end.
#pragma once

#include <string>

namespace fuzz {

inline constexpr std::size_t kPlaces = 300;

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
