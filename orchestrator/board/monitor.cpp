// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/monitor.hpp"

#include <libudev.h>
#include <poll.h>

namespace dmarace::board {

namespace {

constexpr int kReceiveBuffer = 8 << 20; // a full rescan of a large board

struct DeviceUnref {
    void operator()(udev_device* device) const { udev_device_unref(device); }
};

std::string text(const char* value) {
    return value ? value : "";
}

} // namespace

void Monitor::UdevUnref::operator()(udev* context) const {
    udev_unref(context);
}
void Monitor::UdevUnref::operator()(udev_monitor* monitor) const {
    udev_monitor_unref(monitor);
}

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

int Monitor::descriptor() const {
    return udev_monitor_get_fd(monitor_.get());
}

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
        events.push_back({text(udev_device_get_action(device.get())),
                          text(udev_device_get_subsystem(device.get())),
                          text(udev_device_get_sysname(device.get())),
                          text(udev_device_get_driver(device.get())),
                          text(udev_device_get_syspath(device.get())),
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

} // namespace dmarace::board
