// SPDX-License-Identifier: GPL-2.0-or-later
// This file asks git about a tree, and moves it from commit to commit.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::vm {

class GitTree {
public:
    // Fault::usage when the directory is in no git tree.
    static Result<GitTree> open(const std::filesystem::path& directory);

    const std::filesystem::path& directory() const { return top_; }
    // Where git keeps what belongs to this worktree alone.
    const std::filesystem::path& git_directory() const { return git_; }

    // The full id of a commit ("HEAD", "refs/bisect/bad"); an error if there is none.
    Result<std::string> commit(const std::string& name) const;
    // The first line of its message.
    Result<std::string> subject(const std::string& commit) const;
    // Whether files that git knows differ from HEAD.
    Result<bool> changed() const;
    Status check_out(const std::string& commit) const;

private:
    GitTree(std::filesystem::path top, std::filesystem::path git)
        : top_(std::move(top)), git_(std::move(git)) {}
    Result<std::string> ask(std::vector<std::string> words, const std::string& what) const;

    std::filesystem::path top_, git_;
};

} // namespace dmarace::vm
