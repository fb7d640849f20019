// SPDX-License-Identifier: GPL-2.0-or-later
// What the running kernel calls what, and how what it calls so is laid out: /proc/kallsyms and
// BTF (/sys/kernel/btf).
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct btf;

namespace dmarace::board {

struct SymbolAt {
    std::string name;
    std::uint64_t offset = 0;
    std::string module{}; // "" of the kernel itself
};

class Symbols {
public:
    // The texts of /proc/kallsyms and /proc/modules. Fault::untestable where there are no
    // addresses.
    static Result<Symbols> from(std::string text, std::string_view modules = "");
    static Result<Symbols> load();
    // These, with modules where they are now: reading all symbols again takes seconds. Nothing
    // where one is there whose symbols were never read.
    std::optional<Symbols> with(std::string_view modules) const;

    // Functions only; "0xADDRESS" where there is none.
    SymbolAt function_at(std::uint64_t address) const;
    // What begins just there, "" if nothing does.
    std::string named(std::uint64_t address) const;
    // Nothing for a name that is nobody's, or that several have.
    std::optional<std::uint64_t> address_of(std::string_view name) const;

private:
    struct Symbol {
        std::uint64_t address;
        bool is_function;
        std::string_view name, module; // in text_
    };
    using Table = std::vector<Symbol>; // by address
    // The kernel, "", or a module: of one that was inserted anew its functions are known, all as
    // far from where they were, and nothing else is.
    struct Part {
        std::shared_ptr<const Table> table;
        std::uint64_t base = 0, moved_by = 0;
    };
    static std::optional<SymbolAt> function_in(const Part& part, std::uint64_t address);

    std::shared_ptr<const std::string> text_;
    std::map<std::string, Part, std::less<>> parts_;
};

struct MemberAt {
    std::uint64_t offset = 0; // bytes; of a bit, of the byte that it is in
    unsigned length = 0;      // bytes, 1 for a bit
};

// Which argument of a function is a device, and as what.
struct DeviceArgument {
    enum class As { device, pci_dev, group };
    unsigned number = 0;
    As as = As::device;
};

class Layouts {
public:
    // Fault::untestable for a kernel without BTF (CONFIG_DEBUG_INFO_BTF).
    static Result<Layouts> load(const std::string& file = "/sys/kernel/btf/vmlinux");

    // "default_domain" of "iommu_group"; a path with points goes into structures that are inside.
    std::optional<MemberAt> member(const std::string& structure, const std::string& path) const;
    std::optional<std::uint64_t> size(const std::string& structure) const;
    std::optional<DeviceArgument> device_argument(const std::string& function) const;

private:
    struct BtfFree {
        void operator()(btf* types) const;
    };
    std::shared_ptr<btf> types_;
};

} // namespace dmarace::board
