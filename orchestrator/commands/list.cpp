// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace list'.
#include "base/text.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "catalogue/points.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "kmod/dmarace_abi.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <map>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

using Rows = std::vector<Json>;

std::string cell(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

// In columns, as people read them: one as wide as its longest word, the last as it is.
std::string table(const Rows& rows) {
    std::map<std::string, std::size_t> widths;
    for (const auto& row : rows)
        for (const auto& [key, value] : row.items())
            widths[key] = std::max(widths[key], cell(value).size());
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (const auto& [key, value] : row.items())
            line += cell(value) + std::string(widths[key] - cell(value).size() + 2, ' ');
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

std::string objects(const Rows& rows) {
    std::string out;
    for (const auto& row : rows)
        out += row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    return out;
}

Result<Rows> list_jobs() {
    Rows out;
    for (const auto& name : job::library_jobs()) {
        const auto checked = job::check_job(name);
        if (!checked)
            return std::unexpected(checked.error());
        out.push_back({{"job", name},
                       {"summary", checked->job ? checked->job->summary : "has errors: lint it"}});
    }
    return out;
}

Result<Rows> list_points() {
    std::map<std::string, Line> here;
    const board::Modules modules;
    auto control = open_module(modules);
    if (control) {
        if (auto asked = (*control)->request(Line{"points", {}}); !asked)
            return std::unexpected(asked.error());
        auto lines = (*control)->take();
        if (!lines)
            return std::unexpected(lines.error());
        for (auto& line : *lines)
            if (line.verb == DMARACE_E_POINT)
                here[line.get(DMARACE_K_NAME)] = std::move(line);
    }
    Rows out;
    for (const auto& point : catalogue::points()) {
        const auto it = here.find(point.name);
        std::string where = "unknown";
        if (it != here.end())
            where = it->second.get(DMARACE_K_FOUND) == "1"
                        ? it->second.get(DMARACE_K_SYM)
                        : "absent: " + it->second.get(DMARACE_K_WHY);
        out.push_back({{"point", point.name}, {"here", where}, {"what", point.what}});
    }
    if (!control)
        std::cerr << "Which of them this kernel has is unknown: " << control.error().message
                  << "\n";
    return out;
}

Result<Rows> list_devices() {
    Rows out;
    for (const auto& device : board::Devices().all())
        out.push_back({{"device", device.full_name()},
                       {"driver", device.driver.empty() ? "-" : device.driver},
                       {"group", device.group ? std::to_string(*device.group) : "-"}});
    return out;
}

Result<Rows> list_groups() {
    const board::Devices devices;
    Rows out;
    for (const auto& group : devices.groups()) {
        std::string members;
        for (const auto& name : group.devices)
            members += (members.empty() ? "" : " ") + name;
        out.push_back({{"group", std::to_string(group.number)},
                       {"type", devices.group_type(group.number).value_or("?")},
                       {"devices", members}});
    }
    return out;
}

struct Listing {
    const char* name;
    Result<Rows> (*list)();
};
constexpr Listing kListings[] = {{"jobs", list_jobs},
                                 {"points", list_points},
                                 {"devices", list_devices},
                                 {"groups", list_groups}};

} // namespace

int run_list(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object a line");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("list", parsed.error());
    if (parsed->flag("help"))
        return print(
                   help_text("list jobs|points|devices|groups",
                             "Lists the job library, the points where a kernel thread can be held "
                             "(and whether this\nkernel has them), the devices that can sit behind "
                             "an IOMMU, or the IOMMU groups.\n",
                             visible))
                   ? 0
                   : kExitEnvironment;
    const std::string what = parsed->words.empty() ? "" : parsed->words.front();
    const auto* listing = std::ranges::find(kListings, what, &Listing::name);
    if (listing == std::end(kListings) || parsed->words.size() != 1)
        return report_error("list",
                            Error{Fault::usage,
                                  "give one of jobs, points, devices, groups" +
                                      did_you_mean(what, {"jobs", "points", "devices", "groups"}),
                                  0});
    const auto rows = listing->list();
    if (!rows)
        return report_error("list", rows.error());
    return print(parsed->flag("json") ? objects(*rows) : table(*rows)) ? 0 : kExitEnvironment;
}

} // namespace dmarace::commands
