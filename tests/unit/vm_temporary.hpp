// SPDX-License-Identifier: GPL-2.0-or-later
// A directory of files for one test.
#pragma once

#include "vm/kernels/cache.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

class TemporaryTree {
public:
    TemporaryTree() {
        std::string name =
            (std::filesystem::temp_directory_path() / "dmarace-test-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    TemporaryTree(const TemporaryTree&) = delete;
    TemporaryTree& operator=(const TemporaryTree&) = delete;
    ~TemporaryTree() { std::filesystem::remove_all(path_); }

    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    const std::filesystem::path& path() const { return path_; }
    void write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        (void)dmarace::write_text(path_ / name, text);
    }
    std::string read(const std::string& name) const {
        return dmarace::read_text(path_ / name).value_or("(missing)");
    }

private:
    std::filesystem::path path_;
};
