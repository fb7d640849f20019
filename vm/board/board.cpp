// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"

#include "vm/board/reader.hpp"
#include "vm/cache/cache.hpp"
#include "vm/ui/say.hpp"

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

void read_machine(Reader& reader, const toml::table& machine, Board& board) {
    reader.only(machine, {"arch", "machine", "cpu", "smp", "memory", "firmware", "append", "disks",
                          "blockdevs", "netdevs", "devices", "clients"});
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
    board.disks = reader.list(machine, "disks");
    board.blockdevs = reader.list(machine, "blockdevs");
    board.netdevs = reader.list(machine, "netdevs");
    board.devices = reader.list(machine, "devices");
    // They become file names.
    for (const std::string& disk : board.disks)
        if (!is_plain(disk))
            reader.wrong(machine, fmt::format("disk '{}': letters, digits and '-' only", disk));
}

void read_needs(Reader& reader, const toml::table& root, Board& board) {
    for (const toml::table* need : reader.tables(root, "needs")) {
        reader.only(*need, {"option", "module"});
        board.needs.push_back({reader.text(*need, "option"), reader.text(*need, "module")});
    }
}

} // namespace

Result<Board> parse_board(std::string_view text, const std::string& file) {
    const auto parsed = parse_toml(text, file);
    if (!parsed)
        return std::unexpected(parsed.error());
    const toml::table& root = *parsed;
    Reader reader(file);
    Board board;
    reader.only(root, {"name", "summary", "machine", "modules", "needs"});
    board.name = reader.text(root, "name");
    board.summary = reader.text(root, "summary");
    read_machine(reader, reader.table(root, "machine"), board);
    const toml::table& modules = reader.table(root, "modules");
    reader.only(modules, {"load", "offer"});
    board.load = reader.list(modules, "load");
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

} // namespace dmarace::vm
