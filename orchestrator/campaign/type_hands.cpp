// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/type_hands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

namespace dmarace::campaign {

namespace {

using std::chrono::milliseconds;
using verdict::TypeAct;
using verdict::TypeWord;

constexpr int kBindTries = 50; // of a bind that is put off
constexpr milliseconds kBindPause{20};
// A group that is not there now may be there in a moment.
constexpr milliseconds kGonePause{1};

board::Device named(const std::string& full_name) {
    board::Device device;
    const auto slash = full_name.find('/');
    device.bus = full_name.substr(0, slash);
    device.name = full_name.substr(slash + 1);
    return device;
}

int error_of(const Status& status) {
    return status ? 0 : status.error().os_error != 0 ? status.error().os_error : EIO;
}

std::string device_path(const std::string& full_name) {
    const auto device = named(full_name);
    return "/sys/bus/" + device.bus + "/devices/" + device.name;
}

} // namespace

TypeHands::TypeHands(StepContext& context, const job::TypeWork& work, TypeLog& log)
    : context_(context), work_(work), log_(log), types_(work.groups->size()),
      regions_(work.groups->size()) {}

TypeAct* TypeHands::begin(TypeAct::What what, unsigned group) {
    auto* act = log_.begin(what, group);
    full_ = log_.size() > TypeLog::kMax - TypeLog::kReserve;
    return act;
}

// The open file of a group, or -1 with errno set.
int TypeHands::file(unsigned index, const char* name, int flags, std::vector<UniqueFd>& files) {
    if (files[index])
        return files[index].get();
    const auto path = device_path(group(index).devices.front().name) + "/iommu_group/" + name;
    files[index] = context_.devices.files().open(path, flags);
    return files[index].get();
}

TypeWord TypeHands::read_type(unsigned index) {
    std::array<char, 32> text{};
    const auto got = ::pread(types_[index].get(), text.data(), text.size(), 0);
    if (got <= 0)
        return TypeWord::none;
    std::string_view word(text.data(), static_cast<std::size_t>(got));
    while (word.ends_with('\n'))
        word.remove_suffix(1);
    return verdict::type_word_from(word);
}

TypeWord TypeHands::type_of(unsigned index) {
    return file(index, "type", O_RDWR, types_) < 0 ? TypeWord::none : read_type(index);
}

void TypeHands::look() {
    for (const auto index : work_.mine) {
        const auto& devices = group(index).devices;
        for (std::size_t i = 0; i < devices.size(); ++i)
            if (auto* act = begin(TypeAct::What::look, index)) {
                act->device = static_cast<std::uint8_t>(i);
                act->bound = !devices[i].managed && !driver_of(devices[i]).empty();
                TypeLog::end(*act, 0);
            }
        if (auto* act = begin(TypeAct::What::look, index)) {
            act->after = type_of(index);
            TypeLog::end(*act, act->after == TypeWord::none ? ENOENT : 0);
        }
    }
}

void TypeHands::write(unsigned index, TypeWord asked, bool undo) {
    const auto word = verdict::to_text(asked);
    auto* act = begin(TypeAct::What::write, index);
    if (act == nullptr)
        return;
    act->asked = asked;
    act->undo = undo;
    const int fd = file(index, "type", O_RDWR, types_);
    const auto put = fd < 0 ? -1 : ::pwrite(fd, word.data(), word.size(), 0);
    const int os_error = put < 0 ? errno : 0;
    TypeLog::end(*act, os_error);
    if (fd >= 0)
        act->after = read_type(index);
    act->read = monotonic_now();
    if (os_error == ENODEV || os_error == ENOENT) {
        types_[index].reset();
        std::this_thread::sleep_for(kGonePause);
    }
}

std::string TypeHands::driver_of(const Device& device) const {
    return context_.devices.files().link_name(device_path(device.name) + "/driver");
}

bool TypeHands::bound(unsigned index) const {
    return std::ranges::any_of(group(index).devices, [&](const Device& device) {
        return !device.managed && !driver_of(device).empty();
    });
}

bool TypeHands::any_binds(unsigned index) const {
    return std::ranges::any_of(group(index).devices, binds);
}

void TypeHands::unbind(unsigned index, bool undo) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!binds(devices[i]) || driver_of(devices[i]).empty())
            continue;
        auto* act = begin(TypeAct::What::unbind, index);
        if (act == nullptr)
            return;
        act->device = static_cast<std::uint8_t>(i);
        act->undo = undo;
        TypeLog::end(*act, error_of(context_.devices.unbind(named(devices[i].name))));
    }
}

void TypeHands::bind(unsigned index, bool undo) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!binds(devices[i]) || !driver_of(devices[i]).empty())
            continue;
        for (int tries = 0; tries < kBindTries; ++tries) {
            auto* act = begin(TypeAct::What::bind, index);
            if (act == nullptr)
                return;
            act->device = static_cast<std::uint8_t>(i);
            act->undo = undo;
            const auto done = context_.devices.bind(named(devices[i].name), devices[i].driver);
            TypeLog::end(*act, error_of(done));
            if (done || done.error().os_error != EAGAIN)
                break;
            std::this_thread::sleep_for(kBindPause);
        }
    }
}

void TypeHands::remove(unsigned index) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!devices[i].endpoint || !devices[i].name.starts_with("pci/"))
            continue;
        auto* act = begin(TypeAct::What::remove, index);
        if (act == nullptr)
            return;
        act->device = static_cast<std::uint8_t>(i);
        TypeLog::end(*act, error_of(context_.devices.remove_pci(named(devices[i].name).name)));
    }
}

void TypeHands::rescan(unsigned index) {
    if (auto* act = begin(TypeAct::What::rescan, index))
        TypeLog::end(*act, error_of(context_.devices.rescan_pci()));
}

void TypeHands::virtual_functions(unsigned index, bool make) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (devices[i].virtual_functions == 0)
            continue;
        auto* act = begin(TypeAct::What::sriov, index);
        if (act == nullptr)
            return;
        act->device = static_cast<std::uint8_t>(i);
        TypeLog::end(*act, error_of(context_.devices.set_virtual_functions(
                               named(devices[i].name).name, make ? 1 : 0)));
    }
}

void TypeHands::read_reserved_regions(unsigned index) {
    auto* act = begin(TypeAct::What::read, index);
    if (act == nullptr)
        return;
    std::array<char, 4096> text{};
    const int fd = file(index, "reserved_regions", O_RDONLY, regions_);
    const auto got = fd < 0 ? -1 : ::pread(fd, text.data(), text.size(), 0);
    const int os_error = got < 0 ? errno : 0;
    TypeLog::end(*act, os_error);
    if (os_error == ENODEV || os_error == ENOENT)
        regions_[index].reset();
}

} // namespace dmarace::campaign
