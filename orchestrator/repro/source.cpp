// SPDX-License-Identifier: GPL-2.0-or-later
// Finds a function in the text of a C file of the kernel. No parser: kernel style is enough, where
// a body begins with '{' in the first column, and conditional code may leave braces without mates.
#include "base/text.hpp"
#include "repro/repro.hpp"

#include <algorithm>
#include <cctype>

namespace dmarace::repro {

namespace {

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Where a comment, a literal or a line of the preprocessor ends that begins at 'at'; 'at' if none
// does. lines: only blanks stand before it in its line.
std::size_t end_of_other(std::string_view text, std::size_t at, bool first) {
    const auto behind = [&](std::size_t found, std::size_t size) {
        return found == std::string_view::npos ? text.size() : found + size;
    };
    if (text.substr(at, 2) == "/*")
        return behind(text.find("*/", at + 2), 2);
    if (text.substr(at, 2) == "//")
        return behind(text.find('\n', at), 0);
    if (text[at] == '"' || text[at] == '\'') {
        auto end = at + 1;
        while (end < text.size() && text[end] != text[at] && text[end] != '\n')
            end += text[end] == '\\' ? 2 : 1;
        return std::min(end + 1, text.size());
    }
    if (text[at] == '#' && first) {
        auto end = text.find('\n', at);
        while (end != std::string_view::npos && text[end - 1] == '\\')
            end = text.find('\n', end + 1);
        return behind(end, 0);
    }
    return at;
}

// The same text, as long, with blanks for what is no code.
std::string code_of(const std::string& text) {
    auto out = text;
    bool first = true;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = end_of_other(text, at, first);
        for (auto i = at; i < end; ++i)
            if (out[i] != '\n')
                out[i] = ' ';
        if (end == at) {
            first = text[at] == '\n' || (first && is_space(text[at]));
            ++at;
        } else {
            at = end;
        }
    }
    return out;
}

// The ')' of a '('.
std::size_t mate_of(std::string_view code, std::size_t open) {
    int depth = 0;
    for (auto at = open; at < code.size(); ++at)
        if (depth += code[at] == '(' ? 1 : code[at] == ')' ? -1 : 0; depth == 0)
            return at;
    return std::string_view::npos;
}

std::vector<std::string> parameters_in(std::string_view inside) {
    std::vector<std::string> out;
    std::string one;
    int depth = 0;
    for (const char c : std::string(inside) + ",") {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c != ',' || depth > 0) {
            one += c;
            continue;
        }
        out.push_back(joined(words_in(one), " "));
        one.clear();
    }
    return out;
}

// What stands before a name in a definition is a type; in a body it is something else.
bool after_a_type(std::string_view code, std::size_t name) {
    auto at = name;
    while (at > 0 && is_space(code[at - 1]))
        --at;
    return at > 0 && (in_word(code[at - 1]) || code[at - 1] == '*');
}

} // namespace

std::vector<Definition> definitions_of(const std::string& text, std::string_view function) {
    std::vector<Definition> out;
    if (text.find(function) == std::string::npos)
        return out;
    const auto code = code_of(text);
    for (auto at = code.find(function); at != std::string::npos; at = code.find(function, at + 1)) {
        const auto end = at + function.size();
        const auto open = code.find_first_not_of(" \t\n", end);
        if ((at > 0 && in_word(code[at - 1])) || open == std::string::npos || code[open] != '(' ||
            !after_a_type(code, at))
            continue;
        const auto close = mate_of(code, open);
        const auto brace = code.find_first_of("{};=,", std::min(close, code.size()));
        if (brace == std::string::npos || code[brace] != '{' || code[brace - 1] != '\n')
            continue;
        const auto last = std::min(code.find("\n}", brace), code.size());
        out.push_back(
            {static_cast<unsigned>(
                 std::count(code.begin(), code.begin() + static_cast<long>(brace), '\n') + 1),
             parameters_in(std::string_view(code).substr(open + 1, close - open - 1)),
             joined(words_in(code.substr(close + 1, brace - close - 1)), " "),
             code.substr(brace, last - brace)});
    }
    return out;
}

} // namespace dmarace::repro
