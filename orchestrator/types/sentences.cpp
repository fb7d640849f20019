// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel said of the type writes that it refused, and what its silence proves.
#include "types/judge.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace dmarace::types {

using catalogue::LogHint;

namespace {

// pr_err_ratelimited(): so many lines of one place in so much time.
constexpr std::size_t kBurst = 10;
constexpr std::uint64_t kInterval = 5'000'000'000;
// The log's clock is not quite that of the writes.
constexpr std::uint64_t kSlack = 50'000'000;

std::uint64_t before(std::uint64_t ts, std::uint64_t by) { return ts > by ? ts - by : 0; }

std::uint64_t after(std::uint64_t ts, std::uint64_t by) {
    return ts > kForever - by ? kForever : ts + by;
}

int errno_of(LogHint hint) {
    return hint == LogHint::type_devices || hint == LogHint::type_refused ? EINVAL : EBUSY;
}

} // namespace

// Where a sentence belongs to no write that answered so, the clocks go apart, or somebody
// else writes types: then silence proves nothing.
TypeSentences::TypeSentences(const TypeEvidence& evidence,
                             const std::vector<HistoryWrite>& writes) {
    for (const auto& sentence : evidence.said) {
        any_ = any_ || sentence.hint != LogHint::type_refused;
        times_[sentence.hint].push_back(sentence.ts);
    }
    for (auto& [hint, times] : times_)
        std::ranges::sort(times);
    for (const auto& write : writes)
        since_ = std::min(since_, write.began);
    trusted_ = true;
    for (const auto& sentence : evidence.said) {
        if (sentence.hint == LogHint::type_suppressed)
            continue;
        const auto may_be_of = [&](const HistoryWrite& write) {
            return write.os_error == errno_of(sentence.hint) &&
                   sentence.ts >= before(write.began, kSlack) &&
                   sentence.ts <= after(write.ended, kSlack);
        };
        const auto first = std::ranges::find_if(writes, may_be_of);
        if (first == writes.end())
            trusted_ = false;
        else if (std::none_of(std::next(first), writes.end(), may_be_of))
            told_.insert(&*first);
    }
}

std::size_t TypeSentences::count(LogHint hint, std::uint64_t from, std::uint64_t to) const {
    const auto found = times_.find(hint);
    if (found == times_.end())
        return 0;
    const auto& times = found->second;
    return static_cast<std::size_t>(std::ranges::upper_bound(times, to) -
                                    std::ranges::lower_bound(times, from));
}

bool TypeSentences::heard(LogHint hint, const HistoryWrite& write) const {
    return count(hint, before(write.began, kSlack), after(write.ended, kSlack)) > 0;
}

bool TypeSentences::spent(LogHint hint, const HistoryWrite& write) const {
    return count(hint, before(write.began, kInterval + kSlack), after(write.ended, kSlack)) >=
           kBurst;
}

bool TypeSentences::missing(LogHint hint, const HistoryWrite& write) const {
    return trusted_ && before(write.began, kInterval + kSlack) >= since_ && !heard(hint, write) &&
           !spent(hint, write);
}

} // namespace dmarace::types
