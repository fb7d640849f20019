// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"

#include "vm/cache/cache.hpp"
#include "vm/ui/say.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

bool is_plain(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
        return std::isalnum(letter) != 0 || letter == '-';
    });
}

// Reads the tables of one board file; the first thing wrong is what it tells.
class Reader {
public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    void only(const toml::table& table, const std::vector<std::string>& keys) {
        for (const auto& [key, node] : table)
            if (std::find(keys.begin(), keys.end(), key.str()) == keys.end())
                wrong(node, fmt::format("unknown key '{}'{}", key.str(), hint(key.str(), keys)));
    }

    std::string text(const toml::table& table, std::string_view key) {
        const toml::node* node = table.get(key);
        if (!node) {
            wrong(table, fmt::format("'{}' is missing", key));
            return {};
        }
        if (const auto value = node->value_exact<std::string>())
            return *value;
        wrong(*node, fmt::format("'{}' must be a string", key));
        return {};
    }

    unsigned number(const toml::table& table, std::string_view key, std::int64_t most) {
        const toml::node* node = table.get(key);
        const auto value = node ? node->value_exact<std::int64_t>() : std::nullopt;
        if (value && *value >= 1 && *value <= most)
            return static_cast<unsigned>(*value);
        wrong(node ? *node : table, fmt::format("'{}' must be a number from 1 to {}", key, most));
        return 1;
    }

    std::vector<std::string> list(const toml::table& table, std::string_view key) {
        const toml::node* node = table.get(key);
        std::vector<std::string> words;
        if (!node)
            return words;
        if (!node->is_array())
            wrong(*node, fmt::format("'{}' must be a list of strings", key));
        else
            for (const toml::node& element : *node->as_array()) {
                if (const auto word = element.value_exact<std::string>())
                    words.push_back(*word);
                else
                    wrong(element, fmt::format("'{}' must be a list of strings", key));
            }
        return words;
    }

    const toml::table& table(const toml::table& parent, std::string_view key) {
        static const toml::table empty;
        const toml::node* node = parent.get(key);
        if (node && node->is_table())
            return *node->as_table();
        wrong(node ? *node : parent, fmt::format("table [{}] is missing", key));
        return empty;
    }

    void wrong(const toml::node& node, const std::string& what) {
        if (first_.empty())
            first_ = fmt::format("{}:{}:{}: {}", file_, node.source().begin.line,
                                 node.source().begin.column, what);
    }
    const std::string& first_error() const { return first_; }

private:
    std::string file_, first_;
};

void read_machine(Reader& reader, const toml::table& machine, Board& board) {
    reader.only(machine, {"machine", "cpu", "smp", "memory", "firmware", "append", "disks", "root",
                          "blockdevs", "netdevs", "devices"});
    board.machine = reader.text(machine, "machine");
    board.cpu = reader.text(machine, "cpu");
    board.memory = reader.text(machine, "memory");
    board.smp = reader.number(machine, "smp", 64);
    if (machine.contains("firmware"))
        board.firmware = reader.text(machine, "firmware");
    board.append = reader.list(machine, "append");
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

void read_needs(Reader& reader, const toml::table& root, Board& board) {
    const toml::node* node = root.get("needs");
    if (!node)
        return;
    if (!node->is_array_of_tables())
        return reader.wrong(*node, "'needs' must be written as [[needs]] tables");
    for (const toml::node& element : *node->as_array()) {
        const toml::table& need = *element.as_table();
        reader.only(need, {"option", "module"});
        board.needs.push_back({reader.text(need, "option"), reader.text(need, "module")});
    }
}

} // namespace

Result<Board> parse_board(std::string_view text, const std::string& file) {
    toml::table root;
    try {
        root = toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        return fail(Fault::usage, fmt::format("{}:{}:{}: {}", file, error.source().begin.line,
                                              error.source().begin.column, error.description()));
    }
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
