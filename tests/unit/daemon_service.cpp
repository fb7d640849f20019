// SPDX-License-Identifier: GPL-2.0-or-later
// The queue's loop, with a script in the place of dmarace: it writes down how it was called, and
// does what the job's name says; and which events make entries.
#include "daemon/service.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

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
using testing::SizeIs;

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
fails) echo '{"verdict": "hang"}' > "$out/result.json"; exit 1 ;;
lacks) exit 3 ;;
errs) printf '%s\n' '{"t":"run","schema":1,"run_id":"r","job":"errs"}' '{"t":"end","how":"done","why":"done"}' > "$out/journal.jsonl"; exit 3 ;;
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
            ::_exit(daemon::serve(spool(), with));
        return pid;
    }
    static int end_of(pid_t pid) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int serve() const { return end_of(start(options())); }
    std::string calls() const { return tree_.text("calls"); }
    // A service in the middle of its run of that job.
    pid_t started(const std::string& job) {
        queue("1.toml", job);
        const pid_t pid = start(options());
        for (int i = 0; i < 500 && !calls().contains("run " + job); ++i)
            std::this_thread::sleep_for(20ms);
        EXPECT_THAT(calls(), HasSubstr("run " + job));
        return pid;
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

TEST_F(ServiceTest, an_entry_that_ended_has_its_verdict_and_its_exit_code) {
    queue("1.toml", "late-probe");
    queue("2.toml", "fails");
    queue("3.toml", "errs"); // an error of the job's own
    queue("4.toml", "late-probe");
    EXPECT_EQ(serve(), 0);
    const auto ended = [&](const std::string& name) {
        const auto end = spool().end_of(name).value_or(queue::EntryEnd{});
        EXPECT_THAT(end.ended, HasSubstr("T"));
        return end.verdict + " " + std::to_string(end.exit);
    };
    EXPECT_EQ(ended("1.toml"), "pass 0");
    EXPECT_EQ(ended("2.toml"), "hang 1");
    EXPECT_EQ(ended("3.toml"), "error 3");
    EXPECT_EQ(ended("4.toml"), "pass 0");
}

TEST_F(ServiceTest, an_error_of_the_machine_stops_the_queue_until_somebody_has_looked) {
    queue("1.toml", "lacks");
    queue("2.toml", "late-probe");
    EXPECT_EQ(serve(), 3);
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("1.toml"));
    EXPECT_THAT(spool().list(Shelf::fresh), ElementsAre("2.toml"));
    EXPECT_THAT(spool().stopped(), HasSubstr("1.toml could not be begun here"));
    EXPECT_EQ(serve(), 0) << "a new start";
    EXPECT_EQ(spool().stopped(), "");
    EXPECT_THAT(spool().list(Shelf::done), ElementsAre("1.toml", "2.toml"));
}

TEST_F(ServiceTest, a_file_with_an_odd_name_is_told_of_and_stays) {
    spool();
    tree_.file("spool/new/my job.toml", "job = \"late-probe\"").file("spool/new/.x.toml");
    EXPECT_EQ(serve(), 0);
    EXPECT_THAT(spool().odd_names(), ElementsAre("my job.toml"));
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
    const auto pid = started("polite");
    ::kill(pid, SIGTERM);
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_THAT(calls(), HasSubstr("restored"));
    EXPECT_THAT(spool().list(Shelf::running), ElementsAre("1.toml"));
}

TEST_F(ServiceTest, sigterm_ends_even_a_run_that_does_not_listen) {
    const auto pid = started("stubborn");
    const auto began = std::chrono::steady_clock::now();
    ::kill(pid, SIGTERM);
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
    EXPECT_THAT(spool().list(Shelf::running), ElementsAre("1.toml"));
}

TEST_F(ServiceTest, a_running_entry_can_be_cancelled) {
    const auto pid = started("polite");
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

class TriggersTest : public testing::Test {
protected:
    TriggersTest() : spool_(*Spool::open(tree_.root() / "spool")) {
        tree_.file("sys/kernel/uevent_seqnum", "100");
        tree_.file("sys/devices/pci/a/vendor", "0x8086");
        spool_.add("watch.toml", to_text(Entry{"on-bind", {"-n", "2"}}));
        spool_.move("watch.toml", Shelf::fresh, Shelf::trigger);
    }
    static std::optional<job::Trigger> trigger_of(const std::string& job) {
        if (job != "on-bind")
            return std::nullopt;
        job::Trigger trigger;
        trigger.action = "bind";
        trigger.subsystem = "pci";
        trigger.attributes = {{"vendor", "0x8086"}};
        return trigger;
    }
    static board::Uevent event(std::uint64_t number, const std::string& action = "bind") {
        board::Uevent out{action, "pci", "a", "e1000e"};
        out.path = "/sys/devices/pci/a";
        out.number = number;
        return out;
    }
    Triggers triggers() const { return {spool_, trigger_of, tree_.files()}; }

    test::FakeTree tree_;
    Spool spool_;
};

TEST_F(TriggersTest, OnlyJobsWithATriggerWait) {
    EXPECT_TRUE(triggers().waits(Entry{"on-bind", {}}, "x"));
    EXPECT_FALSE(triggers().waits(Entry{"other", {}}, "x"));
    EXPECT_FALSE(triggers().waits(Entry{"on-bind", {}, "watch.toml", "bind"}, "x"));
    // A file that is a job itself is asked by its path.
    EXPECT_TRUE(triggers().waits(Entry{}, "on-bind"));
}

TEST_F(TriggersTest, AnEventMakesAnEntryThatKnowsIt) {
    EXPECT_THAT(triggers().take({event(101)}), ElementsAre("bind pci/a starts on-bind"));
    const auto made = spool_.list(Shelf::fresh);
    ASSERT_THAT(made, SizeIs(1));
    const auto entry = got(queue::parse_entry(*spool_.read(Shelf::fresh, made[0]), made[0]));
    EXPECT_EQ(entry.job, "on-bind");
    EXPECT_THAT(entry.args, ElementsAre("-n", "2"));
    EXPECT_EQ(entry.trigger, "watch.toml");
    EXPECT_EQ(entry.event, "bind pci/a");
    EXPECT_THAT(spool_.list(Shelf::trigger), ElementsAre("watch.toml"));
}

TEST_F(TriggersTest, OtherEventsMakeNone) {
    auto elsewhere = event(101);
    elsewhere.path = "/sys/devices/pci/b";
    EXPECT_THAT(triggers().take({event(101, "unbind"), elsewhere}), IsEmpty());
    EXPECT_THAT(spool_.list(Shelf::fresh), IsEmpty());
}

TEST_F(TriggersTest, OneThatWaitsOrRunsIsNotAddedAgain) {
    EXPECT_THAT(triggers().take({event(101), event(102)}), SizeIs(1));
    const auto name = spool_.list(Shelf::fresh).front();
    spool_.move(name, Shelf::fresh, Shelf::running);
    EXPECT_THAT(triggers().take({event(103)}), IsEmpty());
    spool_.move(name, Shelf::running, Shelf::done);
    EXPECT_THAT(triggers().take({event(104)}), SizeIs(1));
}

TEST_F(TriggersTest, WhatARunDoesItselfFiresNothing) {
    auto triggers = this->triggers();
    triggers.run_begins(); // at 100
    EXPECT_THAT(triggers.take({event(101)}), IsEmpty());
    tree_.file("sys/kernel/uevent_seqnum", "110");
    triggers.run_ends();
    // udev is still busy with events of the run.
    EXPECT_THAT(triggers.take({event(110)}), IsEmpty());
    // One from before it that came late, and one from after it.
    EXPECT_THAT(triggers.take({event(99)}), SizeIs(1));
    spool_.move(spool_.list(Shelf::fresh).front(), Shelf::fresh, Shelf::done);
    EXPECT_THAT(triggers.take({event(111)}), SizeIs(1));
}

TEST_F(TriggersTest, ARunsEventsAreItsOwnWhenTheNextOneRunsAlready) {
    auto triggers = this->triggers();
    triggers.run_begins(); // at 100
    tree_.file("sys/kernel/uevent_seqnum", "110");
    triggers.run_ends();
    triggers.run_begins();
    EXPECT_THAT(triggers.take({event(105), event(110)}), IsEmpty());
    tree_.file("sys/kernel/uevent_seqnum", "120");
    triggers.run_ends();
    EXPECT_THAT(triggers.take({event(120)}), IsEmpty());
    EXPECT_THAT(triggers.take({event(121)}), SizeIs(1));
}

} // namespace
} // namespace dmarace::daemon
