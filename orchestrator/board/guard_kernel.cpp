// SPDX-License-Identifier: GPL-2.0-or-later
// What the guard asks of the running kernel: rtnetlink through libnl, and device nodes.
#include "board/guard.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace dmarace::board {

namespace {

struct NetlinkFree {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
    void operator()(nl_addr* address) const { nl_addr_put(address); }
    void operator()(rtnl_route* route) const { rtnl_route_put(route); }
};
template <class T>
using Netlink = std::unique_ptr<T, NetlinkFree>;

Netlink<nl_sock> route_socket() {
    Netlink<nl_sock> socket(nl_socket_alloc());
    if (socket && nl_connect(socket.get(), NETLINK_ROUTE) < 0)
        socket.reset();
    return socket;
}

std::vector<std::string> interfaces_of(rtnl_route* route) {
    std::vector<std::string> out;
    for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
        std::array<char, IF_NAMESIZE> name{};
        const int index = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i));
        if (index > 0 && ::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr)
            out.emplace_back(name.data());
    }
    return out;
}

bool is_link_local(nl_addr* address) {
    const auto* bytes = static_cast<const unsigned char*>(nl_addr_get_binary_addr(address));
    return nl_addr_get_family(address) == AF_INET6 && nl_addr_get_len(address) > 1 &&
           bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

class RunningKernel final : public KernelAnswers {
public:
    explicit RunningKernel(const Files& files) : files_(files), socket_(route_socket()) {}

    Result<std::vector<NetRoute>> routes() const override {
        nl_cache* all = nullptr;
        const int error =
            socket_ ? rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &all) : -NLE_NOACCESS;
        if (error < 0)
            return fail(Fault::environment, std::string("rtnetlink: ") + nl_geterror(error));
        const Netlink<nl_cache> cache(all);
        std::vector<NetRoute> out;
        for (auto* object = nl_cache_get_first(all); object != nullptr;
             object = nl_cache_get_next(object)) {
            auto* route = reinterpret_cast<rtnl_route*>(object);
            auto* to = rtnl_route_get_dst(route);
            if (rtnl_route_get_type(route) == RTN_UNICAST && to != nullptr && !is_link_local(to))
                out.push_back({nl_addr_get_prefixlen(to), interfaces_of(route)});
        }
        return out;
    }

    std::vector<std::string> way_to(const std::string& address) const override {
        nl_addr* parsed = nullptr;
        if (!socket_ || nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed) < 0)
            return {};
        const Netlink<nl_addr> to(parsed);
        rtnl_route* found = nullptr;
        if (rtnl_route_lookup(socket_.get(), parsed, &found) < 0)
            return {};
        const Netlink<rtnl_route> route(found);
        return interfaces_of(found);
    }

    std::vector<std::string> owners_of(const std::string& address) const override {
        std::vector<std::string> out;
        ifaddrs* all = nullptr;
        if (address.empty() || ::getifaddrs(&all) != 0)
            return out;
        for (const auto* one = all; one != nullptr; one = one->ifa_next)
            if (one->ifa_addr != nullptr && text_of(*one->ifa_addr) == address)
                out.emplace_back(one->ifa_name);
        ::freeifaddrs(all);
        return out;
    }

    bool is_claimed(const std::string& node) const override {
        // Non-blocking: an optical drive keeps its tray where it is.
        return !files_.open(node, O_RDONLY | O_EXCL | O_NONBLOCK) && errno == EBUSY;
    }

    std::string entry_of(const std::string& node) const override {
        const auto fd = files_.open(node, O_PATH);
        struct stat info {};
        if (!fd || ::fstat(fd.get(), &info) != 0 ||
            (!S_ISBLK(info.st_mode) && !S_ISCHR(info.st_mode)))
            return "";
        return (S_ISBLK(info.st_mode) ? "block/" : "char/") + std::to_string(major(info.st_rdev)) +
               ":" + std::to_string(minor(info.st_rdev));
    }

private:
    static std::string text_of(const sockaddr& address) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (address.sa_family == AF_INET)
            ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr,
                        text.data(), text.size());
        if (address.sa_family == AF_INET6)
            ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr,
                        text.data(), text.size());
        return text.data();
    }

    const Files& files_;
    Netlink<nl_sock> socket_;
};

} // namespace

std::unique_ptr<KernelAnswers> kernel_answers(const Files& files) {
    return std::make_unique<RunningKernel>(files);
}

} // namespace dmarace::board
