// SPDX-License-Identifier: GPL-2.0-or-later
// The options of 'dmarace run'.
#pragma once

#include "campaign/run.hpp"
<<<<<<< HEAD
#include "commands/commands.hpp"
=======
#include "commands/options.hpp"
#include "report/report.hpp"
>>>>>>> d7cb8c0 (run: what a run is has a room of its own, below its reports)

namespace dmarace::commands {

void add_run_options(po::options_description& visible);
Result<report::ExitStyle> exit_style(const std::string& text);
// All but the directory. A wrong word is Fault::usage.
Result<campaign::RunOptions> to_options(const Parsed& parsed);

} // namespace dmarace::commands
