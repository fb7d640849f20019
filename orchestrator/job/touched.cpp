// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/plan.hpp"
#include "job/steps.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

namespace effect = catalogue::effect;

void add_once(std::vector<std::string>& list, const std::string& word) {
    if (std::find(list.begin(), list.end(), word) == list.end())
        list.push_back(word);
}

bool is_group_number(const std::string& word) {
    return word.find_first_not_of("0123456789") == std::string::npos;
}

void add(const Step& step, Touched& out) {
    const auto kinds = match_step(step);
    if (!kinds || does(step, effect::looks))
        return;
    if (does(step, effect::removes_own) && does(step, effect::everything))
        out.all_behind_iommu = true;
    if (does(step, effect::removes_module))
        add_once(out.drivers_removed, step.args.front());
    for (std::size_t i = 0; i < kinds->size() && i < step.args.size(); ++i) {
        const auto kind = (*kinds)[i];
        if (kind == "DEVICE" || (kind == "GROUP|DEVICE" && !is_group_number(step.args[i])))
            add_once(out.devices, step.args[i]);
        else if (kind == "GROUP|DEVICE")
            add_once(out.groups, step.args[i]);
    }
}

} // namespace

Touched touched_by(const Plan& plan) {
    Touched out;
    for (const auto& step : plan.reset)
        add(step, out);
    for (const auto& actor : plan.actors)
        for (const auto& step : actor.steps)
            add(step, out);
    return out;
}

} // namespace dmarace::job
