// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::catalogue {
namespace {

using enum FailureKind;

// The rows of the table of kinds: the kind and its next cell.
std::vector<std::pair<std::string, std::string>> explained_kinds() {
    std::ifstream file(DMARACE_SOURCE_DIR "/docs/verdicts.md");
    std::vector<std::pair<std::string, std::string>> found;
    for (std::string line; std::getline(file, line);) {
        const auto end = line.find("` | ");
        if (!line.starts_with("| `") || end == line.npos)
            continue;
        const auto kind = line.substr(3, end - 3);
        if (failure_kind_from(kind))
            found.emplace_back(kind, line.substr(end + 4, line.find(" |", end + 4) - end - 4));
    }
    return found;
}

TEST(FailureKinds, EachIsInTheTableOnceAndReadsBack) {
    std::set<std::string_view> texts;
    std::size_t place = 0;
    for (const auto& row : failure_kinds()) {
        EXPECT_EQ(static_cast<std::size_t>(row.kind), place++);
        EXPECT_TRUE(texts.insert(row.text).second) << row.text;
        EXPECT_EQ(to_text(row.kind), row.text);
        EXPECT_EQ(failure_kind_from(row.text), row.kind);
        EXPECT_FALSE(row.meaning.empty());
    }
    EXPECT_EQ(failure_kind_from("no-such-kind"), std::nullopt);
    EXPECT_EQ(failure_kind_from(""), std::nullopt);
}

TEST(FailureKinds, TheEnumIsInTheOrderOfGravity) {
    const std::vector<FailureKind> ranks[] = {
        // what ends the machine, then what DMA does: wrong bytes are worse than what may lead
        // to them
        {crash, hang, kernel_oops, wrong_data, domain_underfoot, dma_direct, no_group},
        // then what is left behind, then what only tells of it
        {fwspec_lost, double_probe, attach_failed},
        {not_bound, reference_leak, unexpected_errno, kernel_warning}};
    for (const auto& kinds : ranks)
        EXPECT_EQ(std::ranges::adjacent_find(kinds, std::greater_equal()), kinds.end());
    EXPECT_EQ(failure_kinds().back().kind, kernel_warning);
}

TEST(FailureKinds, AreExplainedInTheirOrder) {
    std::vector<std::pair<std::string, std::string>> expected;
    for (const auto& row : failure_kinds())
        expected.emplace_back(row.text, row.meaning);
    EXPECT_EQ(explained_kinds(), expected);
}

TEST(FailureKinds, EachHasAPositiveControl) {
    std::ifstream file(DMARACE_SOURCE_DIR "/docs/simulated-iommu.md");
    std::stringstream text;
    text << file.rdbuf();
    for (const auto& row : failure_kinds())
        EXPECT_THAT(text.str(), testing::HasSubstr("\n- `" + std::string(row.text) + "`, by "));
}

} // namespace
} // namespace dmarace::catalogue
