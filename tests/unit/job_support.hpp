// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs made from texts, for the tests of job/.
#pragma once

#include "base/text.hpp"
#include "job/load.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace dmarace::job {

inline const std::string kPlain = "name = \"j\"\nsummary = \"s\"\n";

// steps: "\"walk\", \"settle\"".
inline std::string actor_of(const std::string& name, const std::string& steps) {
    return "[[actor]]\nname = \"" + name + "\"\nsteps = [" + steps + "]\n";
}

// "LINE:COLUMN: error: MESSAGE" of each.
inline std::vector<std::string> lines_of(const Diagnostics& diagnostics) {
    std::vector<std::string> out;
    for (const auto& diagnostic : diagnostics)
        out.push_back(to_text(diagnostic).substr(diagnostic.where.file.size() + 1));
    return out;
}

// What is wrong with a text that may not load.
inline std::vector<std::string> complaints(const std::string& text) {
    const auto job = load(text, "f");
    return job ? std::vector<std::string>{} : lines_of(job.error());
}

// The job of a text that has to load.
inline Job job_of(const std::string& text, const std::string& file = "f") {
    auto job = load(text, file);
    if (!job)
        ADD_FAILURE() << file << ":" << joined(lines_of(job.error()), "\n" + file + ":");
    return job.value_or(Job{});
}

} // namespace dmarace::job
