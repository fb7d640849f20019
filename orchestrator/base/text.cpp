// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"

namespace dmarace {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

unsigned byte(char c) {
    return static_cast<unsigned char>(c);
}

// Bytes of the UTF-8 character that text begins with, 0 if it is none.
// Overlong forms, surrogates and what lies beyond U+10FFFF are none.
std::size_t utf8_length(std::string_view text) {
    const auto first = byte(text[0]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || text.size() < length)
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(text[i]) & 0xC0) != 0x80)
            return 0;
    const auto second = length > 1 ? byte(text[1]) : 0U;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
        return 0;
    return length;
}

// C0 and C1 controls, DEL, the line and paragraph separators and the marks
// that turn the direction of writing.
bool is_control(std::string_view character) {
    const auto first = byte(character[0]);
    if (character.size() == 1)
        return first < 0x20 || first == 0x7F;
    if (character.size() == 2)
        return first == 0xC2 && byte(character[1]) < 0xA0;
    if (character.size() != 3 || first != 0xE2)
        return false;
    const auto second = byte(character[1]);
    const auto third = byte(character[2]);
    return (second == 0x80 &&
            (third == 0x8E || third == 0x8F || (third >= 0xA8 && third <= 0xAE))) ||
           (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

void append_escaped(std::string& out, std::string_view bytes) {
    for (const char c : bytes)
        if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else
            out += {'\\', 'x', kHex[byte(c) >> 4], kHex[byte(c) & 15]};
}

} // namespace

std::string in_quotes(std::string_view text) {
    return "'" + std::string(text) + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        out += i == 0 ? "" : between;
        out += words[i];
    }
    return out;
}

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto length = utf8_length(text);
        const auto character = text.substr(0, length == 0 ? 1 : length);
        if (length == 0 || is_control(character))
            append_escaped(out, character);
        else
            out += character;
        text.remove_prefix(character.size());
    }
    return out;
}

} // namespace dmarace
