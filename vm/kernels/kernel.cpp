// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/kernel.hpp"

#include "vm/kernels/cache.hpp"
#include "vm/kernels/elf.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <fstream>
#include <sstream>

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
     .machine = "aarch64",
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
     .machine = "x86_64",
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
    std::istringstream lines(text_or_nothing(directory / "modules.builtin"));
    std::string line;
    while (std::getline(lines, line))
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

} // namespace

std::span<const Architecture> architectures() {
    return kArchitectures;
}

const Architecture& arm64() {
    return kArchitectures[0];
}

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
    const auto architecture = read_architecture(kernel.image);
    if (!architecture)
        return std::unexpected(architecture.error());
    kernel.architecture = *architecture;
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

Result<Kernel> open_tree(const fs::path& given) {
    const fs::path tree = fs::canonical(given);
    auto modules = index_tree(tree);
    if (!modules)
        return std::unexpected(modules.error());
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
    kernel.modules = std::move(*modules);
    kernel.builtin = read_builtin(tree);
    kernel.config = text_or_nothing(tree / ".config");
    kernel.build = tree;
    kernel.prefix = "/";
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
