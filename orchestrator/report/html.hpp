// SPDX-License-Identifier: GPL-2.0-or-later
// Pages to be looked at: one file each, no script, nothing from a network, light and dark. What is
// called html is HTML already, anything else is text. Pure.
#pragma once

#include "verdict/happened.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::report {

std::string html_escaped(std::string_view text);
std::string html_page(std::string_view title, std::string_view html);

// <TAG class="KIND" title="HOVER">TEXT</TAG>
std::string html_element(std::string_view tag, std::string_view kind, std::string_view text,
                         std::string_view hover = "");
std::string html_table(const std::vector<std::string>& heads,
                       const std::vector<std::vector<std::string>>& html_rows);

// What happened, down the page in its order: a lane for each actor, in which it runs, is parked or
// is not there, and one for devices and the kernel. Lines that prove a failure stand out.
std::string html_lanes(const std::vector<std::string>& actors,
                       const std::vector<verdict::Happened>& things,
                       const std::set<std::string>& evidence);

} // namespace dmarace::report
