// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/cache.hpp"

#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <sys/file.h>

#include <cstdlib>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMarker = ".complete";

fs::path default_root() {
    if (const char* chosen = std::getenv("DMARACE_CACHE"); chosen && *chosen)
        return chosen;
    if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg)
        return fs::path(xdg) / "dmarace";
    if (geteuid() == 0)
        return "/var/cache/dmarace";
    const char* home = std::getenv("HOME");
    return fs::path(home && *home ? home : "/tmp") / ".cache" / "dmarace";
}

Result<UniqueFd> lock_file(const fs::path& file, std::string_view what) {
    UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd)
        return fail_errno(file.string());
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
        return fd;
    say("waiting for another dmarace-vm that works on this cache ({})", what);
    while (flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_errno(file.string());
    return fd;
}

} // namespace

Result<Cache> Cache::open(const std::string& choice) {
    std::error_code error;
    const fs::path root = fs::absolute(choice.empty() ? default_root() : fs::path(choice));
    fs::create_directories(root, error);
    if (error || access(root.c_str(), W_OK) != 0)
        return fail(Fault::environment,
                    fmt::format("cannot write to the cache {}: {}; choose another with --cache "
                                "DIR or DMARACE_CACHE",
                                root.string(), error ? error.message() : std::strerror(errno)));
    return Cache(root);
}

bool Cache::complete(const fs::path& entry) const {
    return fs::exists(entry / kMarker);
}

Status Cache::mark_complete(const fs::path& entry) const {
    return write_text(entry / kMarker, "");
}

Status Cache::start_over(const fs::path& entry) const {
    std::error_code error;
    fs::remove_all(entry, error);
    fs::create_directories(entry, error);
    if (error)
        return fail(Fault::environment, entry.string() + ": " + error.message());
    return {};
}

Result<UniqueFd> Cache::lock(std::string_view what, const char* file) const {
    return lock_file(root_ / file, what);
}

Result<UniqueFd> Cache::lock_entry(const fs::path& entry, std::string_view what) const {
    std::error_code error;
    fs::create_directories(entry.parent_path(), error);
    return lock_file(entry.string() + ".lock", what);
}

Status Cache::need_space(std::uint64_t megabytes, std::string_view what) const {
    std::error_code error;
    const std::uint64_t free_megabytes = fs::space(root_, error).available >> 20;
    if (error || free_megabytes >= megabytes)
        return {};
    return fail(Fault::environment,
                fmt::format("{} needs {} MB, {} has {} MB free; make room or choose another place "
                            "with --cache DIR",
                            what, megabytes, root_.string(), free_megabytes));
}

Key& Key::add(std::string_view bytes) {
    const auto mix = [this](unsigned char byte) {
        hash_ ^= byte;
        hash_ *= 0x100000001b3;
    };
    for (const char byte : bytes)
        mix(static_cast<unsigned char>(byte));
    mix(0); // "ab","c" is not "a","bc"
    return *this;
}

std::string Key::text() const {
    return fmt::format("{:016x}", hash_);
}

} // namespace dmarace::vm
