// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict_support.hpp"

#include <algorithm>
#include <sstream>

namespace dmarace::verdict::testing {

Line event(const std::string& text) {
    return parse_line(text).value();
}

Line audit(const std::string& at, const std::string& device, const std::string& words) {
    return event("audit at=" + at + " dev=" + device + " driver=e1000e " + words);
}

std::string changed(const std::string& words, const std::string& changes) {
    auto line = event("x " + words);
    for (const auto& [key, value] : event("x " + changes).words) {
        std::erase_if(line.words, [&](const auto& word) { return word.first == key; });
        if (!value.empty())
            line.add(key, value);
    }
    return to_text(line).substr(2);
}

StepResult step(const std::string& verb, const std::string& device, int os_error) {
    StepResult result;
    result.actor = "client";
    result.index = 1;
    result.verb = catalogue::verb_from(verb).value();
    result.text = verb + " " + device;
    result.device = device;
    result.os_error = os_error;
    return result;
}

Scene::Scene() {
    job::Rule rule;
    rule.name = "1";
    rule.point = "of_iommu_configure";
    rule.wait_for = {"done:client"};
    plan.rules.push_back(rule);
    observed.iteration = 1;
    RuleCount count;
    count.rule = "1";
    count.point = rule.point;
    count.holds = true;
    count.hits = count.met = 1;
    observed.counts.push_back(count);
    settled(kOther, changed(kGood, "group=2 domain_id=0xb2"));
    settled(kClient, kGood);
}

Scene& Scene::happened(const Line& line) {
    observed.events.push_back(line);
    return *this;
}

Scene& Scene::settled(const std::string& device, const std::string& words) {
    std::erase_if(observed.settled, [&](const auto& known) { return known.device == device; });
    observed.settled.push_back(*to_audit(audit("demand", device, words)));
    return *this;
}

Scene& Scene::bound(const std::string& words) {
    happened(audit("binding", kClient, changed(words, "bound=0")));
    return happened(audit("bound", kClient, words));
}

Scene& Scene::logged(const std::string& text, const std::string& device) {
    observed.log.push_back({.ts = 12'345'678, .level = 4, .text = text, .device = device});
    return *this;
}

Judgement Scene::judged() const {
    return judge(plan, allow, baseline, observed);
}

std::vector<std::string> kinds(const Judgement& judgement) {
    std::vector<std::string> out;
    for (const auto& failure : judgement.failures)
        if (!failure.allowed)
            out.push_back(std::string(to_text(failure.kind)) + (failure.device.empty() ? "" : " ") +
                          failure.device);
    return out;
}

} // namespace dmarace::verdict::testing
