// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/run_dir.hpp"

#include "fake_tree.hpp"
#include "results.hpp"
#include "run/recording.hpp"
#include "run/request.hpp"

#include <gmock/gmock.h>

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace dmarace::run {
namespace {

using testing::ElementsAre;

TEST(RunDir, records_are_lines_and_survive_reopening) {
    const test::FakeTree tree;
    {
        auto dir = got(RunDir::open(tree.root() / "run", false));
        ASSERT_TRUE(dir.append("{\"t\":\"run\"}", true));
    }
    auto dir = got(RunDir::open(tree.root() / "run", true));
    EXPECT_EQ(dir.journal(), "{\"t\":\"run\"}\n");
}

// What begins puts the machine at risk: whoever watches from outside has it before.
TEST(RunDir, a_durable_record_waits_for_who_watches) {
    const test::FakeTree tree;
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    auto dir = got(RunDir::open(tree.root() / "run", false));
    setenv(kWitness, std::to_string(theirs.get()).c_str(), 1);
    std::string seen;
    std::thread watcher([&] {
        char byte = 0;
        if (read(ours.get(), &byte, 1) == 1) {
            seen = tree.text("run/journal.jsonl");
            usleep(50000);
            EXPECT_EQ(write(ours.get(), "y", 1), 1);
        }
    });
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(dir.append("{\"t\":\"begin\"}", true));
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
    theirs.reset(); // nobody asks any more
    watcher.join();
    unsetenv(kWitness);
    EXPECT_EQ(seen, "{\"t\":\"begin\"}\n");
}

// The program of a kept guest: it says that it stands, and has then what its life is told.
TEST(RunStand, waits_for_its_life_and_takes_what_that_is_told) {
    ASSERT_FALSE(may_be_kept());
    EXPECT_FALSE(got(stand())); // nobody keeps it
    const test::FakeTree tree;
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    UniqueFd ours(ends[0]);
    setenv(kStand, std::to_string(ends[1]).c_str(), 1);
    EXPECT_TRUE(may_be_kept());
    bool told = false;
    std::thread keeper([&] {
        char byte = 0;
        EXPECT_EQ(read(ours.get(), &byte, 1), 1);
        usleep(50000);
        told = true;
        std::string life = std::string(kLife) + "=7";
        life += '\0' + (std::string(kStdout) + "=" + (tree.root() / "out").string());
        life += '\0' + (std::string(kGoesOn) + "=1") + '\0';
        EXPECT_GT(write(ours.get(), life.data(), life.size()), 0);
        ours.reset();
    });
    const UniqueFd before(dup(STDOUT_FILENO));
    const auto goes_on = stand();
    EXPECT_EQ(write(STDOUT_FILENO, "said\n", 5), 5);
    dup2(before.get(), STDOUT_FILENO);
    keeper.join();
    EXPECT_TRUE(told);
    EXPECT_TRUE(got(goes_on));
    EXPECT_STREQ(std::getenv(kLife), "7");
    EXPECT_EQ(tree.text("out"), "said\n");
    EXPECT_FALSE(may_be_kept());
    for (const char* name : {kLife, kStdout, kGoesOn})
        unsetenv(name);
}

TEST(RunDir, a_directory_in_use_or_with_a_run_is_not_overwritten) {
    const test::FakeTree tree;
    {
        const auto first = got(RunDir::open(tree.root(), false));
        EXPECT_TRUE(refused(RunDir::open(tree.root(), true), Fault::usage, "in use"));
    }
    EXPECT_TRUE(refused(RunDir::open(tree.root(), false), Fault::usage, "--resume"));
}

TEST(RunDir, a_link_is_not_followed) {
    test::FakeTree tree;
    tree.file("victim", "x");
    std::filesystem::create_symlink(tree.root() / "victim", tree.root() / "kmsg.log");
    EXPECT_FALSE(RunDir::open(tree.root(), true));
    EXPECT_EQ(tree.text("victim"), "x");
}

TEST(RunDir, a_torn_last_line_is_cut_before_the_next_record) {
    test::FakeTree tree;
    tree.file("journal.jsonl", "{\"t\":\"run\"}\n{\"t\":\"verd");
    auto dir = got(RunDir::open(tree.root(), true));
    ASSERT_TRUE(dir.append("{\"t\":\"end\"}", true));
    EXPECT_EQ(tree.text("journal.jsonl"), "{\"t\":\"run\"}\n{\"t\":\"end\"}\n");
}

// A limit on the size of files stands for a disk without room. The signal that
// goes with it is the process's own doing, not a disk's.
class Limit {
public:
    explicit Limit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

private:
    rlimit before_{};
};

TEST(RunDir, half_a_record_is_taken_back) {
    const test::FakeTree tree;
    auto dir = got(RunDir::open(tree.root(), false));
    ASSERT_TRUE(dir.append("{\"t\":\"run\"}", true));
    {
        const Limit limit(20);
        EXPECT_TRUE(refused(dir.append("{\"t\":\"verdict\"}", true), Fault::environment,
                            (tree.root() / "journal.jsonl").string()));
    }
    ASSERT_TRUE(dir.append("{\"t\":\"end\"}", true));
    EXPECT_EQ(tree.text("journal.jsonl"), "{\"t\":\"run\"}\n{\"t\":\"end\"}\n");
}

TEST(RunDir, room_is_set_aside_until_the_end) {
    const test::FakeTree tree;
    const auto dir = got(RunDir::open(tree.root(), false));
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "reserve"));
    dir.set_aside();
    EXPECT_EQ(std::filesystem::file_size(tree.root() / "reserve"), 128U << 10);
    dir.use_reserve();
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "reserve"));
}

// Who reads it while the run goes on, or after the board has died, has all of what was told.
TEST(RunDir, what_is_told_is_there_at_once_and_a_second_call_tells_it_anew) {
    const test::FakeTree tree;
    for (const bool again : {false, true}) {
        auto dir = got(RunDir::open(tree.root(), again));
        EXPECT_TRUE(dir.tell(""));
        EXPECT_TRUE(dir.tell("KTAP version 1\n"));
        EXPECT_EQ(tree.text("result.ktap"), "KTAP version 1\n");
        EXPECT_TRUE(dir.tell("ok 1\n"));
        EXPECT_EQ(tree.text("result.ktap"), "KTAP version 1\nok 1\n");
        EXPECT_TRUE(dir.append("{\"t\":\"run\"}", true));
    }
}

TEST(RunDir, a_file_is_replaced_whole) {
    const test::FakeTree tree;
    const auto dir = got(RunDir::open(tree.root(), false));
    ASSERT_TRUE(dir.replace("result.json", "long old text"));
    ASSERT_TRUE(dir.replace("result.json", "new"));
    EXPECT_EQ(tree.text("result.json"), "new");
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "result.json.new"));
}

TEST(RunDir, a_place_that_cannot_be_written_is_told) {
    test::FakeTree tree;
    tree.file("plain");
    EXPECT_TRUE(refused(RunDir::open(tree.root() / "plain" / "run", false), Fault::environment));
    EXPECT_TRUE(
        refused(can_hold_runs(tree.root() / "plain" / "run"), Fault::environment, "DMARACE_OUT"));
    EXPECT_TRUE(can_hold_runs(tree.root() / "not" / "yet" / "there"));
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "not")) << "it is only looked at";
}

// An iteration as large as those of late-probe are.
verdict::Observed iteration(unsigned number) {
    verdict::Observed out;
    out.iteration = number;
    for (int line = 0; line < 100; ++line)
        out.log.push_back({.text = "iteration " + std::to_string(number) + std::string(80, '.')});
    return out;
}

std::uintmax_t size_of(const std::filesystem::path& dir) {
    std::uintmax_t sum = 0;
    for (const auto& file : std::filesystem::directory_iterator(dir))
        sum += file.file_size();
    return sum;
}

// Two thousand iterations, in a fiftieth of what they would take.
TEST(RunDir, logs_turn_over_within_the_limit_and_the_last_stay_whole) {
    const test::FakeTree tree;
    auto dir = got(RunDir::open(tree.root(), false));
    dir.limit(1'000'000);
    ASSERT_TRUE(dir.log_board({}, nullptr));
    std::uintmax_t largest = 0;
    for (unsigned number = 1; number <= 2000; ++number) {
        ASSERT_TRUE(dir.log(iteration(number)));
        largest = std::max(largest, size_of(tree.root()));
    }
    EXPECT_LE(largest, 250'000U);
    const auto recorded = got(read_recording({.journal = "",
                                              .events = tree.text("events.log"),
                                              .log = tree.text("kmsg.log"),
                                              .observed = tree.text("observed.log")}));
    ASSERT_FALSE(recorded.empty());
    EXPECT_EQ(recorded.rbegin()->first, 2000U);
    EXPECT_EQ(recorded.rbegin()->second.observed.log.size(), 100U);
    EXPECT_TRUE(tree.text("observed.log").starts_with("# board")) << "they are judged by it";
    EXPECT_TRUE(tree.text("observed.log.1").starts_with("# board"));
}

TEST(RunDir, what_need_not_be_durable_is_written_with_what_is) {
    const test::FakeTree tree;
    auto dir = got(RunDir::open(tree.root(), false));
    ASSERT_TRUE(dir.append("one", true) && dir.append("two", false));
    EXPECT_EQ(tree.text("journal.jsonl"), "one\n");
    ASSERT_TRUE(dir.append("three", true));
    EXPECT_EQ(tree.text("journal.jsonl"), "one\ntwo\nthree\n");
}

TEST(RunDir, is_full_before_it_is_over_the_limit) {
    const test::FakeTree tree;
    auto dir = got(RunDir::open(tree.root(), false));
    EXPECT_FALSE(dir.full());
    dir.limit(1'000'000);
    const std::string record(3000, 'x');
    unsigned number = 0;
    while (!dir.full() && number < 2000) {
        ++number;
        dir.foresee(record, true);
        ASSERT_TRUE(dir.append(record, true));
        ASSERT_TRUE(dir.log(iteration(number)));
    }
    // Each is in the journal, and two and a half times in what is made of it.
    EXPECT_GT(number, 40U);
    EXPECT_LT(number, 60U);
    ASSERT_TRUE(dir.replace("result.json", std::string(number * 3000UL * 5 / 2, 'x')));
    EXPECT_LE(size_of(tree.root()), 1'000'000U);
    EXPECT_TRUE(dir.full()) << "whoever asks again is told the same";
}

TEST(RunRequest, is_of_run_alone_and_has_what_its_words_say) {
    EXPECT_FALSE(read_request({}));
    EXPECT_FALSE(read_request({"audit", "--resume"}));
    EXPECT_EQ(read_request({"run", "x"})->page, "");
    EXPECT_EQ(read_request({"explore", "iommu", "bind"})->page, kExplorePage);
    EXPECT_EQ(read_request({"sweep", "--time", "1h"})->page, kSweepPage);
    const auto plain = got(read_request({"run", "x", "--resumed", "--outer"}));
    EXPECT_FALSE(plain.out || plain.resume || plain.fresh);
    EXPECT_EQ(plain.shown, Shown::summary);
    const auto all =
        got(read_request({"run", "--out=d", "--resume", "--fresh", "risky", "x", "--ktap"}));
    EXPECT_TRUE(all.out && all.resume && all.fresh);
    EXPECT_EQ(all.shown, Shown::ktap);
    EXPECT_EQ(read_request({"run", "x", "--json"})->shown, Shown::json);
    EXPECT_EQ(read_request({"run", "x"})->exit_style, ExitStyle::plain);
    EXPECT_EQ(read_request({"run", "x", "--exit-style=bisect"})->exit_style, ExitStyle::bisect);
    EXPECT_EQ(read_request({"run", "x", "--exit-style", "ksft"})->exit_style, ExitStyle::ksft);
    EXPECT_FALSE(exit_style_from("odd"));
}

TEST(RunRequest, is_spelled_for_who_starts_it_and_for_who_goes_on) {
    EXPECT_THAT(words_of_starter("d", Fresh::risky),
                ElementsAre("--out", "d", "--resume", "--fresh", "risky"));
    EXPECT_THAT(words_to_go_on({"x", "--out", "a", "--resume", "--out=b", "-n", "3"}, "/c"),
                ElementsAre("--resume", "x", "-n", "3", "--out", "/c"));
}

} // namespace
} // namespace dmarace::run
