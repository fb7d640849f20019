// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

struct archive;

namespace dmarace::vm {

// An initramfs in the making (cpio "newc", uncompressed). All paths are inside
// it, without a leading '/'; parent directories are made as needed, and a path
// that is already there is left as it is.
class Archive {
public:
    static Result<Archive> create(const std::filesystem::path& file);

    Status directory(const std::string& path);
    Status file(const std::string& path, std::string_view bytes, bool executable = false);
    Status link(const std::string& path, const std::string& target);
    // The character device /dev/console, which the kernel gives to init.
    Status console();
    Status close();

private:
    struct FreeWriter {
        void operator()(::archive* handle) const;
    };
    Archive(std::unique_ptr<::archive, FreeWriter> handle, std::string name)
        : handle_(std::move(handle)), name_(std::move(name)) {}
    Status parents(const std::string& path);
    Status add(const std::string& path, unsigned type, unsigned mode, std::string_view bytes,
               const std::string& target);
    std::unexpected<Error> error(const std::string& path) const;

    std::unique_ptr<::archive, FreeWriter> handle_;
    std::string name_;
    std::set<std::string> added_;
};

// A whole file as memory: for what is only looked at or copied on.
class Mapped {
public:
    // A regular file; who truncates it meanwhile ends this program with SIGBUS.
    static Result<Mapped> open(const std::filesystem::path& file);
    Mapped(Mapped&& other) noexcept
        : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Mapped& operator=(Mapped&&) = delete;
    ~Mapped();

    std::string_view text() const { return {bytes_, size_}; }

private:
    Mapped(const char* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
    const char* bytes_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace dmarace::vm
