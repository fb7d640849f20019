// SPDX-License-Identifier: GPL-2.0-or-later
// Where two acts could meet, from records as they are kept.
#include "base/text.hpp"
#include "search/search.hpp"

#include <gmock/gmock.h>

namespace dmarace::search {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

ActRecord record(const std::string& text) {
    auto read = record_from(text);
    EXPECT_TRUE(read) << read.error().message;
    return read.value_or(ActRecord{});
}

// The walk of 7.3 in short: the lock is open around the firmware's answer.
constexpr const char* kWalk = R"(act name="insmod virtio_iommu"
touch word=device.iommu of=pci/a kind=read chain=iommu_probe_device+0x10<probe_iommu_group locks=iommu_probe_device_lock time=10 task=1
touch word=device.iommu of=pci/a kind=write chain=of_iommu_configure+0x54<pci_dma_configure<iommu_probe_device<probe_iommu_group locks="" time=30 task=1
touch word=device.iommu_group of=pci/a kind=write chain=iommu_probe_device+0x154<probe_iommu_group locks=iommu_probe_device_lock time=50 task=1
lock taken=1 name=iommu_probe_device_lock chain=mutex_lock<iommu_probe_device time=5 task=1
lock taken=0 name=iommu_probe_device_lock chain=mutex_unlock<iommu_probe_device time=20 task=1
lock taken=1 name=iommu_probe_device_lock chain=mutex_lock<iommu_probe_device time=40 task=1
lock taken=0 name=iommu_probe_device_lock chain=mutex_unlock<iommu_probe_device time=60 task=1
sleeper name=of_iommu_configure
sleeper name=pci_dma_configure
)";

std::vector<Candidate> found(const char* other) {
    return candidates({record(kWalk), record(other)});
}

TEST(SearchCandidates, OneWordOneWritesNoLockInCommon) {
    const auto list = found(R"(act name="bind pci/a"
lock taken=1 name="device pci/a" chain=mutex_lock<bind_store time=1 task=2
touch word=device.iommu_group of=pci/a kind=read chain=use_default_domain+0x20<really_probe<bind_store locks="device pci/a" time=2 task=2
lock taken=0 name="device pci/a" chain=mutex_unlock<bind_store time=3 task=2
sleeper name=bind_store
sleeper name=really_probe)");
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0].kind, CandidateKind::unlocked);
    EXPECT_EQ(list[0].act_a, "bind pci/a");
    EXPECT_EQ(list[0].rank, 0);
    ASSERT_THAT(list[0].parks_a, SizeIs(2));
    EXPECT_EQ(list[0].parks_a[0].function, "really_probe");
    EXPECT_FALSE(list[0].parks_a[0].exit);
}

TEST(SearchCandidates, WhatIsSafeIsNone) {
    for (const char* safe : {"act name=b\ntouch word=device.iommu_group of=pci/a kind=write "
                             "chain=f locks=iommu_probe_device_lock time=1 task=2",
                             "act name=b\ntouch word=device.iommu_group of=pci/b kind=write "
                             "chain=f locks=\"\" time=1 task=2",
                             "act name=b\ntouch word=device.driver of=pci/a kind=write chain=f "
                             "locks=\"\" time=1 task=2"})
        EXPECT_THAT(found(safe), testing::Not(testing::Contains(
                                     testing::Field(&Candidate::kind, CandidateKind::unlocked))))
            << safe;
}

// An address may be another lock in the next run.
TEST(SearchCandidates, ALockWithoutANameIsNoneInCommon) {
    const auto a =
        record("act name=a\ntouch word=w of=o kind=write chain=f locks=0xff12 time=1 task=1");
    const auto b =
        record("act name=b\ntouch word=w of=o kind=read chain=g locks=0xff12 time=1 task=2");
    EXPECT_THAT(candidates({a, b}), SizeIs(1));
}

TEST(SearchCandidates, TwoThatReadAreNone) {
    const auto a =
        record("act name=a\ntouch word=w of=o kind=read chain=f locks=\"\" time=1 task=1");
    const auto b =
        record("act name=b\ntouch word=w of=o kind=read chain=g locks=\"\" time=1 task=2");
    EXPECT_THAT(candidates({a, b}), IsEmpty());
}

TEST(SearchCandidates, ALockThatIsOpenBetweenTwoAccesses) {
    const auto list = found(R"(act name="bind pci/a"
touch word=device.iommu of=pci/a kind=read chain=iommu_probe_device+0x8<bind locks=iommu_probe_device_lock time=1 task=2)");
    ASSERT_THAT(list, Not(IsEmpty()));
    const auto open = std::ranges::find(list, CandidateKind::left_open, &Candidate::kind);
    ASSERT_NE(open, list.end());
    EXPECT_EQ(open->act_a, "insmod virtio_iommu");
    std::vector<std::string> parks;
    for (const auto& park : open->parks_a)
        parks.push_back(park.function + (park.exit ? " exit" : " enter"));
    EXPECT_THAT(parks, ElementsAre("pci_dma_configure enter", "of_iommu_configure enter",
                                   "of_iommu_configure exit", "pci_dma_configure exit"));
}

// What was read by one system call and written by the next is two acts of a program.
TEST(SearchCandidates, ALockThatIsOpenBetweenTwoSystemCallsIsNone) {
    const auto kinds = [](const char* first, const char* second) {
        const auto a =
            record("act name=a\ntouch word=v of=d kind=read chain=show<" + std::string(first) +
                   " locks=m time=1 task=1\nlock taken=0 name=m chain=mutex_unlock<show<" + first +
                   " time=2 task=1\nlock taken=1 name=m chain=mutex_lock<store<" + second +
                   " time=3 task=1\ntouch word=v of=d kind=write chain=store<" + second +
                   " locks=m time=4 task=1\n");
        const auto b = record("act name=b\ntouch word=v of=d kind=read chain=f<g locks=m time=1 "
                              "task=2");
        return candidates({a, b}).size();
    };
    EXPECT_EQ(kinds("ksys_read<__arm64_sys_read<el0_svc", "ksys_write<__arm64_sys_write<el0_svc"),
              0U);
    EXPECT_EQ(kinds("walk<init_module<__arm64_sys_finit_module<el0_svc",
                    "walk<init_module<__arm64_sys_finit_module<el0_svc"),
              1U);
}

// Who has counted himself keeps out who asks under the mutex, and nobody who asks before it.
TEST(SearchCandidates, TheDmaOfAGroupIsALock) {
    const auto a = record(R"(act name=bind
lock taken=1 name="group 1" chain=mutex_lock<iommu_device_use_default_domain+0x34<probe time=1 task=1
touch word=group.owner_cnt of="group 1" kind=write chain=iommu_device_use_default_domain+0x4c<probe locks="group 1" time=2 task=1
lock taken=0 name="group 1" chain=mutex_unlock<iommu_device_use_default_domain+0x58<probe time=3 task=1
lock taken=1 name="group 1" chain=mutex_lock<prepare_msi+0x3c<probe time=4 task=1
touch word=group.domain of="group 1" kind=read chain=prepare_msi+0x40<probe locks="group 1" time=5 task=1
lock taken=0 name="group 1" chain=mutex_unlock<prepare_msi+0x58<probe time=6 task=1
touch word=group.domain of="group 1" kind=read chain=map+0x40<probe locks="" time=7 task=1
)");
    const auto type = [&](const char* asks, const char* locks) {
        return candidates(
                   {a, record(std::string("act name=type\n"
                                          "touch word=group.owner_cnt of=\"group 1\" kind=read "
                                          "chain=store+0x8<write locks=\"") +
                              asks +
                              "\" time=1 task=2\ntouch word=group.domain of=\"group 1\" kind=write "
                              "chain=set+0x8<store<write locks=\"group 1\" time=3 task=2\n" +
                              locks)})
            .size();
    };
    EXPECT_EQ(type("group 1", ""), 0U);
    EXPECT_GT(type("", ""), 0U);
    EXPECT_GT(
        type("group 1", "lock taken=0 name=\"group 1\" chain=mutex_unlock<store time=2 task=2"),
        0U);
}

TEST(SearchCandidates, TwoWordsThatAreWrittenOneAfterTheOther) {
    const auto a = record(R"(act name=a
touch word=driver.devices of=d kind=write chain=driver_bound+0x4<probe locks=k time=1 task=1
touch word=iommu_device_list of="" kind=write chain=iommu_device_register+0x8<probe locks=l time=9 task=1
sleeper name=driver_bound
sleeper name=iommu_device_register)");
    const auto b = record(R"(act name=b
touch word=driver.devices of=d kind=read chain=driver_find_device+0x4 locks=k time=1 task=2
touch word=iommu_device_list of="" kind=read chain=lookup+0x4 locks=l time=2 task=2)");
    const auto list = candidates({a, b});
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0].kind, CandidateKind::half_way);
    EXPECT_THAT(list[0].parks_a, SizeIs(2));
}

// Between two places of one task nothing is seen to happen: they are one. All happens in walk: to
// park at its ends is to do one act after the other.
TEST(SearchCandidates, PlacesBetweenWhichNothingHappensAreOne) {
    const auto a = record(R"(act name=a
touch word=v of=d kind=read chain=look<walk locks=l time=1 task=1
touch word=w of=d kind=read chain=look<inner<outer<walk locks=l time=2 task=1
lock taken=0 name=l chain=mutex_unlock<outer<walk time=3 task=1
touch word=w of=d kind=read chain=late<walk locks="" time=4 task=1
sleeper name=look
sleeper name=inner
sleeper name=outer
sleeper name=walk)");
    const auto b = record("act name=b\ntouch word=w of=d kind=write chain=f locks=m time=1 task=2");
    const auto list = candidates({a, b});
    ASSERT_THAT(list, SizeIs(2));
    const auto& parks = list[1].a.time == 2 ? list[1].parks_a : list[0].parks_a;
    EXPECT_THAT(
        texts_of(parks,
                 [](const auto& park) { return (park.exit ? "exit " : "entry ") + park.function; }),
        ElementsAre("entry look", "exit look", "exit outer"));
}

// Nothing is called between the look and the lock, nor between a lock that is left and taken again:
// the place is the call of the lock. Of one that is only tried it is no place to sleep.
TEST(SearchCandidates, InsideAFunctionThePlaceIsTheCallOfALock) {
    const auto parks = [](const std::string& lock, const char* look) {
        const auto a =
            record("act name=a\n" + std::string(look) + "lock taken=1 name=m chain=" + lock +
                   "<store+0x40<walk+0x8 time=3 task=1\n"
                   "touch word=v of=d kind=write chain=store+0x50<walk+0x8 locks=m "
                   "time=4 task=1\nsleeper name=store\nsleeper name=walk");
        const auto b =
            record("act name=b\ntouch word=w of=d kind=write chain=f<g locks=m time=1 task=2");
        const auto list = candidates({a, b});
        return list.empty() ? std::vector<std::string>{}
                            : texts_of(list[0].parks_a, [](const auto& park) {
                                  return shown(park) + (park.returns == 0x40 ? " call" : "");
                              });
    };
    constexpr const char* kLook =
        "touch word=w of=d kind=read chain=store+0x20<walk+0x8 locks=\"\" time=2 task=1\n";
    constexpr const char* kTwice = // as it is stepped over after an interrupt
        "touch word=w of=d kind=read chain=store+0x20<walk+0x8 locks=\"\" time=1 task=1\n"
        "touch word=w of=d kind=read chain=store+0x20<walk+0x8 locks=\"\" time=2 task=1\n";
    constexpr const char* kOpen = "touch word=w of=d kind=read chain=store+0x20<walk+0x8 locks=m "
                                  "time=1 task=1\nlock taken=0 name=m "
                                  "chain=mutex_unlock<store+0x30<walk+0x8 time=2 task=1\n";
    EXPECT_THAT(parks("mutex_lock", kLook), testing::Contains("entry of store call"));
    EXPECT_THAT(parks("mutex_lock", kTwice), testing::Contains("entry of store call"));
    EXPECT_THAT(parks("mutex_trylock", kLook),
                testing::Not(testing::Contains("entry of store call")));
    EXPECT_THAT(parks("mutex_lock", kOpen), ElementsAre("entry of store call"));
}

TEST(SearchCandidates, BetweenTwoWritesOfAFunctionThePlaceIsTheCallOfALock) {
    const auto a = record(R"(act name=a
touch word=v of=d kind=write chain=store+0x4<walk locks="" time=1 task=1
lock taken=1 name=m chain=mutex_lock<store+0x40<walk time=3 task=1
touch word=w of=d kind=write chain=store+0x50<walk locks=m time=9 task=1
sleeper name=store
sleeper name=walk)");
    const auto b = record(R"(act name=b
touch word=v of=d kind=read chain=look+0x4 locks=m time=1 task=2
touch word=w of=d kind=read chain=look+0x8 locks=m time=2 task=2)");
    const auto list = candidates({a, b});
    const auto half = std::ranges::find(list, CandidateKind::half_way, &Candidate::kind);
    ASSERT_NE(half, list.end());
    ASSERT_THAT(half->parks_a, SizeIs(1));
    EXPECT_EQ(half->parks_a[0].returns, 0x40U);
}

// Its lock cannot be seen, so it is no news that none is.
TEST(SearchCandidates, AListThatASpinlockGuardsComesLast) {
    const auto with = [](const char* act, const char* kind, const char* word) {
        return record(std::string("act name=") + act + "\ntouch word=" + word +
                      " of=\"\" kind=" + kind + " chain=f" + act + " locks=\"\" time=1 task=1");
    };
    const auto rank = [&](const char* word) {
        const auto list = candidates({with("a", "write", word), with("b", "read", word)});
        return list.empty() ? -1 : list.front().rank;
    };
    EXPECT_EQ(rank("iommu_device_list"), 4);
    EXPECT_EQ(rank("group.devices"), 2); // a mutex guards it
    EXPECT_EQ(rank("device.iommu"), 0);
}

// Who is parked first does not pass what it passes only after the other one.
TEST(SearchCandidates, PlacesThatNeedTheOtherOneFirstComeLast) {
    const std::string ends = "lock taken=1 name=l chain=mutex_lock time=1 task=1\n"
                             "lock taken=0 name=l chain=mutex_unlock time=9 task=1\n"
                             "sleeper name=inner\nsleeper name=outer\n";
    const auto alone = record("act name=a\n" + ends +
                              "touch word=v of=d kind=read chain=f<outer locks=l time=2 task=1");
    const auto after = record("act name=a after=b\n" + ends +
                              "touch word=w of=d kind=read chain=g<inner<outer locks=l time=3 "
                              "task=1");
    const auto b = record("act name=b\ntouch word=w of=d kind=write chain=f locks=m time=1 task=2");
    const auto list = candidates({alone, after, b});
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0].parks_a.front().function, "outer");
    EXPECT_EQ(list[0].parks_a.back().function, "inner");
}

// Who stores a byte of flags loses what is stored since it was loaded: there is the place.
TEST(SearchCandidates, ALostBitIsLostInsideAFunction) {
    const auto a = record(R"(act name=bind
touch word=device.dma_iommu of=pci/a kind=read chain=arch_setup_dma_ops+0x10<of_dma_configure locks=d time=1 task=1
touch word=device.dma_iommu of=pci/a kind=write chain=arch_setup_dma_ops+0x20<of_dma_configure locks=d time=2 task=1
sleeper name=of_dma_configure)");
    const auto b = record("act name=type\ntouch word=device.dma_iommu of=pci/a kind=write "
                          "chain=iommu_setup_dma_ops locks=g time=1 task=2");
    const auto list = candidates({a, b});
    ASSERT_THAT(list, SizeIs(2));
    EXPECT_EQ(list[1].rank, 0);
    EXPECT_EQ(list[1].known, "R1e");
    EXPECT_EQ(list[1].parks_a.at(0).function, "arch_setup_dma_ops.rmw");
    EXPECT_FALSE(list[1].parks_a.at(0).exit);
}

// Where the table does not know the place, it is the store.
TEST(SearchCandidates, ALostBitIsLostAtItsStore) {
    const auto place_of = [](const std::string& sleeper) {
        const auto list = candidates(
            {record("act name=bind\ntouch word=device.dma_iommu of=pci/a kind=write "
                    "chain=leaf+0x20<of_dma_configure<probe locks=d time=2 task=1\n"
                    "sleeper name=" +
                    sleeper),
             record("act name=type\ntouch word=device.dma_iommu of=pci/a kind=read chain=f locks=g "
                    "time=1 task=2")});
        return list.at(0).parks_a.empty() ? "" : list[0].parks_a[0].function;
    };
    EXPECT_EQ(place_of("leaf"), "leaf+0x20");
    EXPECT_EQ(place_of("of_dma_configure"), "leaf+0x20");
    EXPECT_EQ(place_of("other"), "");
}

// Somebody else's access in between, and a first look under the same lock, hide nothing.
TEST(SearchCandidates, HalfWayIsSeenThroughWhatElseHappens) {
    const auto a = record(R"(act name=a
touch word=v of=d kind=write chain=f+0x4<probe locks=k time=1 task=1
touch word=other of=d kind=read chain=g locks="" time=2 task=7
touch word=w of=d kind=write chain=h+0x8<probe locks=k time=9 task=1)");
    const auto b = record(R"(act name=b
touch word=v of=d kind=read chain=first locks=k time=1 task=2
touch word=w of=d kind=read chain=second locks=k time=2 task=2
touch word=w of=d kind=read chain=later locks=k2 time=3 task=2)");
    const auto list = candidates({a, b});
    EXPECT_THAT(list, testing::Contains(testing::Field(&Candidate::kind, CandidateKind::half_way)));
}

// Two that hold a semaphore for reading are inside together.
TEST(SearchCandidates, TwoReadersOfALockAreNotKeptApart) {
    const auto with = [](const char* act, const char* kind, const char* lock) {
        return record(std::string("act name=") + act + "\ntouch word=w of=o kind=" + kind +
                      " chain=f" + act + " locks=\"" + lock + "\" time=1 task=1");
    };
    const auto reading = owned_for_reading("pci_bus_sem");
    EXPECT_THAT(
        candidates({with("a", "write", reading.c_str()), with("b", "read", reading.c_str())}),
        SizeIs(1));
    EXPECT_THAT(candidates({with("a", "write", "pci_bus_sem"), with("b", "read", reading.c_str())}),
                IsEmpty());
    EXPECT_THAT(candidates({with("a", "write", reading.c_str()), with("b", "read", "pci_bus_sem")}),
                IsEmpty());
}

TEST(SearchCandidates, ARaceThatIsKnownHasItsName) {
    const auto a = record(
        "act name=\"type 3 DMA-FQ\"\ntouch word=group.default_domain of=\"group 3\" kind=read "
        "chain=iommu_group_store_type+0x44 locks=0x1 time=1 task=1");
    const auto b = record(
        "act name=\"remove pci/a\"\ntouch word=group.default_domain of=\"group 3\" kind=write "
        "chain=iommu_deinit_device+0x10c locks=\"group 3\" time=1 task=2");
    const auto list = candidates({a, b});
    ASSERT_THAT(list, SizeIs(1));
    EXPECT_EQ(list[0].known, "R3e");
}

} // namespace
} // namespace dmarace::search
