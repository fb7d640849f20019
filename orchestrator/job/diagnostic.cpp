// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/diagnostic.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

namespace dmarace::job {

namespace {

#define DMARACE_ROW(code, name, why, remedy) CodeRow{Code::code, name, why, remedy},
constexpr auto kRows = std::to_array<CodeRow>({DMARACE_CODES(DMARACE_ROW)});
#undef DMARACE_ROW

bool continues_letter(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// A message quotes what a file holds; on a terminal and in a log it stays one
// line of letters, which somebody can read to its end.
std::string quotable(const std::string& text) {
    constexpr std::size_t kLongest = 1000;
    auto out = printable(text);
    auto end = kLongest;
    while (end < out.size() && continues_letter(out[end]))
        ++end;
    return end < out.size() ? out.substr(0, end) + " .." : out;
}

constexpr std::size_t kWidth = 90;

// The byte of a line at a column, which counts letters from 1.
std::size_t byte_at(const std::string& line, unsigned column) {
    std::size_t at = 0;
    for (unsigned seen = 1; seen < column && at < line.size(); ++seen) {
        ++at;
        while (at < line.size() && continues_letter(line[at]))
            ++at;
    }
    return at;
}

// What of a long line is shown: the part around the column, which becomes the column in it.
std::string part_around(const std::string& line, unsigned& column) {
    constexpr unsigned kBefore = 60;
    constexpr std::size_t kShown = 160;
    if (line.size() <= kShown)
        return line;
    const unsigned left = column > kBefore ? column - kBefore : 0;
    column -= left;
    const auto rest = line.substr(byte_at(line, left + 1));
    return rest.substr(0, byte_at(rest, kShown + 1));
}

bool ends_word(char c) {
    return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == ',' || c == ']' || c == '=' ||
           c == '#';
}

// Blanks up to the place, tabs kept so that the mark stands below its word.
std::string mark(const std::string& line, unsigned column) {
    const std::size_t begin = byte_at(line, column);
    std::string out;
    for (std::size_t i = 0; i < begin; ++i)
        if (!continues_letter(line[i]))
            out += line[i] == '\t' ? '\t' : ' ';
    out += '^';
    for (std::size_t i = begin + 1; i < line.size() && !ends_word(line[i]); ++i)
        if (!continues_letter(line[i]))
            out += '~';
    return out;
}

// Words in lines of at most kWidth letters, each line after 'lead'.
std::string wrapped(std::string_view text, const std::string& lead, const std::string& indent) {
    std::string out, line = lead;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const auto word = text.substr(0, end);
        if (line.size() + 1 + word.size() > kWidth && line != indent) {
            out += line + "\n";
            line = indent;
        } else if (line != indent && !line.ends_with(' ')) {
            line += ' ';
        }
        line += word;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out + line + "\n";
}

} // namespace

std::span<const CodeRow> code_rows() { return kRows; }

const CodeRow& row_of(Code code) { return kRows.at(static_cast<std::size_t>(code)); }

std::optional<Code> code_from(std::string_view name) {
    return enum_from<Code>(code_rows(), name, &CodeRow::name);
}

std::vector<std::string> code_names() { return texts_of(code_rows(), &CodeRow::name); }

std::string to_text(const Diagnostic& diagnostic) {
    const char* level = diagnostic.level == Diagnostic::Level::error ? "error" : "warning";
    return shown(diagnostic.where) + ": " + level + ": " + diagnostic.message;
}

void add_error(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::error, std::move(where), quotable(message), code});
}

void add_warning(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::warning, std::move(where), quotable(message), code});
}

bool has_errors(const Diagnostics& diagnostics) {
    return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
        return diagnostic.level == Diagnostic::Level::error;
    });
}

void sort(Diagnostics& diagnostics) {
    const auto key = [](const Diagnostic& d) { return std::tie(d.where.line, d.where.column); };
    std::stable_sort(diagnostics.begin(), diagnostics.end(),
                     [&](const auto& a, const auto& b) { return key(a) < key(b); });
    const auto same = [](const auto& a, const auto& b) {
        return a.where == b.where && a.message == b.message;
    };
    diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

std::string line_at(const std::string& text, const Place& where) {
    std::size_t begin = 0;
    for (unsigned line = 1; line < where.line; ++line) {
        begin = text.find('\n', begin);
        if (begin == std::string::npos)
            return "";
        ++begin;
    }
    std::string line = text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
    if (line.ends_with('\r'))
        line.pop_back();
    for (auto at = line.find('\xc2'); at != line.npos; at = line.find('\xc2', at + 1))
        if (at + 1 < line.size() && static_cast<unsigned char>(line[at + 1]) < 0xa0)
            line.replace(at, 2, " "); // controls as well
    std::replace_if(
        line.begin(), line.end(),
        [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }, ' ');
    return line;
}

std::string explained(const Diagnostic& diagnostic, const std::string& text) {
    const auto& row = row_of(diagnostic.code);
    std::string out = to_text(diagnostic) + " [" + std::string(row.name) + "]\n";
    auto column = diagnostic.where.column;
    const auto line = part_around(line_at(text, diagnostic.where), column);
    if (!line.empty()) {
        std::string number = std::to_string(diagnostic.where.line);
        number.insert(0, number.size() < 5 ? 5 - number.size() : 0, ' ');
        out += number + " | " + line + "\n" + std::string(number.size(), ' ') + " | " +
               mark(line, column) + "\n";
    }
    return out + wrapped(row.why, "  why: ", "       ") + wrapped(row.remedy, "  do:  ", "       ");
}

std::string code_text(Code code) {
    const auto& row = row_of(code);
    return std::string(row.name) + "\n" + wrapped(row.why, "  why: ", "       ") +
           wrapped(row.remedy, "  do:  ", "       ");
}

} // namespace dmarace::job
