// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/checks.hpp"

namespace dmarace::verdict {

namespace {

// check_log comes after the checks whose failures a log line supports.
constexpr Check kChecks[] = {
    {check_underfoot, false}, {check_direct, true},    {check_no_group, true},
    {check_not_owned, true},  {check_map, true},       {check_type_mismatch, true},
    {check_fwspec, false},    {check_log, false},      {check_taint, false},
    {check_types, false},     {check_io, false},       {check_machine, false},
    {check_expect, false},    {check_baseline, false}, {check_leak, false},
};

} // namespace

std::span<const Check> checks() {
    return kChecks;
}

} // namespace dmarace::verdict
