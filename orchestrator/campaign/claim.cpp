// SPDX-License-Identifier: GPL-2.0-or-later
// Owns the DMA of a device's group as the user of a virtual machine does: through
// VFIO's container, group and type 1 IOMMU (Documentation/driver-api/vfio.rst).
#include "campaign/steps.hpp"

#include <fcntl.h>

#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>

namespace dmarace::campaign {

namespace {

constexpr const char* kDriver = "vfio-pci";
// Clear of what any architecture reserves (MSI windows, the first page).
constexpr std::uint64_t kGuestAddress = 0x100000;
constexpr std::size_t kGuestMemory = 4096 * 16;

// Closing the descriptors, the device's first, releases the group. The guest's memory
// goes when nothing maps it any more.
struct Claim {
    Mapped guest;
    UniqueFd container, group, device;
    std::string driver_before;
};

Status open_group(const board::Files& files, int number, Claim& claim) {
    const auto group = "/dev/vfio/" + std::to_string(number);
    claim.group = files.open(group, O_RDWR);
    if (!claim.group)
        return fail_errno(group);
    vfio_group_status status{.argsz = sizeof(vfio_group_status), .flags = 0};
    if (::ioctl(claim.group.get(), VFIO_GROUP_GET_STATUS, &status) != 0)
        return fail_errno("the status of " + group);
    if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
        return fail_errno(group + " is not viable, a driver of another device of it does DMA",
                          EBUSY);
    claim.container = files.open("/dev/vfio/vfio", O_RDWR);
    if (!claim.container)
        return fail_errno("/dev/vfio/vfio");
    int container = claim.container.get();
    if (::ioctl(claim.group.get(), VFIO_GROUP_SET_CONTAINER, &container) != 0)
        return fail_errno(group + " into a container");
    if (::ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
        return fail_errno("a type 1 IOMMU (is vfio_iommu_type1 loaded?)");
    return {};
}

// Memory of a guest that the device could reach, and the device itself.
Status take_device(const std::string& name, Claim& claim) {
    claim.guest = Mapped(kGuestMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (!claim.guest)
        return fail_errno("memory for a guest");
    vfio_iommu_type1_dma_map map{};
    map.argsz = sizeof(map);
    map.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    map.vaddr = reinterpret_cast<std::uintptr_t>(claim.guest.as<char>());
    map.iova = kGuestAddress;
    map.size = kGuestMemory;
    if (::ioctl(claim.container.get(), VFIO_IOMMU_MAP_DMA, &map) != 0)
        return fail_errno("mapping a guest's memory");
    claim.device = UniqueFd(::ioctl(claim.group.get(), VFIO_GROUP_GET_DEVICE_FD, name.c_str()));
    if (!claim.device)
        return fail_errno("the device from its group");
    return {};
}

Status bind_to_vfio(const board::Devices& devices, const board::Device& device) {
    if (device.driver == kDriver)
        return {};
    TRY(devices.set_override(device, kDriver));
    if (!device.driver.empty())
        TRY(devices.unbind(device));
    return devices.bind(device, kDriver);
}

// Whatever it got to, the device gets its own driver again.
Status give_back(const board::Devices& devices, const std::string& name,
                 const std::string& driver) {
    TRY_AS(const auto now, devices.find(name));
    Status unbound;
    if (now.driver == kDriver)
        unbound = devices.unbind(now);
    const auto cleared = devices.set_override(now, "");
    if (!unbound || !cleared)
        return unbound ? cleared : unbound;
    return driver.empty() ? Status{} : devices.bind(now, driver);
}

Status claim_device(const board::Devices& devices, const board::Device& device, Claim& claim) {
    TRY(bind_to_vfio(devices, device));
    // A kernel may give it another group when it binds.
    const auto now = devices.find(device.full_name());
    if (!now)
        return std::unexpected(now.error());
    if (!now->group)
        return fail_errno(device.full_name() + " has no IOMMU group", ENODEV);
    TRY(open_group(devices.files(), *now->group, claim));
    return take_device(device.name, claim);
}

} // namespace

void actions::claim(const StepCall& call) {
    const auto device = call.device(0);
    if (!device)
        return;
    const auto& devices = call.context.devices;
    if (device->bus != "pci")
        return call.refuse(EOPNOTSUPP, "only PCI devices can be claimed, through vfio-pci");
    if (!devices.files().exists("/sys/bus/pci/drivers/vfio-pci"))
        return call.refuse(EOPNOTSUPP, "the driver vfio-pci is not there; 'insmod vfio-pci' first");
    auto& held = call.context.going_on[{job::Verb::claim, device->full_name()}];
    if (held)
        return call.refuse(EALREADY, device->full_name() + " is claimed already");
    const auto known = call.context.drivers.find(device->full_name());
    auto claim = std::make_shared<Claim>();
    claim->driver_before = !device->driver.empty() && device->driver != kDriver ? device->driver
                           : known != call.context.drivers.end()                ? known->second
                                                                                : "";
    const auto claimed = claim_device(devices, *device, *claim);
    if (claimed) {
        held = claim;
        return;
    }
    const auto driver = claim->driver_before;
    claim.reset();
    (void)give_back(devices, device->full_name(), driver);
    call.take(claimed);
}

void actions::release(const StepCall& call) {
    const auto device = call.device(0);
    if (!device)
        return;
    auto& going_on = call.context.going_on;
    const auto found = going_on.find({job::Verb::claim, device->full_name()});
    if (found == going_on.end() || !found->second)
        return call.refuse(ENOENT, "this actor has not claimed " + device->full_name());
    const auto driver = std::static_pointer_cast<Claim>(found->second)->driver_before;
    going_on.erase(found);
    call.take(give_back(call.context.devices, device->full_name(), driver));
}

} // namespace dmarace::campaign
