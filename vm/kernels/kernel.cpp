// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/kernel.hpp"

#include "base/files.hpp"
#include "base/text.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMmio[] = {"virtio-9p-device,fsdev=out,mount_tag=out"};

// A PC has no virtio-mmio. A root bus of its own that bypasses the IOMMU is in
// no table that firmware has of IOMMUs (DMAR, VIOT).
constexpr std::string_view kBypass[] = {
    "pxb-pcie,id=outside,bus=pcie.0,bus_nr=224,addr=1e.0,bypass_iommu=on",
    "pcie-root-port,id=wire,bus=outside,chassis=250,slot=250",
    "virtio-9p-pci,bus=wire,disable-legacy=on,fsdev=out,mount_tag=out"};

constexpr Architecture kArchitectures[] = {
    {.name = "arm64",
     .kbuild = "arm64",
     .triplet = "aarch64-linux-gnu",
     .image = "arch/arm64/boot/Image",
     .elf = EM_AARCH64,
     .qemu = "qemu-system-aarch64",
     .qemu_package = "qemu-system-arm",
     .console = "ttyAMA0",
     .wire = kMmio,
     .wire_module = "virtio_mmio",
     .wire_option = "CONFIG_VIRTIO_MMIO"},
    {.name = "amd64",
     .kbuild = "x86_64",
     .triplet = "x86_64-linux-gnu",
     .image = "arch/x86/boot/bzImage",
     .elf = EM_X86_64,
     .qemu = "qemu-system-x86_64",
     .qemu_package = "qemu-system-x86",
     .console = "ttyS0",
     .wire = kBypass,
     .wire_module = "virtio_pci",
     .wire_option = "CONFIG_VIRTIO_PCI"},
};

// Documentation/arch/x86/boot.rst: the header's signature.
constexpr std::size_t kX86At = 0x202;
constexpr std::string_view kX86Magic = "HdrS";
// arch/arm/boot/compressed/head.S: the zImage's, little and big endian.
constexpr std::size_t kArmAt = 0x24;
constexpr std::string_view kArmMagic("\x18\x28\x6f\x01", 4), kArmMagicBig("\x01\x6f\x28\x18", 4);

bool has(std::string_view bytes, std::size_t at, std::string_view magic) {
    return bytes.size() >= at && bytes.substr(at).starts_with(magic);
}

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
    TRY_AS(const auto header, read_header(elf));
    if (header.e_machine != architecture.elf)
        return fail(Fault::environment, "not for " + std::string(architecture.name));
    std::vector<Elf64_Phdr> segments;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment =
            at<Elf64_Phdr>(elf, header.e_phoff + std::uint64_t{i} * header.e_phentsize);
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
    TRY_AS(const auto header, read_header(elf));
    const auto section = [&](unsigned index) {
        return at<Elf64_Shdr>(elf, header.e_shoff + std::uint64_t{index} * header.e_shentsize);
    };
    const auto names = section(header.e_shstrndx);
    if (!names)
        return fail(Fault::environment, "truncated ELF file");
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        const auto found = section(i);
        if (found && text_at(elf, names->sh_offset + found->sh_name) == name)
            return bytes(elf, found->sh_offset, found->sh_size);
    }
    return std::string_view{};
}

namespace {

// The value of the first "KEY=value" among NUL-separated words.
std::string_view word(std::string_view modinfo, std::string_view key) {
    while (!modinfo.empty()) {
        const std::string_view entry = modinfo.substr(0, modinfo.find('\0'));
        if (entry.starts_with(key))
            return entry.substr(key.size());
        modinfo.remove_prefix(std::min(modinfo.size(), entry.size() + 1));
    }
    return {};
}

struct FreeReader {
    void operator()(archive* reader) const { archive_read_free(reader); }
};

// A file's contents, decompressed if it is compressed (xz, zstd, gzip).
Result<std::string> read_unpacked(const fs::path& file) {
    const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_read_support_format_empty(reader.get());
    const auto failed = [&] {
        const char* why = archive_error_string(reader.get());
        return fail(Fault::environment, file.string() + ": " + (why ? why : "cannot be read"));
    };
    archive_entry* entry = nullptr;
    if (archive_read_open_filename(reader.get(), file.c_str(), 65536) != ARCHIVE_OK)
        return failed();
    const int header = archive_read_next_header(reader.get(), &entry);
    if (header == ARCHIVE_EOF)
        return std::string();
    if (header != ARCHIVE_OK)
        return failed();
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
        const la_ssize_t got = archive_read_data(reader.get(), buffer.data(), buffer.size());
        if (got < 0)
            return failed();
        if (got == 0)
            return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

} // namespace

std::string module_name(std::string_view name) {
    std::string result(name);
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

std::string module_of_file(std::string_view file_name) {
    const auto suffix = file_name.rfind(".ko");
    if (suffix == std::string_view::npos)
        return {};
    const std::string_view rest = file_name.substr(suffix + 3);
    if (!rest.empty() && rest != ".xz" && rest != ".zst" && rest != ".gz")
        return {};
    return module_name(file_name.substr(0, suffix));
}

std::vector<std::string> depends_of(std::string_view modinfo) {
    std::vector<std::string> names;
    for (const std::string& name : split(word(modinfo, "depends="), ','))
        if (!name.empty())
            names.push_back(module_name(name));
    return names;
}

std::string release_of(std::string_view modinfo) {
    const std::string_view magic = word(modinfo, "vermagic=");
    return std::string(magic.substr(0, magic.find(' ')));
}

Result<std::string> read_module(const ModuleFile& file) {
    return file.host.extension() == ".ko" ? read_text(file.host) : read_unpacked(file.host);
}

Result<std::vector<std::string>> closure(const ModuleIndex& index,
                                         const std::vector<std::string>& wanted) {
    std::vector<std::string> order;
    std::set<std::string> seen;
    const std::function<Status(const std::string&)> visit = [&](const std::string& name) -> Status {
        const auto found = index.find(name);
        if (found == index.end() || !seen.insert(name).second)
            return {};
        TRY_AS(const auto bytes, read_module(found->second));
        const auto modinfo = find_section(bytes, ".modinfo");
        if (!modinfo)
            return std::unexpected(Error(modinfo.error()).within(found->second.host.string()));
        for (const std::string& dependency : depends_of(*modinfo))
            TRY(visit(dependency));
        order.push_back(name);
        return {};
    };
    for (const std::string& name : wanted)
        TRY(visit(module_name(name)));
    return order;
}

namespace {

// "x.ko.xz" is "x.ko" once unpacked.
fs::path unpacked_name(fs::path path) {
    while (path.has_extension() && path.extension() != ".ko")
        path.replace_extension();
    return path;
}

// Every module below a directory; inside is relative to it.
ModuleIndex index_directory(const fs::path& directory) {
    ModuleIndex index;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
        const std::string name = module_of_file(entry.path().filename().string());
        if (!name.empty())
            index[name] = {entry.path(), unpacked_name(entry.path().lexically_relative(directory))};
    }
    return index;
}

// Every module that a build tree's modules.order lists.
Result<ModuleIndex> index_tree(const fs::path& tree) {
    auto order = read_text(tree / "modules.order");
    if (!order)
        return fail(Fault::environment,
                    order.error().message + "; build the tree's modules first (make modules)");
    ModuleIndex index;
    for (const std::string& line : split(*order, '\n')) {
        // Newer kernels list objects, older ones modules, the oldest "kernel/" paths.
        fs::path path = fs::path(line).replace_extension(".ko");
        if (!path.empty() && *path.begin() == "kernel" && !fs::exists(tree / path))
            path = path.lexically_relative("kernel");
        if (fs::exists(tree / path))
            index[module_of_file(path.filename().string())] = {tree / path, "kernel" / path};
    }
    return index;
}

fs::path find_image(const fs::path& directory, const fs::path& modules) {
    std::error_code error;
    for (const fs::path& place : {directory, directory / "boot", modules}) {
        if (fs::is_regular_file(place / "Image"))
            return place / "Image";
        for (const auto& entry : fs::directory_iterator(place, error)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with("vmlinuz") && entry.is_regular_file())
                return entry.path();
        }
    }
    return {};
}

// The one lib/modules/RELEASE of a directory, or the directory itself when
// modules lie loose in it.
Result<fs::path> find_modules(const fs::path& directory) {
    std::vector<fs::path> found;
    std::error_code error;
    for (const char* place : {"lib/modules", "usr/lib/modules", "modules"}) {
        for (const auto& entry : fs::directory_iterator(directory / place, error))
            if (entry.is_directory() && (found.empty() || !fs::equivalent(found[0], entry.path())))
                found.push_back(entry.path());
    }
    if (found.size() > 1)
        return fail(Fault::usage, fmt::format("{} holds the modules of several kernels ({} and "
                                              "{}); leave one",
                                              directory.string(), found[0].filename().string(),
                                              found[1].filename().string()));
    if (found.size() == 1)
        return found[0];
    for (const auto& entry : fs::directory_iterator(directory, error))
        if (!module_of_file(entry.path().filename().string()).empty())
            return directory;
    return fail(Fault::usage, fmt::format("{} has no modules: neither lib/modules/RELEASE nor "
                                          "modules/RELEASE nor loose .ko files",
                                          directory.string()));
}

std::string text_or_nothing(const fs::path& file) {
    return fs::is_regular_file(file) ? read_text(file).value_or("") : "";
}

std::string find_config(const Kernel& kernel, const fs::path& directory, const fs::path& modules) {
    const std::string named = "config-" + kernel.release;
    for (const fs::path& file :
         {directory / "boot" / named, directory / named, directory / "config",
          directory / ".config", modules / "config", kernel.build / ".config"})
        if (std::string text = text_or_nothing(file); !text.empty())
            return text;
    return {};
}

std::set<std::string> read_builtin(const fs::path& directory) {
    std::set<std::string> names;
    for (const std::string& line : split(text_or_nothing(directory / "modules.builtin"), '\n'))
        names.insert(module_of_file(fs::path(line).filename().string()));
    return names;
}

// Where the "build" link of a modules directory leads. An absolute target is
// looked for below the directory first: it may be an unpacked package.
fs::path find_build(const fs::path& modules, const fs::path& prefix) {
    std::error_code error;
    const fs::path link = modules / "build";
    if (fs::is_symlink(link)) {
        const fs::path target = fs::read_symlink(link, error);
        const fs::path below = prefix / target.relative_path();
        if (target.is_absolute() && fs::exists(below / "Makefile"))
            return below;
    }
    return fs::exists(link / "Makefile") ? fs::canonical(link, error) : fs::path();
}

Result<std::string> release_from_module(const ModuleIndex& modules) {
    for (const auto& [name, file] : modules) {
        const auto bytes = read_module(file);
        const auto modinfo = bytes ? find_section(*bytes, ".modinfo") : std::string_view();
        if (modinfo && !release_of(*modinfo).empty())
            return release_of(*modinfo);
    }
    return fail(Fault::usage, "no module there tells which kernel release it is for");
}

Result<const Architecture*> read_architecture(const fs::path& image) {
    std::string start(1024, '\0');
    std::ifstream in(image, std::ios::binary);
    in.read(start.data(), static_cast<std::streamsize>(start.size()));
    start.resize(static_cast<std::size_t>(in.gcount()));
    auto architecture = architecture_of_image(start);
    if (!architecture)
        return std::unexpected(Error(architecture.error()).within(image.string()));
    return architecture;
}

// The architecture whose image a build tree has; nullptr for none.
const Architecture* built_for(const fs::path& tree) {
    for (const Architecture& one : architectures())
        if (fs::exists(tree / one.image))
            return &one;
    return nullptr;
}

Result<Kernel> open_tree(const fs::path& given) {
    const fs::path tree = fs::canonical(given);
    TRY_AS(auto modules, index_tree(tree));
    auto release = read_text(tree / "include/config/kernel.release");
    if (!release)
        return std::unexpected(Error(release.error()).within("not a finished build tree"));
    Kernel kernel;
    kernel.name = given.string();
    kernel.source = "build tree " + tree.string();
    kernel.release = release->substr(0, release->find('\n'));
    if (const Architecture* architecture = built_for(tree))
        kernel.architecture = architecture;
    kernel.image = tree / kernel.architecture->image;
    kernel.modules = std::move(modules);
    kernel.builtin = read_builtin(tree);
    kernel.config = text_or_nothing(tree / ".config");
    kernel.build = tree;
    kernel.prefix = "/";
    return kernel;
}

} // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

const Architecture& arm64() { return kArchitectures[0]; }

const Architecture* host_architecture() {
#if defined(__aarch64__)
    return &kArchitectures[0];
#elif defined(__x86_64__)
    return &kArchitectures[1];
#else
    return nullptr;
#endif
}

Result<const Architecture*> find_architecture(std::string_view name) {
    for (const Architecture& one : kArchitectures)
        if (one.name == name)
            return &one;
    return fail(Fault::usage, fmt::format("no architecture '{}': boards are {} or {}", name,
                                          kArchitectures[0].name, kArchitectures[1].name));
}

Result<const Architecture*> architecture_of_image(std::string_view start) {
    if (has(start, kArmAt, kArmMagic) || has(start, kArmAt, kArmMagicBig))
        return fail(Fault::usage, "a 32-bit ARM kernel: dmarace.ko takes threads away in assembly "
                                  "that is there for arm64 and x86-64 only; boot a 64-bit kernel");
    return has(start, kX86At, kX86Magic) ? &kArchitectures[1] : &kArchitectures[0];
}

Result<Kernel> open_directory(const fs::path& given) {
    const fs::path directory = fs::canonical(given);
    const auto modules = find_modules(directory);
    if (!modules)
        return std::unexpected(modules.error());
    Kernel kernel;
    kernel.name = given.string();
    kernel.source = "directory " + directory.string();
    kernel.prefix = directory;
    kernel.image = find_image(directory, *modules);
    if (kernel.image.empty())
        return fail(Fault::usage, directory.string() +
                                      " has no kernel: neither Image nor vmlinuz*, "
                                      "there or in boot/");
    TRY_AS(const auto architecture, read_architecture(kernel.image));
    kernel.architecture = architecture;
    kernel.modules = index_directory(*modules);
    if (*modules == directory) {
        const auto release = release_from_module(kernel.modules);
        if (!release)
            return std::unexpected(Error(release.error()).within(directory.string()));
        kernel.release = *release;
    } else {
        kernel.release = modules->filename().string();
        kernel.build = find_build(*modules, directory);
    }
    kernel.builtin = read_builtin(*modules);
    kernel.config = find_config(kernel, directory, *modules);
    for (const fs::path& file : {directory / kOurModule, *modules / "updates" / kOurModule})
        if (fs::exists(file))
            kernel.ready_module = file;
    kernel.modules.erase(module_of_file(kOurModule));
    return kernel;
}

Result<Kernel> open_kernel(const fs::path& directory) {
    if (!fs::is_directory(directory))
        return fail(
            Fault::usage,
            fmt::format("no kernel '{}': give debian:SERIES (debian:6.12), a directory with "
                        "an Image and its modules, or a kernel build tree",
                        directory.string()));
    const bool tree = built_for(directory) && fs::exists(directory / "Module.symvers");
    return tree ? open_tree(directory) : open_directory(directory);
}

bool has_driver(const Kernel& kernel, const Need& need) {
    const std::string name = module_name(need.module);
    if (need.as_module)
        return kernel.modules.contains(name);
    return kernel.modules.contains(name) || kernel.builtin.contains(name) ||
           kernel.config.find("\n" + need.option + "=y\n") != std::string::npos;
}

} // namespace dmarace::vm
