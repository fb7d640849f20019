// SPDX-License-Identifier: GPL-2.0-or-later
// What a run's directory has besides its journal.
#pragma once

#include "run/recording.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace dmarace::run {

// The files as they are, with what of the logs has turned over.
Recording recording_in(const std::filesystem::path& directory);

struct SeenIterations {
    std::map<unsigned, verdict::Observed> iterations;
    std::string source; // of the job: where its race was told of
};

// Nothing of it where there is none, it cannot be read or its logs are larger than 'most' bytes.
SeenIterations seen_in(const std::filesystem::path& directory, std::uint64_t most = UINT64_MAX);
// That much is read at the end of a run, on whatever board.
inline constexpr std::uint64_t kReadAtEnd = 8'000'000;

// The directories of runs that are in one of them; itself when it is one, or holds none.
std::vector<std::filesystem::path> runs_in(const std::filesystem::path& directory);

} // namespace dmarace::run
