// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/recorded.hpp"

#include "base/files.hpp"
#include "job/load.hpp"
#include "run/files.hpp"

#include <algorithm>

namespace dmarace::run {

namespace {

std::string text_of(const std::filesystem::path& directory, const std::string& name) {
    return read_text(directory / name).value_or("");
}

std::string log_text(const std::filesystem::path& directory, const std::string& name) {
    return text_of(directory, name + files::kOlder) + text_of(directory, name);
}

std::uint64_t size_of(const std::filesystem::path& directory) {
    std::uint64_t size = 0;
    for (const std::string name : {files::kEvents, files::kLog, files::kObserved, files::kJournal})
        for (const auto& file : {name, name + files::kOlder}) {
            std::error_code error;
            const auto one = std::filesystem::file_size(directory / file, error);
            size += error ? 0 : one;
        }
    return size;
}

} // namespace

Recording recording_in(const std::filesystem::path& directory) {
    return {.journal = text_of(directory, files::kJournal),
            .events = log_text(directory, files::kEvents),
            .log = log_text(directory, files::kLog),
            .observed = log_text(directory, files::kObserved)};
}

SeenIterations seen_in(const std::filesystem::path& directory, std::uint64_t most) {
    SeenIterations seen;
    if (size_of(directory) > most)
        return seen;
    if (auto recorded = read_recording(recording_in(directory)))
        for (auto& [number, iteration] : *recorded)
            seen.iterations.emplace(number, std::move(iteration.observed));
    const auto file = directory / files::kJob;
    std::error_code error;
    if (std::filesystem::exists(file, error))
        if (const auto checked = job::check_job(file.string()); checked && checked->job)
            seen.source = checked->job->source;
    return seen;
}

std::vector<std::filesystem::path> runs_in(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> out;
    std::error_code error;
    const auto is_run = [&](const std::filesystem::path& path) {
        return std::filesystem::exists(path / files::kJournal, error);
    };
    if (is_run(directory))
        return {directory};
    std::filesystem::recursive_directory_iterator entry(
        directory, std::filesystem::directory_options::skip_permission_denied, error),
        end;
    for (; !error && entry != end; entry.increment(error))
        if (entry->is_directory() && is_run(entry->path())) {
            out.push_back(entry->path());
            entry.disable_recursion_pending();
        }
    std::ranges::sort(out);
    return out.empty() ? std::vector{directory} : out;
}

} // namespace dmarace::run
