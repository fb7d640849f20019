// SPDX-License-Identifier: GPL-2.0-or-later
// What samples of a watch say of an act: which locks its task owned at each access.
#include "explore/locksets.hpp"

#include <gmock/gmock.h>

namespace dmarace::explore {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kProbe = 0x1000, kBind = 0x2000, kMap = 0x3000, kOurs = 0x4000,
                        kLeaf = 0x5000, kMemset = 0x5800, kThrough = 0x4800, kMutex = 0x9000,
                        kDevice = 0x9100, kOther = 0x9200, kGroup = 0x9300;
constexpr const char* kSymbols = "0000000000001000 T really_probe\n"
                                 "0000000000002000 T bind_store\n"
                                 "0000000000003000 T dma_map_page_attrs\n"
                                 "0000000000004000 t notified\t[dmarace]\n"
                                 "0000000000004800 t dmarace_trampoline\t[dmarace]\n"
                                 "0000000000005000 T leaf\n"
                                 "0000000000005800 T __pi_memset_generic\n"
                                 "0000000000006000 T mutex_lock\n"
                                 "0000000000009000 d iommu_probe_device_lock\n";

class Samples {
public:
    Samples& touch(std::vector<std::uint64_t> chain, int task = 1, std::uint64_t link = 0) {
        board::WatchSample sample;
        sample.chain = std::move(chain);
        sample.link = link;
        return add(std::move(sample), task);
    }
    Samples& call(std::string_view function, bool returns, std::uint64_t value, int task = 1) {
        board::WatchSample sample;
        sample.is_probe = true;
        const auto& probes = lock_probes();
        while (probes.at(sample.index).function != function ||
               probes.at(sample.index).returns != returns)
            ++sample.index;
        sample.chain = {0x6000, kProbe + 8};
        sample.value = value;
        return add(std::move(sample), task);
    }
    search::ActRecord record() const {
        static const auto symbols =
            std::make_shared<const board::Symbols>(*board::Symbols::from(kSymbols));
        const SampleNames names{symbols,
                                {{"device.driver", "pci/a"}},
                                {{kDevice, "device pci/a"}, {kGroup, "DMA of group 3"}}};
        search::ActRecord out;
        interpret({samples_, {}}, names, out);
        return out;
    }
    // Of the last access.
    std::vector<std::string> locks() const { return record().touches.back().locks; }

private:
    Samples& add(board::WatchSample sample, int task) {
        sample.task = task;
        sample.time = samples_.size() + 1;
        samples_.push_back(std::move(sample));
        return *this;
    }
    std::vector<board::WatchSample> samples_;
};

TEST(ExploreLocksets, AreOfTheTaskAndTheMoment) {
    EXPECT_THAT(Samples().call("mutex_lock", false, kMutex).touch({kProbe}).locks(),
                ElementsAre("iommu_probe_device_lock"));
    EXPECT_THAT(Samples()
                    .call("mutex_lock", false, kDevice)
                    .call("mutex_lock", false, kOther)
                    .touch({kProbe})
                    .locks(),
                ElementsAre("device pci/a", "0x9200"));
    EXPECT_THAT(Samples()
                    .call("mutex_lock", false, kMutex)
                    .call("mutex_unlock", false, kMutex)
                    .touch({kProbe})
                    .locks(),
                IsEmpty());
    EXPECT_THAT(Samples().call("mutex_lock", false, kMutex, 2).touch({kProbe}).locks(), IsEmpty());
}

TEST(ExploreLocksets, CountFromTheirSuccessfulReturn) {
    const auto tried = [](const char* function, std::uint64_t gave) {
        return Samples()
            .call(function, false, kMutex)
            .call(function, true, gave)
            .touch({kProbe})
            .locks();
    };
    EXPECT_THAT(tried("mutex_trylock", 1), SizeIs(1));
    EXPECT_THAT(tried("mutex_trylock", 0), IsEmpty());
    EXPECT_THAT(tried("mutex_lock_interruptible", 0), SizeIs(1));
    EXPECT_THAT(tried("mutex_lock_killable", static_cast<std::uint32_t>(-4)), IsEmpty());
    EXPECT_THAT(tried("down_write_trylock", 1), SizeIs(1));
}

TEST(ExploreLocksets, TellReadersFromWriters) {
    const auto after = [](const std::vector<const char*>& calls) {
        Samples samples;
        for (const auto* call : calls)
            samples.call(call, false, kMutex);
        return samples.touch({kProbe}).locks();
    };
    EXPECT_THAT(after({"down_write"}), ElementsAre("iommu_probe_device_lock"));
    EXPECT_THAT(after({"down_read"}), ElementsAre("iommu_probe_device_lock for reading"));
    EXPECT_THAT(after({"down_read", "up_read"}), IsEmpty());
    EXPECT_THAT(after({"down_write", "downgrade_write"}),
                ElementsAre("iommu_probe_device_lock for reading"));
    EXPECT_THAT(after({"down_write", "downgrade_write", "up_read"}), IsEmpty());
    const auto steps =
        Samples().call("down_read", false, kMutex).call("up_read", false, kMutex).touch({kProbe});
    EXPECT_EQ(steps.record().locks.at(0).lock, steps.record().locks.at(1).lock);
}

// A bind takes its group's DMA together with others, and an unbind, by whatever task, gives it
// back.
TEST(ExploreLocksets, DmaOfAGroupIsOne) {
    const auto used = [](const char* function, std::uint64_t gave) {
        return Samples().call(function, false, kGroup).call(function, true, gave).touch({kProbe});
    };
    EXPECT_THAT(used("iommu_device_use_default_domain", 0).locks(),
                ElementsAre("DMA of group 3 for reading"));
    EXPECT_THAT(used("iommu_group_claim_dma_owner", 0).locks(), ElementsAre("DMA of group 3"));
    EXPECT_THAT(used("iommu_group_claim_dma_owner", static_cast<std::uint32_t>(-16)).locks(),
                IsEmpty());
    EXPECT_THAT(used("iommu_device_use_default_domain", 0)
                    .call("iommu_device_unuse_default_domain", false, kGroup, 2)
                    .touch({kProbe})
                    .locks(),
                IsEmpty());
    // What nobody was seen to take was owned before.
    const auto unbind = Samples()
                            .touch({kProbe})
                            .call("iommu_device_unuse_default_domain", false, kGroup)
                            .touch({kProbe})
                            .record();
    EXPECT_THAT(unbind.touches.at(0).locks, ElementsAre("DMA of group 3 for reading"));
    EXPECT_THAT(unbind.touches.at(1).locks, IsEmpty());
    EXPECT_THAT(unseen_locks({"iommu_device_claim_dma_owner"}), IsEmpty()); // none on 5.15
}

// Where lockdep is on, the calls are others.
TEST(ExploreLocksets, KnowWhatLockdepCallsThem) {
    EXPECT_THAT(Samples().call("mutex_lock_nested", false, kMutex).touch({kProbe}).locks(),
                SizeIs(1));
    EXPECT_THAT(Samples().call("down_write_nested", false, kMutex).touch({kProbe}).locks(),
                SizeIs(1));
    EXPECT_THAT(unseen_locks({"mutex_lock_nested", "down_read_nested", "downgrade_write"}),
                ElementsAre("downgrade_write"));
    EXPECT_THAT(unseen_locks({"mutex_lock"}), IsEmpty());
    EXPECT_THAT(unseen_locks({"mutex_lock", "mutex_lock_nested", "_mutex_lock_nest_lock"}),
                ElementsAre("mutex_lock"));
}

// Memory that may be waited for, and waiting itself, prove that a task may be parked there.
TEST(ExploreLocksets, ProofsOfSleepAreMoreThanLocks) {
    const auto sleepers = [](const char* call, std::uint64_t value) {
        return Samples().call(call, false, value).touch({kProbe}).record().sleepers;
    };
    EXPECT_THAT(sleepers("__kmalloc_cache_noprof", 0xcc0), ElementsAre("really_probe"));
    EXPECT_THAT(sleepers("__kmalloc_cache_noprof", 0x820), IsEmpty()); // GFP_ATOMIC
    EXPECT_THAT(sleepers("wait_for_completion", kMutex), ElementsAre("really_probe"));
    const auto record = Samples().call("msleep", false, kMutex).touch({kProbe}).record();
    EXPECT_THAT(record.touches.back().locks, IsEmpty());
    EXPECT_THAT(record.locks, IsEmpty());
    EXPECT_THAT(unseen_locks({"kmalloc_trace", "up_read"}), ElementsAre("up_read"));
}

TEST(ExploreLocksets, MoreThanIsKeptIsSaidOnce) {
    Samples samples;
    for (int i = 0; i < 4005; ++i)
        samples.touch({kProbe});
    EXPECT_THAT(samples.record().lost, SizeIs(1));
}

TEST(ExploreLocksets, WhatMapsAndWhatIsOursIsDropped) {
    EXPECT_THAT(Samples().touch({kMemset, kProbe + 4}).record().touches, IsEmpty());
    EXPECT_THAT(Samples().touch({kLeaf, kMap + 4, kProbe + 4}).record().touches, IsEmpty());
    EXPECT_THAT(Samples().touch({kLeaf, kOurs + 4, kProbe + 4}).record().touches, IsEmpty());
    EXPECT_THAT(Samples().touch({kLeaf, kProbe + 4}).record().touches, SizeIs(1));
}

// A function whose end the module waits for returns through it.
TEST(ExploreLocksets, WhatReturnsThroughTheModuleIsNotItsOwn) {
    EXPECT_EQ(search::shown(
                  Samples().touch({kLeaf + 4, kThrough, kProbe + 4}).record().touches.at(0).chain),
              "leaf+0x4 < really_probe");
}

// Without a frame its caller is in the link register alone.
TEST(ExploreLocksets, CallersOfLeavesAreNamed) {
    const auto chain = [](std::uint64_t link) {
        return search::shown(
            Samples().touch({kLeaf + 4, kBind + 8}, 1, link).record().touches.front().chain);
    };
    EXPECT_EQ(chain(kProbe + 16), "leaf+0x4 < really_probe < bind_store");
    EXPECT_EQ(chain(kBind + 8), "leaf+0x4 < bind_store");
    EXPECT_EQ(chain(kLeaf + 12), "leaf+0x4 < bind_store");
    EXPECT_EQ(chain(0), "leaf+0x4 < bind_store");
}

TEST(ExploreLocksets, WhoTakesALockThatSleepsMaySleep) {
    EXPECT_THAT(Samples().call("mutex_lock", false, kMutex).touch({kProbe}).record().sleepers,
                ElementsAre("really_probe"));
    EXPECT_THAT(Samples().call("mutex_trylock", false, kMutex).touch({kProbe}).record().sleepers,
                IsEmpty());
}

} // namespace
} // namespace dmarace::explore
