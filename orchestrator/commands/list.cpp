// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommands 'dmarace list' and 'dmarace audit': what there is, and how its DMA is set up.
#include "base/text.hpp"
#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "board/task.hpp"
#include "catalogue/points.hpp"
#include "check/choice.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/verdict.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <map>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

std::string json_line(const Json& object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Objects of the same keys, with texts.
using Rows = std::vector<Json>;

// heads: of each column, the name that --json gives it.
std::string in_columns(const Rows& rows, bool heads) {
    Columns columns;
    if (std::vector<std::string> names; heads && !rows.empty()) {
        for (const auto& cell : rows.front().items())
            names.push_back(cell.key());
        columns.add(std::move(names));
    }
    for (const auto& row : rows)
        columns.add(std::vector<std::string>(row.begin(), row.end()));
    return columns.text("");
}

// The board as a list of jobs is made for it: by the module's word where it may be had.
struct BoardNow {
    campaign::Survey survey;
    job::Inventory inventory;
    std::map<std::string, std::string> absent_points;
    std::string unknown; // why the module could not be asked, "" if it was
};

Result<BoardNow> board_now(const Parsed& parsed) {
    TRY_AS(const auto modules, modules_for(parsed));
    const board::Devices devices;
    TRY(board::kernel_answers_reads(devices.files()));
    BoardNow out;
    auto control = open_module(modules);
    if (control) {
        auto log = board::KernelLog::none();
        campaign::Machine machine{board::Devices(), modules.fresh(), log, **control, {}};
        TRY_AS(out.survey, campaign::survey(machine));
        TRY_AS(const auto points, points_here(**control));
        out.absent_points = absent_points(points);
    } else {
        out.survey = campaign::survey_without_module(devices, modules);
        out.unknown = control.error().message;
    }
    out.inventory = campaign::inventory(out.survey, devices, {});
    return out;
}

Result<Rows> list_jobs(const Parsed& parsed) {
    TRY_AS(const auto now, board_now(parsed));
    const campaign::Wishes wishes;
    const check::Choosing choosing{now.survey, wishes, now.inventory, now.absent_points};
    Rows out;
    for (const auto& name : job::library_jobs()) {
        TRY_AS(const auto checked, job::check_job(name));
        const auto here = checked.job ? check::job_here(*checked.job, choosing)
                                      : check::JobHere{false, "", "has errors: lint it"};
        out.push_back({{"job", name},
                       {"here", here.here ? "yes" : "no"},
                       {"options", here.options},
                       {"summary", checked.job ? checked.job->summary : ""},
                       {"kernels", check::kernels_of(checked.text)},
                       {"why", here.why}});
    }
    if (!now.unknown.empty())
        std::cerr << "What of them this kernel has no points for is unknown: " << now.unknown
                  << "\n";
    if (const auto driver = check::never_booted(now.survey); !driver.empty())
        std::cerr << "None of them was ever booted with an IOMMU of " << driver
                  << " (docs/your-own-board.md)\n";
    return out;
}

Result<Rows> list_points(const Parsed& parsed) {
    std::map<std::string, Line> here;
    TRY_AS(const auto modules, modules_for(parsed));
    auto control = open_module(modules);
    if (control) {
        TRY_AS(here, points_here(**control));
    }
    Rows out;
    for (const auto& point : catalogue::points()) {
        const auto it = here.find(point.name);
        std::string where = "unknown";
        if (it != here.end())
            where = it->second.get(DMARACE_K_FOUND) == "1"
                        ? it->second.get(DMARACE_K_SYM)
                        : "absent: " + it->second.get(DMARACE_K_WHY);
        out.push_back({{"point", point.name},
                       {"here", where},
                       {"locks", catalogue::lock_names(point.locks)},
                       {"device", point.knows_device ? "yes" : "no"},
                       {"sleeps", (point.facts & DMARACE_SLEEPS) != 0 ? "yes" : "no"},
                       {"what", point.what}});
    }
    if (!control)
        std::cerr << "Which of them this kernel has is unknown: " << control.error().message
                  << "\n";
    return out;
}

Result<Rows> list_devices(const Parsed& /*parsed*/) {
    TRY(board::kernel_answers_reads(board::Files()));
    Rows out;
    for (const auto& device : board::Devices().all())
        out.push_back({{"device", device.full_name()},
                       {"driver", device.driver.empty() ? "-" : device.driver},
                       {"group", device.group ? std::to_string(*device.group) : "-"}});
    return out;
}

Result<Rows> list_groups(const Parsed& /*parsed*/) {
    const board::Devices devices;
    TRY(board::kernel_answers_reads(devices.files()));
    Rows out;
    for (const auto& group : devices.groups()) {
        out.push_back({{"group", std::to_string(group.number)},
                       {"type", devices.group_type(group.number).value_or("?")},
                       {"devices", joined(group.devices, " ")}});
    }
    return out;
}

struct Listing {
    const char* name;
    Result<Rows> (*list)(const Parsed& parsed);
    bool heads = false;
};
constexpr Listing kListings[] = {{"jobs", list_jobs, true},
                                 {"points", list_points, true},
                                 {"devices", list_devices},
                                 {"groups", list_groups}};

Result<std::string> listed(const Listing& listing, const Parsed& parsed) {
    TRY_AS(const auto rows, listing.list(parsed));
    if (!parsed.flag("json"))
        return in_columns(rows, listing.heads);
    std::string out;
    for (const auto& row : rows)
        out += json_line(row);
    return out;
}

Result<int> list(const Parsed& parsed) {
    const std::string what = parsed.words.empty() ? "" : parsed.words.front();
    const auto* wanted = std::ranges::find(kListings, what, &Listing::name);
    const bool known = what.empty() || wanted != std::end(kListings);
    if (parsed.words.size() > 1 || !known)
        return fail(Fault::usage, "give one of " + joined(listings(), ", ") + ", or none" +
                                      (known ? "" : did_you_mean(what, listings())));
    std::string out;
    for (const auto& listing : kListings) {
        if (!what.empty() && &listing != wanted)
            continue;
        TRY_AS(const auto text, listed(listing, parsed));
        if (what.empty() && !parsed.flag("json"))
            out += (out.empty() ? "" : "\n") + std::string("# ") + listing.name + "\n";
        out += text;
    }
    return print(out);
}

} // namespace

std::vector<std::string> listings() { return texts_of(kListings, &Listing::name); }

int run_list(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object a line");
    add_module_option(visible);
    return run_command("list [jobs|points|devices|groups]",
                       "Lists the job library with what this board and kernel can show of it, the "
                       "points where\na kernel thread can be held (and whether this kernel has "
                       "them), the devices that can\nsit behind an IOMMU, or the IOMMU groups; all "
                       "four where none is named.\n",
                       visible, words, list);
}

namespace {

std::string in_words(const Line& audit, const std::string& awaited) {
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
    if (!awaited.empty())
        out += (audit.get(DMARACE_K_BOUND) == "1" ? "; gave up waiting for " : "; waits for ") +
               awaited;
    return out + "\n";
}

std::string as_json(const Line& audit, const std::string& awaited) {
    Json object;
    for (const auto& [key, value] : audit.words)
        object[key] = value;
    if (!awaited.empty())
        object["waits_for"] = awaited;
    return json_line(object);
}

Result<std::vector<Line>> audits_of(board::Control& control, const Words& names) {
    if (names.empty())
        return board::ask_audit(control, "", true);
    std::vector<Line> all;
    const board::Devices devices;
    for (const auto& name : names) {
        TRY_AS(const auto device, devices.find(name));
        TRY_AS(auto audits, board::ask_audit(control, device.full_name(), true));
        std::ranges::move(audits, std::back_inserter(all));
    }
    return all;
}

Result<int> audit(const Parsed& parsed) {
    const bool json = parsed.flag("json");
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(const auto audits, audits_of(*control, parsed.words));
    verdict::Baseline facts;
    std::string out;
    for (const auto& line : audits) {
        const auto awaited = waits_for(line, modules);
        out += json ? as_json(line, awaited) : in_words(line, awaited);
        if (const auto audit = verdict::to_audit(line))
            facts[audit->device] = *audit;
    }
    const auto failures = verdict::judge_baseline(facts);
    for (const auto& failure : failures)
        out += json ? Json{{"failure", to_text(failure.kind)},
                           {"dev", failure.device},
                           {"driver", failure.driver},
                           {"detail", failure.detail}}
                              .dump() +
                          "\n"
                    : "FAIL " + std::string(to_text(failure.kind)) + " " + failure.device + " (" +
                          failure.driver + "): " + failure.detail + "\n";
    if (audits.empty() && !json)
        out += "no device of this machine has an IOMMU\n";
    if (const int code = print(out); code != 0)
        return code;
    if (!failures.empty())
        return 1;
    return audits.empty() ? kExitUntestable : 0;
}

} // namespace

int run_audit(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "the module's facts, one JSON object a line");
    add_module_option(visible);
    return run_command("audit [DEVICE..]",
                       "Says how DMA is set up for each device that has an IOMMU, and maps "
                       "one page to see\nwhere it goes. Exit 1 when a bound device's DMA does "
                       "not go where it must.\n",
                       visible, words, audit);
}

} // namespace dmarace::commands
