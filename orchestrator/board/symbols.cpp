// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/symbols.hpp"

#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>

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

} // namespace

Result<Symbols> Symbols::load() {
    TRY_AS(const auto text, read_text("/proc/kallsyms"));
    return from(text);
}

// ADDRESS KIND NAME [MODULE]
Result<Symbols> Symbols::from(std::string_view text) {
    Symbols out;
    bool addresses = false;
    for (const auto& line : lines_in(text)) {
        const auto words = words_in(line);
        if (words.size() < 3 || words[2].starts_with('$') || words[2].starts_with("__pfx_"))
            continue;
        const auto address = leading_number(words[0], 16);
        addresses = addresses || address != 0;
        const bool is_function = std::string_view("tTwW").contains(words[1].front());
        auto module = words.size() > 3 ? words[3].substr(1, words[3].size() - 2) : std::string();
        out.by_address_.push_back({address, is_function, words[2], std::move(module)});
        out.by_name_.emplace(words[2], address);
    }
    if (!addresses)
        return fail(Fault::untestable, "/proc/kallsyms shows no addresses (root, kptr_restrict, "
                                       "lockdown)");
    std::ranges::stable_sort(out.by_address_, {}, &Symbol::address);
    return out;
}

SymbolAt Symbols::function_at(std::uint64_t address) const {
    auto at = std::ranges::upper_bound(by_address_, address, {}, &Symbol::address);
    while (at != by_address_.begin()) {
        --at;
        if (!at->is_function)
            continue;
        // Of several names of one address the first is the one.
        while (at != by_address_.begin() && std::prev(at)->address == at->address &&
               std::prev(at)->is_function)
            --at;
        const auto next = std::ranges::upper_bound(by_address_, address, {}, &Symbol::address);
        const bool is_last = !at->module.empty() &&
                             (next == by_address_.end() || next->address - at->address > kGap);
        if (address - at->address > (is_last ? kPage : kFunctionMost))
            break;
        return {at->name, address - at->address, at->module};
    }
    return {in_hex(address), 0, {}};
}

std::string Symbols::named(std::uint64_t address) const {
    const auto at = std::ranges::lower_bound(by_address_, address, {}, &Symbol::address);
    return at != by_address_.end() && at->address == address ? at->name : "";
}

std::optional<std::uint64_t> Symbols::address_of(std::string_view name) const {
    const auto [first, last] = by_name_.equal_range(name);
    if (first == last || std::next(first) != last)
        return std::nullopt;
    return first->second;
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
