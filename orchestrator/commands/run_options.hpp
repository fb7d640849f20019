// SPDX-License-Identifier: GPL-2.0-or-later
// The options of 'dmarace run'.
#pragma once

#include "campaign/campaign.hpp"
#include "commands/commands.hpp"
#include "report/report.hpp"

namespace dmarace::commands {

void add_run_options(po::options_description& visible);
Result<report::ExitStyle> exit_style(const std::string& text);
// All but the directory. A wrong word is Fault::usage.
Result<campaign::CampaignOptions> to_options(const Parsed& parsed);

} // namespace dmarace::commands
