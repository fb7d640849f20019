// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a fuzz entry point over the inputs of corpora (*.corpus) and over single
// files, and over every shortened and some damaged forms of them, without a
// fuzzing engine.
#include "fuzz.hpp"

#include <cstdint>
#include <cstdio>
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
    std::size_t inputs = 0;
    for (int i = 1; i < argc; i++) {
        std::ifstream in(argv[i], std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        const bool corpus = std::string_view(argv[i]).ends_with(".corpus");
        for (const auto& input : corpus ? fuzz::inputs_of(bytes) : std::vector{bytes}) {
            feed(input);
            fuzz::damage(input, feed);
            inputs++;
        }
    }
    std::printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
