// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads what kbuild writes while it works.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace dmarace::vm {

// How far a build is, by a log that grows.
class BuildLog {
public:
    explicit BuildLog(std::filesystem::path file) : file_(std::move(file)) {}
    // "(812: drivers/iommu/iommu.o)": steps so far and the last of them; "" before
    // the first.
    std::string text();

private:
    std::filesystem::path file_;
    std::uintmax_t offset_ = 0;
    unsigned steps_ = 0;
    std::string last_;
};

// The file of a line "  CC [M]  drivers/iommu/iova.o"; "" for any other line. Pure.
std::string step_of(std::string_view line);

// Why a build failed, if its log says that this host is to blame (a full disk, a
// compiler that was killed) and not the source. Pure.
std::string host_trouble(std::string_view log);

// The first lines of a log that tell of an error, each indented on a line of its
// own. Pure.
std::string errors_in(const std::string& log);

} // namespace dmarace::vm
