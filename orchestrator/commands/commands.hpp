// SPDX-License-Identifier: GPL-2.0-or-later
// What the subcommands share: their table, options, exit codes and output. Adding
// one is one file and one row.
#pragma once

#include "base/options.hpp"
#include "job/load.hpp"
#include "run/recording.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::commands {

using Words = std::vector<std::string>;

// What the words of a command are, for shells to complete.
enum class CommandWords { none, jobs, acts, devices, listings, queue };

struct CommandRow {
    std::string_view name;
    std::string_view summary;
    int (*run)(const Words& words);
    CommandWords words = CommandWords::none;
};

std::span<const CommandRow> table();

int run_audit(const Words& words);
int run_check(const Words& words);
int run_doctor(const Words& words);
int run_explore(const Words& words);
int run_lint(const Words& words);
int run_list(const Words& words);
int run_new(const Words& words);
int run_predict(const Words& words);
int run_queue(const Words& words);
int run_repro(const Words& words);
int run_report(const Words& words);
int run_restore(const Words& words);
int run_run(const Words& words);
int run_sweep(const Words& words);

// What main() answers besides.
std::string main_help();
int run_help(const Words& words);
int run_complete(const Words& given);
int run_version();
int unknown_command(const std::string& word);

// What 'dmarace list' lists.
std::vector<std::string> listings();

using Parsed = ParsedWords;

// --help is added to the visible options. Unknown options and bad values are
// Fault::usage, with the nearest option.
Result<Parsed> parse(const Words& words, po::options_description& visible);

// The text of --help.
std::string help_text(const std::string& usage, const std::string& about,
                      const po::options_description& visible);

// One subcommand, whose usage begins with its name: parses its words, answers --help, else
// does its work. What is wrong is told; returns the exit code.
int run_command(const std::string& usage, const std::string& about,
                po::options_description& visible, const Words& words,
                const std::function<Result<int>(const Parsed&)>& work);

// "dmarace COMMAND: MESSAGE" to stderr; returns the exit code of the fault.
int report_error(std::string_view command, const Error& error);

// Text to stdout: 0, or with a word on stderr the exit code of what cannot be written.
int print(std::string_view text);

// Loads and lints. Diagnostics of either go to stderr, one a line; errors among
// them are a Fault::usage that counts them.
Result<job::Job> load_job(const std::string& name, bool unsafe = false);

// The run of a directory, with what its iterations observed.
struct RecordedRun {
    run::Run run;
    std::map<unsigned, run::RecordedIteration> iterations;
};
Result<RecordedRun> read_recorded(const std::filesystem::path& dir);

// What would be wrong with 'dmarace run NAME ARGS..', before it is queued.
Status check_run(const std::string& name, const Words& args);

// A text for a browser on this machine.
struct Served {
    std::string_view path, type; // "/trace.json", "application/json"
    std::function<Result<std::string>()> text;
};

// HTTP on the loopback address. Makes each text anew when it is asked for. 'listens' is told the
// port, which 0 leaves to the kernel. Returns on SIGINT or SIGTERM.
Status serve(std::uint16_t port, std::span<const Served> texts,
             const std::function<void(std::uint16_t port)>& listens);

} // namespace dmarace::commands
