// SPDX-License-Identifier: GPL-2.0-or-later
// Feeds any bytes to the module's request parser and checks what
// must hold for every line: no overrun, limits kept, an error has a reason.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {
#include "parse.h"
}

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check(const dmarace_rule& rule) {
    constexpr long long ms = 1'000'000;
    require(std::memchr(rule.point, 0, sizeof(rule.point)) != nullptr);
    require(rule.waits <= DMARACE_WAITS_MAX);
    require(rule.delay_min >= 0 && rule.delay_min <= rule.delay_max);
    require(rule.delay_max <= DMARACE_DELAY_MAX_MS * ms);
    require(rule.timeout >= 0 && rule.timeout <= DMARACE_HOLD_MAX_MS * ms);
    require((rule.waits > 0) == (rule.timeout > 0));
    require(rule.probability >= 0 && rule.probability <= 100);
    require(rule.interval >= 1);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string line(reinterpret_cast<const char*>(data), size);
    dmarace_request request;
    char reason[DMARACE_REASON_MAX] = "";
    const int error = dmarace_parse(line.data(), &request, reason, sizeof(reason));
    require(std::memchr(request.id, 0, sizeof(request.id)) != nullptr);
    require(std::memchr(reason, 0, sizeof(reason)) != nullptr);
    if (error != 0)
        require(reason[0] != '\0');
    else if (request.verb == DMARACE_DO_RULE)
        check(request.rule);
    return 0;
}
