// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/job_files.hpp"

#include "job/diagnostic.hpp"
#include "job/lint.hpp"
#include "job/load.hpp"
#include "util/nearest.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace dmarace::commands {

namespace fs = std::filesystem;

std::string library_dir() {
    if (const char* dir = std::getenv("DMARACE_JOBS"))
        return dir;
    std::error_code ec;
    return fs::is_directory(DMARACE_JOBS_DIR, ec) ? DMARACE_JOBS_DIR : DMARACE_SOURCE_JOBS;
}

std::vector<std::string> library_jobs() {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(library_dir(), ec), end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".toml")
            names.push_back(it->path().stem().string());
    std::ranges::sort(names);
    return names;
}

Result<std::string> job_path(const std::string& name) {
    std::error_code ec;
    if (name.find('/') != std::string::npos || name.ends_with(".toml")) {
        if (fs::is_regular_file(name, ec))
            return name;
        return fail(Fault::usage, "no job file " + name);
    }
    const auto path = fs::path(library_dir()) / (name + ".toml");
    if (fs::is_regular_file(path, ec))
        return path.string();
    return fail(Fault::usage, "no job " + name + did_you_mean(name, library_jobs()) +
                                  " (dmarace list jobs; a file is written with its path)");
}

Result<job::Job> load_job(const std::string& name) {
    const auto path = job_path(name);
    if (!path)
        return std::unexpected(path.error());
    std::ifstream file(*path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file)
        return fail_errno("cannot read " + *path);
    auto loaded = job::load(text, *path);
    const auto diagnostics = loaded ? job::lint(*loaded) : loaded.error();
    std::size_t errors = 0;
    for (const auto& diagnostic : diagnostics) {
        std::cerr << job::to_text(diagnostic) << "\n";
        errors += diagnostic.level == job::Diagnostic::Level::error ? 1 : 0;
    }
    if (errors > 0)
        return fail(Fault::usage, *path + ": " + std::to_string(errors) +
                                      (errors == 1 ? " error" : " errors") + "; nothing was run");
    return *std::move(loaded);
}

} // namespace dmarace::commands
