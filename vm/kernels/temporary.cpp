// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/temporary.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <vector>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

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

Result<TemporaryDirectory> TemporaryDirectory::make(fs::path parent) {
    std::string name =
        (parent_or_default(std::move(parent)) / (std::string(kPrefix) + "XXXXXX")).string();
    if (!mkdtemp(name.data()))
        return fail_errno(name);
    const fs::path path(name);
    UniqueFd owner(open((path / kOwner).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!owner || flock(owner.get(), LOCK_EX | LOCK_NB) != 0) {
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
