// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/places.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm kernel build [options] TREE: build a small arm64 kernel that every board but the\n"
    "ACPI one boots in a second or two, and print the directory to give to --kernel.\n"
    "dmarace-vm kernel source debian:SERIES: fetch Debian's linux-source, print where it is.\n\n"
    "  tree=$(dmarace-vm kernel source debian:6.12)\n"
    "  dmarace-vm kernel build --variant kasan,lockdep $tree\n"
    "  dmarace-vm run --board smmuv3-module --kernel $tree -- run instance-lookup\n\n"
    "TREE is a git tree, an unpacked source, or debian:SERIES; nothing is written to it. Options\n"
    "are those of vm/configs/base.config, where IOMMU drivers and clients are modules. Each tree\n"
    "and configuration has a build directory in the cache, where only what changed is built\n"
    "again. Exit codes: 0 built, 4 the source does not build, 3 this host cannot build it,\n"
    "130 interrupted.\n";

po::options_description kernel_options() {
    po::options_description options("Options of kernel build");
    options.add_options()(
        "variant", po::value<std::vector<std::string>>()->value_name("V"),
        "more options: kasan, lockdep, kmemleak (vm/configs); several with commas or repeated")(
        "config", po::value<std::vector<std::string>>()->value_name("FILE"),
        "a fragment of your own, CONFIG_X=y a line; it wins over the others; repeatable")(
        "jobs", po::value<unsigned>()->default_value(0)->value_name("N"),
        "of make; 0: one for each processor");
    options.add(common_options());
    return options;
}

std::vector<std::string> list_of(const po::variables_map& values, const char* name) {
    return values.contains(name) ? values[name].as<std::vector<std::string>>()
                                 : std::vector<std::string>{};
}

Result<int> build(const Cache& cache, const Places& places, const po::variables_map& values,
                  const std::filesystem::path& directory) {
    const auto options = choose_options(places.configs(), list_of(values, "variant"),
                                        list_of(values, "config"), values["jobs"].as<unsigned>());
    if (!options)
        return std::unexpected(options.error());
    const auto tree = open_source_tree(directory);
    if (!tree)
        return std::unexpected(tree.error());
    const auto built = build_kernel(cache, *tree, *options);
    if (!built)
        return std::unexpected(built.error());
    fmt::print("{}\n", built->string());
    return 0;
}

} // namespace

Result<int> kernel_command(const Arguments& arguments) {
    const auto values = parse_options(arguments, kernel_options(), true, kHelp);
    if (!values)
        return std::unexpected(values.error());
    if (!*values)
        return 0;
    const auto words = list_of(**values, kWordOption);
    if (words.empty() || (words[0] != "build" && words[0] != "source"))
        return fail(Fault::usage, "say dmarace-vm kernel build TREE or kernel source debian:6.12");
    if (words.size() != 2)
        return fail(Fault::usage, fmt::format("kernel {} takes one source: a directory or "
                                              "debian:SERIES",
                                              words[0]));
    const auto places = find_places((**values)["source"].as<std::string>());
    const auto cache = Cache::open((**values)["cache"].as<std::string>());
    if (!places || !cache)
        return std::unexpected(places ? cache.error() : places.error());
    const auto source = find_source(*cache, places->suites(), words[1]);
    if (!source)
        return std::unexpected(source.error());
    if (words[0] == "build")
        return build(*cache, *places, **values, *source);
    fmt::print("{}\n", source->string());
    return 0;
}

} // namespace dmarace::vm
