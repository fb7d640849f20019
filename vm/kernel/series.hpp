// SPDX-License-Identifier: GPL-2.0-or-later
// This file picks a kernel of a series from the packages that suites hold. Pure.
#pragma once

#include "vm/kernel/suites.hpp"

namespace dmarace::vm {

// Compares two Debian versions as dpkg does: below, at or above zero.
int compare_versions(std::string_view left, std::string_view right);

struct Choice {
    std::string series;  // as asked for: "6.12"
    std::string arch;    // as Debian calls it: "arm64"
    std::string abi;     // 6.12.117+deb13
    std::string version; // of the packages
    std::string suite;
    std::vector<std::string> packages; // of arch, or all: image (or its parts) and headers
    std::string kbuild;                // of the build machine's architecture
};

// The newest kernel of the series (7, 6.12, 6.1) whose image, headers and
// kbuild all exist in one version. Never a realtime, cloud or 16k flavour.
Result<Choice> choose_kernel(const std::string& series, const std::string& arch,
                             const std::vector<Package>& packages);

} // namespace dmarace::vm
