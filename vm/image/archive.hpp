// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>

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

} // namespace dmarace::vm
