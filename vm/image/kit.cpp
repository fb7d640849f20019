// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/kit.hpp"

#include "base/files.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace dmarace::vm {
namespace fs = std::filesystem;

Status pack_kit(const Contents& contents, const fs::path& file) {
    TRY_AS(auto archive, Archive::create(file, Archive::Format::tar));
    if (contents.start.empty()) {
        TRY_AS(const auto libraries,
               find_libraries(contents.program, *contents.board->architecture));
        archive.copy("bin/" + contents.program.filename().string(), contents.program, true);
        for (const auto& [inside, host] : libraries)
            archive.copy("lib/" + fs::path(inside).filename().string(), host, true);
    }
    archive.tree(kKitJobs, contents.jobs);
    for (const auto& [inside, host] : contents.given)
        archive.copy(fmt::format("{}/{}", kKitGiven, fs::path(inside).filename().string()), host);
    for (const fs::path& module : contents.modules)
        archive.copy(fmt::format("{}/{}", kKitModules, module.filename().string()), module);
    archive.directory("bin");
    return archive.close();
}

Result<std::vector<std::string>> kit_start(const Contents& contents, const std::string& place) {
    const std::string program = place + "/bin/" + contents.program.filename().string();
    TRY_AS(const auto bytes, Mapped::open(contents.program));
    TRY_AS(const auto linkage, read_linkage(bytes.text(), *contents.board->architecture));
    if (linkage.interpreter.empty())
        return std::vector{program};
    const std::string lib = place + "/lib";
    return std::vector{lib + "/" + fs::path(linkage.interpreter).filename().string(),
                       std::string("--library-path"), lib, program};
}

std::set<std::string> build_ids(std::string_view image) {
    // name size 4, text size 20, type 3 (NT_GNU_BUILD_ID), "GNU"
    constexpr std::string_view kNote("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16);
    constexpr std::size_t kText = 20;
    std::set<std::string> found;
    for (std::size_t at = 0; (at = image.find(kNote, at)) != std::string_view::npos;) {
        at += kNote.size();
        std::string digits;
        for (const char byte : image.substr(at, kText))
            digits += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
        found.insert(digits);
    }
    return found;
}

} // namespace dmarace::vm
