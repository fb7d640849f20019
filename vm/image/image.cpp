// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/image.hpp"

#include "base/process.hpp"
#include "vm/kernels/cache.hpp"

#include <fmt/format.h>

#include <set>
#include <sstream>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr int kReplayed = 1; // e2fsck: errors were corrected

Result<Finished> e2fs(std::vector<std::string> words) {
    words.front() = find_program(words.front()).string();
    if (words.front().empty())
        return fail(Fault::environment,
                    "mke2fs, e2fsck and debugfs are not installed: run scripts/setup.sh");
    return run_to_end({.argv = std::move(words), .environment = {{"LC_ALL", "C"}}});
}

// Outermost first.
void add_parents(const fs::path& inside, std::set<std::string>& seen, std::string& text) {
    const fs::path parent = inside.parent_path();
    if (parent.empty() || parent == parent.root_path() || seen.contains(parent.string()))
        return;
    add_parents(parent, seen, text);
    seen.insert(parent.string());
    text += fmt::format("mkdir \"{}\"\n", parent.string());
}

} // namespace

std::string debugfs_commands(const Delivery& delivery) {
    std::string text;
    std::set<std::string> seen;
    for (const auto& [inside, host] : delivery.files) {
        add_parents(inside, seen, text);
        text += fmt::format("rm \"{0}\"\nwrite \"{1}\" \"{0}\"\n", inside, host.string());
    }
    for (const auto& [inside, target] : delivery.links) {
        add_parents(inside, seen, text);
        text += fmt::format("rm \"{0}\"\nsymlink \"{0}\" \"{1}\"\n", inside, target);
    }
    return text;
}

std::string debugfs_trouble(const std::string& errors) {
    std::istringstream lines(errors);
    for (std::string line; std::getline(lines, line);) {
        const bool harmless = line.empty() || line.starts_with("debugfs 1.") ||
                              line.find("Ext2 directory already exists") != std::string::npos ||
                              line.find("File not found by ext2_lookup") != std::string::npos ||
                              line.find("while changing ownership of") != std::string::npos;
        if (!harmless)
            return line;
    }
    return {};
}

Status Image::make(const fs::path& tree, std::uint64_t megabytes, const std::string& label) const {
    const auto made = e2fs({"mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-L", label,
                            "-d", tree.string(), file_.string(), std::to_string(megabytes) + "M"});
    if (!made)
        return std::unexpected(made.error());
    if (made->status != 0)
        return fail(Fault::environment, file_.string() + ": " + made->errors);
    return {};
}

Status Image::replay() const {
    const auto done = e2fs({"e2fsck", "-p", "-E", "journal_only", file_.string()});
    if (!done)
        return std::unexpected(done.error());
    if (done->status > kReplayed)
        return fail(Fault::environment, file_.string() + ": " + done->output + done->errors);
    return {};
}

Status Image::put(const Delivery& delivery, const fs::path& scratch) const {
    const fs::path commands = scratch / "debugfs-commands";
    if (auto written = write_text(commands, debugfs_commands(delivery)); !written)
        return written;
    const auto done = e2fs({"debugfs", "-w", "-f", commands.string(), file_.string()});
    if (!done)
        return std::unexpected(done.error());
    if (const auto trouble = debugfs_trouble(done->errors); done->status != 0 || !trouble.empty())
        return fail(Fault::environment, file_.string() + ": " + trouble);
    return {};
}

Status Image::take(const std::string& inside, const fs::path& to) const {
    std::error_code error;
    fs::remove(to, error);
    const auto done = e2fs(
        {"debugfs", "-R", fmt::format("dump \"{}\" \"{}\"", inside, to.string()), file_.string()});
    if (!done)
        return std::unexpected(done.error());
    if (!fs::exists(to) || fs::file_size(to, error) == 0)
        return fail(Fault::environment, file_.string() + " has no " + inside);
    return {};
}

Status Image::take_tree(const std::string& inside, const fs::path& below) const {
    const auto done =
        e2fs({"debugfs", "-R", fmt::format("rdump \"{}\" \"{}\"", inside, below.string()),
              file_.string()});
    if (!done)
        return std::unexpected(done.error());
    // debugfs ends with 0 whatever happened.
    if (const auto trouble = debugfs_trouble(done->errors); done->status != 0 || !trouble.empty())
        return fail(Fault::environment, file_.string() + ": " + trouble);
    return {};
}

} // namespace dmarace::vm
