// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"

#include <array>

namespace dmarace::catalogue {

namespace {

#define DMARACE_ROW(name, text, meaning) FailureRow{FailureKind::name, text, meaning},
constexpr auto kRows = std::to_array<FailureRow>({DMARACE_FAILURE_KINDS(DMARACE_ROW)});
#undef DMARACE_ROW

} // namespace

std::span<const FailureRow> failure_kinds() {
    return kRows;
}

std::string_view to_text(FailureKind kind) {
    return kRows.at(static_cast<std::size_t>(kind)).text;
}

std::optional<FailureKind> failure_kind_from(std::string_view text) {
    for (const auto& row : kRows)
        if (row.text == text)
            return row.kind;
    return std::nullopt;
}

} // namespace dmarace::catalogue
