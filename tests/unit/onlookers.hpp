// SPDX-License-Identifier: GPL-2.0-or-later
// Who watches a run in a test: nobody, and nobody interrupts it.
#pragma once

#include "campaign/machine.hpp"

#include <string>

namespace dmarace::test {

struct Quiet final : campaign::RunProgress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}
};

struct NoInterrupts final : campaign::RunInterrupts {
    int descriptor() const override { return -1; }
    unsigned count() override { return 0; }
};

} // namespace dmarace::test
