// SPDX-License-Identifier: GPL-2.0-or-later
// Devices, drivers and IOMMU groups as sysfs has them, and the driver core's knobs; the
// simulated ones of the module dmarace_sim.
// Everything that may wait for a lock of the kernel under test (bind, remove, type ..)
// is for actors, never for the owner of the control device.
#pragma once

#include "board/files.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dmarace::board {

struct Device {
    std::string bus, name;
    std::string driver; // "" while unbound
    std::string modalias;
    std::string driver_override;
    std::string path; // real path under /sys/devices
    std::optional<int> group;

    std::string full_name() const { return bus + "/" + name; }
    // Its directory, by its bus.
    std::string entry() const { return "/sys/bus/" + bus + "/devices/" + name; }
};

// Of its BUS/NAME alone: nothing is read.
Device device_named(const std::string& full_name);

struct Group {
    int number = 0;
    std::vector<std::string> devices; // BUS/NAME
};

class Devices {
public:
    explicit Devices(Files files = Files()) : files_(std::move(files)) {}

    // Every device of every bus that can sit behind an IOMMU.
    std::vector<Device> all() const;
    // Of each of them no more than where it is and its group.
    std::vector<Device> places() const;
    // BUS/NAME, or NAME where it is unique. An unknown or ambiguous name is an
    // error that lists what is near.
    Result<Device> find(const std::string& name) const;
    std::vector<Group> groups() const;
    std::vector<std::string> drivers(const std::string& bus) const;

    // A number is used again, for another group of another identity; 0 of none.
    std::uint64_t group_identity(int group) const;
    // Waits for the group's mutex: for actors only.
    Result<std::string> group_type(int group) const;
    // identity: of the group that is meant, if not whichever has the number; ESTALE when another
    // one has it now.
    Status set_group_type(int group, const std::string& type,
                          std::optional<std::uint64_t> identity) const;

    Status bind(const Device& device, const std::string& driver) const;
    Status unbind(const Device& device) const;
    // driver "" takes the override away.
    Status set_override(const Device& device, const std::string& driver) const;
    Status probe(const Device& device) const;
    Status set_autoprobe(const std::string& bus, bool on) const;
    Result<bool> autoprobe(const std::string& bus) const;
    Status remove_pci(const std::string& name) const;
    Status rescan_pci() const;
    Status reset_pci(const std::string& name) const;
    Status set_virtual_functions(const std::string& name, unsigned count) const;
    // Devices that wait for a supplier, as debugfs lists them; nothing when
    // debugfs is not there.
    std::optional<std::vector<std::string>> deferred() const;

    const Files& files() const { return files_; }

private:
    std::optional<Device> read(const std::string& bus, const std::string& name) const;
    Device place(const std::string& bus, const std::string& name) const;
    Files files_;
};

class Modules;

// What a device waits for that is in no group though firmware says that an IOMMU serves it.
struct AwaitedIommu {
    // "pci/0000:00:01.0, driver virtio_iommu, not loaded"; "" where its instance is there.
    std::string what;
    std::string module; // that would bring it, "" if none is known or it is loaded
};
AwaitedIommu awaited_iommu(const Devices& devices, const Modules& modules, const Device& device);

inline constexpr const char* kSimulatedModule = "dmarace_sim";
inline constexpr const char* kSimulatedIommu = "dmarace-sim"; // its instance
inline constexpr const char* kSimulatedDriver = "dmarace-sim-client";
// The first client of the simulated IOMMU, BUS/NAME.
inline constexpr const char* kSimulatedClient = "platform/dmarace-sim-client.0";

// A device BUS/NAME is a client of the simulated IOMMU.
bool is_simulated(const std::string& device);

// Its clients can be taken away and found again, and the walk be done on demand. All of it
// may wait for locks.
class Simulated {
public:
    explicit Simulated(const Files& files) : files_(files) {}

    // Makes the core walk all buses: every device without a group is probed
    // again, and from 6.15 on every unbound one is configured by its bus
    // first (bcb81ac6ae3c). os_error ENODEV: there is no IOMMU to walk for.
    Status walk() const;
    // How a walk is done here, in words; an error when the module is not loaded.
    Result<std::string> means() const;
    // Loaded with clients it cannot be taken out of this kernel again: its operations
    // stay on the buses (up to 6.6).
    bool stays() const;
    // A client NAME, without its bus, or "all" of them: a client in a group
    // keeps the module in use.
    Status remove(const std::string& client) const;
    Status rescan() const;

private:
    const Files& files_;
};

} // namespace dmarace::board
