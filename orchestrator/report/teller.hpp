// SPDX-License-Identifier: GPL-2.0-or-later
// A run told while it goes on, for who reads a console of which the next line may never come:
// KTAP, or the signals of LAVA's test shell. Pure.
#pragma once

#include "run/record.hpp"

#include <cstddef>
#include <string>

namespace dmarace::report {

// What is said when. 'index' is that in run.ended or run.outside.
struct ToldForm {
    // Whether iterations of earlier calls of dmarace are told again, so that the text is whole.
    bool whole;
    std::string (*head)(const run::Run& run);
    std::string (*begin)(const run::IterationBegin& begin);
    std::string (*end)(const run::Run& run, std::size_t index);
    std::string (*outside)(const run::Run& run, std::size_t index);
    std::string (*tail)(const run::Run& run);
};
extern const ToldForm kKtapForm, kLavaForm;

// Says what is new in a run since it was asked last.
class RunTeller {
public:
    explicit RunTeller(const ToldForm& form) : form_(form) {}

    // Asked first with what an earlier call left, where there is such a one, and with a run of
    // which it is known that iterations follow.
    std::string more(const run::Run& run);
    // .. and all that is left to say, now that no iteration follows.
    std::string rest(const run::Run& run);

private:
    const ToldForm& form_;
    bool headed_ = false;
    unsigned begun_ = 0;
    std::size_t ended_ = 0, outside_ = 0;
};

// Failures, evidence and notes as lines that begin with '#'.
std::string diagnostics(const verdict::Judgement& judgement);
// All that was found where no iteration went on, restoring included: one judgement.
verdict::Judgement found_outside(const run::Run& run);

} // namespace dmarace::report
