// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/checked_io.hpp"

#include "base/draw.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>

namespace dmarace::board {

namespace {

// A driver makes its disk or interface a while after it was bound.
constexpr std::chrono::seconds kAppears{10};
constexpr std::chrono::milliseconds kLook{20};

// A whole disk: no partition, no copy of another entry.
std::string entry_now(const Files& files, const std::string& kind, const std::string& device) {
    const auto dir = "/sys/class/" + kind + "/";
    for (const auto& entry : files.list(dir))
        if (files.real_path(dir + entry).find("/" + device + "/") != std::string::npos &&
            !files.exists(dir + entry + "/partition") &&
            (kind != "block" || files.exists(dir + entry + "/dev")))
            return entry;
    return "";
}

} // namespace

void fill_pattern(unsigned char* data, std::size_t size, std::uint64_t number,
                  std::uint64_t generation) {
    auto state = mixed(number * kDrawStep + generation);
    for (std::size_t at = 0; at < size; at += sizeof(state)) {
        state = mixed(state + kDrawStep);
        std::memcpy(data + at, &state, std::min(sizeof(state), size - at));
    }
}

std::string IoEnd::text() const {
    auto out = std::to_string(sent) + " sent, " + std::to_string(checked) + " compared, " +
               std::to_string(bytes) + " bytes, " + std::to_string(wrong) + " wrong";
    return trouble.empty() ? out : out + ": " + trouble;
}

int IoEnd::os_error() const {
    if (wrong > 0)
        return EILSEQ;
    if (!trouble.empty())
        return EIO;
    return checked == 0 ? ENODATA : 0;
}

std::string class_entry(const Files& files, const std::string& kind, const std::string& device) {
    const auto deadline = std::chrono::steady_clock::now() + kAppears;
    for (;;) {
        const auto entry = entry_now(files, kind, device);
        if (!entry.empty() || std::chrono::steady_clock::now() > deadline)
            return entry;
        std::this_thread::sleep_for(kLook);
    }
}

Result<std::unique_ptr<CheckedIo>> CheckedIo::start(const Files& files,
                                                    const std::vector<std::string>& devices) {
    auto path = devices.size() == 1 ? open_disk(files, devices[0])
                                    : open_link(files, devices.at(0), devices.at(1));
    if (!path)
        return std::unexpected(path.error());
    std::unique_ptr<CheckedIo> io(new CheckedIo(*std::move(path)));
    io->thread_ = std::thread([raw = io.get()] { raw->run(); });
    return io;
}

void CheckedIo::run() {
    // A whole round begins after the stop, so that what was done last is seen too.
    for (bool last = false; !last && end_.wrong == 0;) {
        last = stop_;
        if (!path_->round(end_))
            return;
    }
}

IoEnd CheckedIo::stop() {
    stop_ = true;
    if (thread_.joinable())
        thread_.join();
    path_.reset();
    return end_;
}

CheckedIo::~CheckedIo() {
    stop();
}

} // namespace dmarace::board
