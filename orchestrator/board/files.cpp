// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/files.hpp"

#include "base/files.hpp"

#include <fcntl.h>

#include <sys/statvfs.h>

#include <algorithm>

namespace dmarace::board {

namespace fs = std::filesystem;

fs::path Files::at(std::string_view path) const {
    while (path.starts_with('/'))
        path.remove_prefix(1);
    return root_ / path;
}

std::vector<std::string> Files::entries(std::string_view path, auto fits) const {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(at(path), ec), end; !ec && it != end; it.increment(ec))
        if (fits(*it))
            names.push_back(it->path().filename().string());
    std::ranges::sort(names);
    return names;
}

Result<std::string> Files::read(std::string_view path) const {
    const UniqueFd fd(::open(at(path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open " + std::string(path));
    auto text = read_all(fd.get(), "cannot read " + std::string(path));
    while (text && text->ends_with('\n'))
        text->pop_back();
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
    return entries(path, [](const fs::directory_entry&) { return true; });
}

std::vector<std::string> Files::directories(std::string_view path) const {
    return entries(path, [](const fs::directory_entry& entry) {
        std::error_code ec; // the directory says what is what: no entry is asked
        return !entry.is_symlink(ec) && entry.is_directory(ec);
    });
}

bool Files::exists(std::string_view path) const {
    std::error_code ec;
    return fs::exists(fs::symlink_status(at(path), ec));
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
    std::error_code ec;
    const auto target = fs::read_symlink(at(path), ec);
    return ec ? "" : target.filename().string();
}

std::string Files::real_path(std::string_view path) const {
    std::error_code ec;
    const auto target = fs::canonical(at(path), ec);
    const auto root = ec ? fs::path() : fs::canonical(root_, ec);
    if (ec)
        return "";
    return "/" + target.lexically_relative(root).string();
}

} // namespace dmarace::board
