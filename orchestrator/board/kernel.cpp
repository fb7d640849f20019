// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/kernel.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <libkmod.h>
#include <libudev.h>
#include <poll.h>

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace dmarace::board {

namespace {

struct ModuleUnref {
    void operator()(kmod_module* module) const { kmod_module_unref(module); }
};
using ModulePtr = std::unique_ptr<kmod_module, ModuleUnref>;

Result<ModulePtr> by_name(kmod_ctx* ctx, const std::string& name) {
    kmod_module* module = nullptr;
    const int err = kmod_module_new_from_name(ctx, name.c_str(), &module);
    if (err < 0)
        return fail_errno("module " + name, -err);
    return ModulePtr(module);
}

int state(kmod_ctx* ctx, const std::string& name) {
    const auto module = by_name(ctx, name);
    return module ? kmod_module_get_initstate(module->get()) : -1;
}

utsname host() {
    utsname out{};
    ::uname(&out);
    return out;
}

} // namespace

std::string kernel_release() { return host().release; }

std::string kernel_machine() { return host().machine; }

std::string host_name() { return host().nodename; }

void Modules::KmodUnref::operator()(kmod_ctx* ctx) const { kmod_unref(ctx); }

Modules::Modules() : ctx_(kmod_new(nullptr, nullptr)) {
    if (ctx_)
        kmod_set_log_fn(
            ctx_.get(), [](void*, int, const char*, int, const char*, const char*, va_list) {},
            nullptr);
}

Status Modules::insert(const std::string& name, const std::string& options) const {
    TRY_AS(const auto module, by_name(ctx_.get(), name));
    const int now = kmod_module_get_initstate(module.get());
    if (now == KMOD_MODULE_BUILTIN)
        return fail_errno("module " + name + " is built into this kernel", EEXIST);
    if (kmod_module_get_path(module.get()) == nullptr)
        return fail_errno("module " + name + " is not in this kernel's tree", ENOENT);
    // 'install' lines of modprobe.d are commands of somebody: no job runs those.
    const int err = kmod_module_probe_insert_module(
        module.get(), KMOD_PROBE_FAIL_ON_LOADED | KMOD_PROBE_IGNORE_COMMAND,
        options.empty() ? nullptr : options.c_str(), nullptr, nullptr, nullptr);
    if (err < 0)
        return fail_errno("cannot insert module " + name, -err);
    return {};
}

Status Modules::remove(const std::string& name) const {
    TRY_AS(const auto module, by_name(ctx_.get(), name));
    const int err = kmod_module_remove_module(module.get(), KMOD_REMOVE_NOLOG);
    if (err < 0)
        return fail_errno("cannot remove module " + name, -err);
    return {};
}

bool Modules::loaded(const std::string& name) const {
    const int now = state(ctx_.get(), name);
    return now == KMOD_MODULE_LIVE || now == KMOD_MODULE_COMING || now == KMOD_MODULE_GOING;
}

bool Modules::builtin(const std::string& name) const {
    return state(ctx_.get(), name) == KMOD_MODULE_BUILTIN;
}

std::string Modules::path(const std::string& name) const {
    const auto module = by_name(ctx_.get(), name);
    const char* path = module ? kmod_module_get_path(module->get()) : nullptr;
    return path ? path : "";
}

std::string Modules::release(const std::string& name) const {
    if (loaded(name))
        return kernel_release();
    const auto module = by_name(ctx_.get(), name);
    kmod_list* info = nullptr;
    if (!module || path(name).empty() || kmod_module_get_info(module->get(), &info) < 0)
        return {};
    std::string found;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, info) {
        const std::string value = kmod_module_info_get_value(item);
        if (std::string_view(kmod_module_info_get_key(item)) == "vermagic")
            found = value.substr(0, value.find(' '));
    }
    kmod_module_info_free_list(info);
    return found;
}

bool Modules::known(const std::string& name) const {
    return loaded(name) || builtin(name) || !path(name).empty();
}

std::vector<std::string> Modules::for_alias(const std::string& modalias) const {
    std::vector<std::string> names;
    kmod_list* list = nullptr;
    if (kmod_module_new_from_lookup(ctx_.get(), modalias.c_str(), &list) < 0)
        return names;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, list) {
        const ModulePtr module(kmod_module_get_module(item));
        if (kmod_module_get_path(module.get()) != nullptr)
            names.emplace_back(kmod_module_get_name(module.get()));
    }
    kmod_module_unref_list(list);
    return names;
}

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

} // namespace dmarace::board
