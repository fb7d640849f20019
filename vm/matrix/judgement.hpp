// SPDX-License-Identifier: GPL-2.0-or-later
// This file says what came of a part of the matrix, and of all of them. Pure.
#pragma once

#include "vm/matrix/matrix.hpp"

#include <span>
#include <string>
#include <string_view>

namespace dmarace::vm {

enum class Came { passed, failed, skipped };

struct PartResult {
    Came came = Came::failed;
    std::string why; // "" for one that passed
    long seconds = 0;
};

// What a part left behind: its command's exit code, what the command printed, and
// what the board's kernel said.
struct Left {
    int status = 0;
    std::string_view output, console;
};

PartResult judge(const Part& part, const Cell& cell, const Left& left);

// 1 when one failed, 4 when none passed, 0 else.
int exit_code(std::span<const PartResult> outcomes);

std::string_view to_text(Came came);

} // namespace dmarace::vm
