// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/matrix/matrix.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace::vm;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kGood = R"([[part]]
name = "p"
summary = "s"
command = ["audit"]
[[cell]]
kernel = "debian:1"
board = "b"
parts = ["p"]
ci = ["p"]
note = "n"
)";

std::string error_of(const std::string& what, const std::string& with) {
    std::string text = kGood;
    text.replace(text.find(what), what.size(), with);
    const auto matrix = parse_matrix(text, "m.toml");
    return matrix ? "no error" : matrix.error().message;
}

TEST(VmMatrix, ReadsPartsAndCells) {
    const auto matrix = parse_matrix(kGood, "m.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    ASSERT_TRUE(matrix->part("p"));
    EXPECT_EQ(matrix->cells.at(0).board, "b");
    EXPECT_EQ(support_table(*matrix), "| kernel | board | parts | remarks |\n|---|---|---|---|\n"
                                      "| `debian:1` | `b` | p* | n |\n"
                                      "\n| part | is |\n|---|---|\n| p | s |\n");
}

TEST(VmMatrix, MistakesAreToldWithTheirPlace) {
    EXPECT_THAT(error_of("parts = [\"p\"]", "parts = [\"q\"]"), HasSubstr("m.toml:5:"));
    EXPECT_THAT(error_of("parts = [\"p\"]", "parts = []"), HasSubstr("in ci and not in parts"));
    EXPECT_THAT(error_of("note", "notes"), HasSubstr("unknown key 'notes'"));
    EXPECT_THAT(error_of("command = [\"audit\"]", ""), HasSubstr("'command' is missing"));
}

// A boot that shows nothing is no quiet boot.
TEST(VmMatrix, TheQuietPartHasToShowWhatItsBoardHas) {
    std::string text = kGood;
    text.replace(text.find("name = \"p\""), 10, "name = \"quiet\"\nexpect = [\"all\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    const auto matrix = parse_matrix(text + "expect = [\"own\"]\n", "m.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    EXPECT_EQ(expected(matrix->parts.at(0), matrix->cells.at(0)),
              (std::vector<std::string>{"all", "own"}));
}

TEST(VmMatrix, CellsAreSelectedByKernelAndBoard) {
    const auto matrix = parse_matrix(kGood, "m.toml");
    EXPECT_EQ(select_cells(*matrix, "", "").size(), 1U);
    EXPECT_EQ(select_cells(*matrix, "debian:1", "b").size(), 1U);
    EXPECT_TRUE(select_cells(*matrix, "debian:2", "").empty());
    EXPECT_TRUE(select_cells(*matrix, "", "c").empty());
}

TEST(VmMatrix, TheShippedOneNamesBoardsThatAreThereAndFitItsKernels) {
    const auto matrix = read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    for (const Cell& cell : matrix->cells) {
        const auto board = find_board(cell.board, DMARACE_SOURCE_DIR "/vm/boards");
        ASSERT_TRUE(board) << cell.board;
        EXPECT_EQ(cell.kernel.ends_with("/amd64"), board->architecture->name == "amd64")
            << cell.kernel << " on " << cell.board;
    }
}

TEST(VmMatrix, TheTableInTheDocumentationIsCurrent) {
    const auto matrix = read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    const auto page = read_text(DMARACE_SOURCE_DIR "/docs/support.md");
    ASSERT_TRUE(matrix);
    ASSERT_TRUE(page);
    EXPECT_THAT(*page, HasSubstr(support_table(*matrix)))
        << "dmarace-vm matrix --table prints what belongs there";
}

} // namespace
