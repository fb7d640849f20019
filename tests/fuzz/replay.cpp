// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a fuzz entry point over the files of a corpus, and over every
// shortened and some damaged forms of them, without a fuzzing engine.
#include "damage.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void feed(const std::string& bytes) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

} // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; i++) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream in(entry.path(), std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(in), {}};
            feed(bytes);
            fuzz::damage(bytes, feed);
            files++;
        }
    }
    std::printf("%zu corpus files\n", files);
    return files > 0 ? 0 : 1;
}
