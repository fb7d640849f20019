// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace audit'.
#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/verdict.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

std::string in_words(const Line& audit) {
    const auto driver = audit.get(DMARACE_K_DRIVER);
    std::string out = audit.get(DMARACE_K_DEV) + ": " +
                      (driver.empty() ? "no driver" : "driver " + driver) +
                      (audit.get(DMARACE_K_BOUND) == "1" ? "" : " (not bound)");
    out += audit.find(DMARACE_K_GROUP) ? ", group " + audit.get(DMARACE_K_GROUP) : ", no group";
    out += ", domain " + audit.get(DMARACE_K_DOMAIN);
    out += audit.get(DMARACE_K_VIA_IOMMU) == "1" ? ", DMA through the IOMMU" : ", DMA direct";
    if (audit.get(DMARACE_K_FW) == "0" && !audit.find(DMARACE_K_GROUP))
        out += " (firmware names no IOMMU for it)";
    if (const auto map = audit.find(DMARACE_K_MAP))
        out +=
            ", test mapping " + *map +
            (audit.get(DMARACE_K_REASON).empty() ? "" : " (" + audit.get(DMARACE_K_REASON) + ")");
    return out + "\n";
}

std::string as_json(const Line& audit) {
    Json object;
    for (const auto& [key, value] : audit.words)
        object[key] = value;
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::vector<Line>> audits_of(board::Control& control, const Words& names) {
    if (names.empty())
        return board::ask_audit(control, "", true);
    std::vector<Line> all;
    const board::Devices devices;
    for (const auto& name : names) {
        const auto device = devices.find(name);
        if (!device)
            return std::unexpected(device.error());
        auto audits = board::ask_audit(control, device->full_name(), true);
        if (!audits)
            return std::unexpected(audits.error());
        std::ranges::move(*audits, std::back_inserter(all));
    }
    return all;
}

} // namespace

int run_audit(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "the module's facts, one JSON object a line");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("audit", parsed.error());
    if (parsed->flag("help"))
        return print(help_text(
                   "audit [DEVICE..]",
                   "Says how DMA is set up for each device that has an IOMMU, and maps "
                   "one page to see\nwhere it goes. Exit 1 when a bound device's DMA does "
                   "not go where it must.\n",
                   visible))
                   ? 0
                   : kExitEnvironment;
    const board::Modules modules;
    auto control = open_module(modules);
    if (!control)
        return report_error("audit", control.error());
    const auto audits = audits_of(**control, parsed->words);
    if (!audits)
        return report_error("audit", audits.error());
    verdict::Baseline facts;
    std::string out;
    for (const auto& line : *audits) {
        out += parsed->flag("json") ? as_json(line) : in_words(line);
        if (const auto audit = verdict::to_audit(line))
            facts[audit->device] = *audit;
    }
    const auto failures = verdict::judge_baseline(facts);
    for (const auto& failure : failures)
        out += parsed->flag("json")
                   ? Json{{"failure", to_text(failure.kind)},
                          {"dev", failure.device},
                          {"driver", failure.driver},
                          {"detail", failure.detail}}
                             .dump() +
                         "\n"
                   : "FAIL " + std::string(to_text(failure.kind)) + " " + failure.device + " (" +
                         failure.driver + "): " + failure.detail + "\n";
    if (audits->empty() && !parsed->flag("json"))
        out += "no device of this machine has an IOMMU\n";
    if (!print(out))
        return kExitEnvironment;
    if (!failures.empty())
        return 1;
    return audits->empty() ? kExitUntestable : 0;
}

} // namespace dmarace::commands
