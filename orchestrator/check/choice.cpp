// SPDX-License-Identifier: GPL-2.0-or-later
#include "check/choice.hpp"

#include "base/text.hpp"
#include "campaign/campaign.hpp"
#include "job/load.hpp"
#include "job/plan.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace dmarace::check {

namespace {

struct TryRow {
    Order order;
    const char* job;
    // A point without which the job is no test but a wreck, and why.
    const char* safe_with = nullptr;
    const char* why_unsafe = "";
    bool takes_away = false; // removes its client alone, and finds it again
};

// In the order of their worth, for a slow machine has time for two or three: what goes wrong with
// most kernels comes first, then what is cheap and tells much.
constexpr std::array kTries{
    TryRow{Order::arriving, "instance-lookup"},
    TryRow{Order::arriving, "late-probe"},
    TryRow{Order::there, "order-rebind"},
    TryRow{Order::client_first, "order-client-first"},
    TryRow{Order::iommu_first, "order-iommu-first"},
    TryRow{Order::arriving, "late-domain"},
    TryRow{Order::arriving, "acpi-skip"},
    TryRow{Order::walk, "order-walk"},
    TryRow{Order::in_walk, "late-domain-on-demand", "iommu_deinit_device",
           "this kernel (before 6.5) probes the client twice then and may oops: 'dmarace run "
           "double-probe --unsafe' shows it",
           true},
    TryRow{Order::types, "type-pairs"},
};

constexpr std::array<std::string_view, 7> kOrders{"the client binds, its IOMMU is there",
                                                  "first the IOMMU arrives, then the client binds",
                                                  "first the client binds, then the IOMMU arrives",
                                                  "the client binds while its IOMMU arrives",
                                                  "a bus walk before and after the client binds",
                                                  "the client binds in the middle of a bus walk",
                                                  "each group through all types"};

Result<job::Job> library_job(const std::string& name) {
    TRY_AS(auto checked, job::check_job(name));
    if (!checked.job || checked.errors() > 0)
        return fail(Fault::environment, checked.path + " has errors (dmarace lint " + name + ")");
    return *std::move(checked.job);
}

// The parameter that is one client, null for a job that takes all of them.
const job::Param* client_of(const job::Job& job) {
    const auto param = std::ranges::find(job.params, job::ParamType::device, &job::Param::type);
    return param == job.params.end() ? nullptr : &*param;
}

// Behind a port: up to 6.14 it may come back into another group, which nothing would undo.
bool behind_port(const board::Device& device) {
    const auto parent = device.path.substr(0, device.path.rfind('/'));
    const auto name = parent.substr(parent.rfind('/') + 1);
    return device.bus == "pci" && name.find(':') != name.npos && !name.starts_with("pci");
}

std::string why_not_wanted(const TryRow& row, const Choosing& board) {
    if (row.safe_with != nullptr && board.absent_points.contains(row.safe_with))
        return row.why_unsafe;
    return "";
}

// A rescan leaves it unbound only while its driver is out, which nobody else may need.
bool has_driver_alone(const campaign::SurveyedDevice& item, const campaign::Survey& survey) {
    return !item.driver_module.empty() &&
           std::ranges::count(survey.devices, item.driver_module,
                              &campaign::SurveyedDevice::driver_module) == 1;
}

// All clients of a job, as far as they are bound: what somebody has unbound stays so. False when
// that leaves none.
bool name_all(const job::Job& job, const Choosing& board, Try& out) {
    const auto param = std::ranges::find(job.params, job::ParamType::devices, &job::Param::type);
    if (param == job.params.end())
        return true;
    std::vector<std::string> names;
    for (const auto* item : campaign::candidates(*param, board.survey, board.wishes, {}))
        if (!item->device.driver.empty())
            names.push_back(item->device.full_name());
    out.list = param->name;
    out.clients = joined(names, ",");
    return !names.empty();
}

// The clients of a job, best first; one without a name where it takes them all.
std::vector<std::string> clients(const TryRow& row, const job::Job& job, const Choosing& board) {
    const auto* param = client_of(job);
    if (param == nullptr)
        return {""};
    std::vector<std::string> names;
    for (const auto* item : campaign::candidates(*param, board.survey, board.wishes, {}))
        if (!row.takes_away ||
            (!behind_port(item->device) && has_driver_alone(*item, board.survey)))
            names.push_back(item->device.full_name());
    return names;
}

void add_guarded(const Choosing& board, std::vector<Untried>& untried) {
    for (const auto& item : board.survey.devices)
        if (item.behind_iommu && item.endpoint && !campaign::allowed(item, board.wishes))
            untried.push_back({item.device.full_name(), "will not be touched: " + item.guard,
                               "--i-know " + item.device.full_name()});
}

std::string bound(const std::string& job, const std::string& device) {
    return "dmarace run " + job + (device.empty() ? "" : " --device " + device);
}

} // namespace

std::string_view to_text(Order order) { return kOrders.at(static_cast<std::size_t>(order)); }

std::string why_not_here(const job::Job& job, const Choosing& board) {
    const auto bindings = campaign::resolve(job, board.survey, board.wishes);
    if (!bindings)
        return bindings.error().message;
    const auto plan = job::make_plan(job, *bindings, board.inventory);
    if (!plan)
        return plan.error().message;
    if (const auto free = campaign::check_touched(*plan, board.survey, board.wishes); !free)
        return free.error().message;
    bool any = plan->rules.empty();
    for (const auto& rule : plan->rules) {
        const auto absent = board.absent_points.find(rule.point);
        any = any || absent == board.absent_points.end();
        if (absent != board.absent_points.end() && !rule.optional)
            return "this kernel does not have the point " + rule.point + ": " + absent->second;
    }
    return any ? "" : "this kernel has none of the job's points";
}

namespace {

// Of an instance or its driver, as /sys/class/iommu has them on the boards that were booted.
constexpr std::array<std::string_view, 5> kBooted{"arm-smmu-v3", "virtio_iommu", "dmar", "ivhd",
                                                  "dmarace-sim"};

bool was_booted(const std::string& name) {
    return std::ranges::any_of(kBooted, [&](const auto known) { return name.starts_with(known); });
}

} // namespace

JobHere job_here(const job::Job& job, const Choosing& board) {
    auto why = why_not_here(job, board);
    const auto reach = campaign::boot_reach(board.survey);
    if (why.empty() && job.at_boot &&
        std::ranges::all_of(reach, [](const auto& item) { return item.modules.empty(); }))
        why = "nothing behind an IOMMU is left to come once the initramfs starts; it would take " +
              campaign::boot_remedy();
    if (!why.empty())
        return {false, "", why};
    return {true, job.at_boot ? "--reboot" : job::why_unsafe(job).empty() ? "" : "--unsafe", ""};
}

std::string kernels_of(std::string_view text) {
    std::string out;
    bool there = false;
    for (const auto& line : lines_in(text)) {
        constexpr std::string_view kHead = "# Kernels: ";
        if (line.starts_with(kHead)) {
            there = true;
            out = line.substr(kHead.size());
        } else if (there && line.starts_with("# ")) {
            out += line.substr(1);
        } else if (there) {
            break;
        }
    }
    return out.substr(0, out.find(". "));
}

std::string never_booted(const campaign::Survey& survey) {
    for (const auto& item : survey.devices)
        if (!item.iommu_names.empty() && std::ranges::none_of(item.iommu_names, was_booted))
            return item.iommu_names[std::min<std::size_t>(1, item.iommu_names.size() - 1)];
    return "";
}

Result<ChosenTries> choose(const Choosing& board) {
    ChosenTries out;
    std::vector<Try> others;
    for (const auto& row : kTries) {
        const std::string name = row.job;
        TRY_AS(const auto job, library_job(name));
        auto why = why_not_here(job, board);
        if (why.empty())
            why = why_not_wanted(row, board);
        const auto names = why.empty() ? clients(row, job, board) : std::vector<std::string>{};
        if (why.empty() && names.empty())
            why =
                "its client would be taken off the bus: up to 6.14 one behind a port may come back "
                "into another group, and its driver has to be a module that nobody else needs; '" +
                bound(name, "") + "' does it";
        if (!why.empty()) {
            out.untried.push_back({name, why, "", false, row.order});
            continue;
        }
        out.tries.push_back({row.order, name, names.front()});
        if (names.front().empty() && !name_all(job, board, out.tries.back())) {
            out.tries.pop_back();
            out.untried.push_back({name, "no client is bound", "", false, row.order});
        }
        for (const auto& device : std::span(names).subspan(1))
            others.push_back({row.order, name, device});
    }
    std::ranges::move(others, std::back_inserter(out.tries));
    add_guarded(board, out.untried);
    return out;
}

namespace {

using namespace std::chrono_literals;
// Of a run that nobody has timed: two resets, a settle, a hold that may wait for nothing.
constexpr TimeBudget::Duration kUnknown = 8s;
// What restoring a board takes that was cut off, on a slow machine.
constexpr TimeBudget::Duration kRestore = 10s;

} // namespace

TimeBudget::Duration TimeBudget::cut() const { return total_ - std::min(total_ / 4, kRestore); }

bool TimeBudget::allows(const std::string& job, Duration spent) const {
    const auto known = longest_.find(job);
    const auto expected = known == longest_.end() ? std::min(kUnknown, total_ / 4) : known->second;
    return spent + expected <= cut();
}

void TimeBudget::took(const std::string& job, Duration duration) {
    auto& longest = longest_[job];
    longest = std::max(longest, duration);
}

} // namespace dmarace::check
