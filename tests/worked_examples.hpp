// SPDX-License-Identifier: GPL-2.0-or-later
// The jobs that docs/writing-jobs.md holds in full, for tests that load them,
// run them dry and boot boards with them.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace dmarace::test {

struct WorkedExample {
    std::string name; // as the job says
    std::string text;
};

// Every block of the page that is marked as toml.
inline std::vector<WorkedExample> worked_examples(const std::string& source_dir) {
    std::ifstream file(source_dir + "/docs/writing-jobs.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const std::string open = "```toml\n", close = "\n```\n", name = "\nname    = \"";
    std::vector<WorkedExample> out;
    for (auto at = page.find(open); at != std::string::npos; at = page.find(open, at)) {
        at += open.size();
        const auto end = page.find(close, at);
        WorkedExample example{"", page.substr(at, end + 1 - at)};
        if (const auto named = example.text.find(name); named != std::string::npos) {
            const auto begin = named + name.size();
            example.name = example.text.substr(begin, example.text.find('"', begin) - begin);
        }
        out.push_back(std::move(example));
    }
    return out;
}

} // namespace dmarace::test
