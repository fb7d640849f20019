// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/kernel.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <libudev.h>
#include <poll.h>

#include <linux/netlink.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <map>
#include <thread>

namespace dmarace::board {

namespace {

utsname host() {
    utsname out{};
    ::uname(&out);
    return out;
}

} // namespace

std::string kernel_release() { return host().release; }

std::string kernel_machine() { return host().machine; }

std::string host_name() { return host().nodename; }

namespace {

constexpr std::array kPlaces{"/sys/fs/pstore", "/var/lib/systemd/pstore"};
constexpr int kDeepest = 3; // systemd-pstore: BOOT/DUMP/dmesg.txt

// "Panic#2 Part3": part 1 is the end of the log, the highest its beginning.
struct DumpPart {
    std::string dump;
    long number = 0;
    std::string text;
};

DumpPart part_of(const std::string& where, const std::string& text) {
    const auto first = first_line(text);
    const auto at = first.find(" Part");
    if (at == std::string::npos || first.find('#') > at)
        return {where, 0, text};
    const auto directory = where.substr(0, where.rfind('/'));
    return {directory + " " + first.substr(0, at), leading_number<long>(first.substr(at + 5)),
            text.substr(std::min(first.size() + 1, text.size()))};
}

void gather(const Files& files, const std::string& path, int depth, std::vector<DumpPart>& out) {
    for (const auto& name : files.list(path)) {
        const auto inner = path + "/" + name;
        if (auto text = files.read(inner))
            out.push_back(part_of(inner, *text));
        else if (depth < kDeepest)
            gather(files, inner, depth + 1, out);
    }
}

} // namespace

bool keeps_last_words(const Files& files) {
    const auto backend = files.read("/sys/module/pstore/parameters/backend").value_or("");
    return !backend.empty() && backend != "(null)";
}

std::vector<std::string> last_words(const Files& files) {
    std::vector<DumpPart> parts;
    for (const auto* place : kPlaces)
        gather(files, place, 1, parts);
    std::ranges::stable_sort(parts, std::greater<>(), &DumpPart::number);
    std::map<std::string, std::string> dumps;
    for (const auto& part : parts)
        dumps[part.dump] += part.text + "\n";
    std::vector<std::string> out;
    for (auto& [dump, text] : dumps)
        out.push_back(std::move(text));
    return out;
}

std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most) {
    for (const auto& text : texts) {
        const auto at = text.rfind(mark);
        if (at == std::string::npos)
            continue;
        auto lines = lines_in(text.substr(std::min(text.find('\n', at), text.size())));
        std::erase(lines, "");
        if (lines.size() > most)
            lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
        return lines;
    }
    return {};
}

namespace {

constexpr int kReceiveBuffer = 8 << 20; // a full rescan of a large board

struct DeviceUnref {
    void operator()(udev_device* device) const { udev_device_unref(device); }
};

std::string or_empty(const char* value) { return value ? value : ""; }

} // namespace

void Monitor::UdevUnref::operator()(udev* context) const { udev_unref(context); }
void Monitor::UdevUnref::operator()(udev_monitor* monitor) const { udev_monitor_unref(monitor); }

Result<Monitor> Monitor::open(Source source) {
    Monitor out;
    out.udev_.reset(udev_new());
    if (out.udev_)
        out.monitor_.reset(udev_monitor_new_from_netlink(
            out.udev_.get(), source == Source::udev ? "udev" : "kernel"));
    if (!out.monitor_)
        return fail_errno("cannot open a uevent monitor");
    udev_monitor_set_receive_buffer_size(out.monitor_.get(), kReceiveBuffer);
    const int err = udev_monitor_enable_receiving(out.monitor_.get());
    if (err < 0)
        return fail_errno("cannot listen to uevents", -err);
    return out;
}

int Monitor::descriptor() const { return udev_monitor_get_fd(monitor_.get()); }

std::vector<Uevent> Monitor::take() {
    std::vector<Uevent> events;
    for (;;) {
        pollfd waiting{descriptor(), POLLIN, 0};
        if (::poll(&waiting, 1, 0) <= 0)
            return events;
        errno = 0;
        const std::unique_ptr<udev_device, DeviceUnref> device(
            udev_monitor_receive_device(monitor_.get()));
        if (!device) {
            lost_ += errno == ENOBUFS ? 1 : 0;
            continue;
        }
        events.push_back({or_empty(udev_device_get_action(device.get())),
                          or_empty(udev_device_get_subsystem(device.get())),
                          or_empty(udev_device_get_sysname(device.get())),
                          or_empty(udev_device_get_driver(device.get())),
                          or_empty(udev_device_get_syspath(device.get())),
                          udev_device_get_seqnum(device.get())});
    }
}

bool Monitor::wait_quiet(std::chrono::milliseconds quiet, std::chrono::milliseconds limit) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + limit;
    while (Clock::now() < deadline) {
        pollfd waiting{descriptor(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(quiet.count())) == 0)
            return true;
        take();
    }
    return false;
}

bool somebody_acts_on_uevents(const Files& files) {
    constexpr std::size_t kProtocol = 1, kPort = 2, kGroups = 3; // of /proc/net/netlink
    constexpr unsigned kFromKernel = 1;                          // udev has another group
    const auto own = std::to_string(::getpid());
    if (!files.read("/sys/kernel/uevent_helper").value_or("").empty())
        return true;
    return std::ranges::any_of(
        lines_in(files.read("/proc/net/netlink").value_or("")), [&](const std::string& line) {
            const auto words = words_in(line);
            return words.size() > kGroups &&
                   words[kProtocol] == std::to_string(NETLINK_KOBJECT_UEVENT) &&
                   words[kPort] != own && words[kPort] != "0" &&
                   (leading_number<unsigned>(words[kGroups], 16) & kFromKernel) != 0;
        });
}

void wait_for_udev(std::chrono::milliseconds limit) {
    struct Unref {
        void operator()(udev* context) const { udev_unref(context); }
        void operator()(udev_queue* queue) const { udev_queue_unref(queue); }
    };
    constexpr std::chrono::milliseconds kLook{50};
    const std::unique_ptr<udev, Unref> context(udev_new());
    const std::unique_ptr<udev_queue, Unref> queue(udev_queue_new(context.get()));
    for (auto left = limit; queue && left.count() > 0; left -= kLook) {
        if (udev_queue_get_udev_is_active(queue.get()) == 0 ||
            udev_queue_get_queue_is_empty(queue.get()) != 0)
            return;
        std::this_thread::sleep_for(kLook);
    }
}

} // namespace dmarace::board
