// SPDX-License-Identifier: GPL-2.0-or-later
// This file is 'dmarace list'.
#include "board/devices.hpp"
#include "board/modules.hpp"
#include "commands/job_files.hpp"
#include "commands/module.hpp"
#include "commands/options.hpp"
#include "commands/output.hpp"
#include "job/points.hpp"
#include "util/nearest.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size() + 1), ' ');
    return text;
}

// A row as people read it, or as one JSON object.
std::string row(bool json, const Json& object) {
    if (json)
        return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::string line;
    for (const auto& [key, value] : object.items())
        line += padded(value.is_string() ? value.get<std::string>() : value.dump(), 22) + " ";
    while (line.ends_with(' '))
        line.pop_back();
    return line + "\n";
}

Result<std::string> list_jobs(bool json) {
    std::string out;
    for (const auto& name : library_jobs()) {
        const auto job = load_job(name);
        if (!job)
            return std::unexpected(job.error());
        out += row(json, {{"job", name}, {"summary", job->summary}});
    }
    return out;
}

Result<std::string> list_points(bool json) {
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
            if (line.verb == "point")
                here[line.get("name")] = std::move(line);
    }
    std::string out;
    for (const auto& point : job::points()) {
        const auto it = here.find(point.name);
        std::string where = "unknown";
        if (it != here.end())
            where = it->second.get("found") == "1" ? it->second.get("sym")
                                                   : "absent: " + it->second.get("why");
        out += row(json, {{"point", point.name}, {"here", where}, {"what", point.what}});
    }
    if (!control && !json)
        out += "Which of them this kernel has is unknown: " + control.error().message + "\n";
    return out;
}

Result<std::string> list_devices(bool json) {
    std::string out;
    for (const auto& device : board::Devices().all())
        out += row(json, {{"device", device.full_name()},
                          {"driver", device.driver.empty() ? "-" : device.driver},
                          {"group", device.group ? std::to_string(*device.group) : "-"}});
    return out;
}

Result<std::string> list_groups(bool json) {
    const board::Devices devices;
    std::string out;
    for (const auto& group : devices.groups()) {
        std::string members;
        for (const auto& name : group.devices)
            members += (members.empty() ? "" : " ") + name;
        out += row(json, {{"group", std::to_string(group.number)},
                          {"type", devices.group_type(group.number).value_or("?")},
                          {"devices", members}});
    }
    return out;
}

struct Kind {
    const char* name;
    Result<std::string> (*list)(bool json);
};
constexpr Kind kKinds[] = {{"jobs", list_jobs},
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
    const auto* kind = std::ranges::find(kKinds, what, &Kind::name);
    if (kind == std::end(kKinds) || parsed->words.size() != 1)
        return report_error("list",
                            Error{Fault::usage,
                                  "give one of jobs, points, devices, groups" +
                                      did_you_mean(what, {"jobs", "points", "devices", "groups"}),
                                  0});
    const auto text = kind->list(parsed->flag("json"));
    if (!text)
        return report_error("list", text.error());
    return print(*text) ? 0 : kExitEnvironment;
}

} // namespace dmarace::commands
