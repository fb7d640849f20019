// SPDX-License-Identifier: GPL-2.0-or-later
// This file is 'dmarace lint'.
#include "commands/job_files.hpp"
#include "commands/options.hpp"
#include "commands/output.hpp"

namespace dmarace::commands {

int run_lint(const Words& words) {
    po::options_description visible("Options");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("lint", parsed.error());
    if (parsed->flag("help"))
        return print(
                   help_text("lint JOB..",
                             "Checks job files: keys, units, points, signals, and holds that own "
                             "the lock which\nthe awaited actor needs. Nothing is run. Exit 0 when "
                             "all are clean, else 2.\n",
                             visible))
                   ? 0
                   : kExitEnvironment;
    if (parsed->words.empty())
        return report_error("lint", Error{Fault::usage, "give at least one JOB", 0});
    int worst = 0;
    for (const auto& name : parsed->words) {
        const auto job = load_job(name);
        if (!job)
            worst = report_error("lint", job.error());
        else
            print(name + ": clean\n");
    }
    return worst;
}

} // namespace dmarace::commands
