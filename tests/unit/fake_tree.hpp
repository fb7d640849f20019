// SPDX-License-Identifier: GPL-2.0-or-later
// A throw-away tree that stands for /sys and /proc.
#pragma once

#include "board/files.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace dmarace::test {

class FakeTree {
public:
    FakeTree() {
        std::string name = (std::filesystem::temp_directory_path() / "dmarace-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    ~FakeTree() {
        std::error_code ec;
        std::filesystem::remove_all(root_, ec);
    }
    FakeTree(const FakeTree&) = delete;
    FakeTree& operator=(const FakeTree&) = delete;

    FakeTree& file(const std::string& path, const std::string& text = "") {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
        return *this;
    }
    FakeTree& dir(const std::string& path) {
        std::filesystem::create_directories(root_ / path);
        return *this;
    }
    // A link at 'path' to 'target', both under the root.
    FakeTree& link(const std::string& path, const std::string& target) {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::filesystem::create_directories(root_ / target);
        std::filesystem::create_symlink(root_ / target, root_ / path);
        return *this;
    }
    // A device of a bus, with its driver unless that is "".
    FakeTree& device(const std::string& bus, const std::string& name, const std::string& path,
                     const std::string& driver = "", const std::string& group = "") {
        dir(path);
        link("sys/bus/" + bus + "/devices/" + name, path);
        if (!driver.empty()) {
            file("sys/bus/" + bus + "/drivers/" + driver + "/bind");
            file("sys/bus/" + bus + "/drivers/" + driver + "/unbind");
            link(path + "/driver", "sys/bus/" + bus + "/drivers/" + driver);
        }
        if (!group.empty())
            link(path + "/iommu_group", "sys/kernel/iommu_groups/" + group);
        return *this;
    }
    std::string text(const std::string& path) const {
        std::ifstream in(root_ / path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    board::Files files() const { return board::Files(root_); }
    const std::filesystem::path& root() const { return root_; }

private:
    std::filesystem::path root_;
};

} // namespace dmarace::test
