// SPDX-License-Identifier: GPL-2.0-or-later
#include "type_loop.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace dmarace::bench {

namespace {

double seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

} // namespace

double type_loop(int type, unsigned writes) {
    static const char* const words[] = {"identity", "DMA"};
    char text[32];
    const double began = seconds_now();
    for (unsigned i = 0; i < writes; ++i) {
        const char* word = words[i % 2];
        if (::pwrite(type, word, std::strlen(word), 0) < 0)
            return -errno;
        if (::pread(type, text, sizeof(text), 0) < 0)
            return -errno;
    }
    return writes / (seconds_now() - began);
}

} // namespace dmarace::bench
