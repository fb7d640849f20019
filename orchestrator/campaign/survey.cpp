// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/survey.hpp"

#include "base/text.hpp"
#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "board/guard.hpp"
#include "job/plan.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "type_hands/hands.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

namespace dmarace::campaign {

namespace {

constexpr unsigned kBridge = 6;

// Base class of a PCI device, out of the code that sysfs writes as 0x02....
unsigned pci_class(const board::Files& files, const board::Device& device) {
    const auto code = files.read(device.entry() + "/class").value_or("0x0");
    return leading_number<unsigned>(code.substr(std::min<std::size_t>(code.size(), 2)), 16) >> 16;
}

// The driver a loaded module registers on a bus: /sys/module/M/drivers/BUS:DRIVER.
std::string driver_of_module(const board::Files& files, const std::string& module,
                             const std::string& bus) {
    for (const auto& entry : files.list("/sys/module/" + module + "/drivers"))
        if (entry.starts_with(bus + ":"))
            return entry.substr(bus.size() + 1);
    return "";
}

std::string module_of_driver(const board::Files& files, const board::Device& device) {
    return files.link_name("/sys/bus/" + device.bus + "/drivers/" + device.driver + "/module");
}

// What a survey reads from.
struct SurveySources {
    const board::Devices& devices;
    const board::Modules& modules;
};

void find_driver(const SurveySources& machine, SurveyedDevice& out) {
    const auto& files = machine.devices.files();
    const auto& device = out.device;
    if (!device.driver.empty()) {
        out.driver = device.driver;
        out.driver_module = module_of_driver(files, device);
        return;
    }
    if (device.modalias.empty())
        return;
    for (const auto& module : machine.modules.for_alias(device.modalias)) {
        const auto driver = driver_of_module(files, module, device.bus);
        if (driver.empty())
            continue;
        out.driver = driver;
        out.driver_module = module;
        return;
    }
}

// A module that lies with the kernel's IOMMU drivers and claims a device that
// is there.
std::string find_iommu_module(const SurveySources& machine) {
    const auto& files = machine.devices.files();
    std::set<std::string> tried; // many devices of a kind have one alias
    for (const auto& bus : files.list("/sys/bus")) {
        for (const auto& device : files.list("/sys/bus/" + bus + "/devices")) {
            const auto alias = files.read("/sys/bus/" + bus + "/devices/" + device + "/modalias");
            if (!alias || alias->empty() || !tried.insert(*alias).second)
                continue;
            for (const auto& module : machine.modules.for_alias(*alias))
                if (machine.modules.path(module).find("/drivers/iommu/") != std::string::npos)
                    return module;
        }
    }
    return "";
}

std::string why_no_iommu_module(const SurveySources& machine) {
    const auto instances = machine.devices.files().list("/sys/class/iommu");
    if (instances.empty())
        return "this board shows no IOMMU";
    return "the IOMMU " + instances.front() + " is driven by code built into this kernel";
}

// Instance, driver and module of the IOMMU that serves a device.
std::vector<std::string> iommu_names(const board::Files& files, const board::Device& device) {
    const auto link = device.entry() + "/iommu";
    std::vector<std::string> names;
    for (const auto& name : {files.link_name(link), files.link_name(link + "/device/driver"),
                             files.link_name(link + "/device/driver/module")})
        if (!name.empty())
            names.push_back(name);
    return names;
}

unsigned virtual_functions(const board::Files& files, const board::Device& device) {
    return leading_number<unsigned>(files.read(device.entry() + "/sriov_totalvfs").value_or(""));
}

bool type_is_writable(const board::Files& files, const std::vector<board::Group>& groups) {
    return !groups.empty() && files.has_write_mode("/sys/kernel/iommu_groups/" +
                                                   std::to_string(groups.front().number) + "/type");
}

// 'iommus' has the devices that firmware puts behind an IOMMU, and behind how
// many, as far as that is known.
Survey look(const SurveySources& machine, const std::map<std::string, std::int64_t>& iommus) {
    Survey out;
    const auto& files = machine.devices.files();
    const auto all = machine.devices.all();
    out.tree = board::tree_nodes(files, all);
    const auto guards = board::why_protected_in_time(files, all, out.tree);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& device = all[i];
        SurveyedDevice item;
        item.device = device;
        const auto named = iommus.find(device.full_name());
        item.behind_iommu = device.group.has_value() || named != iommus.end();
        item.iommus = named == iommus.end() ? 0 : named->second;
        item.pci_class = pci_class(files, device);
        item.endpoint = item.pci_class != kBridge;
        item.managed = types::seems_to_manage_its_dma(device.driver);
        item.iommu_names = iommu_names(files, device);
        item.virtual_functions = virtual_functions(files, device);
        item.guard = guards[i];
        find_driver(machine, item);
        item.named_only = device.bus != "pci" && item.driver != board::kSimulatedDriver;
        out.devices.push_back(std::move(item));
    }
    out.groups = machine.devices.groups();
    out.type_writable = type_is_writable(files, out.groups);
    out.walk = machine.modules.known(board::kSimulatedModule);
    out.iommu_module = find_iommu_module(machine);
    if (out.iommu_module.empty())
        out.no_iommu_module = why_no_iommu_module(machine);
    return out;
}

} // namespace

Result<Survey> survey(Machine& machine) {
    TRY_AS(const auto audits, board::ask_audit(machine.control, "", false));
    std::map<std::string, std::int64_t> iommus;
    for (const auto& audit : audits)
        if (audit.get(DMARACE_K_FW) == "1")
            iommus[audit.get(DMARACE_K_DEV)] = audit.number(DMARACE_K_IOMMUS).value_or(0);
    auto out = look({machine.devices, machine.modules}, iommus);
    for (const auto& audit : audits)
        for (auto& item : out.devices)
            if (audit.find(DMARACE_K_MANAGED) &&
                audit.get(DMARACE_K_DEV) == item.device.full_name())
                item.managed = audit.get(DMARACE_K_MANAGED) == "1";
    out.found = found_board(machine.devices, out, audits);
    return out;
}

Survey survey_without_module(const board::Devices& devices, const board::Modules& modules) {
    std::map<std::string, std::int64_t> iommus;
    for (const auto& device : devices.all())
        if (board::firmware_names_iommu(devices.files(), device))
            iommus[device.full_name()] = 1;
    return look({devices, modules}, iommus);
}

namespace {

using SurveyedDevices = std::vector<const SurveyedDevice*>;

bool is_device(job::ParamType type) {
    return type == job::ParamType::device || type == job::ParamType::devices;
}

// The parameter that "driver-of {client}" or "sibling-of {client}" speaks of,
// and what it has become.
std::vector<std::string> picked_by(const job::Param& param, const job::Bindings& so_far) {
    const auto open = param.pick.find('{');
    const auto bound = so_far.find(param.pick.substr(open + 1, param.pick.size() - open - 2));
    return bound == so_far.end() ? std::vector<std::string>{} : bound->second;
}

// In one group with another, or with one of the named if any are named.
bool shares_group(const SurveyedDevice& item, const SurveyedDevices& all,
                  const std::vector<std::string>* with = nullptr) {
    return item.device.group && std::ranges::any_of(all, [&](const auto* other) {
               return other != &item && other->device.group == item.device.group &&
                      (!with || std::ranges::find(*with, other->device.full_name()) != with->end());
           });
}

// Unbound, and nothing in its group is bound: a bound sibling owns the group's DMA,
// so that no type can be written and no domain changes.
bool is_idle(const SurveyedDevice& item, const Survey& survey) {
    return item.device.driver.empty() &&
           (!item.device.group || std::ranges::none_of(survey.devices, [&](const auto& other) {
               return other.device.group == item.device.group && !other.device.driver.empty();
           }));
}

// PCI base classes.
constexpr unsigned kStorage = 1;
constexpr unsigned kNetwork = 2;

// A NIC beside another one of its driver, or beside a named one: such two may be
// wired to each other.
bool has_peer(const SurveyedDevice& item, const SurveyedDevices& all,
              const std::vector<std::string>* with = nullptr) {
    return item.pci_class == kNetwork && std::ranges::any_of(all, [&](const auto* other) {
               return other != &item && other->pci_class == kNetwork &&
                      other->driver == item.driver &&
                      (!with || std::ranges::find(*with, other->device.full_name()) != with->end());
           });
}

// Where nobody names it. A job that wants one device of a bus means a device like it.
bool is_left_out(const SurveyedDevice& item, const job::Param& param, const Wishes& wishes) {
    const bool one_of_its_bus =
        param.type == job::ParamType::device && param.bus == item.device.bus;
    return item.named_only && !wishes.all_clients && !one_of_its_bus;
}

} // namespace

SurveyedDevices candidates(const job::Param& param, const Survey& survey, const Wishes& wishes,
                           const job::Bindings& so_far) {
    SurveyedDevices out;
    for (const auto& item : survey.devices) {
        if (!param.bus.empty() && item.device.bus != param.bus)
            continue;
        if (!param.behind.empty() && !item.behind_iommu)
            continue;
        if (job::kBehindTwo == param.behind && item.iommus < 2)
            continue;
        if (item.endpoint && !item.driver.empty() && allowed(item, wishes) &&
            !is_left_out(item, param, wishes))
            out.push_back(&item);
    }
    if (job::picks(param, job::Pick::unused))
        std::ranges::stable_partition(out,
                                      [&](const auto* item) { return is_idle(*item, survey); });
    const auto all = out;
    if (job::picks(param, job::Pick::shared))
        std::erase_if(out, [&](const auto* item) { return !shares_group(*item, all); });
    if (job::picks(param, job::Pick::sibling_of)) {
        const auto others = picked_by(param, so_far);
        std::erase_if(out, [&](const auto* item) { return !shares_group(*item, all, &others); });
    }
    if (job::picks(param, job::Pick::disk))
        std::erase_if(out, [](const auto* item) { return item->pci_class != kStorage; });
    if (job::picks(param, job::Pick::nic))
        std::erase_if(out, [&](const auto* item) { return !has_peer(*item, all); });
    if (job::picks(param, job::Pick::peer_of)) {
        const auto others = picked_by(param, so_far);
        std::erase_if(out, [&](const auto* item) { return !has_peer(*item, all, &others); });
    }
    return out;
}

namespace {

std::vector<std::string> modules_of(const std::vector<std::string>& devices, const Survey& survey) {
    std::set<std::string> wanted;
    std::set<std::string> others;
    for (const auto& item : survey.devices) {
        const bool ours = std::ranges::find(devices, item.device.full_name()) != devices.end();
        if (!item.driver_module.empty())
            (ours ? wanted : others).insert(item.driver_module);
    }
    std::vector<std::string> out;
    std::ranges::set_difference(wanted, others, std::back_inserter(out));
    return out;
}

constexpr const char* kLeftOut =
    "on this board only devices that are on no PCI bus fit; name one (--device, --set), or "
    "--all-clients takes all of them";

std::string why_none(const job::Param& param) {
    if (job::picks(param, job::Pick::shared) || job::picks(param, job::Pick::sibling_of))
        return job::skip_reason(job::BoardNeed::shared_group);
    if (job::picks(param, job::Pick::disk))
        return "this board has no disk behind an IOMMU that may be touched";
    if (job::picks(param, job::Pick::nic) || job::picks(param, job::Pick::peer_of))
        return "this board has no two NICs of one driver behind an IOMMU that may be touched";
    if (job::kBehindTwo == param.behind)
        return job::skip_reason(job::BoardNeed::two_iommus);
    if (param.behind.empty())
        return "no device of this board fits" +
               (param.bus.empty() ? std::string() : " on bus " + param.bus);
    return job::skip_reason(param.bus == "pci" ? job::BoardNeed::pci_client
                                               : job::BoardNeed::client);
}

Result<std::vector<std::string>> pick(const job::Param& param, const Survey& survey,
                                      const Wishes& wishes, const job::Bindings& so_far) {
    if (job::picks(param, job::Pick::iommu_driver)) {
        if (survey.iommu_module.empty() && job::is_list(param.type))
            return std::vector<std::string>{};
        if (survey.iommu_module.empty())
            return fail(Fault::untestable, survey.no_iommu_module);
        return std::vector{survey.iommu_module};
    }
    if (job::picks(param, job::Pick::driver_of))
        return modules_of(picked_by(param, so_far), survey);
    if (is_device(param.type)) {
        std::vector<std::string> names;
        for (const auto* item : candidates(param, survey, wishes, so_far))
            names.push_back(item->device.full_name());
        if (names.empty()) {
            auto all = wishes;
            all.all_clients = true;
            const bool left_out = !candidates(param, survey, all, so_far).empty();
            return fail(Fault::untestable,
                        "parameter " + param.name + ": " + (left_out ? kLeftOut : why_none(param)));
        }
        if (param.type == job::ParamType::device)
            names.resize(1);
        return names;
    }
    if (param.value)
        return std::vector{*param.value};
    return fail(Fault::usage,
                "parameter " + param.name + " has no value; give --set " + param.name + "=..");
}

Result<std::string> check_device(const std::string& wish, const job::Param& param,
                                 const Survey& survey, const Wishes& wishes) {
    std::vector<std::string> names;
    SurveyedDevices matches;
    for (const auto& item : survey.devices) {
        names.push_back(item.device.full_name());
        if (item.device.full_name() == wish || item.device.name == wish)
            matches.push_back(&item);
    }
    if (matches.empty())
        return fail(Fault::usage, "no device " + wish + did_you_mean(wish, names));
    if (matches.size() > 1)
        return fail(Fault::usage, "device " + wish + " is on several buses; write BUS/" + wish);
    const auto& item = *matches.front();
    if (!allowed(item, wishes))
        return fail(Fault::usage, item.device.full_name() + " must not be touched: " + item.guard +
                                      "; --i-know " + item.device.full_name() + " overrides");
    if (!param.behind.empty() && !item.behind_iommu)
        return fail(Fault::usage, item.device.full_name() + " is not behind an IOMMU");
    if (job::kBehindTwo == param.behind && item.iommus < 2)
        return fail(Fault::usage, item.device.full_name() + " is not behind two IOMMUs");
    return item.device.full_name();
}

Result<std::vector<std::string>> wished(const job::Param& param, const std::string& value,
                                        const Survey& survey, const Wishes& wishes) {
    std::vector<std::string> words;
    auto list = value;
    std::ranges::replace(list, ',', '\n');
    for (const auto& word : lines_in(list)) {
        if (!is_device(param.type)) {
            words.push_back(word);
            continue;
        }
        TRY_AS(auto name, check_device(word, param, survey, wishes));
        words.push_back(std::move(name));
    }
    if (words.empty() || (!job::is_list(param.type) && words.size() > 1))
        return fail(Fault::usage, "parameter " + param.name + " takes " +
                                      std::string(words.empty() ? "a value" : "one value"));
    return words;
}

bool may_race(const SurveyedDevice& item, const Wishes& wishes) {
    return item.behind_iommu && item.endpoint && allowed(item, wishes);
}

auto clients(const Survey& survey, const Wishes& wishes) {
    return std::ranges::count_if(survey.devices,
                                 [&](const auto& item) { return may_race(item, wishes); });
}

// What a job may need, and how a board meets it.
struct NeedCheck {
    job::BoardNeed need;
    bool (*is_met)(const Survey& survey, const Wishes& wishes);
};

constexpr NeedCheck kNeedChecks[] = {
    {job::BoardNeed::iommu,
     [](const Survey& survey, const Wishes&) {
         return std::ranges::any_of(survey.devices, &SurveyedDevice::behind_iommu);
     }},
    {job::BoardNeed::iommu_module,
     [](const Survey& survey, const Wishes&) { return !survey.iommu_module.empty(); }},
    {job::BoardNeed::client,
     [](const Survey& survey, const Wishes& wishes) { return clients(survey, wishes) > 0; }},
    {job::BoardNeed::pci_client,
     [](const Survey& survey, const Wishes& wishes) {
         return std::ranges::any_of(survey.devices, [&](const auto& item) {
             return item.device.bus == "pci" && may_race(item, wishes);
         });
     }},
    {job::BoardNeed::two_clients,
     [](const Survey& survey, const Wishes& wishes) { return clients(survey, wishes) > 1; }},
    {job::BoardNeed::two_iommus,
     [](const Survey& survey, const Wishes&) {
         return std::ranges::any_of(survey.devices,
                                    [](const auto& item) { return item.iommus > 1; });
     }},
    {job::BoardNeed::shared_group,
     [](const Survey& survey, const Wishes&) {
         return std::ranges::any_of(survey.groups,
                                    [](const auto& group) { return group.devices.size() > 1; });
     }},
    {job::BoardNeed::writable_type,
     [](const Survey& survey, const Wishes&) { return survey.type_writable; }},
    {job::BoardNeed::walk, [](const Survey& survey, const Wishes&) { return survey.walk; }},
};

bool met(job::BoardNeed need, const Survey& survey, const Wishes& wishes) {
    const auto* check = std::ranges::find(kNeedChecks, need, &NeedCheck::need);
    return check == std::end(kNeedChecks) || check->is_met(survey, wishes);
}

// Every --set names a parameter, and --device has one to go to.
Status check_names(const job::Job& job, const Wishes& wishes) {
    const auto names = texts_of(job.params, &job::Param::name);
    for (const auto& [name, value] : wishes.set)
        if (std::ranges::find(names, name) == names.end())
            return fail(Fault::usage, "job " + job.name + " has no parameter " + name +
                                          did_you_mean(name, names));
    if (!wishes.device.empty() &&
        std::ranges::none_of(job.params, [](const auto& param) { return is_device(param.type); }))
        return fail(Fault::usage, "job " + job.name + " takes no device");
    return {};
}

// What the user or the job itself says; nothing where the board is to choose.
Result<job::Bindings> user_values(const job::Job& job, const Survey& survey, const Wishes& wishes) {
    const auto first_device =
        std::ranges::find_if(job.params, [](const auto& param) { return is_device(param.type); });
    const auto defaults = job::default_bindings(job);
    job::Bindings bindings;
    for (auto param = job.params.begin(); param != job.params.end(); ++param) {
        auto& values = bindings[param->name];
        const auto set = wishes.set.find(param->name);
        const bool by_device = param == first_device && !wishes.device.empty();
        if (!by_device && set == wishes.set.end()) {
            if (const auto its_own = defaults.find(param->name); its_own != defaults.end())
                values = its_own->second;
            continue;
        }
        TRY_AS(auto said, wished(*param, by_device ? wishes.device : set->second, survey, wishes));
        values = std::move(said);
    }
    return bindings;
}

Status check_needs(const job::Job& job, const Survey& survey, const Wishes& wishes) {
    for (const auto& word : job.needs) {
        const auto need = job::word_from<job::BoardNeed>(job::need_words(), word);
        if (!need || met(*need, survey, wishes))
            continue;
        const bool module = *need == job::BoardNeed::iommu_module;
        const auto more = module ? ": " + survey.no_iommu_module : std::string();
        return fail(Fault::untestable, job::skip_reason(*need) + more);
    }
    return {};
}

Status check_group(const std::string& number, const Survey& survey, const Wishes& wishes) {
    const auto group = std::ranges::find_if(
        survey.groups, [&](const auto& item) { return std::to_string(item.number) == number; });
    if (group == survey.groups.end())
        return fail(Fault::usage, "no IOMMU group " + number + " (dmarace list groups)");
    for (const auto& device : survey.devices)
        if (device.device.group == group->number && !allowed(device, wishes))
            return fail(Fault::usage, "IOMMU group " + number + " must not be touched: " +
                                          device.device.full_name() + ": " + device.guard +
                                          "; --i-know " + device.device.full_name() + " overrides");
    return {};
}

// What the job does to all devices of a kind, and so to those that the machine
// stands on.
Status check_sweeping(const job::Touched& touched, const Survey& survey, const Wishes& wishes) {
    const auto refuse = [](const SurveyedDevice& item, const std::string& what) {
        const auto name = item.device.full_name();
        return fail(Fault::untestable, what + " " + name + ", which must not be touched: " +
                                           item.guard + " (--i-know " + name + " lets it)");
    };
    for (const auto& item : survey.devices) {
        // Jobs that take IOMMU drivers away say so with a parameter.
        if (allowed(item, wishes) || item.guard.starts_with("IOMMU "))
            continue;
        if (touched.all_behind_iommu && item.behind_iommu && item.device.bus == "pci")
            return refuse(item, "'remove behind' would remove");
        if (!item.device.driver.empty() && !item.driver_module.empty() &&
            std::ranges::find(touched.drivers_removed, item.driver_module) !=
                touched.drivers_removed.end())
            return refuse(item, "'rmmod " + item.driver_module + "' would unbind");
    }
    return {};
}

} // namespace

Status check_touched(const job::Plan& plan, const Survey& survey, const Wishes& wishes) {
    const auto touched = job::touched_by(plan);
    for (const auto& device : touched.devices) {
        // Nothing stands on a simulated device, and the job may make it.
        if (board::is_simulated(device))
            continue;
        TRY(check_device(device, {}, survey, wishes));
    }
    for (const auto& group : touched.groups)
        TRY(check_group(group, survey, wishes));
    for (const auto& rule : plan.rules)
        if (!rule.group.empty() && std::ranges::none_of(survey.groups, [&](const auto& group) {
                return std::to_string(group.number) == rule.group;
            }))
            return fail(Fault::usage, "rule " + rule.name + ": no IOMMU group " + rule.group +
                                          ", so it would never be hit (dmarace list groups)");
    return check_sweeping(touched, survey, wishes);
}

bool allowed(const SurveyedDevice& device, const Wishes& wishes) {
    return device.guard.empty() ||
           std::ranges::find(wishes.i_know, device.device.full_name()) != wishes.i_know.end() ||
           std::ranges::find(wishes.i_know, device.device.name) != wishes.i_know.end();
}

Result<job::Bindings> resolve(const job::Job& job, const Survey& survey, const Wishes& wishes) {
    TRY(check_names(job, wishes));
    auto bindings = user_values(job, survey, wishes);
    if (!bindings)
        return bindings;
    TRY(check_needs(job, survey, wishes));
    for (const auto& param : job.params) {
        if (!bindings->at(param.name).empty())
            continue;
        TRY_AS(auto values, pick(param, survey, wishes, *bindings));
        bindings->at(param.name) = std::move(values);
    }
    return bindings;
}

job::Inventory inventory(const Survey& survey, const board::Devices& devices,
                         const Wishes& wishes) {
    job::Inventory out;
    for (const auto& group : survey.groups) {
        job::Inventory::Group item;
        item.number = static_cast<unsigned>(group.number);
        item.type = devices.group_type(group.number).value_or("");
        bool free = true;
        for (const auto& device : survey.devices) {
            if (device.device.group != group.number)
                continue;
            free = free && allowed(device, wishes);
            item.named_only = item.named_only || (device.named_only && !wishes.all_clients);
            item.devices.push_back({.name = device.device.full_name(),
                                    .driver = device.device.driver,
                                    .managed = device.managed,
                                    .endpoint = device.endpoint,
                                    .iommu = device.iommu_names,
                                    .virtual_functions = device.virtual_functions});
        }
        if (free && !item.devices.empty())
            out.groups.push_back(std::move(item));
    }
    return out;
}

} // namespace dmarace::campaign
