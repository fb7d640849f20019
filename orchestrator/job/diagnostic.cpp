// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/diagnostic.hpp"

#include <algorithm>
#include <tuple>

namespace dmarace::job {

namespace {

// A message quotes what a file holds; on a terminal and in a log it stays one
// line of letters.
std::string printable(const std::string& text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
            continue;
        }
        out += "\\x";
        out += kDigits[byte >> 4];
        out += kDigits[byte & 0xf];
    }
    return out;
}

} // namespace

std::string to_text(const Diagnostic& diagnostic) {
    const auto& where = diagnostic.where;
    const char* level = diagnostic.level == Diagnostic::Level::error ? "error" : "warning";
    return where.file + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) +
           ": " + level + ": " + diagnostic.message;
}

void add_error(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::error, std::move(where), printable(message), code});
}

void add_warning(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::warning, std::move(where), printable(message), code});
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

} // namespace dmarace::job
