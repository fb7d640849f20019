// SPDX-License-Identifier: GPL-2.0-or-later
#include "type_hands/hands.hpp"

#include "base/duration.hpp"
#include "base/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

namespace dmarace::types {

namespace {

using std::chrono::milliseconds;

constexpr int kBindTries = 50; // of a bind that is deferred
constexpr milliseconds kBindPause{20};
// A group that is not there now may be there in a moment.
constexpr milliseconds kGonePause{1};

int error_of(const Status& status) {
    return status ? 0 : status.error().os_error != 0 ? status.error().os_error : EIO;
}

// The group that a step means; one that it names by number is whichever has it.
struct MeantGroup {
    int number = 0;
    std::optional<std::uint64_t> identity{};
};

Result<MeantGroup> meant_group(const board::Devices& devices, const KnownGroups& known,
                               const std::string& word) {
    if (const auto number = to_number<int>(word))
        return MeantGroup{*number};
    const auto device = devices.find(word);
    if (const auto before = known.of_devices.find(word);
        (!device || !device->group) && before != known.of_devices.end())
        return MeantGroup{before->second.number, before->second.identity};
    if (!device)
        return std::unexpected(device.error());
    if (!device->group)
        return fail_errno(device->full_name() + " is in no group", ENOENT);
    return MeantGroup{*device->group, devices.group_identity(*device->group)};
}

// Members as sysfs has them now; of a group that is gone, those it had before
// anything was armed. The word of the step comes first where it is a device.
std::vector<std::string> members(const board::Devices& devices, const KnownGroups& known,
                                 const std::string& word, int number) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& device) {
        if (std::ranges::find(out, device) == out.end())
            out.push_back(device);
    };
    if (const auto device = devices.find(word))
        add(device->full_name());
    else if (known.of_devices.contains(word))
        add(word);
    for (const auto& group : devices.groups())
        if (group.number == number)
            std::ranges::for_each(group.devices, add);
    if (out.empty())
        for (const auto& [device, group] : known.of_devices)
            if (group.number == number)
                add(device);
    return out;
}

// What keeps a group from changing: a driver that owns it is bound to a member.
bool any_owner(const board::Devices& devices, const std::vector<std::string>& names) {
    return std::ranges::any_of(names, [&](const auto& name) {
        const auto device = devices.find(name);
        return device && !device->driver.empty() && !seems_to_manage_its_dma(device->driver);
    });
}

TypeWord type_now(const board::Devices& devices, int group) {
    return type_word_from(devices.group_type(group).value_or(""));
}

} // namespace

TypeHands::TypeHands(const board::Devices& devices, const TypeWork& work, TypeLog& log)
    : devices_(devices), work_(work), log_(log), types_(work.groups->size()),
      regions_(work.groups->size()) {}

TypeAct* TypeHands::begin(TypeAct::What what, unsigned group, std::size_t device, bool undo) {
    auto* act = log_.begin(what, group);
    full_ = log_.size() > TypeLog::kMax - TypeLog::kReserve;
    if (act != nullptr) {
        act->device = static_cast<std::uint8_t>(device);
        act->undo = undo;
    }
    return act;
}

// The open file of a group, or -1 with errno set.
int TypeHands::file(unsigned index, const char* name, int flags, std::vector<UniqueFd>& files) {
    if (files[index])
        return files[index].get();
    const auto path =
        board::device_named(group(index).devices.front().name).entry() + "/iommu_group/" + name;
    files[index] = devices_.files().open(path, flags);
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
    return type_word_from(word);
}

TypeWord TypeHands::type_of(unsigned index) {
    return file(index, "type", O_RDWR, types_) < 0 ? TypeWord::none : read_type(index);
}

void TypeHands::look() {
    for (const auto index : work_.mine) {
        const auto& devices = group(index).devices;
        for (std::size_t i = 0; i < devices.size(); ++i)
            if (auto* act = begin(TypeAct::What::look, index, i)) {
                const bool owns = !devices[i].managed && !driver_of(devices[i]).empty();
                act->bound = owns ? BoundSeen::yes : BoundSeen::no;
                TypeLog::end(*act, 0);
            }
        if (auto* act = begin(TypeAct::What::look, index, TypeAct::kNoDevice)) {
            act->after = type_of(index);
            TypeLog::end(*act, act->after == TypeWord::none ? ENOENT : 0);
        }
    }
}

void TypeHands::write(unsigned index, TypeWord asked, bool undo) {
    const auto word = to_text(asked);
    auto* act = begin(TypeAct::What::write, index, TypeAct::kNoDevice, undo);
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

std::string TypeHands::driver_of(const GroupMember& device) const {
    return devices_.files().link_name(board::device_named(device.name).entry() + "/driver");
}

bool TypeHands::bound(unsigned index) const {
    return std::ranges::any_of(group(index).devices, [&](const GroupMember& device) {
        return !device.managed && !driver_of(device).empty();
    });
}

bool TypeHands::any_binds(unsigned index) const {
    return std::ranges::any_of(group(index).devices, &GroupMember::binds);
}

void TypeHands::each(TypeAct::What what, unsigned index, bool undo, auto fits, auto does) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!fits(devices[i]))
            continue;
        auto* act = begin(what, index, i, undo);
        if (act == nullptr)
            return;
        TypeLog::end(*act, error_of(does(board::device_named(devices[i].name))));
    }
}

void TypeHands::unbind(unsigned index, bool undo) {
    each(
        TypeAct::What::unbind, index, undo,
        [&](const GroupMember& device) { return device.binds() && !driver_of(device).empty(); },
        [&](const board::Device& device) { return devices_.unbind(device); });
}

void TypeHands::bind(unsigned index, bool undo) {
    const auto& devices = group(index).devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!devices[i].binds() || !driver_of(devices[i]).empty())
            continue;
        for (int tries = 0; tries < kBindTries; ++tries) {
            auto* act = begin(TypeAct::What::bind, index, i, undo);
            if (act == nullptr)
                return;
            const auto done =
                devices_.bind(board::device_named(devices[i].name), devices[i].driver);
            TypeLog::end(*act, error_of(done));
            if (done || done.error().os_error != EAGAIN)
                break;
            std::this_thread::sleep_for(kBindPause);
        }
    }
}

void TypeHands::remove(unsigned index) {
    each(TypeAct::What::remove, index, false, std::mem_fn(&GroupMember::removable),
         [&](const board::Device& device) { return devices_.remove_pci(device.name); });
}

void TypeHands::rescan(unsigned index) {
    if (auto* act = begin(TypeAct::What::rescan, index, TypeAct::kNoDevice))
        TypeLog::end(*act, error_of(devices_.rescan_pci()));
}

void TypeHands::virtual_functions(unsigned index, bool make) {
    each(TypeAct::What::sriov, index, false, std::mem_fn(&GroupMember::virtual_functions),
         [&](const board::Device& device) {
             return devices_.set_virtual_functions(device.name, make ? 1 : 0);
         });
}

void TypeHands::read_reserved_regions(unsigned index) {
    auto* act = begin(TypeAct::What::read, index, TypeAct::kNoDevice);
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

bool seems_to_manage_its_dma(const std::string& driver) {
    return driver == "pcieport" || driver == "pci-stub" || driver.find("vfio") != driver.npos;
}

Status write_type(const board::Devices& devices, KnownGroups& known, const std::string& group,
                  const std::string& type, std::optional<TypeStep>& record, std::string& device) {
    TRY_AS(const auto meant, meant_group(devices, known, group));
    const auto number = meant.number;
    const auto names = members(devices, known, group, number);
    if (!names.empty())
        device = names.front();
    record = TypeStep{.group = number,
                      .devices = static_cast<unsigned>(names.size()),
                      .word = type,
                      .act = {.what = TypeAct::What::write, .asked = type_word_from(type)}};
    auto& act = record->act;
    act.bound = any_owner(devices, names) ? BoundSeen::yes : BoundSeen::no;
    const auto before = known.types.find(meant.identity.value_or(devices.group_identity(number)));
    act.before = before != known.types.end() ? before->second : type_now(devices, number);
    act.began = monotonic_now();
    const auto written = devices.set_group_type(number, type, meant.identity);
    if (!written && written.error().os_error == ESTALE) {
        record.reset();
        return std::unexpected(Error(written.error()).within(group + " has left its group"));
    }
    act.ended = monotonic_now();
    act.os_error = error_of(written);
    act.after = type_now(devices, number);
    act.read = monotonic_now();
    const auto read_from = devices.group_identity(number);
    if (meant.identity.value_or(read_from) != read_from)
        act.after = TypeWord::none; // of the next one with its number
    else
        known.types[read_from] = act.after;
    return written;
}

} // namespace dmarace::types
