// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/type_acts.hpp"

#include <array>

namespace dmarace::verdict {

namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 6> kWords{"", "DMA", "DMA-FQ", "identity", "auto", "other"};

constexpr std::array<std::string_view, 8> kWhats{"look",   "write",  "unbind", "bind",
                                                 "remove", "rescan", "sriov",  "read"};

} // namespace

std::string_view to_text(TypeAct::What what) {
    return kWhats.at(static_cast<std::size_t>(what));
}

std::string_view to_text(TypeWord word) {
    return kWords.at(static_cast<std::size_t>(word));
}

TypeWord type_word_from(std::string_view text) {
    for (std::size_t i = 0; i + 1 < kWords.size(); ++i)
        if (kWords[i] == text)
            return static_cast<TypeWord>(i);
    return TypeWord::other;
}

} // namespace dmarace::verdict
