// SPDX-License-Identifier: GPL-2.0-or-later
// What vm/matrix.toml puts among the default tests.
#pragma once

#include "vm/matrix/matrix.hpp"

#include <algorithm>
#include <ostream>
#include <stdexcept>
#include <vector>

namespace dmarace::vm {

inline void PrintTo(const Cell& cell, std::ostream* out) {
    *out << cell.kernel << " on " << cell.board;
}

} // namespace dmarace::vm

namespace dmarace::test {

inline std::vector<vm::Cell> cells_of(const char* part) {
    const auto matrix = vm::read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    if (!matrix)
        throw std::runtime_error(matrix.error().message);
    std::vector<vm::Cell> cells;
    for (const auto& cell : matrix->cells)
        if (std::ranges::count(cell.ci, part) > 0)
            cells.push_back(cell);
    return cells;
}

} // namespace dmarace::test
