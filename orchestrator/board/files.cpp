// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/files.hpp"

#include "base/files.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

namespace dmarace::board {

namespace fs = std::filesystem;

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// What a symbolic link names, "" when there is none.
std::string target_of(const std::string& link) {
    std::array<char, PATH_MAX> text{};
    const auto length = ::readlink(link.c_str(), text.data(), text.size());
    return length < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(length));
}

// The kernel follows the links: one question where a walk would ask for each component.
std::string followed(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    return fd ? target_of("/proc/self/fd/" + std::to_string(fd.get())) : "";
}

// What one read() gives is all of it, if there was room for more.
bool is_attribute(std::string_view path) {
    return path.starts_with("/sys/bus/") || path.starts_with("/sys/devices/") ||
           path.starts_with("/sys/class/") || path.starts_with("/sys/firmware/");
}

} // namespace

std::string Files::at(std::string_view path) const {
    while (path.starts_with('/'))
        path.remove_prefix(1);
    std::string out = root_;
    return (out.ends_with('/') ? out : out += '/') += path;
}

std::vector<std::string> Files::entries(std::string_view path, auto fits) const {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(at(path).c_str()));
    while (const auto* entry = directory ? ::readdir(directory.get()) : nullptr)
        if (const std::string_view name = entry->d_name;
            name != "." && name != ".." && fits(*entry))
            names.emplace_back(name);
    std::ranges::sort(names);
    return names;
}

Result<std::string> Files::read(std::string_view path) const {
    const UniqueFd fd(::open(at(path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open " + std::string(path));
    std::array<char, 4096> buffer;
    const auto got =
        is_attribute(path) ? TEMP_FAILURE_RETRY(::read(fd.get(), buffer.data(), buffer.size())) : 0;
    if (got < 0)
        return fail_errno("cannot read " + std::string(path));
    std::string text(buffer.data(), static_cast<std::size_t>(got));
    if (text.empty() || text.size() == buffer.size()) {
        TRY_AS(const auto rest, read_all(fd.get(), "cannot read " + std::string(path)));
        text += rest;
    }
    while (text.ends_with('\n'))
        text.pop_back();
    return text;
}

Files Files::read_only() const {
    Files out = *this;
    out.writable_ = false;
    return out;
}

Status Files::write(std::string_view path, std::string_view value) const {
    if (!writable_)
        return fail_errno("nothing is written in a dry run: " + std::string(path), EROFS);
    const UniqueFd fd(::open(at(path).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open " + std::string(path));
    const auto put = ::write(fd.get(), value.data(), value.size());
    if (put != static_cast<ssize_t>(value.size()))
        return fail_errno("cannot write '" + std::string(value) + "' to " + std::string(path),
                          put < 0 ? errno : EIO);
    return {};
}

UniqueFd Files::open(std::string_view path, int flags) const {
    return UniqueFd(::open(at(path).c_str(), flags | O_CLOEXEC));
}

std::vector<std::string> Files::list(std::string_view path) const {
    return entries(path, [](const dirent&) { return true; });
}

std::vector<std::string> Files::directories(std::string_view path) const {
    return entries(path, [&](const dirent& entry) {
        std::error_code ec; // nearly every directory says what is what: no entry is asked
        return entry.d_type == DT_DIR ||
               (entry.d_type == DT_UNKNOWN && fs::is_directory(fs::symlink_status(
                                                  at(std::string(path) + "/" + entry.d_name), ec)));
    });
}

bool Files::exists(std::string_view path) const {
    return ::faccessat(AT_FDCWD, at(path).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool Files::has_write_mode(std::string_view path) const {
    std::error_code ec;
    const auto mode = fs::status(at(path), ec).permissions();
    return !ec && (mode & fs::perms::owner_write) != fs::perms::none;
}

bool Files::on_read_only(std::string_view path) const {
    struct statvfs info {};
    return ::statvfs(at(path).c_str(), &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

std::string Files::link_name(std::string_view path) const {
    const auto target = target_of(at(path));
    return target.substr(target.rfind('/') + 1);
}

std::string Files::real_path(std::string_view path) const {
    // The links of a bus lead straight to its devices.
    constexpr std::string_view kUp = "../../../devices/";
    if (const auto link = target_of(at(path));
        link.starts_with(kUp) && path.starts_with("/sys/bus/"))
        return "/sys/devices/" + link.substr(kUp.size());
    const auto target = followed(at(path));
    if (root_ == "/" || target.empty())
        return target;
    return "/" + fs::path(target).lexically_relative(followed(root_)).string();
}

} // namespace dmarace::board
