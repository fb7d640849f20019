// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "run/run_dir.hpp"
#include "vm/bisect/bisection.hpp"
#include "vm/campaign/run.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

#include <memory>

namespace dmarace::vm {
namespace fs = std::filesystem;

Result<Bench> Bench::open(const BisectOptions& options) {
    auto places = find_places(options.source);
    if (!places)
        return std::unexpected(places.error());
    auto cache = Cache::open(options.cache);
    auto board = find_board(options.board, places->boards());
    if (!cache || !board)
        return std::unexpected(cache ? board.error() : cache.error());
    auto kernel =
        choose_options(places->configs(), options.variants, options.configs, options.jobs);
    if (!kernel)
        return std::unexpected(kernel.error());
    return Bench(options, *std::move(places), *std::move(cache), *std::move(kernel),
                 *std::move(board));
}

Result<fs::path> Bench::build(const fs::path& directory) const {
    const auto tree = open_source_tree(directory);
    if (!tree)
        return std::unexpected(tree.error());
    auto built = build_kernel(cache_, *tree, kernel_);
    if (!built)
        return built;
    const auto kernel = open_kernel(*built);
    if (!kernel)
        return std::unexpected(kernel.error());
    if (auto fits = check_board(*kernel, board_); !fits)
        return fail(Fault::untestable, fits.error().message);
    if (const auto modules = build_modules(cache_, *kernel, places_.source); !modules)
        return std::unexpected(modules.error());
    return built;
}

Result<Tally> Bench::run(const fs::path& kernel, const fs::path& out, unsigned trials) const {
    std::error_code error;
    fs::remove_all(out, error);
    fs::create_directories(out.parent_path(), error);
    // The guest is ours, so no risk is too high for it.
    BoardRunOptions run{
        .board = options_.board,
        .kernel = kernel.string(),
        .out = out.string(),
        .cache = options_.cache,
        .source = options_.source,
        .program = options_.program,
        .append = options_.append,
        .also = {},
        .command = {"run", options_.job, "--iterations", std::to_string(trials), "--unsafe"}};
    run.command.insert(run.command.end(), options_.words.begin(), options_.words.end());
    const auto exit = run_on_board(run);
    if (!exit)
        return std::unexpected(exit.error());
    return read_tally(read_text(out / run::files::kResult).value_or(""),
                      read_text(out / "vm.json").value_or(""), *exit);
}

Trials Bench::trials(const fs::path& kernel, const fs::path& out) const {
    const auto boots = std::make_shared<unsigned>(0);
    return [this, kernel, out, boots](unsigned trials) {
        return run(kernel, out / std::to_string(++*boots), trials);
    };
}

std::string question_of(const BisectOptions& options) {
    std::string question = fmt::format("job {}, board {}", options.job, options.board);
    Key files; // what a file of one's own says is part of the question
    bool own = false;
    for (const std::string& file : {options.job, options.board, options.program}) {
        std::error_code error;
        if (std::filesystem::is_regular_file(file, error)) {
            files.add(read_text(file).value_or(""));
            own = true;
        }
    }
    for (const std::string& file : options.configs)
        files.add(read_text(file).value_or(""));
    if (own || !options.configs.empty())
        question += ", files " + files.text();
    if (!options.variants.empty())
        question += fmt::format(", variants {}", fmt::join(options.variants, ","));
    if (!options.append.empty())
        question += ", kernel arguments " + options.append;
    if (!options.words.empty())
        question += fmt::format(", run options {}", fmt::join(options.words, " "));
    return question;
}

} // namespace dmarace::vm
