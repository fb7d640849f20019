// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/data_disk.hpp"

#include "base/process.hpp"
#include "vm/image/image.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;

Status make_data_disk(const DataDisk& data, const fs::path& image) {
    if (fs::exists(image))
        return {};
    const fs::path part = image.string() + ".part";
    const auto made = run_checked({.argv = {"mke2fs", "-q", "-F", "-t", "ext4", part, data.size}},
                                  "the board's data disk");
    if (!made)
        return std::unexpected(made.error());
    std::error_code error;
    fs::rename(part, image, error);
    if (error)
        return fail(Fault::environment, image.string() + ": " + error.message());
    return {};
}

Status copy_run_out(const fs::path& image, const fs::path& out, const fs::path& scratch) {
    const fs::path copy = scratch / "data.img", tree = scratch / "data";
    std::error_code error;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    fs::copy_file(image, copy, fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, image.string() + ": " + error.message());
    auto taken = Image(copy).replay();
    if (taken)
        taken = Image(copy).take_tree("/run", tree);
    fs::remove(copy, error);
    if (!taken)
        return taken;
    // What a boot before has shown does not stand for what is there now.
    if (fs::exists(out / "journal.jsonl") && !fs::exists(tree / "run/journal.jsonl"))
        return fail(Fault::environment, image.string() + " has lost the run's journal");
    if (fs::exists(tree / "run"))
        fs::copy(tree / "run", out,
                 fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, out.string() + ": " + error.message());
    return {};
}

} // namespace dmarace::vm
