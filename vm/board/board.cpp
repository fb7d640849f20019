// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"

#include "base/files.hpp"
#include "vm/board/reader.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <cctype>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

bool is_plain(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isalnum(letter) != 0 || letter == '-';
    });
}

// libfdt looks at all nodes to add one.
constexpr std::int64_t kMostClients = 256;

void read_machine(BoardReader& reader, const toml::table& machine, Board& board) {
    reader.only(machine,
                {"arch", "machine", "cpu", "smp", "memory", "firmware", "append", "keep_memory",
                 "disks", "root", "blockdevs", "netdevs", "devices", "clients"});
    if (const toml::node* arch = machine.get("arch")) {
        if (const auto found = find_architecture(reader.text(machine, "arch")))
            board.architecture = *found;
        else
            reader.wrong(*arch, found.error().message);
    }
    board.machine = reader.text(machine, "machine");
    board.cpu = reader.text(machine, "cpu");
    board.memory = reader.text(machine, "memory");
    board.smp = reader.number(machine, "smp", 64);
    if (machine.contains("firmware"))
        board.firmware = reader.text(machine, "firmware");
    if (machine.contains("clients"))
        board.clients = reader.number(machine, "clients", kMostClients);
    board.append = reader.list(machine, "append");
    board.keep_memory = reader.flag(machine, "keep_memory");
    board.disks = reader.list(machine, "disks");
    if (machine.contains("root"))
        board.root = reader.text(machine, "root");
    board.blockdevs = reader.list(machine, "blockdevs");
    board.netdevs = reader.list(machine, "netdevs");
    board.devices = reader.list(machine, "devices");
    // They become file names.
    for (const std::string& disk : board.disks)
        if (!is_plain(disk))
            reader.wrong(machine, fmt::format("disk '{}': letters, digits and '-' only", disk));
    if (!board.root.empty() && !is_plain(board.root))
        reader.wrong(machine, fmt::format("root '{}': letters, digits and '-' only", board.root));
    if (std::find(board.disks.begin(), board.disks.end(), board.root) != board.disks.end())
        reader.wrong(machine, fmt::format("root '{}' is one of the disks, which each boot empties",
                                          board.root));
}

void read_data(BoardReader& reader, const toml::table& root, Board& board) {
    if (!root.contains("data"))
        return;
    const toml::table& data = reader.table(root, "data");
    reader.only(data, {"disk", "device", "size"});
    board.data = {reader.text(data, "disk"), reader.text(data, "device"),
                  reader.text(data, "size")};
    if (!is_plain(board.data->disk))
        reader.wrong(data,
                     fmt::format("disk '{}': letters, digits and '-' only", board.data->disk));
}

// "NAME" or "NAME PARAMETER=VALUE ..".
void read_load(BoardReader& reader, const toml::table& modules, Board& board) {
    for (const std::string& entry : reader.list(modules, "load")) {
        const auto space = std::min(entry.find(' '), entry.size());
        board.load.push_back(entry.substr(0, space));
        if (space < entry.size())
            board.parameters[board.load.back()] = entry.substr(space + 1);
    }
}

void read_needs(BoardReader& reader, const toml::table& root, Board& board) {
    for (const toml::table* need : reader.tables(root, "needs")) {
        reader.only(*need, {"option", "module", "as"});
        if (need->contains("as") && reader.text(*need, "as") != "module")
            reader.wrong(*need, "'as' can only be \"module\"");
        board.needs.push_back(
            {reader.text(*need, "option"), reader.text(*need, "module"), need->contains("as")});
    }
}

} // namespace

Result<Board> parse_board(std::string_view text, const std::string& file) {
    const auto parsed = parse_toml(text, file);
    if (!parsed)
        return std::unexpected(parsed.error());
    const toml::table& root = *parsed;
    BoardReader reader(file);
    Board board;
    reader.only(root, {"name", "summary", "machine", "data", "modules", "needs"});
    board.name = reader.text(root, "name");
    board.summary = reader.text(root, "summary");
    read_machine(reader, reader.table(root, "machine"), board);
    read_data(reader, root, board);
    const toml::table& modules = reader.table(root, "modules");
    reader.only(modules, {"load", "offer"});
    read_load(reader, modules, board);
    board.offer = reader.list(modules, "offer");
    read_needs(reader, root, board);
    if (!reader.first_error().empty())
        return fail(Fault::usage, reader.first_error());
    return board;
}

std::vector<std::string> board_names(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error))
        if (entry.path().extension() == ".toml")
            names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

Result<Board> find_board(const std::string& name, const fs::path& directory) {
    const bool is_path = name.find('/') != std::string::npos || name.ends_with(".toml");
    const auto names = board_names(directory);
    if (!is_path && std::find(names.begin(), names.end(), name) == names.end())
        return fail(Fault::usage, fmt::format("no board '{}'{}", name, hint(name, names)));
    const fs::path file = is_path ? fs::path(name) : directory / (name + ".toml");
    auto text = read_text(file);
    if (!text)
        return fail(Fault::usage, "board file " + text.error().message);
    return parse_board(*text, file.string());
}

Status check_board(const Kernel& kernel, const Board& board) {
    if (kernel.architecture != board.architecture)
        return fail(Fault::usage, fmt::format("board {} is {}, and kernel {} ({}) is for {}",
                                              board.name, board.architecture->name, kernel.name,
                                              kernel.release, kernel.architecture->name));
    for (const Need& need : board.needs)
        if (!has_driver(kernel, need))
            return fail(Fault::untestable,
                        fmt::format("board {} cannot run kernel {} ({}): it needs {}, which that "
                                    "kernel does not have{}",
                                    board.name, kernel.name, kernel.release,
                                    need.option + (need.as_module ? "=m" : ""),
                                    need.as_module ? " (dmarace-vm kernel build makes one)" : ""));
    for (const Need& need :
         {Need{"CONFIG_9P_FS", "9p"}, Need{"CONFIG_NET_9P_VIRTIO", "9pnet_virtio"},
          Need{std::string(board.architecture->wire_option),
               std::string(board.architecture->wire_module)}})
        if (!has_driver(kernel, need))
            return fail(Fault::environment,
                        fmt::format("kernel {} ({}) cannot share a directory with the host: build "
                                    "it with CONFIG_9P_FS, CONFIG_NET_9P_VIRTIO and {} ({} is "
                                    "missing)",
                                    kernel.name, kernel.release, board.architecture->wire_option,
                                    need.option));
    return {};
}

std::string run_inside(const Board& board) {
    return board.data ? std::string(guest::kData) + "/run" : guest::kShare;
}

} // namespace dmarace::vm
