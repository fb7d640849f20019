// SPDX-License-Identifier: GPL-2.0-or-later
// What iterations leave behind, made for the tests of verdict/.
#pragma once

#include "verdict/verdict.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace dmarace::verdict::testing {

inline const std::string kClient = "pci/0000:00:02.0";
inline const std::string kOther = "pci/0000:00:03.0";
inline const std::string kCut = "------------[ cut here ]------------";

// An event line as the module writes it.
inline Line event(const std::string& text) { return parse_line(text).value(); }

// "audit at=AT dev=DEVICE driver=e1000e ..." with WORDS added.
inline Line audit(const std::string& at, const std::string& device, const std::string& words) {
    return event("audit at=" + at + " dev=" + device + " driver=e1000e " + words);
}

// The same, asked for by the orchestrator and read.
inline Audit audited(const std::string& device, const std::string& words) {
    return *to_audit(audit("demand", device, words));
}

// Words of a device in good order: translated, owned, in group 1.
inline const std::string kGood =
    "bound=1 managed=0 owned=1 fw=1 fwspec=1 iommu=virtio0 group=1 domain=dma domain_id=0xa1 "
    "via_iommu=1 map=ok";
// Words of a device whose IOMMU was left out.
inline const std::string kDirect = "bound=1 managed=0 fw=1 fwspec=0 domain=none via_iommu=0 map=ok";

// The same words with some replaced: changed(kGood, "owned=0 group=").
// A word without a value is taken out.
inline std::string changed(const std::string& words, const std::string& changes) {
    auto line = event("x " + words);
    for (const auto& [key, value] : event("x " + changes).words) {
        std::erase_if(line.words, [&](const auto& word) { return word.first == key; });
        if (!value.empty())
            line.add(key, value);
    }
    return to_text(line).substr(2);
}

// A step of actor "client" that returned.
inline StepResult step(const std::string& verb, const std::string& device, int os_error = 0) {
    StepResult result;
    result.actor = "client";
    result.index = 1;
    result.verb = catalogue::verb_from(verb).value();
    result.text = verb + " " + device;
    result.device = device;
    result.os_error = os_error;
    return result;
}

// An iteration that passes: one hold met, the client and another device good.
struct Scene {
    job::Plan plan;
    std::vector<job::Allow> allow;
    Baseline baseline;
    Observed observed;

    Scene() {
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

    // History of the client, in order.
    Scene& happened(const Line& line) {
        observed.events.push_back(line);
        return *this;
    }
    Scene& bus(const std::string& what, const std::string& device = kClient, std::uint64_t ts = 0) {
        const auto when = ts == 0 ? "" : " ts=" + std::to_string(ts);
        return happened(event("bus what=" + what + " dev=" + device + when));
    }
    // The client is bound with these words, seen at binding and at bound.
    Scene& bound(const std::string& words) {
        happened(audit("binding", kClient, changed(words, "bound=0")));
        return happened(audit("bound", kClient, words));
    }
    // .. good but for these.
    Scene& was(const std::string& changes) { return bound(changed(kGood, changes)); }
    // Settle's word of a device; of the client, good but for these.
    Scene& settled(const std::string& device, const std::string& words) {
        std::erase_if(observed.settled, [&](const auto& known) { return known.device == device; });
        observed.settled.push_back(audited(device, words));
        return *this;
    }
    Scene& now(const std::string& changes) { return settled(kClient, changed(kGood, changes)); }
    // How the client was before the run.
    Scene& known(const std::string& words = kGood) {
        baseline[kClient] = audited(kClient, words);
        return *this;
    }
    Scene& did(const std::string& verb, const std::string& device, int os_error = 0) {
        observed.steps.push_back(step(verb, device, os_error));
        return *this;
    }
    Scene& expects(job::Dma dma) {
        plan.expect.dma = dma;
        return *this;
    }
    // What sysfs says of the client's group.
    Scene& typed(const std::string& type) {
        observed.groups = {{1, type, {kClient}}};
        return *this;
    }
    Scene& logged(const std::string& text, const std::string& device = "") {
        observed.log.push_back({.ts = 12'345'678, .level = 4, .text = text, .device = device});
        return *this;
    }
    Scene& logged(const std::vector<std::string>& texts) {
        for (const auto& text : texts)
            logged(text);
        return *this;
    }
    Judgement judged() const { return judge(plan, allow, baseline, observed); }
};

// "kind device" of each failure that counts.
inline std::vector<std::string> kinds(const Judgement& judgement) {
    std::vector<std::string> out;
    for (const auto& failure : judgement.failures)
        if (!failure.allowed)
            out.push_back(std::string(to_text(failure.kind)) + (failure.device.empty() ? "" : " ") +
                          failure.device);
    return out;
}

} // namespace dmarace::verdict::testing
