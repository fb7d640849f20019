// SPDX-License-Identifier: GPL-2.0-or-later
// The queue's loop, with a script in the place of dmarace: it writes down how it
// was called, and does what the job's name says.
#include "daemon/service.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace dmarace::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kScript = R"(#!/bin/sh
log="$(dirname "$0")/calls"
case $2 in # before anybody knows of the run
polite) trap 'echo restored >> "$log"; exit 130' INT ;;
stubborn) trap '' INT ;;
esac
echo "$*" >> "$log"
[ "$1" = run ] || exit 0
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; [ -n "$job" ] || { [ "$1" = run ] && job=$2; }; shift; done
mkdir -p "$out"
case $job in
fails) exit 1 ;;
boots) [ -e "$out/booted" ] && exit 0; touch "$out/booted"; echo "oops: again" > "$out/boot-again"; exit 1 ;;
polite | stubborn) while :; do sleep 0.02; done ;;
esac
)";

class ServiceTest : public testing::Test {
protected:
    ServiceTest() {
        tree_.file("dmarace", kScript);
        ::chmod((tree_.root() / "dmarace").c_str(), 0755);
    }
    void queue(const std::string& name, const std::string& job) {
        ASSERT_TRUE(spool().add(name, to_text(Entry{job, {"-n", "3"}})));
    }
    Spool spool() const { return *Spool::open(tree_.root() / "spool"); }
    ServiceOptions options() const {
        ServiceOptions out;
        out.results = tree_.root() / "results";
        out.program = tree_.root() / "dmarace";
        out.once = true;
        out.grace = 300ms;
        return out;
    }
    // The service blocks signals: each has a process of its own.
    pid_t start(const ServiceOptions& with) const {
        const pid_t pid = ::fork();
        if (pid == 0)
            ::_exit(Service(spool(), with).serve());
        return pid;
    }
    static int end_of(pid_t pid) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int serve() const { return end_of(start(options())); }
    std::string calls() const { return tree_.text("calls"); }
    void wait_for_call(const std::string& text) const {
        for (int i = 0; i < 500 && calls().find(text) == std::string::npos; ++i)
            std::this_thread::sleep_for(20ms);
        ASSERT_THAT(calls(), HasSubstr(text));
    }

    test::FakeTree tree_;
};

TEST_F(ServiceTest, runs_one_entry_after_the_other_whatever_they_find) {
    queue("2.toml", "fails");
    queue("1.toml", "late-probe");
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("1.toml", "2.toml"));
    const auto results = (tree_.root() / "results").string();
    EXPECT_EQ(calls(), "restore\nrun late-probe -n 3 --out " + results +
                           "/1 --resume --fresh risky\nrun fails -n 3 --out " + results +
                           "/2 --resume --fresh risky\n");
}

TEST_F(ServiceTest, a_job_dropped_by_hand_is_run_where_it_lies) {
    tree_.dir("x");
    spool();
    tree_.file("spool/new/mine.toml", "name = \"mine\"\n");
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(calls(), HasSubstr("run " + (tree_.root() / "spool/run/mine.toml").string()));
}

TEST_F(ServiceTest, what_is_no_entry_is_set_aside_and_the_next_one_runs) {
    queue("2.toml", "late-probe");
    tree_.file("spool/new/1.toml", "job = ");
    fs::create_symlink(tree_.root() / "dmarace", tree_.root() / "spool/new/0.toml");
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(spool().list(Shelf::bad), ElementsAre("0.toml", "1.toml"));
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("2.toml"));
}

TEST_F(ServiceTest, a_run_that_needs_a_boot_waits_for_one_and_then_goes_on) {
    queue("1.toml", "boots");
    queue("2.toml", "late-probe");
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(spool().list(Shelf::running), ElementsAre("1.toml"));
    EXPECT_THAT(spool().list(Shelf::fresh), ElementsAre("2.toml"));
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("1.toml", "2.toml"));
}

TEST_F(ServiceTest, sigterm_lets_the_run_restore_and_the_next_start_takes_it_up) {
    queue("1.toml", "polite");
    const auto pid = start(options());
    wait_for_call("run polite");
    ::kill(pid, SIGTERM);
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_THAT(calls(), HasSubstr("restored"));
    EXPECT_THAT(spool().list(Shelf::running), ElementsAre("1.toml"));
}

TEST_F(ServiceTest, sigterm_ends_even_a_run_that_does_not_listen) {
    queue("1.toml", "stubborn");
    const auto pid = start(options());
    wait_for_call("run stubborn");
    const auto began = std::chrono::steady_clock::now();
    ::kill(pid, SIGTERM);
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
    EXPECT_THAT(spool().list(Shelf::running), ElementsAre("1.toml"));
}

TEST_F(ServiceTest, a_running_entry_can_be_cancelled) {
    queue("1.toml", "polite");
    const auto pid = start(options());
    wait_for_call("run polite");
    tree_.file("spool/run/1.toml.cancel");
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("1.toml"));
    EXPECT_THAT(spool().list(Shelf::running), IsEmpty());
}

TEST_F(ServiceTest, a_program_that_is_not_there_ends_it_with_3) {
    queue("1.toml", "late-probe");
    auto with = options();
    with.program = "/no/such/dmarace";
    EXPECT_EQ(end_of(start(with)), 3);
    EXPECT_THAT(spool().list(Shelf::fresh), ElementsAre("1.toml"));
}

} // namespace
} // namespace dmarace::daemon
