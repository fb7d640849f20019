// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/line.hpp"

#include <charconv>

namespace dmarace {

namespace {

bool needs_quotes(std::string_view value) {
    return value.empty() || value.find_first_of(" \t\"\\") != std::string_view::npos;
}

std::string in_quotes(std::string_view value) {
    std::string out = "\"";
    for (char c : value) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + '"';
}

// Reads one value from the front of text and takes it off.
Result<std::string> take_value(std::string_view& text) {
    std::string value;
    if (text.empty() || text.front() != '"') {
        const auto end = std::min(text.find(' '), text.size());
        value = text.substr(0, end);
        text.remove_prefix(end);
        return value;
    }
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return value;
        }
        if (text[i] == '\\' && i + 1 < text.size())
            ++i;
        value += text[i];
    }
    return fail(Fault::environment, "a quote is not closed");
}

} // namespace

std::optional<std::string> Line::find(std::string_view key) const {
    for (const auto& [name, value] : words)
        if (name == key)
            return value;
    return std::nullopt;
}

std::string Line::get(std::string_view key) const {
    return find(key).value_or("");
}

std::optional<std::int64_t> Line::number(std::string_view key) const {
    const auto value = find(key);
    if (!value || value->empty())
        return std::nullopt;
    std::string_view digits = *value;
    int base = 10;
    if (digits.starts_with("0x")) {
        digits.remove_prefix(2);
        base = 16;
    }
    std::int64_t number = 0;
    const auto [end, ec] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
    if (ec != std::errc{} || end != digits.data() + digits.size())
        return std::nullopt;
    return number;
}

Line& Line::add(std::string key, std::string value) {
    words.emplace_back(std::move(key), std::move(value));
    return *this;
}

Result<Line> parse_line(std::string_view text) {
    Line line;
    const auto verb_end = std::min(text.find(' '), text.size());
    line.verb = text.substr(0, verb_end);
    if (line.verb.empty() || line.verb.find_first_of("=\"") != std::string::npos)
        return fail(Fault::environment, "a line starts with a verb");
    text.remove_prefix(verb_end);
    while (!text.empty()) {
        if (text.front() != ' ')
            return fail(Fault::environment, "words are separated by one space");
        text.remove_prefix(1);
        const auto equals = text.find('=');
        if (equals == 0 || equals == std::string_view::npos)
            return fail(Fault::environment, "a word is key=value");
        std::string key{text.substr(0, equals)};
        if (key.find_first_of(" \"") != std::string::npos)
            return fail(Fault::environment, "a key holds no space and no quote");
        if (line.find(key))
            return fail(Fault::environment, "key '" + key + "' occurs twice");
        text.remove_prefix(equals + 1);
        auto value = take_value(text);
        if (!value)
            return std::unexpected(value.error());
        line.add(std::move(key), *std::move(value));
    }
    return line;
}

std::string to_text(const Line& line) {
    std::string out = line.verb;
    for (const auto& [key, value] : line.words)
        out += " " + key + "=" + (needs_quotes(value) ? in_quotes(value) : value);
    return out;
}

} // namespace dmarace
