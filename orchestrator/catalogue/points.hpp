// SPDX-License-Identifier: GPL-2.0-or-later
// The places where a task can be held or delayed: the table that the module compiles
// too (kmod/dmarace_points.h). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dmarace::catalogue {

// One row of kmod/dmarace_points.h. locks: DMARACE_LOCK_* bits, always held at
// entry whoever calls.
struct Point {
    std::string name;
    unsigned locks = 0;
    unsigned facts = 0; // DMARACE_SLEEPS and what follows it there
    std::string what;
    std::vector<std::string> symbols;
    bool knows_device = false;     // one of the symbols has its struct device
    bool inside = false;           // in the middle of a function: no exit, nothing to return
    std::vector<std::string> also; // those of the symbols that are armed beside the others
};

const std::vector<Point>& points();
std::vector<std::string> point_names();

// The names of DMARACE_LOCK_* bits, with commas; "-" for none.
std::string lock_names(unsigned locks);

// The row of that name, or nullptr. Points live as long as the program.
const Point* find_point(std::string_view name);

} // namespace dmarace::catalogue
