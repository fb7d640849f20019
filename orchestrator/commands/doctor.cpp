// SPDX-License-Identifier: GPL-2.0-or-later
// This file is 'dmarace doctor'.
#include "board/devices.hpp"
#include "board/modules.hpp"
#include "campaign/boot_reach.hpp"
#include "campaign/resolve.hpp"
#include "commands/checks.hpp"
#include "commands/job_files.hpp"
#include "commands/module.hpp"
#include "commands/options.hpp"
#include "commands/output.hpp"

#include <nlohmann/json.hpp>

#include <sys/utsname.h>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

std::string show(const Check& check, bool json) {
    if (json)
        return Json{{"check", check.name},
                    {"state", check.state},
                    {"found", check.found},
                    {"remedy", check.remedy}}
                   .dump(-1, ' ', false, Json::error_handler_t::replace) +
               "\n";
    std::string line = check.state;
    line.resize(6, ' ');
    line += check.name + ": " + check.found + "\n";
    return check.remedy.empty() ? line : line + "      -> " + check.remedy + "\n";
}

// What each job of the library would find here.
std::vector<Check> job_checks(const campaign::Survey& survey) {
    std::vector<Check> out;
    for (const auto& name : library_jobs()) {
        const auto job = load_job(name);
        if (!job)
            continue;
        const auto bindings = campaign::resolve(*job, survey, {});
        Check check{"job " + name, "ok", job->summary, ""};
        if (!bindings) {
            check.state = "skip";
            check.found = bindings.error().message;
        }
        out.push_back(std::move(check));
    }
    return out;
}

std::vector<Check> guard_checks(const campaign::Survey& survey) {
    std::vector<Check> out;
    for (const auto& item : survey.devices)
        if (item.behind_iommu && !item.guard.empty())
            out.push_back({"device " + item.device.full_name(), "guard",
                           "will not be touched: " + item.guard,
                           "--i-know " + item.device.full_name()});
    return out;
}

// Which devices 'run --reboot' reaches: those that come after the initramfs has
// loaded dmarace.
std::vector<Check> boot_checks(const campaign::Survey& survey) {
    std::vector<Check> out;
    for (const auto& reach : campaign::boot_reach(survey))
        out.push_back({"boot of " + reach.device, reach.modules.empty() ? "skip" : "ok",
                       reach.text(), reach.modules.empty() ? campaign::boot_remedy() : ""});
    return out;
}

} // namespace

int run_doctor(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object a line");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("doctor", parsed.error());
    if (parsed->flag("help"))
        return print(help_text(
                   "doctor",
                   "Says what can be run here now, what stops the rest, and the remedy. "
                   "Changes nothing but\nloading the module dmarace. Exit 0 when jobs can "
                   "be run, 3 when nothing can.\n",
                   visible))
                   ? 0
                   : kExitEnvironment;
    const bool json = parsed->flag("json");
    board::Modules modules;
    bool stopped = false;
    for (const auto& check : machine_checks(board::Files(), this_host(modules))) {
        stopped = stopped || check.state == "stop";
        print(show(check, json));
    }
    auto control = open_module(modules);
    if (!control) {
        print(show({"module", "stop", control.error().message, ""}, json));
        return kExitEnvironment;
    }
    print(show({"module", "ok", "dmarace is loaded and answers", ""}, json));
    auto log = board::KernelLog::open();
    if (!log)
        return report_error("doctor", log.error());
    campaign::Machine machine{board::Devices(), std::move(modules), *log, **control, {}};
    const auto survey = campaign::survey(machine);
    if (!survey)
        return report_error("doctor", survey.error());
    for (const auto& check : guard_checks(*survey))
        print(show(check, json));
    for (const auto& check : boot_checks(*survey))
        print(show(check, json));
    for (const auto& check : job_checks(*survey))
        print(show(check, json));
    return stopped ? kExitEnvironment : 0;
}

} // namespace dmarace::commands
