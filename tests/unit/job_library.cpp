// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace dmarace::job {
namespace {

std::vector<std::string> library() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(DMARACE_SOURCE_DIR "/jobs"))
        if (entry.path().extension() == ".toml")
            out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

class LibraryJob : public testing::TestWithParam<std::string> {};

TEST_P(LibraryJob, LoadsAndLintsClean) {
    const auto job = load(read(GetParam()), GetParam());
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << to_text(diagnostic);
    ASSERT_TRUE(job);
    EXPECT_EQ(job->name, std::filesystem::path(GetParam()).stem().string());
    EXPECT_FALSE(job->source.empty()) << "a job of the library names its source";
    for (const auto& diagnostic : lint(*job)) {
        const bool says_unsafe = job->risk == Risk::reboot &&
                                 diagnostic.message.find("needs --unsafe") != std::string::npos;
        if (!says_unsafe)
            ADD_FAILURE() << to_text(diagnostic);
    }
}

TEST_P(LibraryJob, SaysWhoWaitsAndWhichKernelsHaveTheWindow) {
    const std::string text = read(GetParam());
    EXPECT_NE(text.find("# Kernels:"), std::string::npos);
    EXPECT_TRUE(text.starts_with("# SPDX-License-Identifier: GPL-2.0-or-later\n"));
}

INSTANTIATE_TEST_SUITE_P(All, LibraryJob, testing::ValuesIn(library()), [](const auto& tested) {
    std::string name = std::filesystem::path(tested.param).stem().string();
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

} // namespace
} // namespace dmarace::job
