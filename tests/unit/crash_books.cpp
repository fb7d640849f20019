// SPDX-License-Identifier: GPL-2.0-or-later
// The checker of the power cuts sees each way in which a journal can be wrong; and what
// the test of 10,000 iterations calls growth.
#include "../crash/books.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kJournal = R"({"t":"run"}
{"t":"begin","iteration":1}
{"t":"verdict","iteration":1,"verdict":"pass"}
{"t":"begin","iteration":2}
{"t":"verdict","iteration":2,"verdict":"crash"}
{"t":"begin","iteration":3}
{"t":"verdict","iteration":3,"verdict":"pass"}
{"t":"begin","iteration":4}
)";
const Told kTold{{1, "pass"}, {3, "pass"}};

std::vector<std::string> faults_of(const std::string& journal, const Told& told = kTold) {
    std::vector<std::string> faults;
    keep_books(journal, told, faults);
    return faults;
}

std::string without(const std::string& line) {
    auto journal = kJournal;
    return journal.erase(journal.find(line), line.size() + 1);
}

// dmarace-vm marks a line in whose middle the guest died.
TEST(Books, a_line_that_was_cut_off_tells_nothing) {
    std::vector<std::string> faults;
    Told told;
    add_told("rebind: iteration 1/9: pass\nrebind: iteration 2/9: pa [cut off]\n", told, faults);
    EXPECT_EQ(told, (Told{{1, "pass"}}));
    EXPECT_THAT(faults, IsEmpty());
}

TEST(Books, good_ones_have_no_fault) {
    std::vector<std::string> faults;
    const auto books = keep_books(kJournal, kTold, faults);
    EXPECT_THAT(faults, IsEmpty());
    EXPECT_EQ(books.ended.size(), 3U);
    EXPECT_EQ(books.open, 4U);
    EXPECT_FALSE(books.torn);
    EXPECT_TRUE(keep_books(kJournal + "{\"t\":\"verd", kTold, faults).torn);
    EXPECT_THAT(faults, IsEmpty());
}

TEST(Books, each_way_in_which_a_journal_is_wrong_is_seen) {
    const std::string second = R"({"t":"verdict","iteration":3,"verdict":"pass"})";
    EXPECT_THAT(faults_of(without(second)),
                ElementsAre("iteration 3 has no verdict, and iteration 4 began",
                            "iteration 3 was told, and is missing"));
    EXPECT_THAT(faults_of(kJournal.substr(0, kJournal.find("{\"t\":\"begin\",\"iteration\":3"))),
                ElementsAre("iteration 3 was told, and is missing"));
    EXPECT_THAT(faults_of(kJournal + second + "\n"), ElementsAre("iteration 3 has two verdicts"));
    EXPECT_THAT(faults_of(kJournal, {{3, "fail"}}),
                ElementsAre("iteration 3 was told as fail, and is kept as pass"));
    EXPECT_THAT(faults_of(kJournal + "{\"t\":\"beg\n{\"t\":\"end\"}\n"),
                ElementsAre("line 9 is no record"));
    // A lost iteration that nobody told.
    EXPECT_THAT(faults_of(without(R"({"t":"begin","iteration":2}
{"t":"verdict","iteration":2,"verdict":"crash"})")),
                ElementsAre("there is iteration 3 and none before it"));
}

TEST(Books, what_a_run_tells) {
    Told told;
    std::vector<std::string> faults;
    add_told("board x\njob: iteration 7/9: pass: all held\njob: a note\njob: iteration 8: fail\n"
             "job: iteration 9/9: pa",
             told, faults);
    EXPECT_EQ(told, (Told{{7, "pass"}, {8, "fail"}}));
    EXPECT_THAT(faults, IsEmpty());
    add_told("job: iteration 8: fail\n", told, faults);
    EXPECT_THAT(faults, ElementsAre("iteration 8 was told twice"));
}

// A hundred samples of a run that leaks so much in each iteration, and whose
// slab goes up and down as the kernel frees what it need not keep.
std::vector<Sample> run_that_leaks(double slab, double resident, double descriptors) {
    std::vector<Sample> samples;
    for (int i = 0; i < 100; ++i) {
        const double at = i * 100;
        const double warm = i < 15 ? i * 200.0 : 3000;
        const double noise = i % 7 * 90.0 - i % 3 * 70.0;
        samples.push_back({.iteration = at,
                           .slab = 60'000 + warm + noise + slab * at,
                           .unreclaimable = 20'000 + noise / 2,
                           .resident = 5'000 + resident * at,
                           .descriptors = 9 + descriptors * at});
    }
    return samples;
}

TEST(Growth, is_what_each_iteration_leaks) {
    EXPECT_THAT(faults_of(run_that_leaks(0, 0.4, 0)), IsEmpty()) << "a quiet run";
    EXPECT_THAT(faults_of(run_that_leaks(0.064, 0, 0)), ElementsAre(HasSubstr("slab grows by 6")))
        << "an object of 64 bytes";
    EXPECT_THAT(faults_of(run_that_leaks(0, 1, 0)), ElementsAre(HasSubstr("resident")))
        << "a kilobyte of dmarace";
    EXPECT_THAT(faults_of(run_that_leaks(0, 0, 0.001)), ElementsAre(HasSubstr("descriptors")))
        << "a descriptor in a thousand iterations";
}

TEST(Growth, one_peak_is_none) {
    auto samples = run_that_leaks(0, 0, 0);
    samples[90].slab += 50'000;
    EXPECT_THAT(faults_of(samples), IsEmpty());
}

} // namespace
} // namespace dmarace::test
