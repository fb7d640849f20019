// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "explore/record.hpp"

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;

fs::path installed_vmlinux() {
    const auto release = board::kernel_release();
    for (const auto& place :
         {"/usr/lib/debug/boot/vmlinux-" + release,
          "/usr/lib/debug/lib/modules/" + release + "/vmlinux",
          "/lib/modules/" + release + "/build/vmlinux", "/boot/vmlinux-" + release}) {
        std::error_code error;
        if (fs::exists(place, error))
            return place;
    }
    return {};
}

// The banner has the time of the build: lines of another one would be wrong, and look right.
Status is_of_this_kernel(const fs::path& vmlinux) {
    TRY_AS(const auto banner, read_text("/proc/version"));
    TRY_AS(const auto image, read_text(vmlinux));
    if (image.find(banner) == image.npos)
        return fail(Fault::untestable, vmlinux.string() + " is of another build than this kernel");
    return {};
}

// Of each frame that has one: addr2line takes SYMBOL+OFFSET, and gives a line for each.
Status look_up(const fs::path& vmlinux, const board::Symbols& symbols,
               std::vector<search::Candidate>& candidates) {
    Command command{{"eu-addr2line", "-e", vmlinux.string()}};
    std::vector<search::Frame*> asked;
    const auto ask = [&](search::Frame& frame, bool returns) {
        if (!symbols.address_of(frame.function)) // of a module, or the name of several
            return;
        asked.push_back(&frame);
        command.argv.push_back(frame.function + "+" + in_hex(frame.offset - (returns ? 1 : 0)));
    };
    for (auto& one : candidates)
        for (auto* touch : {&one.a, &one.b})
            for (std::size_t i = 0; i < touch->chain.size(); ++i)
                ask(touch->chain[i], i > 0 && touch->chain[i].offset > 0);
    TRY_AS(const auto output, run_checked(command, command.argv.front()));
    const auto lines = split(output, '\n');
    for (std::size_t i = 0; i < asked.size() && i < lines.size(); ++i) {
        const auto& line = lines[i];
        if (line.starts_with("??") || line.ends_with(":0"))
            continue;
        const auto drivers = line.find("/drivers/");
        asked[i]->line = drivers == line.npos ? line : line.substr(drivers + 1);
    }
    return {};
}

} // namespace

std::string name_lines(std::vector<search::Candidate>& candidates, fs::path vmlinux) {
    const bool asked = !vmlinux.empty();
    if (!asked)
        vmlinux = installed_vmlinux();
    if (vmlinux.empty())
        return "no source lines: no vmlinux with debug information is at hand (--vmlinux)";
    const auto named = [&]() -> Status {
        TRY(is_of_this_kernel(vmlinux));
        TRY_AS(const auto symbols, board::Symbols::load());
        return look_up(vmlinux, symbols, candidates);
    }();
    return named ? "" : "no source lines: " + named.error().message;
}

} // namespace dmarace::explore
