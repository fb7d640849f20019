// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/symbols.hpp"

#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <utility>

namespace dmarace::board {

namespace {

// What is further from a function's beginning is not in it. The last function of a module's text
// has no other one behind it: what is on another page is of a module's freed init text.
constexpr std::uint64_t kFunctionMost = 1U << 20, kGap = 1U << 14, kPage = 1U << 12;

// Modifiers and typedefs left out.
const btf_type* plain(const btf* types, std::uint32_t id) {
    const auto* type = btf__type_by_id(types, id);
    while (type != nullptr && (btf_is_mod(type) || btf_is_typedef(type)))
        type = btf__type_by_id(types, type->type);
    return type;
}

struct Found {
    std::uint64_t bits;
    std::uint32_t type;
    unsigned width; // of a bit field, 0 of others
};

// A member by its name, also of unions and structures inside that have none.
std::optional<Found> find_member(const btf* types, const btf_type* type, std::string_view name) {
    if (type == nullptr || !btf_is_composite(type))
        return std::nullopt;
    for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
        const auto& member = btf_members(type)[i];
        const std::string_view own = btf__name_by_offset(types, member.name_off);
        const auto bits = btf_member_bit_offset(type, i);
        if (own == name)
            return Found{bits, member.type, btf_member_bitfield_size(type, i)};
        if (!own.empty())
            continue;
        if (auto inside = find_member(types, plain(types, member.type), name)) {
            inside->bits += bits;
            return inside;
        }
    }
    return std::nullopt;
}

// What is before the first 'end', or all; and that away with it.
std::string_view cut(std::string_view& text, char end) {
    const auto at = text.find(end);
    const auto out = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return out;
}

// Of the text of /proc/modules, modules and where they are.
std::map<std::string, std::uint64_t> bases_in(std::string_view modules) {
    std::map<std::string, std::uint64_t> out;
    for (const auto& line : lines_in(modules))
        if (const auto words = words_in(line); words.size() > 5 && words[5].starts_with("0x"))
            out[words.front()] = leading_number(std::string_view(words[5]).substr(2), 16);
    return out;
}

} // namespace

Result<Symbols> Symbols::load() {
    TRY_AS(auto text, read_text("/proc/kallsyms"));
    return from(std::move(text), read_text("/proc/modules").value_or(""));
}

Result<Symbols> Symbols::from(std::string text, std::string_view modules) {
    Symbols out;
    out.text_ = std::make_shared<const std::string>(std::move(text));
    std::map<std::string_view, Table> tables;
    bool addresses = false;
    for (std::string_view left = *out.text_; !left.empty();) {
        auto line = cut(left, '\n');
        const auto address = leading_number(cut(line, ' '), 16);
        const auto kind = cut(line, ' ');
        const auto name = cut(line, '\t');
        if (kind.empty() || name.starts_with('$') || name.starts_with("__pfx_"))
            continue;
        addresses = addresses || address != 0;
        const auto module = line.starts_with('[') ? line.substr(1, line.find(']') - 1) : line;
        tables[module].push_back(
            {address, std::string_view("tTwW").contains(kind.front()), name, module});
    }
    if (!addresses)
        return fail(Fault::untestable, "/proc/kallsyms shows no addresses (root, kptr_restrict, "
                                       "lockdown)");
    for (auto& [module, table] : tables) {
        std::ranges::stable_sort(table, {}, &Symbol::address);
        out.parts_[std::string(module)] = {std::make_shared<const Table>(std::move(table))};
    }
    for (const auto& [name, base] : bases_in(modules))
        if (const auto part = out.parts_.find(name); part != out.parts_.end())
            part->second.base = base;
    return out;
}

std::optional<Symbols> Symbols::with(std::string_view modules) const {
    auto out = *this;
    for (const auto& [name, base] : bases_in(modules)) {
        const auto part = out.parts_.find(name);
        if (part == out.parts_.end())
            return std::nullopt;
        part->second.moved_by += base - std::exchange(part->second.base, base);
    }
    return out;
}

std::optional<SymbolAt> Symbols::function_in(const Part& part, std::uint64_t address) {
    const auto& table = *part.table;
    address -= part.moved_by;
    auto at = std::ranges::upper_bound(table, address, {}, &Symbol::address);
    const auto next = at;
    while (at != table.begin()) {
        --at;
        if (!at->is_function)
            continue;
        // Of several names of one address the first is the one.
        while (at != table.begin() && std::prev(at)->address == at->address &&
               std::prev(at)->is_function)
            --at;
        const bool is_last =
            !at->module.empty() && (next == table.end() || next->address - at->address > kGap);
        if (address - at->address > (is_last ? kPage : kFunctionMost))
            break;
        return SymbolAt{std::string(at->name), address - at->address, std::string(at->module)};
    }
    return std::nullopt;
}

// Parts lie apart, but what is far behind the last function of one may be in another.
SymbolAt Symbols::function_at(std::uint64_t address) const {
    std::optional<SymbolAt> out;
    for (const auto& [name, part] : parts_)
        if (auto found = function_in(part, address); found && (!out || found->offset < out->offset))
            out = std::move(found);
    return out.value_or(SymbolAt{in_hex(address), 0, {}});
}

std::string Symbols::named(std::uint64_t address) const {
    for (const auto& [name, part] : parts_) {
        const auto at = std::ranges::lower_bound(*part.table, address, {}, &Symbol::address);
        if (part.moved_by == 0 && at != part.table->end() && at->address == address)
            return std::string(at->name);
    }
    return "";
}

std::optional<std::uint64_t> Symbols::address_of(std::string_view name) const {
    std::optional<std::uint64_t> out;
    for (const auto& [module, part] : parts_)
        for (const auto& symbol : *part.table)
            if (symbol.name == name) {
                if (out)
                    return std::nullopt;
                out = symbol.address + part.moved_by;
            }
    return out;
}

void Layouts::BtfFree::operator()(btf* types) const { btf__free(types); }

Result<Layouts> Layouts::load(const std::string& file) {
    libbpf_set_print(nullptr);
    Layouts out;
    out.types_ = std::shared_ptr<btf>(btf__parse(file.c_str(), nullptr), BtfFree());
    if (!out.types_)
        return fail(Fault::untestable, file + ": this kernel does not tell its layouts "
                                              "(CONFIG_DEBUG_INFO_BTF)");
    return out;
}

std::optional<MemberAt> Layouts::member(const std::string& structure,
                                        const std::string& path) const {
    const auto id = btf__find_by_name_kind(types_.get(), structure.c_str(), BTF_KIND_STRUCT);
    if (id < 0)
        return std::nullopt;
    std::uint64_t bits = 0;
    Found last{0, static_cast<std::uint32_t>(id), 0};
    for (const auto& name : split(path, '.')) {
        const auto found = find_member(types_.get(), plain(types_.get(), last.type), name);
        if (!found)
            return std::nullopt;
        last = *found;
        bits += found->bits;
    }
    if (last.width > 0)
        return MemberAt{bits / 8, 1};
    const auto size = btf__resolve_size(types_.get(), last.type);
    return MemberAt{bits / 8, static_cast<unsigned>(std::max<std::int64_t>(size, 0))};
}

std::optional<std::uint64_t> Layouts::size(const std::string& structure) const {
    const auto id = btf__find_by_name_kind(types_.get(), structure.c_str(), BTF_KIND_STRUCT);
    if (id < 0)
        return std::nullopt;
    return btf__type_by_id(types_.get(), static_cast<std::uint32_t>(id))->size;
}

std::optional<DeviceArgument> Layouts::device_argument(const std::string& function) const {
    using As = DeviceArgument::As;
    constexpr std::array<std::pair<std::string_view, As>, 3> kKinds{
        {{"device", As::device}, {"pci_dev", As::pci_dev}, {"iommu_group", As::group}}};
    const auto id = btf__find_by_name_kind(types_.get(), function.c_str(), BTF_KIND_FUNC);
    if (id < 0)
        return std::nullopt;
    const auto* type = btf__type_by_id(types_.get(), static_cast<std::uint32_t>(id));
    const auto* prototype = btf__type_by_id(types_.get(), type->type);
    for (const auto& [name, as] : kKinds)
        for (std::uint32_t i = 0; i < btf_vlen(prototype) && i < 8; ++i) {
            const auto* pointer = plain(types_.get(), btf_params(prototype)[i].type);
            if (pointer == nullptr || !btf_is_ptr(pointer))
                continue;
            const auto* to = plain(types_.get(), pointer->type);
            if (to != nullptr && btf_is_struct(to) &&
                btf__name_by_offset(types_.get(), to->name_off) == name)
                return DeviceArgument{i, as};
        }
    return std::nullopt;
}

} // namespace dmarace::board
