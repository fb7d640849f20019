// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "campaign/campaign.hpp"
#include "campaign/survey.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "run/run_dir.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace dmarace::commands {

namespace {

using Json = nlohmann::ordered_json;

// The value of KEY= on the kernel command line, "" when it is not there.
std::string boot_option(const board::Files& files, const std::string& key) {
    std::string found;
    for (const auto& word : words_in(files.read("/proc/cmdline").value_or("")))
        if (word.starts_with(key + "="))
            found = word.substr(key.size() + 1);
    return found;
}

DoctorCheck check_root() {
    if (::geteuid() == 0)
        return {"root", "ok", "running as root", ""};
    return {"root", "stop", "not running as root", "run it as root"};
}

DoctorCheck check_sysfs(const board::Files& files) {
    if (files.on_read_only("/sys"))
        return {"sysfs", "stop", "/sys is mounted read-only: nothing could be bound or restored",
                "mount -o remount,rw /sys"};
    return {"sysfs", "ok", "/sys can be written", ""};
}

DoctorCheck check_kprobes(const board::Files& files) {
    const auto enabled = files.read("/sys/kernel/debug/kprobes/enabled");
    if (enabled && *enabled == "0")
        return {"kprobes", "stop", "kprobes are switched off",
                "echo 1 > /sys/kernel/debug/kprobes/enabled"};
    if (enabled)
        return {"kprobes", "ok", "the kernel has kprobes", ""};
    const auto symbols = files.read("/proc/kallsyms").value_or("");
    if (symbols.find(" register_kprobe") != std::string::npos)
        return {"kprobes", "ok", "the kernel has kprobes", ""};
    return {"kprobes", "stop", "the kernel has no kprobes", "a kernel with CONFIG_KPROBES=y"};
}

// The detour is assembly, and there for two architectures.
DoctorCheck check_machine(const Host& host) {
    if (host.machine == "aarch64" || host.machine == "x86_64")
        return {"kernel", "ok", host.release + " on " + host.machine, ""};
    return {
        "kernel", "stop",
        host.release + " on " + host.machine +
            ": dmarace.ko takes threads away in assembly that is there for arm64 and x86-64 only",
        host.machine.starts_with("armv") ? "boot a 64-bit kernel, if the board can" : ""};
}

// The directory is made whether an IOMMU is there or not.
DoctorCheck check_iommu_api(const board::Files& files) {
    if (files.exists("/sys/kernel/iommu_groups"))
        return {"IOMMU API", "ok", "the kernel knows IOMMU groups", ""};
    return {"IOMMU API", "stop", "the kernel has no IOMMU support: nothing is probed behind one",
            "a kernel with CONFIG_IOMMU_API=y (any IOMMU driver selects it)"};
}

DoctorCheck check_lockdown(const board::Files& files) {
    const auto text = files.read("/sys/kernel/security/lockdown");
    if (!text && !files.exists("/sys/kernel/security/lsm"))
        return {"lockdown", "note", "securityfs is not mounted: whether it is on is unknown",
                "mount -t securityfs none /sys/kernel/security"};
    if (!text || text->find("[none]") != std::string::npos)
        return {"lockdown", "ok", "off", ""};
    return {"lockdown", "stop", *text + ": kprobes and unsigned modules are refused",
            "boot with lockdown=none (or Secure Boot off)"};
}

DoctorCheck check_signatures(const board::Files& files) {
    const auto enforced = files.read("/sys/module/module/parameters/sig_enforce");
    if (enforced && *enforced == "Y")
        return {"signatures", "stop", "only signed modules may be loaded",
                "sign dmarace.ko with an enrolled key, or boot with module.sig_enforce=0"};
    return {"signatures", "ok", "unsigned modules may be loaded (the kernel is tainted)", ""};
}

DoctorCheck check_module(const board::Files& files, const Host& host) {
    const std::string& release = host.release;
    const std::string make =
        "make -C /lib/modules/" + release + "/build M=$PWD modules modules_install && depmod";
    if (host.module_release == release)
        return {"dmarace.ko", "ok", "built for " + release, ""};
    if (!host.module_release.empty())
        return {"dmarace.ko", "stop",
                "built for another kernel, " + host.module_release + ": this one is " + release,
                make};
    if (files.exists("/lib/modules/" + release + "/build/Makefile"))
        return {"dmarace.ko", "stop", "not built for " + release, make};
    return {"dmarace.ko", "stop", "not built, and no headers of " + release,
            "install the headers of this kernel (Debian: linux-headers-" + release +
                "), or name one that was built elsewhere: --module FILE"};
}

DoctorCheck check_iommu(const board::Files& files) {
    const auto instances = joined(files.list("/sys/class/iommu"), ", ");
    if (instances.empty())
        return {"IOMMU", "note", "no instance is registered",
                "load its driver, which devices that wait "
                "for it name below, or pick a board that has one"};
    return {"IOMMU", "ok", instances, ""};
}

DoctorCheck check_passthrough(const board::Files& files) {
    const auto value = boot_option(files, "iommu.passthrough");
    if (value == "1" || boot_option(files, "iommu") == "pt")
        return {"passthrough", "note", "default domains are identity: DMA is direct by choice",
                "boot without iommu.passthrough=1 to see translation judged"};
    return {"passthrough", "ok", "default domains translate unless a driver says otherwise", ""};
}

DoctorCheck check_deferred_timeout(const board::Files& files) {
    const auto value = boot_option(files, "deferred_probe_timeout");
    if (value == "-1")
        return {"deferred_probe_timeout", "ok", "clients wait for their IOMMU for ever", ""};
    return {"deferred_probe_timeout", "note",
            (value.empty() ? "the kernel's default" : value + " s") +
                ": an IOMMU module inserted later than that is ignored by its clients",
            "boot with deferred_probe_timeout=-1 for jobs that insert the IOMMU driver"};
}

DoctorCheck check_debugfs(const board::Files& files) {
    if (files.exists("/sys/kernel/debug/devices_deferred"))
        return {"debugfs", "ok", "deferred devices are listed", ""};
    return {"debugfs", "note", "not mounted: deferred devices cannot be listed",
            "mount -t debugfs none /sys/kernel/debug"};
}

std::string show(const DoctorCheck& check, bool json) {
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
std::vector<DoctorCheck> job_checks(const campaign::Survey& survey) {
    std::vector<DoctorCheck> out;
    for (const auto& name : job::library_jobs()) {
        const auto checked = job::check_job(name);
        if (!checked || !checked->job)
            continue;
        const auto& job = checked->job;
        const auto bindings = campaign::resolve(*job, survey, {});
        DoctorCheck check{"job " + name, "ok", job->summary, ""};
        if (!bindings) {
            check.state = "skip";
            check.found = bindings.error().message;
        }
        out.push_back(std::move(check));
    }
    return out;
}

std::vector<DoctorCheck> guard_checks(const campaign::Survey& survey) {
    std::vector<DoctorCheck> out;
    for (const auto& item : survey.devices)
        if (item.behind_iommu && !item.guard.empty())
            out.push_back({"device " + item.device.full_name(), "guard",
                           "will not be touched: " + item.guard,
                           "--i-know " + item.device.full_name()});
    return out;
}

// Clients without the IOMMU that firmware names for them.
std::vector<DoctorCheck> waiting_checks(const board::Devices& devices,
                                        const board::Modules& modules) {
    std::vector<DoctorCheck> out;
    for (const auto& device : devices.all()) {
        if (device.group || !board::firmware_names_iommu(devices.files(), device))
            continue;
        const auto awaited = board::awaited_iommu(devices, modules, device);
        if (awaited.what.empty())
            continue;
        out.push_back(
            {"device " + device.full_name(), "note",
             (device.driver.empty() ? "waits for " : "gave up waiting for ") + awaited.what,
             awaited.module.empty() ? "" : "modprobe " + awaited.module});
    }
    return out;
}

// Which devices 'run --reboot' reaches: those that come after the initramfs has
// loaded dmarace.
std::vector<DoctorCheck> boot_checks(const campaign::Survey& survey) {
    std::vector<DoctorCheck> out;
    for (const auto& reach : campaign::boot_reach(survey))
        out.push_back({"boot of " + reach.device, reach.modules.empty() ? "skip" : "ok",
                       reach.text(), reach.modules.empty() ? campaign::boot_remedy() : ""});
    return out;
}

} // namespace

Host this_host(const board::Modules& modules) {
    return {board::kernel_release(), board::kernel_machine(), modules.release("dmarace")};
}

std::vector<DoctorCheck> machine_checks(const board::Files& files, const Host& host) {
    return {check_machine(host),
            check_root(),
            check_sysfs(files),
            check_kprobes(files),
            check_iommu_api(files),
            check_lockdown(files),
            check_signatures(files),
            check_module(files, host),
            check_iommu(files),
            check_passthrough(files),
            check_deferred_timeout(files),
            check_debugfs(files)};
}

namespace {

Result<int> doctor(const Parsed& parsed) {
    const bool json = parsed.flag("json");
    TRY_AS(auto modules, modules_for(parsed));
    bool stopped = false;
    for (const auto& check : machine_checks(board::Files(), this_host(modules))) {
        stopped = stopped || check.state == "stop";
        print(show(check, json));
    }
    if (const auto place = run::can_hold_runs(results_place()); !place)
        print(show({"results", "note", place.error().message, ""}, json));
    auto control = open_module(modules);
    if (!control) {
        print(show({"module", "stop", control.error().message, ""}, json));
        return kExitEnvironment;
    }
    print(show({"module", "ok", "dmarace is loaded and answers", ""}, json));
    TRY_AS(auto log, board::KernelLog::open());
    campaign::Machine machine{board::Devices(), std::move(modules), log, **control, {}};
    TRY_AS(const auto survey, campaign::survey(machine));
    for (const auto& checks : {waiting_checks(machine.devices, machine.modules),
                               guard_checks(survey), boot_checks(survey), job_checks(survey)})
        for (const auto& check : checks)
            print(show(check, json));
    return stopped ? kExitEnvironment : 0;
}

} // namespace

int run_doctor(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("json", po::bool_switch(), "one JSON object a line");
    add_module_option(visible);
    return run_command("doctor",
                       "Says what can be run here now, what stops the rest, and the remedy. "
                       "Changes nothing but\nloading the module dmarace. Exit 0 when jobs can "
                       "be run, 3 when nothing can.\n",
                       visible, words, doctor);
}

} // namespace dmarace::commands
