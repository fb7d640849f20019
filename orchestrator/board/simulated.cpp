// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/simulated.hpp"

namespace dmarace::board {

namespace {

const std::string kDevice = "/sys/devices/platform/dmarace-sim/";

} // namespace

bool is_simulated(const std::string& device) {
    return device.starts_with("platform/dmarace-sim-client.");
}

Status Simulated::walk() const {
    return files_.write(kDevice + "walk", "1");
}

Result<std::string> Simulated::means() const {
    const auto word = files_.read(kDevice + "walk");
    if (!word)
        return word;
    if (*word == "own-ops")
        return "an instance with the operations of dmarace_sim was registered";
    if (*word == "bus-ops")
        return "an instance with the operations of the IOMMU driver on the buses was registered";
    return "no IOMMU driver is on the buses";
}

bool Simulated::stays() const {
    const auto word = files_.read(kDevice + "walk");
    return word && *word != "own-ops";
}

Status Simulated::remove(const std::string& client) const {
    return files_.write(kDevice + "remove", client);
}

Status Simulated::rescan() const {
    return files_.write(kDevice + "rescan", "1");
}

} // namespace dmarace::board
