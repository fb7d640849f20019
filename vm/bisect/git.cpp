// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/git.hpp"

#include "base/process.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

} // namespace

Result<GitTree> GitTree::open(const fs::path& directory) {
    const auto top =
        run_checked({.argv = {"git", "-C", directory, "rev-parse", "--show-toplevel"}}, "git");
    const auto git =
        run_checked({.argv = {"git", "-C", directory, "rev-parse", "--absolute-git-dir"}}, "git");
    if (!top || !git)
        return fail(Fault::usage, directory.string() +
                                      " is in no git tree: run this in the kernel's (git bisect "
                                      "run does), or name it with --tree: " +
                                      (top ? git.error() : top.error()).message);
    return GitTree(first_line(*top), first_line(*git));
}

Result<std::string> GitTree::ask(std::vector<std::string> words, const std::string& what) const {
    Command command{.argv = {"git", "-C", top_}};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    return run_checked(command, what);
}

Result<std::string> GitTree::commit(const std::string& name) const {
    const auto id = ask({"rev-parse", "--verify", name + "^{commit}"}, "git: commit " + name);
    if (!id)
        return id;
    return first_line(*id);
}

Result<std::string> GitTree::subject(const std::string& commit) const {
    const auto text = ask({"show", "--no-patch", "--format=%s", commit}, "git: commit " + commit);
    if (!text)
        return text;
    return first_line(*text);
}

Result<bool> GitTree::changed() const {
    const auto text = ask({"status", "--porcelain", "--untracked-files=no"}, "git status");
    if (!text)
        return std::unexpected(text.error());
    return !text->empty();
}

Status GitTree::check_out(const std::string& commit) const {
    const auto done = ask({"checkout", "--quiet", "--detach", commit}, "git checkout " + commit);
    if (!done)
        return std::unexpected(done.error());
    return {};
}

} // namespace dmarace::vm
