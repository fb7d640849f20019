// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/process/process.hpp"
#include "vm/qemu/arguments.hpp"
#include "vm/root/image.hpp"
#include "vm/root/root.hpp"

#include <fmt/format.h>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

// Files below directory, at the same places below prefix.
void add_below(const fs::path& directory, const fs::path& prefix, Delivery& delivery) {
    for (const auto& entry : fs::recursive_directory_iterator(directory))
        if (entry.is_regular_file())
            delivery.files[(prefix / entry.path().lexically_relative(directory)).string()] =
                entry.path();
}

Status install_programs(const fs::path& build, const fs::path& staging) {
    const auto done = run_checked(
        {.argv = {"cmake", "--install", build.string(), "--prefix", (staging / "usr").string()}},
        "cmake --install " + build.string());
    return done ? Status{} : Status(std::unexpected(done.error()));
}

} // namespace

Status install_root(const fs::path& image, const Contents& contents, const RootParts& parts,
                    const fs::path& scratch) {
    const fs::path disk = disk_file(scratch, contents.board->root), staging = scratch / "install";
    // cp knows of holes and of file systems that share blocks.
    const auto copied = run_checked(
        {.argv = {"cp", "--sparse=always", "--reflink=auto", image.string(), disk.string()}},
        "the root disk");
    if (!copied)
        return std::unexpected(copied.error());
    if (auto installed = install_programs(parts.installed, staging); !installed)
        return installed;
    if (auto staged = stage_tree(contents, staging / "modules"); !staged)
        return staged;
    Delivery delivery;
    add_below(staging / "usr", "/usr", delivery);
    add_below(staging / "modules/lib/modules", "/usr/lib/modules", delivery);
    delivery.files["/usr/libexec/dmarace/dmarace-vm-init"] = contents.init;
    delivery.files["/usr/lib/systemd/system-shutdown/dmarace-board"] = parts.shutdown;
    delivery.files["/usr/bin/" + contents.program.filename().string()] = contents.program;
    for (const fs::path& program : contents.also)
        delivery.files["/usr/bin/" + program.filename().string()] = program;
    for (const auto& [inside, host] : contents.given)
        delivery.files[inside] = host;
    return Image(disk).put(delivery, scratch);
}

} // namespace dmarace::vm
