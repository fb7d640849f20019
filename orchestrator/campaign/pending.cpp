// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/pending.hpp"

#include "board/files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <functional>

namespace dmarace::campaign {

namespace fs = std::filesystem;

namespace {

fs::path whole(const fs::path& run) {
    std::error_code ec;
    const auto real = fs::weakly_canonical(fs::absolute(run, ec), ec);
    return ec ? run : real;
}

std::int64_t made_at(const fs::path& link) {
    struct stat info {};
    return ::lstat(link.c_str(), &info) == 0
               ? info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec
               : 0;
}

} // namespace

fs::path Pending::link_of(const fs::path& run) const {
    const auto path = whole(run);
    return place_ / (path.filename().string() + "-" +
                     std::to_string(std::hash<std::string>{}(path.string())));
}

Status Pending::add(const fs::path& run) const {
    std::error_code ec;
    fs::create_directories(place_, ec);
    fs::permissions(place_, fs::perms::owner_all, ec);
    fs::remove(link_of(run), ec);
    fs::create_symlink(whole(run), link_of(run), ec);
    if (ec)
        return fail_errno("cannot note the run in " + place_.string(), ec.value());
    return {};
}

void Pending::remove(const fs::path& run) const {
    std::error_code ec;
    fs::remove(link_of(run), ec);
}

std::vector<fs::path> Pending::all() const {
    std::error_code ec;
    std::vector<std::pair<std::int64_t, fs::path>> found;
    for (const auto& entry : fs::directory_iterator(place_, ec))
        if (const auto run = fs::read_symlink(entry.path(), ec); !ec)
            found.emplace_back(made_at(entry.path()), run);
    std::ranges::sort(found);
    std::vector<fs::path> out;
    for (auto& [at, run] : found)
        out.push_back(std::move(run));
    return out;
}

std::string boot_id() {
    return board::Files().read("/proc/sys/kernel/random/boot_id").value_or("");
}

} // namespace dmarace::campaign
