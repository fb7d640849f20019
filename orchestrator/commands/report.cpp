// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace report': what the journals of runs say.
#include "report/report.hpp"

#include "commands/commands.hpp"

#include <fstream>
#include <iterator>

namespace dmarace::commands {

namespace {

Result<run::Run> read_run(const std::string& dir) {
    std::ifstream file(dir + "/journal.jsonl");
    if (!file)
        return fail(Fault::usage, dir + " holds no run (no journal.jsonl)");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto run = run::read_journal(text);
    if (!run)
        return std::unexpected(std::move(run.error()).within(dir));
    return run;
}

} // namespace

int run_report(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("table", po::bool_switch(), "one table of all runs")(
        "json", po::bool_switch(),
        "result.json of each run, one line each")("ktap", po::bool_switch(), "KTAP of each run");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("report", parsed.error());
    if (parsed->flag("help"))
        return print(help_text(
                   "report DIR..",
                   "Says again what runs found, from their journals. A run with holds and "
                   "one of the same\njob without stand beside each other in the table.\n",
                   visible))
                   ? 0
                   : kExitEnvironment;
    if (parsed->words.empty())
        return report_error("report", Error{Fault::usage, "give at least one DIR of a run", 0});
    std::vector<run::Run> runs;
    for (const auto& dir : parsed->words) {
        auto run = read_run(dir);
        if (!run)
            return report_error("report", run.error());
        runs.push_back(*std::move(run));
    }
    if (parsed->flag("table"))
        return print(report::table(runs)) ? 0 : kExitEnvironment;
    for (const auto& run : runs) {
        const auto text = parsed->flag("json")   ? report::result_line(run) + "\n"
                          : parsed->flag("ktap") ? report::ktap(run)
                                                 : report::summary(run);
        if (!print(text))
            return kExitEnvironment;
    }
    return 0;
}

} // namespace dmarace::commands
