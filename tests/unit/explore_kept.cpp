// SPDX-License-Identifier: GPL-2.0-or-later
// Records of acts between two lives of the machine.
#include "explore/record.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::explore {
namespace {

using testing::ElementsAre;

class ExploreKept : public testing::Test {
protected:
    ExploreKept() {
        options_.kept = out_.root() / "records";
        record_.act = "bind";
        record_.kernel = "7";
        record_.touches.emplace_back().word = {"device.driver", "pci/a"};
        record_.touches.back().chain = {{"really_probe", 4}};
    }
    KeptRecord kept(const std::string& start = "unbind",
                    const std::string& words = "deciding") const {
        return {options_, record_, start, "pci/a", words};
    }

    test::FakeTree out_;
    RecordOptions options_;
    search::ActRecord record_;
};

TEST_F(ExploreKept, OneThatIsWholeIsTheSameTheNextTime) {
    EXPECT_FALSE(kept().read());
    kept().write(record_);
    EXPECT_EQ(kept().read(), record_);
    EXPECT_FALSE(kept("another start").read());
    EXPECT_FALSE(kept("unbind", "others").read());
    options_.anew = true;
    EXPECT_FALSE(kept().read());
}

// A prediction tries again what was incomplete; a search keeps what its list was made of.
TEST_F(ExploreKept, OneThatIsIncompleteIsKeptByASearch) {
    record_.lost = {"4 samples"};
    kept().write(record_);
    EXPECT_FALSE(kept().read());
    options_.as_they_are = true;
    EXPECT_EQ(kept().read(), record_);
}

TEST_F(ExploreKept, WhatKillsTheMachineIsNotWatchedInEachOfItsLives) {
    kept().begin(record_);
    EXPECT_FALSE(kept().read()); // a prediction has no next life
    options_.as_they_are = true;
    kept().begin(record_);
    ASSERT_TRUE(kept().read());
    EXPECT_THAT(kept().read()->lost, ElementsAre("the machine died while it was watched"));
    kept().forget(); // Ctrl-C
    EXPECT_FALSE(kept().read());
}

} // namespace
} // namespace dmarace::explore
