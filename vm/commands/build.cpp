// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/places.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm build --kernel K: fetch the kernel if need be, build the module for it and\n"
    "print the path of dmarace.ko. The same kernel and source are built once.\n";

} // namespace

Result<int> build_command(const Arguments& arguments) {
    po::options_description options = common_options();
    options.add_options()(
        "kernel", po::value<std::string>()->default_value("")->value_name("K"),
        "debian:SERIES[/ARCH], a directory with an Image and modules, a build tree, or a source");
    const auto values = parse_options(arguments, options, false, kHelp);
    if (!values)
        return std::unexpected(values.error());
    if (!*values)
        return 0;
    const auto kernel_name = (**values)["kernel"].as<std::string>();
    if (kernel_name.empty())
        return fail(Fault::usage, "which kernel? say --kernel debian:6.12, DIR or TREE");
    const auto places = find_places((**values)["source"].as<std::string>());
    const auto cache = Cache::open((**values)["cache"].as<std::string>());
    if (!places || !cache)
        return std::unexpected(places ? cache.error() : places.error());
    const auto kernel = find_kernel(*cache, places->kernel_files(), kernel_name, arm64());
    if (!kernel)
        return std::unexpected(kernel.error());
    const auto modules = build_modules(*cache, *kernel, places->source);
    if (!modules)
        return std::unexpected(modules.error());
    fmt::print("{}\n", modules->front().string());
    return 0;
}

} // namespace dmarace::vm
