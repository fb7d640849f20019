// SPDX-License-Identifier: GPL-2.0-or-later
// vm/matrix.toml: which parts of the suite run on which board with which kernel, and what
// came of it. The matrix command, the board tests and the table in docs/support.md are all
// made from it. Pure but for read_matrix.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// One command on a booted board.
struct MatrixPart {
    std::string name, summary;
    std::string program; // "" for dmarace, else a file below build/ARCH
    std::vector<std::string> command;
    bool quiet = false;              // a warning on the console fails it
    std::vector<std::string> expect; // what its output has to hold
};

// One board with one kernel.
struct MatrixCell {
    std::string kernel, board;
    std::vector<std::string> parts;  // those that run here
    std::vector<std::string> ci;     // of them, those among the default tests
    std::string note;                // what a reader of the table must know
    std::vector<std::string> expect; // what 'quiet' has to show here besides
};

struct Matrix {
    std::vector<MatrixPart> parts;
    std::vector<MatrixCell> cells;
    const MatrixPart* part(std::string_view name) const; // nullptr when there is none
};

// file is only used in messages. Errors are Fault::usage, with the line.
Result<Matrix> parse_matrix(std::string_view text, const std::string& file);
Result<Matrix> read_matrix(const std::filesystem::path& file);

inline constexpr std::string_view kQuiet = "quiet";
// What the output of the part on that board has to hold.
std::vector<std::string> expected(const MatrixPart& part, const MatrixCell& cell);

// The cells for which each word given ("" for any) is the kernel's or board's.
std::vector<MatrixCell> select_cells(const Matrix& matrix, std::string_view kernel,
                                     std::string_view board);

// The table of docs/support.md, in Markdown.
std::string support_table(const Matrix& matrix);

enum class PartEnd { passed, failed, skipped };

struct PartResult {
    PartEnd came = PartEnd::failed;
    std::string why; // "" for one that passed
    long seconds = 0;
};

// What a part left behind: its command's exit code, what the command printed, and
// what the board's kernel said.
struct PartLeft {
    int status = 0;
    std::string_view output, console;
};

PartResult judge(const MatrixPart& part, const MatrixCell& cell, const PartLeft& left);

// 1 when one failed, 4 when none passed, 0 else.
int exit_code(std::span<const PartResult> outcomes);

std::string_view to_text(PartEnd came);

} // namespace dmarace::vm
