// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/matrix.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "vm/campaign/run.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <chrono>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTimeout = "20m"; // of one part

constexpr const char* kHelp =
    "dmarace-vm matrix: runs every part of vm/matrix.toml on its boards and kernels, one after\n"
    "the other, and prints one table. DIR gets a directory for each, with the output. Exit 1\n"
    "when one failed, 4 when all were skipped. --table prints the table of docs/support.md instead "
    "and runs nothing.\n";

struct MatrixTask {
    const MatrixCell* cell;
    const MatrixPart* part;
    PartResult outcome{};
};

// "debian:6.12" as a directory's name.
std::string plain(std::string name) {
    std::replace_if(
        name.begin(), name.end(), [](char letter) { return letter == '/' || letter == ':'; }, '-');
    return name;
}

Result<PartResult> run_part(const MatrixTask& task, const std::string& title, const Places& places,
                            const std::string& cache, const fs::path& dir) {
    std::error_code error;
    fs::remove_all(dir, error);
    fs::create_directories(dir, error);
    Command command{.argv = {fs::read_symlink("/proc/self/exe", error).string(), "run", "--board",
                             task.cell->board, "--kernel", task.cell->kernel, "--timeout", kTimeout,
                             "--out", (dir / "run").string(), "--source", places.source.string()},
                    .directory = places.source,
                    .log = dir / "output"};
    if (!cache.empty())
        command.argv.insert(command.argv.end(), {"--cache", cache});
    if (!task.part->program.empty())
        command.argv.insert(command.argv.end(), {"--program", task.part->program});
    command.argv.emplace_back("--");
    command.argv.insert(command.argv.end(), task.part->command.begin(), task.part->command.end());
    const auto start = std::chrono::steady_clock::now();
    TRY_AS(const auto status, run_showing(command, title));
    const std::string output = read_text(dir / "output").value_or(""),
                      console = read_text(dir / "run/console.log").value_or("");
    PartResult outcome = judge(*task.part, *task.cell, {status, output, console});
    outcome.seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start)
            .count();
    return outcome;
}

std::vector<MatrixTask> tasks_of(const Matrix& matrix, const std::vector<MatrixCell>& cells,
                                 const std::string& part, bool ci) {
    std::vector<MatrixTask> tasks;
    for (const MatrixCell& cell : cells)
        for (const std::string& name : ci ? cell.ci : cell.parts)
            if (part.empty() || part == name)
                tasks.push_back({&cell, matrix.part(name)});
    return tasks;
}

std::vector<PartResult> outcomes_of(const std::vector<MatrixTask>& tasks) {
    std::vector<PartResult> outcomes;
    for (const MatrixTask& task : tasks)
        outcomes.push_back(task.outcome);
    return outcomes;
}

void print_table(const std::vector<MatrixTask>& tasks) {
    Columns columns({"kernel", "board", "part", "result", "time", "why"});
    for (const MatrixTask& task : tasks)
        columns.add({task.cell->kernel, task.cell->board, task.part->name,
                     std::string(to_text(task.outcome.came)),
                     fmt::format("{} s", task.outcome.seconds), task.outcome.why});
    const auto outcomes = outcomes_of(tasks);
    const auto number = [&](PartEnd came) {
        return std::ranges::count(outcomes, came, &PartResult::came);
    };
    fmt::print("{}{} parts: {} passed, {} failed, {} skipped\n", columns.text(""), tasks.size(),
               number(PartEnd::passed), number(PartEnd::failed), number(PartEnd::skipped));
}

Result<int> run_all(std::vector<MatrixTask>& tasks, const Places& places, const std::string& cache,
                    const fs::path& out) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        MatrixTask& task = tasks[i];
        const std::string name =
            plain(task.cell->kernel) + "_" + task.cell->board + "_" + task.part->name;
        TRY_AS(auto outcome,
               run_part(task,
                        fmt::format("{} of {}: {} on {}, {}", i + 1, tasks.size(),
                                    task.cell->kernel, task.cell->board, task.part->name),
                        places, cache, out / name));
        task.outcome = std::move(outcome);
    }
    print_table(tasks);
    say("outputs are in {}", out.string());
    return exit_code(outcomes_of(tasks));
}

po::options_description matrix_options() {
    po::options_description options("Options of matrix");
    const auto text = [](const char* name) {
        return po::value<std::string>()->default_value("")->value_name(name);
    };
    options.add_options()("kernel", text("K"), "only with this kernel")(
        "board", text("B"), "only on this board")("part", text("P"), "only this part")(
        "ci", po::bool_switch(), "only what is among the default tests")(
        "out", text("DIR"), "where the outputs go [a new directory in the temporary one]")(
        "table", po::bool_switch(),
        "print the table of docs/support.md")("list", po::bool_switch(), "print what would be run");
    options.add(common_options());
    return options;
}

Result<fs::path> out_directory(const std::string& given) {
    if (!given.empty())
        return fs::absolute(given);
    TRY_AS(auto made, TemporaryDirectory::make());
    return made.keep();
}

Result<int> matrix_command(const CommandLine& line) {
    TRY_AS(const auto places, find_places(line.text("source")));
    TRY_AS(const auto matrix, read_matrix(places.matrix()));
    if (line.flag("table")) {
        fmt::print("{}", support_table(matrix));
        return 0;
    }
    const auto cells = select_cells(matrix, line.text("kernel"), line.text("board"));
    auto tasks = tasks_of(matrix, cells, line.text("part"), line.flag("ci"));
    if (tasks.empty())
        return fail(Fault::usage, "vm/matrix.toml has nothing of that; --list shows all");
    if (line.flag("list")) {
        for (const MatrixTask& task : tasks)
            fmt::print("{:<18} {:<20} {}\n", task.cell->kernel, task.cell->board, task.part->name);
        return 0;
    }
    TRY_AS(const auto out, out_directory(line.text("out")));
    return run_all(tasks, places, line.text("cache"), out);
}

} // namespace

const Subcommand kMatrix{.name = "matrix",
                         .synopsis = "[--kernel K] [--board B] [--part P]",
                         .summary = "run parts of the suite on many kernels and boards; one table",
                         .help = kHelp,
                         .options = matrix_options,
                         .takes = Subcommand::Takes::options,
                         .run = matrix_command};

} // namespace dmarace::vm
