// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/diagnostic.hpp"

#include <algorithm>
#include <tuple>

namespace dmarace::job {

std::string to_text(const Diagnostic& diagnostic) {
    const auto& where = diagnostic.where;
    const char* level = diagnostic.level == Diagnostic::Level::error ? "error" : "warning";
    return where.file + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) +
           ": " + level + ": " + diagnostic.message;
}

void add_error(Diagnostics& diagnostics, Place where, std::string message) {
    diagnostics.push_back({Diagnostic::Level::error, std::move(where), std::move(message)});
}

void add_warning(Diagnostics& diagnostics, Place where, std::string message) {
    diagnostics.push_back({Diagnostic::Level::warning, std::move(where), std::move(message)});
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
