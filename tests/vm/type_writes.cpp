// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs that any board and kernel can run.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

struct Where {
    const char* board;
    const char* kernel;
};

void PrintTo(const Where& where, std::ostream* out) {
    *out << where.kernel << " on " << where.board;
}

class AnyBoard : public testing::TestWithParam<Where> {};

TEST_P(AnyBoard, every_type_write_has_an_allowed_answer) {
    Guest guest;
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"run", "type-storm", "-n", "1"}), 0);
    EXPECT_EQ(guest.result()["counts"]["pass"], 1);
    EXPECT_FALSE(guest.result()["types"].empty());
}

TEST_P(AnyBoard, random_delays_hit_their_points) {
    Guest guest;
    guest.run(GetParam().board, GetParam().kernel, {"run", "probe-delays", "-n", "3"});
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 3) << result;
    EXPECT_EQ(result["counts"]["error"], 0) << result;
    unsigned hits = 0;
    for (const auto& rule : result["rules"])
        hits += rule["hits"].get<unsigned>();
    EXPECT_GT(hits, 100U);
}

INSTANTIATE_TEST_SUITE_P(Boards, AnyBoard,
                         testing::Values(Where{"smmuv3", "debian:6.1"},
                                         Where{"smmuv3", "debian:6.12"},
                                         Where{"smmuv3", "debian:7"},
                                         Where{"virtio-iommu", "debian:7"}));

} // namespace
} // namespace dmarace::test
