// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>

namespace dmarace {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

unsigned byte(char c) { return static_cast<unsigned char>(c); }

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

std::string shown(const Place& place) {
    return place.file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string on_one_line(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c == '\n')
            out += "\\n";
        else if (c == '\\')
            out += "\\\\";
        else
            out += c;
    return out;
}

std::string with_newlines(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\\' && i + 1 < text.size())
            out += text[++i] == 'n' ? '\n' : text[i];
        else
            out += text[i];
    return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        out += i == 0 ? "" : between;
        out += words[i];
    }
    return out;
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

std::vector<std::string> lines_in(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        lines.emplace_back(text.substr(0, text.find('\n')));
        text.remove_prefix(std::min(lines.back().size() + 1, text.size()));
    }
    return lines;
}

std::vector<std::string> words_in(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    std::vector<std::string> words;
    for (auto at = text.find_first_not_of(blank); at != std::string_view::npos;) {
        const auto end = std::min(text.find_first_of(blank, at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = text.find_first_not_of(blank, end);
    }
    return words;
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

namespace {

// Longer words are never typed by mistake, and the table below is quadratic.
constexpr std::size_t kLongest = 64;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::size_t common_start(std::string_view a, std::string_view b) {
    const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
    return static_cast<std::size_t>(end - a.begin());
}

} // namespace

std::size_t edit_distance(std::string_view first, std::string_view second) {
    const std::string a = lower(first);
    const std::string b = lower(second);
    std::vector<std::size_t> before_last, last(b.size() + 1), row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        before_last = last;
        last = row;
    }
    return last[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > kLongest)
        return "";
    std::string best;
    std::size_t best_distance = word.size() / 3 + 2;
    for (const auto& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= std::max(word.size(), candidate.size()))
            continue;
        const bool better_start = distance == best_distance && !best.empty() &&
                                  common_start(word, candidate) > common_start(word, best);
        if (distance < best_distance || better_start) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string best = nearest(word, candidates);
    return best.empty() ? "" : "; did you mean '" + best + "'?";
}

std::string hint(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string meant = did_you_mean(word, candidates);
    return meant.empty() ? "; there are: " + joined(candidates, ", ") : meant;
}

namespace {

// Characters, not bytes: the continuation bytes of UTF-8 take no room.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

} // namespace

Columns::Columns(std::vector<std::string> heads) { add(std::move(heads)); }

void Columns::add(std::vector<std::string> row) {
    for (auto& cell : row)
        cell = printable(cell);
    rows_.push_back(std::move(row));
}

std::string Columns::text(const std::string& indent) const {
    std::vector<std::size_t> widths(rows_.empty() ? 0 : rows_.front().size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i)
            widths[i] = std::max(widths[i], width(row[i]));
    std::string out;
    for (const auto& row : rows_) {
        auto line = indent;
        for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
            if (widths[i] > 0)
                line += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

namespace {

bool needs_quotes(std::string_view value) {
    return value.empty() || value.find_first_of(" \t\"\\") != std::string_view::npos;
}

std::string in_double_quotes(std::string_view value) {
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

std::string Line::get(std::string_view key) const { return find(key).value_or(""); }

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
        TRY_AS(auto value, take_value(text));
        line.add(std::move(key), std::move(value));
    }
    return line;
}

std::string to_text(const Line& line) {
    std::string out = line.verb;
    for (const auto& [key, value] : line.words)
        out += " " + key + "=" + (needs_quotes(value) ? in_double_quotes(value) : value);
    return out;
}

} // namespace dmarace
