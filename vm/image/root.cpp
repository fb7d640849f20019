// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/root.hpp"

#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

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

// debugfs ends with 0 whatever happened.
Status debugfs(const fs::path& image, std::vector<std::string> words) {
    words.insert(words.begin(), "debugfs");
    words.push_back(image.string());
    TRY_AS(const auto done, e2fs(std::move(words)));
    if (const auto trouble = debugfs_trouble(done.errors); done.status != 0 || !trouble.empty())
        return fail(Fault::environment, image.string() + ": " + trouble);
    return {};
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
    for (const auto& [inside, host] : delivery) {
        add_parents(inside, seen, text);
        text += fmt::format("rm \"{0}\"\nwrite \"{1}\" \"{0}\"\n", inside, host.string());
    }
    return text;
}

std::string debugfs_trouble(const std::string& errors) {
    for (const std::string& line : split(errors, '\n')) {
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
    TRY_AS(const auto made,
           e2fs({"mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-L", label, "-d",
                 tree.string(), file_.string(), std::to_string(megabytes) + "M"}));
    if (made.status != 0)
        return fail(Fault::environment, file_.string() + ": " + made.errors);
    return {};
}

Status Image::replay() const {
    TRY_AS(const auto done, e2fs({"e2fsck", "-p", "-E", "journal_only", file_.string()}));
    if (done.status > kReplayed)
        return fail(Fault::environment, file_.string() + ": " + done.output + done.errors);
    return {};
}

Status Image::put(const Delivery& delivery, const fs::path& scratch) const {
    const fs::path commands = scratch / "debugfs-commands";
    TRY(write_text(commands, debugfs_commands(delivery)));
    return debugfs(file_, {"-w", "-f", commands.string()});
}

Status Image::take(const std::string& inside, const fs::path& to) const {
    std::error_code error;
    fs::remove(to, error);
    TRY_AS(const auto done,
           e2fs({"debugfs", "-R", fmt::format("dump \"{}\" \"{}\"", inside, to.string()),
                 file_.string()}));
    if (!fs::exists(to) || fs::file_size(to, error) == 0)
        return fail(Fault::environment, file_.string() + " has no " + inside);
    return {};
}

Status Image::take_tree(const std::string& inside, const fs::path& below) const {
    return debugfs(file_, {"-R", fmt::format("rdump \"{}\" \"{}\"", inside, below.string())});
}

namespace {

// The one whose libraries the programs for arm64 are linked with.
constexpr const char* kSuite = "bookworm";
constexpr std::uint64_t kMegabytes = 1536; // of the image, most of it a hole
constexpr std::uint64_t kNeeded = 1500;    // while it is made
constexpr const char* kFinish = "/debootstrap/finish.sh";

// What it is made of, below the project.
constexpr const char *kParts = "vm/image/root", *kUnits = "files", *kPackages = "packages",
                     *kFinishScript = "finish.sh", *kShutdownScript = "shutdown.sh";

Status unpack(const fs::path& entry, const std::vector<std::string>& packages) {
    TRY_AS(const auto mirrors, host_mirrors());
    const Command command{.argv = {"debootstrap", "--foreign", "--arch=arm64", "--variant=minbase",
                                   "--include=" + joined(packages, ","), kSuite, entry / "tree",
                                   mirrors.main},
                          .environment = {{"LC_ALL", "C"}},
                          .log = entry / "debootstrap.log"};
    TRY_AS(const auto status,
           run_showing(command, fmt::format("fetching and unpacking {} for arm64", kSuite)));
    if (status != 0)
        return fail(Fault::environment,
                    "the root file system cannot be unpacked; see " + command.log.string());
    return {};
}

// What finish.sh and the first boot need besides the packages.
Status add_own(const fs::path& entry, const Contents& contents, const fs::path& parts) {
    const fs::path tree = entry / "tree";
    std::error_code error;
    Contents bare = contents;
    bare.modules.clear();
    TRY(stage_tree(bare, entry / "staged"));
    const auto copy = fs::copy_options::recursive | fs::copy_options::overwrite_existing;
    fs::create_directories(tree / "usr/lib/modules", error);
    fs::copy(entry / "staged/lib/modules", tree / "usr/lib/modules", copy, error);
    if (!error)
        fs::copy(parts / kUnits, tree / "usr/lib/systemd/system", copy, error);
    if (!error)
        fs::copy_file(parts / kFinishScript, tree / fs::path(kFinish).relative_path(), error);
    if (error)
        return fail(Fault::environment, tree.string() + ": " + error.message());
    fs::permissions(tree / fs::path(kFinish).relative_path(), fs::perms(0755), error);
    const std::string& release = contents.kernel->release;
    // mkinitramfs asks it what the kernel can unpack.
    TRY(write_text(tree / "boot" / ("config-" + release), contents.kernel->config));
    fs::create_directories(tree / "etc/dpkg/dpkg.cfg.d", error);
    fs::create_directories(tree / "etc/modules-load.d", error);
    TRY(write_text(tree / "etc/dpkg/dpkg.cfg.d/dmarace", "force-unsafe-io\n"));
    // The way results take: no modalias calls for these.
    return write_text(tree / "etc/modules-load.d/dmarace-board.conf", "9pnet_virtio\n9p\n");
}

// Boots the board's usual initramfs with the unpacked disk in its place.
Status finish_in_guest(const fs::path& entry, const Contents& contents, const BootGuest& boot) {
    const fs::path share = entry / "share", tree = entry / "initramfs-tree";
    std::error_code error;
    fs::create_directories(share, error);
    fs::create_directories(tree, error);
    Contents stage = contents;
    stage.program = contents.init;
    stage.also.clear();
    stage.given.clear();
    stage.modules.clear();
    const Launch launch{{"--second-stage", kFinish, contents.kernel->release},
                        {{"PATH", "/usr/bin"}}};
    TRY(pack(stage, launch, entry / "initramfs", tree));
    const fs::path console = entry / "console.log", log = entry / "second-stage.log";
    const UniqueFd out(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!out)
        return fail_errno(log.string());
    say("configuring its packages in a guest; this takes some minutes, once ({})", log.string());
    const auto failed = boot({.kernel = contents.kernel,
                              .initramfs = entry / "initramfs",
                              .disks = entry,
                              .share = share,
                              .console = console,
                              .output = out.get()});
    if (!failed)
        return std::unexpected(failed.error());
    if (!failed->empty())
        return fail(Fault::environment,
                    fmt::format("the root file system's packages could not be configured ({}); "
                                "see {} and {}",
                                *failed, log.string(), console.string()));
    return {};
}

Status make_root(const fs::path& entry, const Contents& contents, const fs::path& parts,
                 const BootGuest& boot) {
    TRY_AS(const auto packages, read_text(parts / kPackages));
    TRY(unpack(entry, read_list(packages)));
    TRY(add_own(entry, contents, parts));
    const fs::path disk = disk_file(entry, contents.board->root);
    const Image image(disk);
    TRY(image.make(entry / "tree", kMegabytes, kRootLabel));
    TRY(finish_in_guest(entry, contents, boot));
    TRY(image.replay());
    std::error_code error;
    fs::rename(disk, entry / "root.img", error);
    for (const char* left : {"tree", "staged", "initramfs-tree", "initramfs", "share"})
        fs::remove_all(entry / left, error);
    return {};
}

Result<std::string> key_of(const Contents& contents, const fs::path& parts) {
    Key key;
    key.add(kSuite).add(contents.kernel->release).add(contents.kernel->version);
    key.add(contents.kernel->config);
    TRY_AS(const auto modules, board_modules(contents));
    for (const std::string& name : modules)
        key.add(name);
    std::vector<fs::path> files{parts / kPackages, parts / kFinishScript};
    for (const auto& file : fs::directory_iterator(parts / kUnits))
        files.push_back(file.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
        TRY_AS(const auto text, read_text(file));
        key.add(text);
    }
    return key.text();
}

// Files below directory, at the same places below prefix.
void add_below(const fs::path& directory, const fs::path& prefix, Delivery& delivery) {
    for (const auto& entry : fs::recursive_directory_iterator(directory))
        if (entry.is_regular_file())
            delivery[(prefix / entry.path().lexically_relative(directory)).string()] = entry.path();
}

Status install_programs(const fs::path& build, const fs::path& staging) {
    const auto done = run_checked(
        {.argv = {"cmake", "--install", build.string(), "--prefix", (staging / "usr").string()}},
        "cmake --install " + build.string());
    return done ? Status{} : Status(std::unexpected(done.error()));
}

} // namespace

fs::path disk_file(const fs::path& directory, const std::string& node) {
    return directory / (node + ".img");
}

std::string initramfs_inside(const std::string& release) { return "/boot/initrd.img-" + release; }

Result<fs::path> find_root(const Cache& cache, const Contents& contents, const fs::path& project,
                           const BootGuest& boot) {
    const fs::path parts = project / kParts;
    TRY_AS(const auto key, key_of(contents, parts));
    const fs::path entry = cache.path("roots") / (contents.kernel->release + "-" + key);
    if (cache.complete(entry))
        return entry / "root.img";
    TRY_AS(const auto lock,
           cache.lock("root file system for " + contents.kernel->release, "lock-roots"));
    if (cache.complete(entry))
        return entry / "root.img";
    if (geteuid() != 0)
        return fail(Fault::environment, "making a root file system takes root rights (debootstrap "
                                        "does); run as root once, the result is cached");
    TRY(cache.fill(entry, kNeeded, "a root file system",
                   [&] { return make_root(entry, contents, parts, boot); }));
    return entry / "root.img";
}

Status install_root(const fs::path& image, const Contents& contents, const fs::path& project,
                    const fs::path& scratch) {
    const fs::path disk = disk_file(scratch, contents.board->root), staging = scratch / "install";
    // cp knows of holes and of file systems that share blocks.
    TRY_AS(const auto copied, run_checked({.argv = {"cp", "--sparse=always", "--reflink=auto",
                                                    image.string(), disk.string()}},
                                          "the root disk"));
    TRY(install_programs(project / "build/arm64", staging));
    TRY(stage_tree(contents, staging / "modules"));
    Delivery delivery;
    add_below(staging / "usr", "/usr", delivery);
    add_below(staging / "modules/lib/modules", "/usr/lib/modules", delivery);
    delivery["/usr/libexec/dmarace/dmarace-vm-init"] = contents.init;
    delivery["/usr/lib/systemd/system-shutdown/dmarace-board"] = project / kParts / kShutdownScript;
    delivery["/usr/bin/" + contents.program.filename().string()] = contents.program;
    for (const fs::path& program : contents.also)
        delivery["/usr/bin/" + program.filename().string()] = program;
    for (const auto& [inside, host] : contents.given)
        delivery[inside] = host;
    return Image(disk).put(delivery, scratch);
}

} // namespace dmarace::vm
