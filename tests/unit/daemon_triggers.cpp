// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/triggers.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::daemon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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
    const auto entry = queue::parse_entry(*spool_.read(Shelf::fresh, made.front()), made.front());
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->job, "on-bind");
    EXPECT_THAT(entry->args, ElementsAre("-n", "2"));
    EXPECT_EQ(entry->trigger, "watch.toml");
    EXPECT_EQ(entry->event, "bind pci/a");
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
