// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <array>
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

// Must be there; empty when it is not.
BriefTable part_of(BriefTable& parent, std::string_view key) {
    static const toml::table empty;
    const toml::node* node = parent.node(key);
    if (node && node->is_table())
        return parent.below(*node->as_table());
    parent.error(node ? parent.where(*node) : parent.where(),
                 fmt::format("table [{}] is missing", key));
    return parent.below(empty);
}

std::string text_or(BriefTable& table, std::string_view key, const std::string& fallback) {
    const auto found = table.text(key);
    return found ? found->value : fallback;
}

unsigned number(BriefTable& table, std::string_view key, std::int64_t most) {
    const toml::node* node = table.node(key);
    const auto value = node ? node->value_exact<std::int64_t>() : std::nullopt;
    if (value && *value >= 1 && *value <= most)
        return static_cast<unsigned>(*value);
    table.error(node ? table.where(*node) : table.where(),
                fmt::format("'{}' must be a number from 1 to {}", key, most));
    return 1;
}

} // namespace

Result<Accel> accel_from(const std::string& word) {
    static constexpr std::array kAccels{std::pair{"auto", Accel::automatic},
                                        std::pair{"kvm", Accel::kvm}, std::pair{"tcg", Accel::tcg}};
    for (const auto& [name, accel] : kAccels)
        if (word == name)
            return accel;
    return fail(Fault::usage, "--accel " + word + ": it is auto, kvm or tcg");
}

namespace {

// They become file names.
void check_plain(BriefTable& table, std::string_view what, const std::string& name) {
    if (!is_plain(name))
        table.error(table.where(),
                    fmt::format("{} '{}': letters, digits and '-' only", what, name));
}

void read_architecture(BriefTable& table, Board& board) {
    if (const toml::node* arch = table.node("arch")) {
        if (const auto found = find_architecture(table.must("arch")))
            board.architecture = *found;
        else
            table.error(table.where(*arch), found.error().message);
    }
}

void read_machine(BriefTable machine, Board& board) {
    machine.only({"arch", "machine", "cpu", "smp", "memory", "firmware", "append", "keep_memory",
                  "disks", "root", "blockdevs", "netdevs", "devices", "clients"});
    read_architecture(machine, board);
    board.machine = machine.must("machine");
    board.cpu = machine.must("cpu");
    board.memory = machine.must("memory");
    board.smp = number(machine, "smp", 64);
    board.firmware = text_or(machine, "firmware", board.firmware);
    if (machine.node("clients"))
        board.clients = number(machine, "clients", kMostClients);
    board.append = values_of(machine.list("append"));
    board.keep_memory = machine.flag("keep_memory").value_or(false);
    board.disks = values_of(machine.list("disks"));
    board.root = text_or(machine, "root", board.root);
    board.blockdevs = values_of(machine.list("blockdevs"));
    board.netdevs = values_of(machine.list("netdevs"));
    board.devices = values_of(machine.list("devices"));
    for (const std::string& disk : board.disks)
        check_plain(machine, "disk", disk);
    if (!board.root.empty())
        check_plain(machine, "root", board.root);
    if (std::find(board.disks.begin(), board.disks.end(), board.root) != board.disks.end())
        machine.error(
            machine.where(),
            fmt::format("root '{}' is one of the disks, which each boot empties", board.root));
}

void read_data(BriefTable data, Board& board) {
    data.only({"disk", "device", "size"});
    board.data = {data.must("disk"), data.must("device"), data.must("size")};
    check_plain(data, "disk", board.data->disk);
}

// "NAME" or "NAME PARAMETER=VALUE ..".
void read_load(const std::vector<Text>& entries, Board& board) {
    for (const auto& [entry, where] : entries) {
        const auto space = std::min(entry.find(' '), entry.size());
        board.load.push_back(entry.substr(0, space));
        if (space < entry.size())
            board.parameters[board.load.back()] = entry.substr(space + 1);
    }
}

void read_need(BriefTable need, Board& board) {
    need.only({"option", "module", "as"});
    const bool as_module = need.node("as");
    if (as_module && need.must("as") != "module")
        need.error(need.where(), "'as' can only be \"module\"");
    board.needs.push_back({need.must("option"), need.must("module"), as_module});
}

void read_virtual(BriefTable& root, Board& board) {
    read_machine(part_of(root, "machine"), board);
    if (root.node("data"))
        read_data(part_of(root, "data"), board);
    BriefTable modules = part_of(root, "modules");
    modules.only({"load", "offer"});
    read_load(modules.list("load"), board);
    board.offer = values_of(modules.list("offer"));
}

} // namespace

Result<Board> parse_board(std::string_view source, const std::string& file) {
    const auto parsed = parse_toml(source, file);
    if (!parsed)
        return fail(Fault::usage, shown(parsed.error().where) + ": " + parsed.error().message);
    std::string first_error;
    BriefTable root(*parsed, file, first_error);
    Board board;
    board.allows = root.node("allow") ? file : "";
    board.name = root.must("name");
    board.summary = root.must("summary");
    if (root.node("hardware")) {
        root.only({"name", "summary", "hardware", "needs", "allow"});
        BriefTable hardware = part_of(root, "hardware");
        read_architecture(hardware, board);
        board.hardware = read_hardware(hardware);
    } else {
        root.only({"name", "summary", "machine", "data", "modules", "needs", "allow"});
        read_virtual(root, board);
    }
    for (const toml::table* need : root.tables("needs"))
        read_need(root.below(*need), board);
    if (!first_error.empty())
        return fail(Fault::usage, first_error);
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
        return fail(Fault::usage, "board file " + text.error().message +
                                      "; docs/boards.md has the smallest ones for a board on a "
                                      "desk, 'dmarace-vm boards' the virtual boards");
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
    if (board.hardware)
        return {};
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

std::string cpu_for(const Board& board, std::string_view config) {
    // The architected algorithm of pointer authentication takes most of QEMU's time.
    constexpr const char* kNewest = "max,pauth-impdef=on";
    for (const char* option : {"CONFIG_ARM64_16K_PAGES", "CONFIG_ARM64_BTI_KERNEL"})
        if (board.architecture == &arm64() && config.contains(fmt::format("\n{}=y\n", option)))
            return kNewest;
    return board.cpu;
}

std::string run_inside(const Board& board) {
    if (board.hardware)
        return board.hardware->place + "/out";
    return board.data ? std::string(guest::kData) + "/run" : guest::kShare;
}

} // namespace dmarace::vm
