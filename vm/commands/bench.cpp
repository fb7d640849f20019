// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/bench.hpp"

#include "vm/kernels/module_build.hpp"
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
    const auto variants = choose_variants(options.variants, variant_names(places->configs()));
    if (!variants)
        return std::unexpected(variants.error());
    const auto fragment = read_fragments(places->configs(), *variants,
                                         {options.configs.begin(), options.configs.end()});
    if (!fragment)
        return std::unexpected(fragment.error());
    return Bench(options, *std::move(places), *std::move(cache),
                 KernelOptions{*variants, *fragment, options.jobs}, *std::move(board));
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
    Arguments words{"--board", options_.board, "--kernel", kernel, "--out", out};
    for (const auto& [option, value] :
         {std::pair{"--cache", options_.cache}, std::pair{"--source", options_.source},
          std::pair{"--program", options_.program}, std::pair{"--append", options_.append}})
        if (!value.empty())
            words.insert(words.end(), {option, value});
    // The guest is ours, so no risk is too high for it.
    words.insert(words.end(),
                 {"--", "run", options_.job, "--iterations", std::to_string(trials), "--unsafe"});
    words.insert(words.end(), options_.words.begin(), options_.words.end());
    const auto exit = run_command(words);
    if (!exit)
        return std::unexpected(exit.error());
    return read_tally(read_text(out / "result.json").value_or(""),
                      read_text(out / "vm.json").value_or(""), *exit);
}

Trials Bench::trials(const fs::path& kernel, const fs::path& out) const {
    const auto boots = std::make_shared<unsigned>(0);
    return [this, kernel, out, boots](unsigned trials) {
        return run(kernel, out / std::to_string(++*boots), trials);
    };
}

} // namespace dmarace::vm
