// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/cache.hpp"

#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <vector>

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

constexpr std::string_view kPrefix = "dmarace-vm-";
constexpr const char* kOwner = ".owner";

fs::path parent_or_default(fs::path parent) {
    return parent.empty() ? fs::temp_directory_path() : parent;
}

// Not another user's, and not a link to somewhere else.
bool is_ours(const fs::path& directory) {
    struct stat facts {};
    return lstat(directory.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
           facts.st_uid == geteuid();
}

bool is_abandoned(const fs::path& directory) {
    const UniqueFd owner(open((directory / kOwner).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    return owner && flock(owner.get(), LOCK_EX | LOCK_NB) == 0;
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

bool Cache::complete(const fs::path& entry) const { return fs::exists(entry / kMarker); }

Status Cache::mark_complete(const fs::path& entry) const { return write_text(entry / kMarker, ""); }

Status Cache::start_over(const fs::path& entry) const {
    std::error_code error;
    fs::remove_all(entry, error);
    fs::create_directories(entry, error);
    if (error)
        return fail(Fault::environment, entry.string() + ": " + error.message());
    return {};
}

Status Cache::fill(const fs::path& entry, std::uint64_t megabytes, std::string_view what,
                   const std::function<Status()>& make) const {
    TRY(need_space(megabytes, what));
    TRY(start_over(entry));
    TRY(make());
    return mark_complete(entry);
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

std::string Key::text() const { return fmt::format("{:016x}", hash_); }

Result<TemporaryDirectory> TemporaryDirectory::make(fs::path parent) {
    std::string name =
        (parent_or_default(std::move(parent)) / (std::string(kPrefix) + "XXXXXX")).string();
    if (!mkdtemp(name.data()))
        return fail_errno(name);
    const fs::path path(name);
    // Who sweeps must never see it without its lock.
    const fs::path unseen = path / (std::string(kOwner) + ".new");
    UniqueFd owner(open(unseen.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!owner || flock(owner.get(), LOCK_EX | LOCK_NB) != 0 ||
        rename(unseen.c_str(), (path / kOwner).c_str()) != 0) {
        auto failed = fail_errno((path / kOwner).string());
        std::error_code error;
        fs::remove_all(path, error);
        return failed;
    }
    return TemporaryDirectory(path, std::move(owner));
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})), owner_(std::move(other.owner_)) {}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code error;
    if (!path_.empty())
        fs::remove_all(path_, error);
}

fs::path TemporaryDirectory::keep() {
    std::error_code error;
    fs::remove(path_ / kOwner, error);
    return std::exchange(path_, {});
}

void sweep_temporary(const std::function<bool(const fs::path&)>& worth_keeping, fs::path parent) {
    std::error_code error;
    std::vector<fs::path> stale;
    for (const auto& entry : fs::directory_iterator(parent_or_default(std::move(parent)), error))
        if (entry.path().filename().string().starts_with(kPrefix) && is_ours(entry.path()) &&
            is_abandoned(entry.path()) && !worth_keeping(entry.path()))
            stale.push_back(entry.path());
    for (const fs::path& directory : stale)
        fs::remove_all(directory, error);
}

} // namespace dmarace::vm
