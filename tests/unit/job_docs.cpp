// SPDX-License-Identifier: GPL-2.0-or-later
// docs/job-format.md names every word that a job file may hold, and its
// examples load.
#include "job/load.hpp"
#include "job/steps.hpp"
#include "job/words.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace dmarace::job {
namespace {

std::string document(const std::string& name) {
    std::ifstream file(DMARACE_SOURCE_DIR "/docs/" + name);
    EXPECT_TRUE(file) << name;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

void expect_named(const std::string& document, std::string_view word) {
    const bool named = document.find("`" + std::string(word)) != std::string::npos ||
                       document.find("\"" + std::string(word) + "\"") != std::string::npos;
    EXPECT_TRUE(named) << "docs/job-format.md does not name " << word;
}

TEST(JobFormat, NamesEveryStep) {
    const std::string text = document("job-format.md");
    for (const auto& verb : catalogue::verb_rows())
        for (const auto& form : verb.forms()) {
            if (verb.verb == Verb::repeat)
                continue;
            const std::string row = "\n- `" + std::string(form.usage) + "`: ";
            EXPECT_NE(text.find(row), std::string::npos) << row;
        }
}

TEST(JobFormat, NamesEveryWord) {
    const std::string text = document("job-format.md");
    for (const auto* words : {&risk_words(), &param_type_words(), &dma_words(), &need_words(),
                              &pick_words(), &bus_words(), &type_words()})
        for (const auto& word : *words)
            expect_named(text, word.word);
    for (const auto& prefix : signal_prefixes())
        expect_named(text, prefix + ":");
}

TEST(JobFormat, NamesEveryKey) {
    const std::string text = document("job-format.md");
    for (const char* key :
         {"name",   "summary",  "source",      "risk",      "needs",     "iterations", "allow",
          "type",   "behind",   "bus",         "pick",      "default",   "help",       "steps",
          "point",  "on",       "actor",       "task",      "dev",       "group",      "from",
          "nth",    "ret",      "probability", "interval",  "times",     "space",      "delay",
          "signal", "wait_for", "timeout",     "return",    "optional",  "unsafe",     "arg",
          "groups", "types",    "order",       "driver",    "dma",       "devices",    "drivers",
          "iommu",  "size",     "sequence",    "count",     "duration",  "writers",    "share",
          "beside", "at_boot",  "action",      "subsystem", "attributes"})
        expect_named(text, std::string(key) + "`");
}

TEST(JobFormat, ItsExampleLintsClean) {
    const std::string text = document("job-format.md");
    const auto begin = text.find("```toml\n");
    ASSERT_NE(begin, std::string::npos);
    const auto end = text.find("```", begin + 8);
    const auto job = load(text.substr(begin + 8, end - begin - 8), "job-format.md");
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << to_text(diagnostic);
    ASSERT_TRUE(job);
    EXPECT_TRUE(lint(*job).empty());
}

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
