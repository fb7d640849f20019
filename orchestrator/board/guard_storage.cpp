// SPDX-License-Identifier: GPL-2.0-or-later
// What of the storage the machine stands on.
#include "base/text.hpp"
#include "board/guard_search.hpp"

#include <libmount.h>

#include <sys/sysmacros.h>

#include <cstdio>
#include <functional>
#include <memory>

namespace dmarace::board {

namespace {

struct LibmountFree {
    void operator()(libmnt_table* table) const { mnt_unref_table(table); }
    void operator()(libmnt_iter* iter) const { mnt_free_iter(iter); }
    void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

// Each line of mountinfo or swaps.
void each_mount(std::string text, const std::function<void(libmnt_fs*)>& visit) {
    if (text.empty())
        return;
    text += '\n';
    const std::unique_ptr<std::FILE, LibmountFree> file(::fmemopen(text.data(), text.size(), "r"));
    const std::unique_ptr<libmnt_table, LibmountFree> table(mnt_new_table());
    const std::unique_ptr<libmnt_iter, LibmountFree> iter(mnt_new_iter(MNT_ITER_FORWARD));
    if (!file || !table || !iter || mnt_table_parse_stream(table.get(), file.get(), "text") != 0)
        return;
    libmnt_fs* entry = nullptr;
    while (mnt_table_next_fs(table.get(), iter.get(), &entry) == 0)
        visit(entry);
}

std::string option(libmnt_fs* entry, const char* name) {
    char* value = nullptr;
    std::size_t size = 0;
    return mnt_fs_get_option(entry, name, &value, &size) == 0 && value != nullptr
               ? std::string(value, size)
               : "";
}

// virtio_ids.h
constexpr unsigned kVirtio9p = 9;
constexpr unsigned kVirtioFs = 26;

} // namespace

// A block device and those that it lies on.
void GuardSearch::block(const std::string& path, const std::string& reason) {
    if (!add(path, reason))
        return;
    for (const auto& slave : files_.list(path + "/slaves"))
        block(files_.real_path(path + "/slaves/" + slave), reason);
    if (const auto backing = files_.read(path + "/loop/backing_file"))
        add(path, reason + " (loop over " + *backing + ")");
    // The disk of a multipath namespace hangs under no controller.
    const auto subsystem = path.find("/nvme-subsystem/");
    if (subsystem == std::string::npos)
        return;
    const auto above = path.substr(0, path.find('/', subsystem + 16));
    for (const auto& entry : files_.list(above))
        if (const auto controller = files_.real_path(above + "/" + entry);
            controller.find("/nvme/") != std::string::npos)
            add(controller, reason);
}

// "/dev/mapper/root" or "/dev/sda1", as a mount or a swap names it.
void GuardSearch::named_block(const std::string& source, const std::string& reason) {
    const auto node = files_.real_path(source);
    const auto name = (node.empty() ? source : node);
    if (name.starts_with("/dev/"))
        block(files_.real_path("/sys/class/block/" + name.substr(name.rfind('/') + 1)), reason);
}

void GuardSearch::mounts() {
    each_mount(files_.read("/proc/self/mountinfo").value_or(""), [&](libmnt_fs* entry) {
        const auto reason = "mounted on " + text_of(mnt_fs_get_target(entry));
        const auto source = text_of(mnt_fs_get_source(entry));
        const auto number = mnt_fs_get_devno(entry);
        if (major(number) != 0)
            block(files_.real_path("/sys/dev/block/" + std::to_string(major(number)) + ":" +
                                   std::to_string(minor(number))),
                  reason);
        else if (source.starts_with("/dev/"))
            // A bcachefs names all its devices: /dev/sda:/dev/sdb
            for (const auto& node : split(source, ':'))
                named_block(node, reason);
        const auto type = text_of(mnt_fs_get_fstype(entry));
        const bool is_tcp =
            type == "9p" && !option(entry, "trans").empty() && option(entry, "trans") != "virtio";
        of_mount(type, source, is_tcp ? source : option(entry, "addr"), reason);
    });
}

void GuardSearch::of_mount(const std::string& type, const std::string& source,
                           const std::string& server, const std::string& reason) {
    if (!server.empty())
        peer(server, reason + " (server " + server + ")");
    else if (type == "9p")
        virtio(kVirtio9p, reason);
    else if (type == "virtiofs")
        virtio(kVirtioFs, reason);
    else if (type == "btrfs")
        btrfs(reason);
    else if (type == "ubifs")
        ubi(source, reason);
}

// Which of them a mount lies on cannot be told: all count.
void GuardSearch::btrfs(const std::string& reason) {
    for (const auto& system : files_.list("/sys/fs/btrfs")) {
        const auto devices = "/sys/fs/btrfs/" + system + "/devices";
        for (const auto& device : files_.list(devices))
            block(files_.real_path(devices + "/" + device), reason);
    }
}

// "ubi0:rootfs", "ubi0_1" or "/dev/ubi0_1"
void GuardSearch::ubi(const std::string& source, const std::string& reason) {
    const auto at = source.find("ubi");
    const auto number =
        at == std::string::npos ? 0 : leading_number<unsigned>(source.substr(at + 3));
    const auto flash = files_.read("/sys/class/ubi/ubi" + std::to_string(number) + "/mtd_num");
    if (flash)
        add(files_.real_path("/sys/class/mtd/mtd" + *flash), reason);
}

void GuardSearch::swaps() {
    each_mount(files_.read("/proc/swaps").value_or(""), [&](libmnt_fs* entry) {
        if (const auto source = text_of(mnt_fs_get_source(entry)); source.starts_with("/dev/"))
            named_block(source, "swap");
    });
}

// LVM, md, multipath and bcache show as holders; file systems of several devices, pools and
// mounts of other namespaces claim theirs.
void GuardSearch::held_blocks() {
    for (const auto& name : files_.list("/sys/class/block")) {
        const auto entry = "/sys/class/block/" + name;
        const auto path = files_.real_path(entry);
        if (const auto holders = files_.list(entry + "/holders"); !holders.empty())
            block(path, "held by " + holders.front());
        auto node = "/dev/" + name;
        for (auto& letter : node)
            letter = letter == '!' ? '/' : letter;
        if (files_.read(entry + "/size").value_or("0") != "0" && kernel_.is_claimed(node))
            block(path, node + " is in use");
    }
}

} // namespace dmarace::board
