// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

#include <filesystem>

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm bisect --job J --board B [options] [-- RUN OPTIONS]: judge the kernel that is\n"
    "checked out, for `git bisect run`. In the kernel's git tree:\n\n"
    "  git bisect start BAD GOOD\n"
    "  git bisect run dmarace-vm bisect --job instance-lookup --board smmuv3-module\n"
    "  dmarace-vm bisect --report\n\n"
    "Builds the tree (dmarace-vm kernel build), boots the board, runs the job, and answers 0\n"
    "good, 1 bad, or 125: does not build or boot, or could not be judged. Anything wrong here\n"
    "rather than there is 128, ctrl-c 130: git stops, and the same command goes on.\n"
    "How many trials a good answer takes follows from how often the known-bad kernel fails. The\n"
    "first call measures that: it checks out refs/bisect/bad for a while. Each answer is\n"
    "kept in the state file, and a commit that has one is not built again.\n";

po::options_description bisect_options() {
    po::options_description options("Options of bisect");
    const auto text = [](const char* fallback, const char* name) {
        return po::value<std::string>()->default_value(fallback)->value_name(name);
    };
    const auto list = [] { return po::value<std::vector<std::string>>()->value_name("V"); };
    options.add_options()("job", text("", "J"), "a job of the library, or a file")(
        "board", text("smmuv3-module", "B"), "a board's name or file")(
        "script", text("", "FILE"),
        "a program of your own that builds, boots and runs $DMARACE_TRIALS iterations, and leaves "
        "result.json in $DMARACE_OUT; 125: cannot be judged")("tree", text(".", "DIR"),
                                                              "the kernel's git tree")(
        "variant", list(), "kernel options: kasan, lockdep, kmemleak, gki")(
        "config", list(), "a fragment of kernel options of your own; repeatable")(
        "confidence", po::value<double>()->default_value(0.99, "0.99")->value_name("C"),
        "of a good answer: with a bad kernel this share of them would have failed a trial")(
        "failure-rate", po::value<double>()->default_value(0, "measured")->value_name("P"),
        "the share of its trials that a bad kernel fails")(
        "measure", po::value<unsigned>()->default_value(20)->value_name("N"),
        "trials of the known-bad kernel")("measure-here", po::bool_switch(),
                                          "measure the kernel that is checked out, and no more")(
        "max-trials", po::value<unsigned>()->default_value(1000)->value_name("N"),
        "that a good answer may take")("steps", po::bool_switch(), "tell each decision on stderr")(
        "report", po::bool_switch(), "print what the state file has, and no more")(
        "again", po::bool_switch(), "judge again what has an answer")(
        "state", text("", "FILE"), "[dmarace-bisect.json in git's directory]")(
        "out", text("", "DIR"), "the runs' results [dmarace-bisect in git's directory]")(
        "append", text("", "\"WORDS\""), "more kernel arguments")(
        "program", text("", "FILE"), "an arm64 program to run as dmarace [build/arm64]")(
        "jobs", po::value<unsigned>()->default_value(0)->value_name("N"), "of make");
    add_kernel_source(options);
    add_accel(options);
    options.add(common_options());
    return options;
}

// A path, wherever git calls it from; a bare name is one of PATH.
std::string script_of(const std::string& given) {
    return given.contains('/') ? std::filesystem::absolute(given).string() : given;
}

Status check(const BisectOptions& options) {
    if (options.job.empty() && options.script.empty() && !options.report)
        return fail(Fault::usage, "which job? say --job instance-lookup (dmarace list jobs)");
    if (!(options.confidence > 0 && options.confidence < 1))
        return fail(Fault::usage,
                    "--confidence is a probability between 0 and 1, for example 0.99");
    if (!(options.failure_rate >= 0 && options.failure_rate <= 1))
        return fail(Fault::usage, "--failure-rate is a share of the trials, above 0 and at most 1");
    if (options.measure == 0 || options.max_trials == 0)
        return fail(Fault::usage, "--measure and --max-trials are at least 1");
    return {};
}

Result<int> bisect_command(const CommandLine& line) {
    TRY_AS(const auto options, read_bisect(line));
    return bisect(options);
}

// git takes 1 to 127 but 125 for a bad kernel: what went wrong here must not be.
int code_for_git(const Error& error) {
    return error.os_error == EINTR ? kExitInterrupted : kExitBisectBroken;
}

} // namespace

const Subcommand kBisect{.name = "bisect",
                         .synopsis = "--job J --board B",
                         .summary = "judge the kernel that is checked out, for git bisect run",
                         .help = kHelp,
                         .options = bisect_options,
                         .takes = Subcommand::Takes::command,
                         .run = bisect_command,
                         .code = code_for_git};

Result<BisectOptions> read_bisect(const CommandLine& line) {
    BisectOptions options{.script = script_of(line.text("script")),
                          .job = line.text("job"),
                          .board = line.text("board"),
                          .tree = line.text("tree"),
                          .state = line.text("state"),
                          .out = line.text("out"),
                          .cache = line.text("cache"),
                          .source = line.text("source"),
                          .program = line.text("program"),
                          .append = line.text("append"),
                          .accel = line.text("accel"),
                          .defconfig = line.text("defconfig"),
                          .llvm = line.text("llvm"),
                          .variants = line.texts("variant"),
                          .configs = line.texts("config"),
                          .jobs = line.values["jobs"].as<unsigned>(),
                          .confidence = line.values["confidence"].as<double>(),
                          .failure_rate = line.values["failure-rate"].as<double>(),
                          .measure = line.values["measure"].as<unsigned>(),
                          .max_trials = line.values["max-trials"].as<unsigned>(),
                          .measure_here = line.flag("measure-here"),
                          .steps = line.flag("steps"),
                          .report = line.flag("report"),
                          .again = line.flag("again"),
                          .words = line.behind};
    TRY(check(options));
    return options;
}

} // namespace dmarace::vm
