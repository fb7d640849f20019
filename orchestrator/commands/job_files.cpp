// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/job_files.hpp"

#include "base/nearest.hpp"
#include "job/lint.hpp"
#include "job/load.hpp"

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

std::size_t CheckedJob::errors() const {
    return static_cast<std::size_t>(
        std::ranges::count(diagnostics, job::Diagnostic::Level::error, &job::Diagnostic::level));
}

Result<CheckedJob> check_job(const std::string& name) {
    const auto path = job_path(name);
    if (!path)
        return std::unexpected(path.error());
    std::ifstream file(*path);
    CheckedJob out{*path, {std::istreambuf_iterator<char>(file), {}}, {}, {}};
    if (!file)
        return fail_errno("cannot read " + *path);
    auto loaded = job::load(out.text, *path);
    out.diagnostics = loaded ? job::lint(*loaded) : loaded.error();
    if (loaded)
        out.job = *std::move(loaded);
    return out;
}

Result<job::Job> load_job(const std::string& name) {
    auto checked = check_job(name);
    if (!checked)
        return std::unexpected(checked.error());
    for (const auto& diagnostic : checked->diagnostics)
        std::cerr << job::to_text(diagnostic) << "\n";
    const auto errors = checked->errors();
    if (errors > 0)
        return fail(Fault::usage, checked->path + ": " + std::to_string(errors) +
                                      (errors == 1 ? " error" : " errors") +
                                      "; nothing was run (dmarace lint " + name + " explains)");
    return *std::move(checked->job);
}

} // namespace dmarace::commands
