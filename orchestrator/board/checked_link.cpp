// SPDX-License-Identifier: GPL-2.0-or-later
// Checked I/O between two NICs: frames of a pattern, sent both ways and
// compared. A frame may get lost, a frame that comes must be right.
#include "base/unique_fd.hpp"
#include "board/checked_io.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

namespace dmarace::board {

namespace {

constexpr std::uint16_t kProtocol = 0x88b5; // IEEE 802, for local experiments
constexpr std::size_t kHeader = 14;
constexpr std::size_t kFrame = 1514;
constexpr unsigned kBurst = 16;
constexpr int kWaitMs = 20; // for a frame that was sent
// Carrier comes a while after an interface was brought up.
constexpr std::chrono::seconds kCarrier{15};

struct End {
    std::string name;
    UniqueFd fd;
    std::array<unsigned char, 6> address{};
};

ifreq request_for(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

Status bring_up(const End& end) {
    auto request = request_for(end.name);
    if (::ioctl(end.fd.get(), SIOCGIFFLAGS, &request) < 0)
        return fail_errno("cannot read the flags of " + end.name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_PROMISC);
    if (::ioctl(end.fd.get(), SIOCSIFFLAGS, &request) < 0)
        return fail_errno("cannot bring up " + end.name);
    return {};
}

Result<End> open_end(const Files& files, const std::string& device) {
    End end;
    end.name = class_entry(files, "net", device);
    if (end.name.empty())
        return fail_errno(device + " shows no network interface", ENODEV);
    end.fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kProtocol)));
    if (!end.fd)
        return fail_errno("cannot open a packet socket");
    if (auto up = bring_up(end); !up)
        return std::unexpected(up.error());
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

bool has_carrier(const Files& files, const End& end) {
    return files.read("/sys/class/net/" + end.name + "/carrier").value_or("0") == "1";
}

class Link final : public IoPath {
public:
    Link(End a, End b) : ends_{std::move(a), std::move(b)} {}

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
    void make(const End& sender, const End& receiver, std::uint64_t number) {
        std::copy(receiver.address.begin(), receiver.address.end(), made_.begin());
        std::copy(sender.address.begin(), sender.address.end(), made_.begin() + 6);
        made_[12] = kProtocol >> 8;
        made_[13] = kProtocol & 0xff;
        std::memcpy(&made_[kHeader], &number, sizeof(number));
        fill_pattern(&made_[kHeader + sizeof(number)], kFrame - kHeader - sizeof(number), number,
                     0);
    }

    bool receive(const End& receiver, const End& sender, IoEnd& end) {
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

    void compare(const End& receiver, std::size_t size, std::uint64_t number, IoEnd& end) {
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

    std::array<End, 2> ends_;
    std::array<unsigned char, kFrame> made_{};
    std::array<unsigned char, 2048> got_{};
    std::uint64_t number_ = 0;
    unsigned turn_ = 0;
};

} // namespace

Result<std::unique_ptr<IoPath>> open_link(const Files& files, const std::string& a,
                                          const std::string& b) {
    auto first = open_end(files, a);
    if (!first)
        return std::unexpected(first.error());
    auto second = open_end(files, b);
    if (!second)
        return std::unexpected(second.error());
    const auto deadline = std::chrono::steady_clock::now() + kCarrier;
    while (!has_carrier(files, *first) || !has_carrier(files, *second)) {
        if (std::chrono::steady_clock::now() > deadline)
            return fail_errno(first->name + " and " + second->name + " have no carrier", ENOLINK);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return std::make_unique<Link>(*std::move(first), *std::move(second));
}

} // namespace dmarace::board
