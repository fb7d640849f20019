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

struct SaidLine {
    std::string wanted, whose, text;
};

std::vector<SaidLine> said_lines() {
    std::ifstream file(DMARACE_SOURCE_DIR "/tests/unit/iommu_lines.txt");
    std::vector<SaidLine> out;
    for (std::string wanted, whose, text; std::getline(file, wanted, '\n');) {
        std::istringstream row(wanted);
        if (!wanted.starts_with('#') && std::getline(row, wanted, '\t') &&
            std::getline(row, whose, '\t') && std::getline(row, text))
            out.push_back({wanted, whose, text});
    }
    return out;
}

std::string meant(const LogSign* sign) {
    if (sign == nullptr || sign->effect == LogSign::Effect::overlooked)
        return "-";
    return sign->is_failure() ? std::string(to_text(sign->kind)) : "note";
}

std::string whose(const std::string& line) {
    const auto source = fault_source(line);
    if (!source)
        return "-";
    std::ostringstream out;
    out << "SRFU"[static_cast<std::size_t>(source->says)];
    if (source->says == FaultSource::Says::stream || source->says == FaultSource::Says::requester)
        out << " 0x" << std::hex << source->id;
    return out.str();
}

TEST(LogSigns, OfEveryIommuDriver) {
    const auto lines = said_lines();
    EXPECT_GT(lines.size(), 250U);
    for (const auto& line : lines) {
        EXPECT_EQ(meant(log_sign(line.text)), line.wanted) << line.text;
        EXPECT_EQ(whose(line.text), line.whose) << line.text;
    }
}

TEST(LogSigns, AreTheSameOnAConsole) {
    for (const auto* before :
         {"[   12.345678] ", "<3>[   12.345678] ", "[   12.345678][   T42] ",
          "[12345.678901][   C0] ", "<4>", "[  T123] ", "<6>[    C1] ", "login: [    1.000000] "})
        for (const auto& line : said_lines())
            EXPECT_EQ(meant(console_sign(before + line.text)), line.wanted) << before << line.text;
}

} // namespace
} // namespace dmarace::catalogue
