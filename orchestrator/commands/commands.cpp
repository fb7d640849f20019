// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/commands.hpp"

#include "base/text.hpp"

#include <array>
#include <iostream>
#include <sstream>
#include <utility>

namespace dmarace::commands {

namespace {

constexpr std::array kTable{
    CommandRow{"check",
               "a board that nobody knows, in a minute: what is sound there, and what is not",
               run_check},
    CommandRow{"doctor", "what can be run here now, what stops the rest, and the remedy",
               run_doctor},
    CommandRow{"audit", "the DMA set-up of devices as it is now", run_audit, CommandWords::devices},
    CommandRow{"list", "jobs, points, devices and groups", run_list, CommandWords::listings},
    CommandRow{"lint", "check job files without running them", run_lint, CommandWords::jobs},
    CommandRow{"new", "write a commented job file to start from", run_new},
    CommandRow{"predict", "where the acts of a job could meet, before they have met", run_predict,
               CommandWords::acts},
    CommandRow{"queue", "jobs for dmaraced: add, list, cancel", run_queue, CommandWords::queue},
    CommandRow{"report", "say again what runs found, from their journals", run_report},
    CommandRow{"repro", "a job as a kernel patch, a script and a mail, for who has no dmarace",
               run_repro, CommandWords::jobs},
    CommandRow{"restore", "restore what an interrupted run changed", run_restore},
    CommandRow{"explore", "find races of acts that nobody told it about", run_explore,
               CommandWords::acts},
    CommandRow{"run", "run jobs and judge every device's DMA", run_run, CommandWords::jobs},
    CommandRow{"sweep", "find races among all pairs of acts that a board allows", run_sweep,
               CommandWords::acts},
};

} // namespace

std::span<const CommandRow> table() { return kTable; }

Result<Parsed> parse(const Words& words, po::options_description& visible) {
    visible.add_options()("help,h", po::bool_switch(), "this text");
    return parse_words(words, visible);
}

std::string help_text(const std::string& usage, const std::string& about,
                      const po::options_description& visible) {
    std::ostringstream out;
    out << "usage: dmarace " << usage << "\n\n" << about << "\n" << visible;
    return out.str();
}

int run_command(const std::string& usage, const std::string& about,
                po::options_description& visible, const Words& words,
                const std::function<Result<int>(const Parsed&)>& work) {
    const auto name = usage.substr(0, usage.find(' '));
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error(name, parsed.error());
    if (parsed->flag("help"))
        return print(help_text(usage, about, visible));
    const auto code = work(*parsed);
    return code ? *code : report_error(name, code.error());
}

int report_error(std::string_view command, const Error& error) {
    std::cerr << "dmarace " << command << ": " << error.message << "\n";
    return exit_code_of(error.fault);
}

int print(std::string_view text) {
    std::cout << text;
    static bool told = false;
    if (std::cout.flush())
        return 0;
    if (!std::exchange(told, true))
        std::cerr << "dmarace: cannot write to standard output\n";
    return kExitEnvironment;
}

Result<job::Job> load_job(const std::string& name, bool unsafe) {
    TRY_AS(auto checked, job::check_job(name));
    for (const auto& diagnostic : checked.diagnostics)
        if (!unsafe || diagnostic.code != job::Code::needs_unsafe)
            std::cerr << job::to_text(diagnostic) << "\n";
    const auto errors = checked.errors();
    if (errors > 0)
        return fail(Fault::usage, checked.path + ": " + std::to_string(errors) +
                                      (errors == 1 ? " error" : " errors") +
                                      "; nothing was run (dmarace lint " + name + " explains)");
    return *std::move(checked.job);
}

} // namespace dmarace::commands
