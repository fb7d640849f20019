// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"
#include "vm/campaign/places.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/say.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp = "dmarace-vm boards: the virtual boards there are. A board is a file "
                              "vm/boards/NAME.toml;\nmake your own and give its path to --board.\n";

std::string needs_of(const Board& board) {
    std::vector<std::string> options;
    for (const Need& need : board.needs)
        options.push_back(need.option + (need.as_module ? "=m" : ""));
    return fmt::format("{}", fmt::join(options, ", "));
}

} // namespace

Result<int> boards_command(const Arguments& arguments) {
    const auto values = parse_options(arguments, common_options(), false, kHelp);
    if (!values)
        return std::unexpected(values.error());
    if (!*values)
        return 0;
    const auto places = find_places((**values)["source"].as<std::string>());
    if (!places)
        return std::unexpected(places.error());
    for (const std::string& name : board_names(places->boards())) {
        const auto board = find_board(name, places->boards());
        if (!board)
            return std::unexpected(board.error());
        fmt::print("{:<14} {}\n{:<14} needs {}\n", name, board->summary, "", needs_of(*board));
    }
    return 0;
}

} // namespace dmarace::vm
