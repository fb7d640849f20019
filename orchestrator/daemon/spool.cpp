// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/spool.hpp"

#include "base/files.hpp"
#include "daemon/entry.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace dmarace::daemon {

namespace {

constexpr off_t kEntryMax = 64 << 10;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

std::size_t at(Shelf shelf) {
    return static_cast<std::size_t>(shelf);
}

// Opened, and ours alone.
Result<UniqueFd> open_own(int parent, const std::string& name, const std::string& shown) {
    if (::mkdirat(parent, name.c_str(), 0700) < 0 && errno != EEXIST)
        return fail_errno("cannot make " + shown);
    UniqueFd fd(::openat(parent, name.c_str(), kDirectory));
    if (!fd)
        return fail_errno("cannot open " + shown + " as a directory of its own, without a link");
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0)
        return fail_errno("cannot look at " + shown);
    if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
        return fail(Fault::environment, shown + " has to belong to the user that runs the queue, "
                                                "mode 0700 (chown root, chmod 700)");
    return fd;
}

} // namespace

std::string_view to_text(Shelf shelf) {
    constexpr std::string_view names[]{"new", "run", "done", "bad", "trigger"};
    return names[at(shelf)];
}

Result<Spool> Spool::open(const std::filesystem::path& path) {
    Spool out;
    out.path_ = path;
    std::error_code ec;
    std::filesystem::create_directories(path.parent_path(), ec);
    auto root = open_own(AT_FDCWD, path.string(), path.string());
    if (!root)
        return std::unexpected(root.error());
    out.root_ = *std::move(root);
    for (const auto shelf :
         {Shelf::fresh, Shelf::running, Shelf::done, Shelf::bad, Shelf::trigger}) {
        auto fd =
            open_own(out.root_.get(), std::string(to_text(shelf)), out.path_of(shelf).string());
        if (!fd)
            return std::unexpected(fd.error());
        out.shelves_[at(shelf)] = *std::move(fd);
    }
    return out;
}

std::vector<std::string> Spool::list(Shelf shelf) const {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, CloseDir> dir(
        ::fdopendir(::openat(shelves_[at(shelf)].get(), ".", kDirectory)));
    while (const auto* entry = dir ? ::readdir(dir.get()) : nullptr)
        if (is_entry_name(entry->d_name))
            names.emplace_back(entry->d_name);
    std::ranges::sort(names);
    return names;
}

Result<std::string> Spool::read(Shelf shelf, const std::string& name) const {
    const auto shown = path_of(shelf, name).string();
    const UniqueFd fd(::openat(shelves_[at(shelf)].get(), name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd)
        return fail(Fault::usage, shown + " cannot be read, or is a symbolic link");
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid())
        return fail(Fault::usage, shown + " is no file of the queue's own user");
    if (info.st_size > kEntryMax)
        return fail(Fault::usage, shown + " is larger than 64 KiB");
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    const auto got = ::read(fd.get(), text.data(), text.size());
    if (got < 0)
        return fail_errno("cannot read " + shown);
    text.resize(static_cast<std::size_t>(got));
    return text;
}

Status Spool::move(const std::string& name, Shelf from, Shelf to) const {
    if (::renameat(shelves_[at(from)].get(), name.c_str(), shelves_[at(to)].get(), name.c_str()) <
        0)
        return fail_errno("cannot move " + path_of(from, name).string() + " to " +
                          path_of(to).string());
    ::fsync(shelves_[at(to)].get());
    ::fsync(shelves_[at(from)].get());
    return {};
}

Status Spool::add(const std::string& name, const std::string& text) const {
    return replace_file_at(shelves_[at(Shelf::fresh)].get(), name, "." + name, text,
                           path_of(Shelf::fresh, name).string(), 0600);
}

Status Spool::remove(Shelf shelf, const std::string& name) const {
    if (::unlinkat(shelves_[at(shelf)].get(), name.c_str(), 0) < 0)
        return fail_errno("cannot remove " + path_of(shelf, name).string());
    return {};
}

std::filesystem::path Spool::path_of(Shelf shelf) const {
    return path_ / to_text(shelf);
}

std::filesystem::path Spool::path_of(Shelf shelf, const std::string& name) const {
    return path_of(shelf) / name;
}

} // namespace dmarace::daemon
