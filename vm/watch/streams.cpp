// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>

namespace dmarace::vm {
namespace {

// A reader that has gone away (a closed pipe) must not end the run.
void write_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t done = write(to, bytes.data(), bytes.size());
        if (done > 0)
            bytes.remove_prefix(static_cast<std::size_t>(done));
        else if (done < 0 && errno != EINTR && errno != EAGAIN)
            return;
    }
}

} // namespace

bool Follower::poll() {
    if (!from_)
        from_.reset(open(file_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!from_)
        return false;
    std::array<char, 65536> buffer{};
    bool moved = false;
    for (ssize_t got; (got = read(from_.get(), buffer.data(), buffer.size())) > 0; moved = true) {
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        write_all(to_, bytes);
        last_ = bytes.back();
    }
    return moved;
}

void Follower::writer_died() {
    if (last_ != '\n')
        write_all(to_, std::string(kCutOff) + "\n");
    last_ = '\n';
}

std::string peek(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

} // namespace dmarace::vm
