// SPDX-License-Identifier: GPL-2.0-or-later
// This file holds the fixed words of a job file: each list once, for the
// checker, the help and the documents. Pure.
#pragma once

#include "job/job.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace::job {

// A word and the sentence that explains it.
struct Word {
    std::string_view word;
    std::string_view help;
};

std::string_view to_text(Risk risk);
std::string_view to_text(ParamType type);
std::string_view to_text(Dma dma);

std::optional<Risk> risk_from(std::string_view text);
std::optional<ParamType> param_type_from(std::string_view text);
std::optional<Dma> dma_from(std::string_view text);

const std::vector<Word>& risk_words();
const std::vector<Word>& param_type_words();
const std::vector<Word>& dma_words();
// needs = [..]: help is the sentence said when the board lacks it.
const std::vector<Word>& need_words();
// pick = "..": driver-of and sibling-of take a {PARAM} besides.
const std::vector<Word>& pick_words();
// Buses whose devices can have an IOMMU.
const std::vector<Word>& bus_words();
// What may be written to iommu_groups/N/type, and what may be read from it.
const std::vector<Word>& type_words();
const std::vector<Word>& type_state_words();

std::vector<std::string> names(const std::vector<Word>& words);
bool contains(const std::vector<Word>& words, std::string_view word);

// Why a job that needs this is skipped on a board that lacks it.
std::string skip_reason(std::string_view need);

bool is_list(ParamType type);

} // namespace dmarace::job
