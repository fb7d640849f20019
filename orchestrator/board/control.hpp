// SPDX-License-Identifier: GPL-2.0-or-later
// /dev/dmarace (kmod/dmarace_abi.h). Closing the last copy of the owner's descriptor
// releases every held task, so a Control is never handed to a child: children call
// forget() first.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::board {

class Control {
public:
    virtual ~Control() = default;
    // Sends one request and waits for its reply; lines that come before it
    // (points, counts, audits) are kept for take(). ok=0 becomes an Error with
    // the module's reason. Limit: 5 s.
    virtual Result<Line> request(Line line) = 0;
    // Every line that has come so far, without waiting.
    virtual Result<std::vector<Line>> take() = 0;
    // For poll(): readable when take() would give something.
    virtual int descriptor() const = 0;
    // Closes this process's copy without a word to the module.
    virtual void forget() = 0;
};

// The errno that err= of a reply names; the write itself only says EINVAL.
int error_number(std::string_view name);

// Opens the device. Missing module, missing rights and a module of another ABI
// are errors that name the remedy.
Result<std::unique_ptr<Control>> open_control();

// Asks the module for the DMA facts of one device, or with device "" all of them. map=false leaves
// the test mapping out. Other lines that come meanwhile are put into 'others'.
Result<std::vector<Line>> ask_audit(Control& control, const std::string& device, bool map,
                                    std::vector<Line>* others = nullptr);

// The PCI devices (by full name) that firmware puts behind an IOMMU or that sit
// in a group.
std::vector<std::string> behind_iommu(const std::vector<Line>& audits);

} // namespace dmarace::board
