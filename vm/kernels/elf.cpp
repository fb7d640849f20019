// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/elf.hpp"

#include <elf.h>

#include <optional>

namespace dmarace::vm {
namespace {

// A structure at an offset, or nothing when the file ends before it does.
template <class T>
std::optional<T> at(std::string_view elf, std::uint64_t offset) {
    if (offset > elf.size() || elf.size() - offset < sizeof(T))
        return std::nullopt;
    T value;
    std::memcpy(&value, elf.data() + offset, sizeof(T));
    return value;
}

std::string_view bytes(std::string_view elf, std::uint64_t offset, std::uint64_t size) {
    if (offset > elf.size())
        return {};
    return elf.substr(offset, size);
}

std::string text_at(std::string_view elf, std::uint64_t offset) {
    const std::string_view rest = bytes(elf, offset, std::string_view::npos);
    return std::string(rest.substr(0, rest.find('\0')));
}

Result<Elf64_Ehdr> read_header(std::string_view elf) {
    if (!elf.starts_with(std::string_view(ELFMAG, SELFMAG)))
        return fail(Fault::environment, "not an ELF file");
    const auto header = at<Elf64_Ehdr>(elf, 0);
    if (!header || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB)
        return fail(Fault::environment, "not a 64-bit little-endian ELF file");
    return *header;
}

// Where the file keeps what is loaded at an address.
std::optional<std::uint64_t> offset_of(const std::vector<Elf64_Phdr>& segments,
                                       std::uint64_t address) {
    for (const Elf64_Phdr& segment : segments)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
            address - segment.p_vaddr < segment.p_filesz)
            return segment.p_offset + (address - segment.p_vaddr);
    return std::nullopt;
}

void read_dynamic(std::string_view elf, const Elf64_Phdr& dynamic,
                  const std::vector<Elf64_Phdr>& segments, Linkage& linkage) {
    std::vector<std::uint64_t> names;
    std::uint64_t strings = 0;
    for (std::uint64_t i = 0; i + sizeof(Elf64_Dyn) <= dynamic.p_filesz; i += sizeof(Elf64_Dyn)) {
        const auto entry = at<Elf64_Dyn>(elf, dynamic.p_offset + i);
        if (!entry || entry->d_tag == DT_NULL)
            break;
        if (entry->d_tag == DT_NEEDED)
            names.push_back(entry->d_un.d_val);
        if (entry->d_tag == DT_STRTAB)
            strings = entry->d_un.d_ptr;
    }
    const auto table = offset_of(segments, strings);
    for (const std::uint64_t name : names)
        if (table)
            linkage.needed.push_back(text_at(elf, *table + name));
}

} // namespace

Result<Linkage> read_linkage(std::string_view elf, const Architecture& architecture) {
    const auto header = read_header(elf);
    if (!header)
        return std::unexpected(header.error());
    if (header->e_machine != architecture.elf)
        return fail(Fault::environment, "not for " + std::string(architecture.name));
    std::vector<Elf64_Phdr> segments;
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const auto segment =
            at<Elf64_Phdr>(elf, header->e_phoff + std::uint64_t{i} * header->e_phentsize);
        if (!segment)
            return fail(Fault::environment, "truncated ELF file");
        segments.push_back(*segment);
    }
    Linkage linkage;
    for (const Elf64_Phdr& segment : segments) {
        if (segment.p_type == PT_INTERP)
            linkage.interpreter = text_at(elf, segment.p_offset);
        if (segment.p_type == PT_DYNAMIC)
            read_dynamic(elf, segment, segments, linkage);
    }
    return linkage;
}

Result<std::string_view> find_section(std::string_view elf, std::string_view name) {
    const auto header = read_header(elf);
    if (!header)
        return std::unexpected(header.error());
    const auto section = [&](unsigned index) {
        return at<Elf64_Shdr>(elf, header->e_shoff + std::uint64_t{index} * header->e_shentsize);
    };
    const auto names = section(header->e_shstrndx);
    if (!names)
        return fail(Fault::environment, "truncated ELF file");
    for (unsigned i = 0; i < header->e_shnum; ++i) {
        const auto found = section(i);
        if (found && text_at(elf, names->sh_offset + found->sh_name) == name)
            return bytes(elf, found->sh_offset, found->sh_size);
    }
    return std::string_view{};
}

} // namespace dmarace::vm
