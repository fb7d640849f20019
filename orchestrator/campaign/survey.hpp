// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what a run knows of its board before it touches anything.
#pragma once

#include "campaign/machine.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

struct SurveyedDevice {
    board::Device device;
    std::string driver;        // the driver it is bound to or belongs to, "" if none is known
    std::string driver_module; // "" when built in
    bool behind_iommu = false; // firmware says so, or it sits in a group
    std::int64_t iommus = 0;   // instances that firmware names, where it can be counted
    bool endpoint = true;      // no bridge, no port, no IOMMU
    unsigned pci_class = 0;    // the base class of a PCI device: 1 storage, 2 network
    bool managed = false;      // bound to a driver with driver_managed_dma
    std::vector<std::string> iommu_names; // its IOMMU: instance, driver, module
    unsigned virtual_functions = 0;       // how many it can make
    std::string guard;                    // why it must not be touched, "" if it may
};

struct Survey {
    std::vector<SurveyedDevice> devices;
    std::vector<board::Group> groups;
    std::string iommu_module;    // the module that drives the board's IOMMU
    std::string no_iommu_module; // why there is none
    bool type_writable = false;
    bool walk = false; // the module for a walk on demand is in the tree
};

// Reads all of it. Only before holds are armed: it may wait for kernel locks.
Result<Survey> survey(Machine& machine);

// The same from sysfs alone, for who must not load or ask the module: what a
// device tree says about IOMMUs is seen, what ACPI tables say only once the
// device sits in a group.
Survey survey_without_module(const board::Devices& devices, const board::Modules& modules);

} // namespace dmarace::campaign
