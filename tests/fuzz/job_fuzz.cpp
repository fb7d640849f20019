// SPDX-License-Identifier: GPL-2.0-or-later
// Feeds any bytes to the reader of job files and checks what must
// hold for each: it answers, an error has a place and one line of text, and a
// job that loads can be linted and told.
#include "job/help.hpp"
#include "job/load.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace dmarace::job;

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check(const Diagnostics& diagnostics) {
    for (const auto& diagnostic : diagnostics) {
        require(diagnostic.where.line > 0 && diagnostic.where.column > 0);
        require(!diagnostic.message.empty());
        require(diagnostic.message.find('\n') == std::string::npos);
    }
}

void check(const Job& job) {
    require(!job.name.empty());
    for (const auto& rule : job.rules) {
        require(!rule.name.empty() && !rule.point.empty());
        require(!rule.holds() || rule.timeout);
    }
    check(lint(job));
    require(!job_help(job).empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto job = load(std::string(reinterpret_cast<const char*>(data), size), "f");
    if (job)
        check(*job);
    else
        check(job.error());
    return 0;
}
