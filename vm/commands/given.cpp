// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/given.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;

Result<Given> find_given(const std::vector<std::string>& command) {
    Given given;
    for (const std::string& word : command) {
        std::error_code error;
        if (!word.ends_with(".toml") || !fs::is_regular_file(word, error)) {
            given.command.push_back(word);
            continue;
        }
        const std::string inside = "/job/" + fs::path(word).filename().string();
        const auto [it, added] = given.files.emplace(inside, fs::absolute(word));
        if (!added && it->second != fs::absolute(word))
            return fail(Fault::usage, word + ": there is another job file of that name in the "
                                             "command; rename one");
        given.command.push_back(inside);
    }
    return given;
}

} // namespace dmarace::vm
