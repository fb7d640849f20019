// SPDX-License-Identifier: GPL-2.0-or-later
// The words of the contract: no list names a word twice, the parser knows exactly those
// of the lists, and an error arrives as what it was.
#include "board/control.hpp"
#include "kmod/dmarace_abi.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
#include "kmod/parse.h"
#include "kmod/words.h"
}

namespace {

using Words = std::vector<std::string>;

#define X(id) DMARACE_V_##id,
const Words requests{DMARACE_REQUESTS(X)};
#undef X
#define X(id) DMARACE_E_##id,
const Words events{DMARACE_EVENTS(X)};
#undef X
#define X(id) DMARACE_K_##id,
const Words rule_words{DMARACE_RULE_WORDS(X)};
const Words audit_words{DMARACE_AUDIT_WORDS(X)};
#undef X
#define X(id) DMARACE_S_##id,
const Words prefixes{DMARACE_SIGNAL_PREFIXES(X)};
#undef X
#define X(id) DMARACE_U_##id,
const Words uevent_keys{DMARACE_UEVENT_KEYS(X)};
#undef X

// What a refusal lists behind "valid are".
Words refused(std::string line) {
    dmarace_request request{};
    char reason[DMARACE_REASON_MAX] = "";
    EXPECT_NE(dmarace_parse(line.data(), &request, reason, sizeof(reason)), 0);
    const std::string text = reason;
    const std::string before = "valid are";
    std::istringstream in(text.substr(text.find(before) + before.size()));
    return {std::istream_iterator<std::string>(in), {}};
}

TEST(KmodWords, AreUniqueInTheirLists) {
    for (const auto& list : {requests, events, rule_words, audit_words, prefixes, uevent_keys})
        EXPECT_EQ(std::set(list.begin(), list.end()).size(), list.size()) << list.front();
}

TEST(KmodWords, TheParserKnowsThoseOfTheLists) {
    EXPECT_EQ(refused("nonsense"), requests);
    const auto keys = refused("rule nonsense=1");
    EXPECT_EQ(std::multiset(keys.begin(), keys.end()),
              std::multiset(rule_words.begin(), rule_words.end()));
}

TEST(KmodWords, EveryErrorSurvivesTheRoundTrip) {
#define X(error) EXPECT_EQ(dmarace::board::error_number(dmarace_error_name(-error)), error);
    DMARACE_ERRORS(X)
#undef X
    EXPECT_EQ(dmarace::board::error_number(dmarace_error_name(-EXDEV)), EIO);
    EXPECT_EQ(dmarace::board::error_number(""), EINVAL);
}

} // namespace
