// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/root.hpp"

#include "vm/board/qemu.hpp"
#include "vm/campaign/places.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm root --kernel K: make the root file system of a board with a disk and print the\n"
    "path of its image: Debian with systemd and udev, and the board's modules of that kernel.\n"
    "It is made once, by debootstrap and a guest that configures the packages; that takes root\n"
    "rights, the network and some minutes. Each run works on a copy.\n";

Result<int> make(const std::string& board_name, const std::string& kernel_name,
                 const std::string& cache_name, const std::string& source) {
    const auto places = find_places(source);
    const auto cache = Cache::open(cache_name);
    if (!places || !cache)
        return std::unexpected(places ? cache.error() : places.error());
    const auto board = find_board(board_name, places->boards());
    if (!board)
        return std::unexpected(board.error());
    if (board->root.empty())
        return fail(Fault::usage, fmt::format("board {} has no root disk", board->name));
    const auto init = places->init(*board->architecture);
    if (!init)
        return std::unexpected(init.error());
    const auto kernel =
        find_kernel(*cache, places->kernel_files(), kernel_name, *board->architecture);
    if (!kernel)
        return std::unexpected(kernel.error());
    if (auto fits = check_board(*kernel, *board); !fits)
        return std::unexpected(fits.error());
    Contents contents{};
    contents.kernel = &*kernel;
    contents.board = &*board;
    contents.init = *init;
    const auto image = find_root(*cache, contents, places->root_parts(), boots_of(*board));
    if (!image)
        return std::unexpected(image.error());
    fmt::print("{}\n", image->string());
    return 0;
}

} // namespace

Result<int> root_command(const Arguments& arguments) {
    po::options_description options = common_options();
    options.add_options()("kernel",
                          po::value<std::string>()->default_value("debian:6.12")->value_name("K"),
                          "debian:SERIES, a directory with an Image and modules, or a build tree")(
        "board", po::value<std::string>()->default_value("disk")->value_name("B"),
        "a board's name or file");
    const auto values = parse_options(arguments, options, false, kHelp);
    if (!values)
        return std::unexpected(values.error());
    if (!*values)
        return 0;
    const auto text = [&](const char* name) { return (**values)[name].as<std::string>(); };
    return make(text("board"), text("kernel"), text("cache"), text("source"));
}

} // namespace dmarace::vm
