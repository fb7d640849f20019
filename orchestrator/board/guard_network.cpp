// SPDX-License-Identifier: GPL-2.0-or-later
// What of the network the machine stands on.
#include "base/text.hpp"
#include "board/guard_search.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstdint>

namespace dmarace::board {

namespace {

const std::string kInterfaces = "/sys/class/net/";

// "0100007F:0016", as the kernel has the address in memory: words of 32 bits. "" for one of
// this machine alone.
std::string address_from(const std::string& word) {
    std::array<std::uint32_t, 4> bytes{};
    const auto digits = word.substr(0, word.find(':'));
    const auto count = digits.size() / 8;
    for (std::size_t i = 0; i < count && i < bytes.size(); ++i)
        bytes[i] = leading_number<std::uint32_t>(digits.substr(i * 8, 8), 16);
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(count == 1 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
    std::string out = text.data();
    if (out.starts_with("::ffff:"))
        out = out.substr(7);
    return out == "::1" || out.starts_with("127.") ? "" : out;
}

} // namespace

void GuardSearch::interface(const std::string& name, const std::string& reason) {
    const auto path = files_.real_path(kInterfaces + name);
    if (!add(path, reason))
        return;
    bool on_others = false;
    const auto go_on = [&](const std::string& lower) {
        on_others = true;
        interface(lower, reason);
    };
    for (const auto& entry : files_.list(path))
        if (entry.starts_with("lower_"))
            go_on(entry.substr(6));
    // A port of a switch, a tunnel that was bound to one.
    const auto link = files_.read(path + "/iflink").value_or("");
    if (!on_others && !link.empty() && link != files_.read(path + "/ifindex").value_or(""))
        for (const auto& other : files_.list(kInterfaces))
            if (other != name && files_.read(kInterfaces + other + "/ifindex").value_or("") == link)
                go_on(other);
    if (!on_others && name != "lo" && path.find("/virtual/net/") != std::string::npos)
        tunnel(reason);
}

// Which of the others its packets take is nowhere in /sys: all that lead somewhere count.
void GuardSearch::tunnel(const std::string& reason) {
    if (!routes_)
        return;
    for (const auto& route : *routes_)
        for (const auto& other : route.interfaces)
            if (files_.real_path(kInterfaces + other).find("/virtual/net/") == std::string::npos)
                interface(other, reason + ", which may go through it");
}

void GuardSearch::every_interface(const std::string& reason) {
    for (const auto& name : files_.list(kInterfaces))
        interface(name, reason);
}

void GuardSearch::peer(const std::string& address, const std::string& reason) {
    for (const auto& name : kernel_.way_to(address))
        interface(name, reason);
}

void GuardSearch::routes() {
    if (!routes_)
        return every_interface("its routes cannot be read: " + routes_.error().message);
    // A half of all addresses is how VPNs say all of them.
    for (const auto& route : *routes_)
        if (route.bits <= 1)
            for (const auto& name : route.interfaces)
                interface(name, "default route (" + name + ")");
}

// Who is connected to this machine, or it to others: shells, iSCSI, NBD, NVMe over TCP ..
void GuardSearch::connections() {
    constexpr std::size_t kLocal = 1, kRemote = 2, kState = 3;
    for (const char* file : {"tcp", "tcp6", "udp", "udp6"})
        for (const auto& line :
             lines_in(files_.read(std::string("/proc/net/") + file).value_or(""))) {
            const auto words = words_in(line);
            if (words.size() <= kState || words[kState] != "01")
                continue;
            const auto other = address_from(words[kRemote]);
            if (other.empty())
                continue;
            const auto reason = "connection with " + other;
            peer(other, reason);
            for (const auto& name : kernel_.owners_of(address_from(words[kLocal])))
                interface(name, reason);
        }
}

void GuardSearch::network_consoles() {
    const std::string targets = "/sys/kernel/config/netconsole/";
    for (const auto& target : files_.list(targets))
        if (files_.read(targets + target + "/enabled").value_or("0") == "1")
            interface(files_.read(targets + target + "/dev_name").value_or(""), "netconsole");
}

} // namespace dmarace::board
