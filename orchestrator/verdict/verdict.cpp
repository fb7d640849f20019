// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/verdict.hpp"

#include <array>

namespace dmarace::verdict {

namespace {

struct Name {
    Verdict verdict;
    std::string_view text;
};

constexpr std::array<Name, 7> kNames{{{Verdict::pass, "pass"},
                                      {Verdict::fail, "fail"},
                                      {Verdict::crash, "crash"},
                                      {Verdict::hang, "hang"},
                                      {Verdict::inconclusive, "inconclusive"},
                                      {Verdict::skip, "skip"},
                                      {Verdict::error, "error"}}};

} // namespace

std::string_view to_text(Verdict verdict) {
    for (const auto& name : kNames)
        if (name.verdict == verdict)
            return name.text;
    return "error";
}

std::optional<Verdict> verdict_from(std::string_view text) {
    for (const auto& name : kNames)
        if (name.text == text)
            return name.verdict;
    return std::nullopt;
}

} // namespace dmarace::verdict
