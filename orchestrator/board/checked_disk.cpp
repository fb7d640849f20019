// SPDX-License-Identifier: GPL-2.0-or-later
// Checked I/O on a disk: blocks of a pattern, written and read past the page
// cache.
#include "base/unique_fd.hpp"
#include "board/checked_io.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <random>

namespace dmarace::board {

namespace {

constexpr std::size_t kBlock = 16 * 1024;
constexpr std::size_t kBlocks = 64; // the part of the disk that is used
constexpr off_t kBegin = 1024 * 1024;
// At the front of every block of ours, so that the next run knows them.
constexpr std::array<unsigned char, 16> kMark{'d', 'm', 'a', 'r', 'a', 'c', 'e', ' ',
                                              'c', 'h', 'e', 'c', 'k', 'e', 'd', '\n'};

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<unsigned char, Free>;

Buffer buffer() {
    return Buffer(static_cast<unsigned char*>(std::aligned_alloc(4096, kBlock)));
}

off_t offset(std::size_t block) {
    return kBegin + static_cast<off_t>(block * kBlock);
}

bool ours(const unsigned char* data) {
    return std::equal(kMark.begin(), kMark.end(), data) ||
           std::all_of(data, data + kBlock, [](unsigned char byte) { return byte == 0; });
}

class Disk final : public IoPath {
public:
    Disk(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

    // 0, or an errno: EBUSY where somebody else's bytes are.
    int look() {
        for (std::size_t block = 0; block < kBlocks; ++block) {
            if (::pread(fd_.get(), got_.get(), kBlock, offset(block)) !=
                static_cast<ssize_t>(kBlock))
                return errno == 0 ? EIO : errno;
            if (!ours(got_.get()))
                return EBUSY;
        }
        return 0;
    }

    bool round(IoEnd& end) override {
        const auto block = draw_() % kBlocks;
        if (++generations_[block] == 1)
            written_.push_back(block);
        fill(block);
        if (::pwrite(fd_.get(), made_.get(), kBlock, offset(block)) != static_cast<ssize_t>(kBlock))
            return failed(end, "write to");
        ++end.sent;
        const auto other = written_[draw_() % written_.size()];
        if (::pread(fd_.get(), got_.get(), kBlock, offset(other)) != static_cast<ssize_t>(kBlock))
            return failed(end, "read from");
        fill(other);
        compare(other, end);
        return true;
    }

private:
    void fill(std::size_t block) {
        fill_pattern(made_.get(), kBlock, block, generations_[block]);
        std::copy(kMark.begin(), kMark.end(), made_.get());
    }

    void compare(std::size_t block, IoEnd& end) {
        ++end.checked;
        end.bytes += kBlock;
        const auto [made, got] = std::mismatch(made_.get(), made_.get() + kBlock, got_.get());
        if (made == made_.get() + kBlock)
            return;
        for (std::size_t i = 0; i < kBlock; ++i)
            end.wrong += made_.get()[i] != got_.get()[i] ? 1U : 0U;
        end.trouble = name_ + " block " + std::to_string(block) + ": byte " +
                      std::to_string(made - made_.get()) + " is " + std::to_string(*got) +
                      ", written as " + std::to_string(*made);
    }

    bool failed(IoEnd& end, const char* what) const {
        end.trouble = std::string(what) + " " + name_ + ": " + std::strerror(errno);
        return false;
    }

    UniqueFd fd_;
    std::string name_;
    Buffer made_ = buffer(), got_ = buffer();
    std::array<std::uint64_t, kBlocks> generations_{};
    std::vector<std::size_t> written_; // each once
    std::minstd_rand draw_;
};

} // namespace

Result<std::unique_ptr<IoPath>> open_disk(const Files& files, const std::string& device) {
    const auto name = class_entry(files, "block", device);
    if (name.empty())
        return fail_errno(device + " shows no disk", ENODEV);
    // O_EXCL: not while it is mounted or part of something.
    auto fd = files.open("/dev/" + name, O_RDWR | O_DIRECT | O_EXCL);
    if (!fd)
        return fail_errno("cannot open /dev/" + name);
    auto disk = std::make_unique<Disk>(std::move(fd), name);
    if (const int error = disk->look(); error == EBUSY)
        return fail_errno("/dev/" + name + " holds data that is not of checked I/O", EBUSY);
    else if (error != 0)
        return fail_errno("cannot read /dev/" + name, error);
    return disk;
}

} // namespace dmarace::board
