// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a fuzz entry point over the files of a corpus, and over every
// shortened and some damaged forms of them, without a fuzzing engine.
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

void feed_damaged(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size(); at++) {
        feed(bytes.substr(0, at));
        for (const char c : {'\0', ' ', '"', '\\', '=', ',', '.', '9', 'z', '\xff'}) {
            std::string other = bytes;
            other[at] = c;
            feed(other);
            other.insert(at, 200, c);
            feed(other);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; i++) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            std::ifstream in(entry.path(), std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(in), {}};
            feed(bytes);
            feed_damaged(bytes);
            files++;
        }
    }
    std::printf("%zu corpus files\n", files);
    return files > 0 ? 0 : 1;
}
