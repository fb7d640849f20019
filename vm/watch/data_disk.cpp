// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/data_disk.hpp"

#include "vm/process/process.hpp"

#include <fmt/format.h>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

// e2fsck's exit code is a set of bits; above 1 something was not put right.
constexpr int kPutRight = 1;

Status replay(const fs::path& image) {
    const auto checked = run(
        {.argv = {"e2fsck", "-y", "-E", "journal_only", image}, .environment = {{"LC_ALL", "C"}}});
    if (!checked)
        return std::unexpected(checked.error());
    if (checked->status > kPutRight)
        return fail(Fault::environment,
                    fmt::format("{}: e2fsck ended with {}: {}{}", image.string(), checked->status,
                                checked->output, checked->errors));
    return {};
}

} // namespace

Status make_data_disk(const DataDisk& data, const fs::path& image) {
    if (fs::exists(image))
        return {};
    const auto made = run_checked({.argv = {"mke2fs", "-q", "-F", "-t", "ext4", image, data.size}},
                                  "the board's data disk");
    return made ? Status{} : Status(std::unexpected(made.error()));
}

Status copy_run_out(const fs::path& image, const fs::path& out, const fs::path& scratch) {
    const fs::path copy = scratch / "data.img", tree = scratch / "data";
    std::error_code error;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    fs::copy_file(image, copy, fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, image.string() + ": " + error.message());
    if (auto whole = replay(copy); !whole)
        return whole;
    const auto dumped = run_checked(
        {.argv = {"debugfs", "-R", fmt::format("rdump /run \"{}\"", tree.string()), copy}},
        "the board's data disk");
    fs::remove(copy, error);
    if (!dumped)
        return std::unexpected(dumped.error());
    if (fs::exists(tree / "run"))
        fs::copy(tree / "run", out,
                 fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, out.string() + ": " + error.message());
    return {};
}

} // namespace dmarace::vm
