// SPDX-License-Identifier: GPL-2.0-or-later
// What the programs of scripts/measure.sh have in common that time dmarace-vm from outside.
#pragma once

#include "base/error.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace dmarace::vm {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.empty() ? 0 : values[values.size() / 2];
}

// Their main(): 'count' words, from scripts/measure.sh. Exit code 3 when it came to nothing.
inline int measure_words(int argc, char** argv, std::size_t count,
                         Result<int> (*measure)(const std::vector<std::string>& words)) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    program_name(argv[0]);
    if (words.size() != count) {
        say("it is started by scripts/measure.sh");
        return 2;
    }
    const auto code = measure(words);
    if (!code)
        say("{}", code.error().message);
    return code ? *code : 3;
}

} // namespace dmarace::vm
