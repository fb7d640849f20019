// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what the board tells job/ about its IOMMU groups. Pure data.
#pragma once

#include <string>
#include <vector>

namespace dmarace::job {

// The groups that type writes may go to: only those that the guard allows, as
// they were before the run. 'type' is what sysfs says.
struct Inventory {
    struct Device {
        std::string name;     // BUS/NAME
        std::string driver;   // the one it is bound to; "" when unbound, and left so
        bool managed = false; // driver_managed_dma: may stay bound while the type changes
        bool endpoint = true; // no bridge, no port
        std::vector<std::string> iommu{}; // instance, driver and module of its IOMMU
        unsigned virtual_functions = 0;   // how many it can make (sriov_totalvfs)
    };
    struct Group {
        unsigned number = 0;
        std::string type;
        std::vector<Device> devices;
    };
    std::vector<Group> groups;
};

} // namespace dmarace::job
