// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"
#include "results.hpp"
#include "verdict/verdict.hpp"
#include "vm/bisect/matrix.hpp"
#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/kernels/cache.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using catalogue::FailureKind;
using testing::HasSubstr;

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

Result<Matrix> good_but(const std::string& what, const std::string& with) {
    std::string text = kGood;
    return parse_matrix(text.replace(text.find(what), what.size(), with), "m.toml");
}

TEST(VmMatrix, ReadsPartsAndCellsAndSelectsThemByKernelAndBoard) {
    const auto matrix = got(parse_matrix(kGood, "m.toml"));
    EXPECT_EQ(select_cells(matrix, "", "").size(), 1U);
    EXPECT_EQ(select_cells(matrix, "debian:1", "b").size(), 1U);
    EXPECT_TRUE(select_cells(matrix, "debian:2", "").empty());
    EXPECT_TRUE(select_cells(matrix, "", "c").empty());
    ASSERT_TRUE(matrix.part("p"));
    EXPECT_EQ(matrix.cells.at(0).board, "b");
    EXPECT_EQ(support_table(matrix), "| kernel | board | parts | remarks |\n|---|---|---|---|\n"
                                     "| `debian:1` | `b` | p* | n |\n"
                                     "\n| part | is |\n|---|---|\n| p | s |\n");
}

TEST(VmMatrix, MistakesAreToldWithTheirPlace) {
    EXPECT_TRUE(refused(good_but("parts = [\"p\"]", "parts = [\"q\"]"), "m.toml:5:"));
    EXPECT_TRUE(refused(good_but("parts = [\"p\"]", "parts = []"), "in ci and not in parts"));
    EXPECT_TRUE(refused(good_but("note", "notes"), "unknown key 'notes'"));
    EXPECT_TRUE(refused(good_but("command = [\"audit\"]", ""), "'command' is missing"));
}

// A boot that shows nothing is no quiet boot.
TEST(VmMatrix, TheQuietPartHasToShowWhatItsBoardHas) {
    std::string text = kGood;
    text.replace(text.find("name = \"p\""), 10, "name = \"quiet\"\nexpect = [\"all\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    const auto matrix = got(parse_matrix(text + "expect = [\"own\"]\n", "m.toml"));
    EXPECT_EQ(expected(matrix.parts.at(0), matrix.cells.at(0)),
              (std::vector<std::string>{"all", "own"}));
}

TEST(VmMatrix, TheShippedOneFitsItsBoardsAndKernelsAndTheDocumentation) {
    const auto matrix = got(read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml"));
    for (const MatrixCell& cell : matrix.cells) {
        const auto board = find_board(cell.board, DMARACE_SOURCE_DIR "/vm/boards");
        ASSERT_TRUE(board) << cell.board;
        EXPECT_EQ(cell.kernel.ends_with("/amd64"), board->architecture->name == "amd64")
            << cell.kernel << " on " << cell.board;
    }
    const auto page = got(read_text(DMARACE_SOURCE_DIR "/docs/support.md"));
    EXPECT_THAT(page, HasSubstr(support_table(matrix)))
        << "dmarace-vm matrix --table prints what belongs there";
}

struct JudgedPart {
    int status;
    std::string_view output, console;
    bool quiet; // is asked for
    PartEnd came;
    std::string_view why;
};

TEST(Judgement, of_what_a_part_left) {
    constexpr std::string_view kSaid = "pci/0000:00:02.0 driver e1000e\n";
    for (const JudgedPart& row : {
             JudgedPart{0, kSaid, "[ 1.0] Booting\n", true, PartEnd::passed, ""},
             // What ended well and said nothing has failed.
             {0, "nothing to audit\n", "", true, PartEnd::failed, "nothing says 'driver e1000e'"},
             // So has a kernel that complained, where the part has to be quiet.
             {0, kSaid, "[ 1.0] a\n[ 2.0] WARNING: CPU: 0\n[ 3.0] b\n", true, PartEnd::failed,
              "console: [ 2.0] WARNING: CPU: 0"},
             {0, kSaid, "WARNING: x\n", false, PartEnd::passed, ""},
             // A skip and a failure give their last line.
             {4, "a\nthe board lacks x\n\n", "", true, PartEnd::skipped, "the board lacks x"},
             {3, "", "", true, PartEnd::failed, "exit 3: "},
             {1, "one line", "", true, PartEnd::failed, "exit 1: one line"},
         }) {
        MatrixPart part;
        part.quiet = row.quiet;
        part.expect = {"driver e1000e"};
        const auto outcome = judge(part, {}, {row.status, row.output, row.console});
        EXPECT_EQ(outcome.came, row.came) << row.output;
        EXPECT_EQ(outcome.why, row.why);
    }
}

TEST(MatrixExit, is_red_for_one_failure_and_green_only_if_something_passed) {
    const PartResult passed{PartEnd::passed, ""}, failed{PartEnd::failed, ""},
        skipped{PartEnd::skipped, ""};
    EXPECT_EQ(exit_code(std::vector{passed, skipped}), 0);
    EXPECT_EQ(exit_code(std::vector{passed, failed, skipped}), 1);
    EXPECT_EQ(exit_code(std::vector{skipped, skipped}), 4);
    EXPECT_EQ(exit_code({}), 4);
}

std::vector<FailureKind> judged(const std::string& message) {
    verdict::Observed observed;
    observed.log.push_back({.ts = 1, .level = 1, .text = message, .device = ""});
    std::vector<FailureKind> kinds;
    for (const auto& failure : verdict::judge({}, {}, {}, observed).failures)
        kinds.push_back(failure.kind);
    return kinds;
}

// The evidence of a boot that went off begins with the line.
bool is_evidence(const std::string& line) {
    const auto lines = trouble("[    1.000000] booted\n" + line + "\n[    9.000000] x\n", 10);
    return lines.front() == line;
}

bool is_complaint(const std::string& line) {
    MatrixPart part;
    part.quiet = true;
    return judge(part, {}, {0, "", "[    1.000000] booted\n" + line + "\n"}).came ==
           PartEnd::failed;
}

TEST(LogSigns, AnOopsIsOneForTheVerdictTheConsoleAndTheMatrix) {
    for (const std::string message : {
             "Unable to handle kernel paging request at virtual address dead000000000122",
             "Internal error: Oops: 0000000096000004 [#1] SMP",
             "kernel BUG at lib/list_debug.c:59!",
             "BUG: kernel NULL pointer dereference, address: 0000000000000000",
             "BUG: unable to handle page fault for address: ffffc90000000000",
             "Oops: general protection fault, probably for non-canonical address",
             "general protection fault: 0000 [#1] PREEMPT SMP",
             "Oops - load access fault [#1]",
             "Kernel panic - not syncing: Fatal exception",
         }) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_oops)) << message;
        for (const std::string stamp : {"[    2.000000] ", "[    2.000000][   T42] ", ""}) {
            EXPECT_TRUE(is_evidence(stamp + message)) << stamp + message;
            EXPECT_TRUE(is_complaint(stamp + message)) << stamp + message;
        }
    }
}

TEST(LogSigns, AStallMayEndABoot) {
    for (const std::string message : {"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
                                      "rcu: INFO: rcu_preempt self-detected stall on CPU",
                                      "INFO: task bash:100 blocked for more than 120 seconds."}) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_warning));
        EXPECT_TRUE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("[    2.000000] " + message)) << message;
    }
}

TEST(LogSigns, AWarningIsAComplaintAndEndsNoBoot) {
    for (const std::string message :
         {"WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:2362 f+0x1/0x2",
          "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"}) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_warning)) << message;
        EXPECT_FALSE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("a program's words[    2.000000] " + message)) << message;
    }
}

TEST(LogSigns, WhatToOverlookIsNothingForAnybody) {
    for (const std::string message : {"dmarace run=1 iter=3 begin, WARNING: BUG: Oops:",
                                      "dmarace: loading out-of-tree module taints kernel.",
                                      "virtio_iommu virtio0: input address: 64 bits"}) {
        EXPECT_THAT(judged(message), testing::IsEmpty()) << message;
        EXPECT_FALSE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_FALSE(is_complaint("[    2.000000] " + message)) << message;
    }
}

} // namespace
