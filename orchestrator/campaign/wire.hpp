// SPDX-License-Identifier: GPL-2.0-or-later
// What an actor and the owner of the control device tell each
// other over their channel: one Line a packet. Pure.
//
//   owner to actor: go · signal name=.. · hopeless (nobody is left to signal)
//   actor to owner: began index=.. verb=.. text=.. · done index=.. .. · signal name=.. ·
//                   audit .. (as the module wrote it) · group .. · note text=..
#pragma once

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/observed.hpp"

namespace dmarace::campaign::wire {

inline constexpr std::string_view kGo = "go";
inline constexpr std::string_view kBegan = "began";
inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kSignal = DMARACE_E_SIGNAL;
inline constexpr std::string_view kHopeless = "hopeless";
inline constexpr std::string_view kGroup = "group";
inline constexpr std::string_view kNote = "note";

Line to_line(const verdict::StepResult& step);
verdict::StepResult to_step(const Line& line);
Line to_line(const types::TypeGroup& group);
types::TypeGroup to_group(const Line& line);

} // namespace dmarace::campaign::wire
