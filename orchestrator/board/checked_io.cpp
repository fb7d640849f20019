// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/checked_io.hpp"

#include "base/draw.hpp"
#include "base/files.hpp"

#include <arpa/inet.h>
#include <blkid.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

namespace dmarace::board {

// One disk or one pair of NICs, opened.
class IoPath {
public:
    virtual ~IoPath() = default;
    // A few blocks or frames. False when I/O failed; 'end' says why.
    virtual bool round(IoEnd& end) = 0;
};

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

// .. waited for; "" if none comes.
std::string class_entry(const Files& files, const std::string& kind, const std::string& device) {
    const auto deadline = std::chrono::steady_clock::now() + kAppears;
    for (;;) {
        const auto entry = entry_now(files, kind, device);
        if (!entry.empty() || std::chrono::steady_clock::now() > deadline)
            return entry;
        std::this_thread::sleep_for(kLook);
    }
}

// The bytes that a block or frame carries, by its number and generation.
void fill_pattern(unsigned char* data, std::size_t size, std::uint64_t number,
                  std::uint64_t generation) {
    auto state = mixed(number * kDrawStep + generation);
    for (std::size_t at = 0; at < size; at += sizeof(state)) {
        state = mixed(state + kDrawStep);
        std::memcpy(data + at, &state, std::min(sizeof(state), size - at));
    }
}

constexpr std::size_t kBlock = 16 * 1024;
constexpr std::size_t kBlocks = 64; // the part of the disk that is used
constexpr off_t kBegin = 1024 * 1024;
// At the front of every block of ours, so that the next run knows them.
constexpr std::array<unsigned char, 16> kMark{'d', 'm', 'a', 'r', 'a', 'c', 'e', ' ',
                                              'c', 'h', 'e', 'c', 'k', 'e', 'd', '\n'};

struct AlignedFree {
    void operator()(void* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<unsigned char, AlignedFree>;

Buffer buffer() { return Buffer(static_cast<unsigned char*>(std::aligned_alloc(4096, kBlock))); }

off_t offset(std::size_t block) { return kBegin + static_cast<off_t>(block * kBlock); }

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

struct ProbeFree {
    void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};

// What libblkid knows on the disk: a file system, a pool's or volume's member, a table of
// partitions; "" for nothing. What it cannot tell is something.
std::string signature(int fd) {
    const std::unique_ptr<std::remove_pointer_t<blkid_probe>, ProbeFree> probe(blkid_new_probe());
    if (!probe || blkid_probe_set_device(probe.get(), fd, 0, 0) != 0)
        return "what cannot be read";
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE);
    blkid_probe_enable_partitions(probe.get(), 1);
    const int found = blkid_do_fullprobe(probe.get());
    if (found == 1)
        return "";
    for (const char* key : {"TYPE", "PTTYPE"}) {
        const char* value = nullptr;
        if (found == 0 && blkid_probe_lookup_value(probe.get(), key, &value, nullptr) == 0)
            return value;
    }
    return "what cannot be told";
}

// The block device behind the PCI device: waits for it, refuses (EBUSY) one in use or with
// bytes that are not ours where it would write.
Result<std::unique_ptr<IoPath>> open_disk(const Files& files, const std::string& device) {
    const auto name = class_entry(files, "block", device);
    if (name.empty())
        return fail_errno(device + " shows no disk", ENODEV);
    // O_EXCL: not while it is mounted or part of something.
    auto fd = files.open("/dev/" + name, O_RDWR | O_DIRECT | O_EXCL);
    if (!fd)
        return fail_errno("cannot open /dev/" + name);
    // Through another descriptor: libblkid's buffers are not aligned for O_DIRECT.
    const auto plain = files.open("/dev/" + name, O_RDONLY);
    if (const auto found = signature(plain.get()); !found.empty())
        return fail_errno("/dev/" + name + " holds " + found + " (wipefs -a clears a disk)", EBUSY);
    auto disk = std::make_unique<Disk>(std::move(fd), name);
    if (const int error = disk->look(); error == EBUSY)
        return fail_errno("/dev/" + name + " holds data that is not of checked I/O", EBUSY);
    else if (error != 0)
        return fail_errno("cannot read /dev/" + name, error);
    return disk;
}

constexpr std::uint16_t kProtocol = 0x88b5; // IEEE 802, for local experiments
constexpr std::size_t kHeader = 14;
constexpr std::size_t kFrame = 1514;
constexpr unsigned kBurst = 16;
constexpr int kWaitMs = 20; // for a frame that was sent
// Carrier comes a while after an interface was brought up.
constexpr std::chrono::seconds kCarrier{15};

struct LinkEnd {
    std::string name;
    UniqueFd fd;
    std::array<unsigned char, 6> address{};
};

ifreq request_for(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

Status bring_up(const LinkEnd& end) {
    auto request = request_for(end.name);
    if (::ioctl(end.fd.get(), SIOCGIFFLAGS, &request) < 0)
        return fail_errno("cannot read the flags of " + end.name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_PROMISC);
    if (::ioctl(end.fd.get(), SIOCSIFFLAGS, &request) < 0)
        return fail_errno("cannot bring up " + end.name);
    return {};
}

Result<LinkEnd> open_end(const Files& files, const std::string& device) {
    LinkEnd end;
    end.name = class_entry(files, "net", device);
    if (end.name.empty())
        return fail_errno(device + " shows no network interface", ENODEV);
    end.fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kProtocol)));
    if (!end.fd)
        return fail_errno("cannot open a packet socket");
    TRY(bring_up(end));
    auto request = request_for(end.name);
    if (::ioctl(end.fd.get(), SIOCGIFHWADDR, &request) < 0)
        return fail_errno("cannot read the address of " + end.name);
    std::copy_n(request.ifr_hwaddr.sa_data, end.address.size(), end.address.begin());
    sockaddr_ll place{};
    place.sll_family = AF_PACKET;
    place.sll_protocol = htons(kProtocol);
    place.sll_ifindex = static_cast<int>(::if_nametoindex(end.name.c_str()));
    if (::bind(end.fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof(place)) < 0)
        return fail_errno("cannot listen on " + end.name);
    return end;
}

bool has_carrier(const Files& files, const LinkEnd& end) {
    return files.read("/sys/class/net/" + end.name + "/carrier").value_or("0") == "1";
}

class Link final : public IoPath {
public:
    Link(LinkEnd a, LinkEnd b) : ends_{std::move(a), std::move(b)} {}

    bool round(IoEnd& end) override {
        const auto from = turn_++ % 2;
        auto& sender = ends_[from];
        auto& receiver = ends_[1 - from];
        for (unsigned i = 0; i < kBurst; ++i) {
            make(sender, receiver, ++number_);
            if (::send(sender.fd.get(), made_.data(), made_.size(), 0) < 0) {
                if (errno == ENOBUFS || errno == EAGAIN)
                    break;
                end.trouble = "send on " + sender.name + ": " + std::strerror(errno);
                return false;
            }
            ++end.sent;
        }
        return receive(receiver, sender, end);
    }

private:
    void make(const LinkEnd& sender, const LinkEnd& receiver, std::uint64_t number) {
        std::copy(receiver.address.begin(), receiver.address.end(), made_.begin());
        std::copy(sender.address.begin(), sender.address.end(), made_.begin() + 6);
        made_[12] = kProtocol >> 8;
        made_[13] = kProtocol & 0xff;
        std::memcpy(&made_[kHeader], &number, sizeof(number));
        fill_pattern(&made_[kHeader + sizeof(number)], kFrame - kHeader - sizeof(number), number,
                     0);
    }

    bool receive(const LinkEnd& receiver, const LinkEnd& sender, IoEnd& end) {
        for (;;) {
            pollfd waiting{receiver.fd.get(), POLLIN, 0};
            if (::poll(&waiting, 1, kWaitMs) <= 0)
                return true;
            const auto size = ::recv(receiver.fd.get(), got_.data(), got_.size(), MSG_DONTWAIT);
            if (size < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (size < 0) {
                end.trouble = "receive on " + receiver.name + ": " + std::strerror(errno);
                return false;
            }
            std::uint64_t number = 0;
            std::memcpy(&number, &got_[kHeader], sizeof(number));
            make(sender, receiver, number);
            compare(receiver, static_cast<std::size_t>(size), number, end);
            if (end.wrong > 0 || number == number_)
                return true;
        }
    }

    void compare(const LinkEnd& receiver, std::size_t size, std::uint64_t number, IoEnd& end) {
        ++end.checked;
        end.bytes += size;
        for (std::size_t i = 0; i < std::min(size, kFrame); ++i)
            end.wrong += made_[i] != got_[i] ? 1U : 0U;
        if (size != kFrame)
            ++end.wrong;
        if (end.wrong > 0)
            end.trouble = "frame " + std::to_string(number) + " on " + receiver.name + " of " +
                          std::to_string(size) + " bytes differs from what was sent";
    }

    std::array<LinkEnd, 2> ends_;
    std::array<unsigned char, kFrame> made_{};
    std::array<unsigned char, 2048> got_{};
    std::uint64_t number_ = 0;
    unsigned turn_ = 0;
};

// The network interfaces of two devices; brings both up.
Result<std::unique_ptr<IoPath>> open_link(const Files& files, const std::string& a,
                                          const std::string& b) {
    TRY_AS(auto first, open_end(files, a));
    TRY_AS(auto second, open_end(files, b));
    const auto deadline = std::chrono::steady_clock::now() + kCarrier;
    while (!has_carrier(files, first) || !has_carrier(files, second)) {
        if (std::chrono::steady_clock::now() > deadline)
            return fail_errno(first.name + " and " + second.name + " have no carrier", ENOLINK);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return std::make_unique<Link>(std::move(first), std::move(second));
}

} // namespace

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

Result<std::unique_ptr<CheckedIo>> CheckedIo::start(const Files& files,
                                                    const std::vector<std::string>& devices) {
    TRY_AS(auto path, devices.size() == 1 ? open_disk(files, devices[0])
                                          : open_link(files, devices.at(0), devices.at(1)));
    std::unique_ptr<CheckedIo> io(new CheckedIo(std::move(path)));
    io->thread_ = std::thread([raw = io.get()] { raw->run(); });
    return io;
}

CheckedIo::CheckedIo(std::unique_ptr<IoPath> path) : path_(std::move(path)) {}

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

CheckedIo::~CheckedIo() { stop(); }

} // namespace dmarace::board
