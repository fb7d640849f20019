// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"
#include "catalogue/points.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <variant>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

// The words of an audit, in the order they are written; seq and ts come before.
struct AuditWord {
    const char* key;
    std::variant<std::string Audit::*, std::optional<bool> Audit::*,
                 std::optional<std::int64_t> Audit::*>
        fact;
};
constexpr AuditWord kAuditWords[] = {
    {DMARACE_K_AT, &Audit::at},
    {DMARACE_K_DEV, &Audit::device},
    {DMARACE_K_DRIVER, &Audit::driver},
    {DMARACE_K_BOUND, &Audit::bound},
    {DMARACE_K_MANAGED, &Audit::managed},
    {DMARACE_K_OWNED, &Audit::owned},
    {DMARACE_K_FW, &Audit::fw},
    {DMARACE_K_FWSPEC, &Audit::fwspec},
    {DMARACE_K_IOMMU, &Audit::iommu},
    {DMARACE_K_IOMMU_REFS, &Audit::iommu_refs},
    {DMARACE_K_GROUP, &Audit::group},
    {DMARACE_K_DOMAIN, &Audit::domain},
    {DMARACE_K_DOMAIN_ID, &Audit::domain_id},
    {DMARACE_K_VIA_IOMMU, &Audit::via_iommu},
    {DMARACE_K_MAP, &Audit::map},
    {DMARACE_K_REASON, &Audit::map_reason},
    {DMARACE_K_ADDR, &Audit::addr},
    {DMARACE_K_PHYS, &Audit::phys},
    {DMARACE_K_IOVA_PHYS, &Audit::iova_phys},
};

void read(const Line& line, const char* key, std::string& fact) { fact = line.get(key); }
void read(const Line& line, const char* key, std::optional<std::int64_t>& fact) {
    fact = line.number(key);
}
void read(const Line& line, const char* key, std::optional<bool>& fact) {
    if (const auto number = line.number(key))
        fact = *number != 0;
}

void write(Line& line, const char* key, const std::string& fact) {
    if (!fact.empty())
        line.add(key, fact);
}
template <class Number>
void write(Line& line, const char* key, const std::optional<Number>& fact) {
    if (fact)
        line.add(key, std::to_string(*fact));
}

std::uint64_t count(const Line& line, std::string_view key) {
    const auto number = line.number(key);
    return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

// A point that is only passed where an IOMMU instance is registered.
bool is_of_walk(std::string_view name) {
    const auto* point = catalogue::find_point(name);
    return point && (point->facts & DMARACE_REGISTERING) != 0;
}

// Parts of the names of IOMMU drivers: virtio_iommu, arm_smmu_v3, ipmmu-vmsa, apple-dart,
// and the memory controller that Tegra's is a part of.
constexpr std::array<std::string_view, 3> kIommuModules{"mmu", "dart", "tegra-mc"};
// And of those of their counters: arm-smmu-v3-pmcg, arm_smmuv3_pmu.
constexpr std::array<std::string_view, 2> kCounters{"pmcg", "pmu"};

// Where a device stands while the events are read in order.
struct DeviceCursor {
    unsigned life = 0;
    unsigned binding = 0;
    unsigned bindings = 0; // how many there were
    bool seen_binding = false;
    bool empty = true; // no audit in this binding yet
    std::string driver;

    void open(bool seen) {
        binding = ++bindings;
        seen_binding = seen;
        empty = true;
        driver.clear();
    }
    void close() { binding = 0; }
};

class FactReader {
public:
    explicit FactReader(Facts& facts) : facts_(facts) {}

    void event(const Line& line) {
        if (line.verb == DMARACE_E_LOST)
            forget();
        if (line.verb == DMARACE_E_BUS)
            bus(cursors_[line.get(DMARACE_K_DEV)], line.get(DMARACE_K_WHAT));
        if (const auto audit = to_audit(line))
            sample(*audit, dmarace::to_text(line), false);
        if (line.verb == DMARACE_E_HIT && is_of_walk(line.get(DMARACE_K_POINT)))
            facts_.iommu_seen = true;
    }

    void settled(const Audit& audit) { sample(audit, dmarace::to_text(to_line(audit)), true); }

private:
    // Where events were lost, any device may have been bound anew, or been removed.
    void forget() {
        for (auto& [device, cursor] : cursors_) {
            ++cursor.life;
            cursor.close();
        }
    }

    static void bus(DeviceCursor& cursor, const std::string& what) {
        if (what == DMARACE_BUS_BINDING) {
            if (cursor.binding == 0)
                cursor.open(true);
        } else if (what == DMARACE_BUS_ADDED || what == DMARACE_BUS_REMOVED) {
            ++cursor.life;
            cursor.close();
        } else if (what != DMARACE_BUS_BOUND) {
            cursor.close(); // unbinding, unbound, deferred, failed
        }
    }

    static void place(DeviceCursor& cursor, const Audit& audit) {
        const bool other = cursor.binding != 0 && !cursor.driver.empty() && !audit.driver.empty() &&
                           cursor.driver != audit.driver;
        if (audit.at == DMARACE_AT_BINDING) {
            if (cursor.binding == 0 || !cursor.empty)
                cursor.open(true);
        } else if (audit.at == DMARACE_AT_BOUND || audit.bound.value_or(false)) {
            if (cursor.binding == 0 || other)
                cursor.open(audit.at == DMARACE_AT_BOUND);
        } else if (audit.bound.has_value() && (audit.driver.empty() || other)) {
            cursor.close();
        }
    }

    void sample(const Audit& audit, std::string text, bool settled) {
        auto& cursor = cursors_[audit.device];
        place(cursor, audit);
        if (settled && audit.bound == false)
            cursor.close();
        if (cursor.binding != 0) {
            cursor.empty = false;
            if (!audit.driver.empty())
                cursor.driver = audit.driver;
        }
        if (!audit.iommu.empty() || audit.group || audit.via_iommu.value_or(false))
            facts_.iommu_seen = true;
        facts_.devices[audit.device].push_back({.audit = audit,
                                                .text = std::move(text),
                                                .binding = cursor.binding,
                                                .life = cursor.life,
                                                .settled = settled,
                                                .seen_binding = cursor.seen_binding});
    }

    Facts& facts_;
    std::map<std::string, DeviceCursor> cursors_;
};

// An IOMMU driver was loaded, or a walk done, by the job itself.
bool brings_iommu(const StepResult& step) {
    if (step.os_error != 0)
        return false;
    return does(step.verb, effect::walks) ||
           (does(step.verb, effect::inserts_module) && is_iommu_driver(step.device));
}

// "rk_iommu ff930300.iommu: probe with driver rk_iommu failed with error -2", and up to 6.8
// "rk_iommu: probe of ff930300.iommu failed with error -2".
std::optional<FailedIommu> failed_probe(const LogLine& line) {
    constexpr std::string_view kWith = ": probe with driver ", kOf = ": probe of ",
                               kFailed = " failed with error ";
    const std::string_view text = line.text;
    const auto end = text.find(kFailed);
    const auto with = text.find(kWith), of = text.find(kOf);
    if (end == text.npos || (with == text.npos && of == text.npos))
        return std::nullopt;
    FailedIommu out{.line = log_text(line)};
    if (with != text.npos) {
        const auto head = text.substr(0, with);
        out.device = head.substr(head.rfind(' ') + 1);
        out.driver = text.substr(with + kWith.size(), end - with - kWith.size());
    } else {
        out.driver = text.substr(0, of);
        out.device = text.substr(of + kOf.size(), end - of - kOf.size());
    }
    out.why = "its probe failed with error " + std::string(text.substr(end + kFailed.size()));
    return is_iommu_driver(out.driver) ? std::optional(std::move(out)) : std::nullopt;
}

// Those that serve nobody after settle: a probe that failed may have been tried again.
void note_failed_iommus(Facts& facts) {
    const auto& observed = facts.observed;
    const auto serves = [&](const auto& of, const std::string& name) {
        return std::ranges::find(observed.iommus, name, of) != observed.iommus.end();
    };
    auto& failed = facts.failed_iommus;
    for (const auto& line : facts.log)
        if (auto one = failed_probe(line); one && !serves(&FoundIommu::device, one->device)) {
            std::erase_if(failed, [&](const auto& known) { return known.device == one->device; });
            failed.push_back(*std::move(one));
        }
    for (const auto& found : observed.found ? observed.found->iommus : std::vector<FoundIommu>{}) {
        if (serves(&FoundIommu::instance, found.instance) || meant_gone(facts, found))
            continue;
        auto known = std::ranges::find(failed, found.device, &FailedIommu::device);
        if (known == failed.end())
            known = failed.insert(failed.end(),
                                  {.device = found.device,
                                   .driver = found.driver,
                                   .why = "it was there before the run and serves nobody now"});
        known->instance = found.instance;
    }
}

// A device that a step, a rule or a [type] table of the job names.
void note_named(Facts& facts) {
    std::set<std::string> words(facts.expect.devices.begin(), facts.expect.devices.end());
    for (const auto& actor : facts.plan.actors)
        for (const auto* step : job::flattened(actor.steps)) {
            words.insert(step->args.begin(), step->args.end());
            if (step->work)
                for (const auto index : step->work->mine)
                    for (const auto& device : step->work->groups->at(index).devices)
                        words.insert(device.name);
        }
    for (const auto& rule : facts.plan.rules)
        words.insert(rule.dev);
    const auto take = [&](const std::string& device) {
        if (std::ranges::any_of(words, [&](const auto& word) { return same_device(word, device); }))
            facts.about.insert(device);
    };
    for (const auto& [device, samples] : facts.devices)
        take(device);
    if (facts.observed.found)
        for (const auto& [device, found] : facts.observed.found->devices)
            take(device);
}

void note_timeouts(Facts& facts) {
    for (const auto& line : facts.log) {
        if (hinted(catalogue::LogHint::probe_timeout, line.text).empty())
            continue;
        auto device = facts.device_in(line.text);
        if (device.empty())
            device = line.device;
        facts.timed_out.insert(device);
        facts.timeout_lines.emplace(device, log_text(line));
    }
}

} // namespace

std::optional<Audit> to_audit(const Line& line) {
    if (line.verb != DMARACE_E_AUDIT || line.get(DMARACE_K_DEV).empty())
        return std::nullopt;
    Audit audit;
    audit.seq = count(line, DMARACE_K_SEQ);
    audit.ts = count(line, DMARACE_K_TS);
    for (const auto& word : kAuditWords)
        std::visit([&](auto fact) { read(line, word.key, audit.*fact); }, word.fact);
    if (!line.find(DMARACE_K_AT))
        audit.at = DMARACE_AT_DEMAND;
    return audit;
}

Line to_line(const Audit& audit) {
    Line line;
    line.verb = DMARACE_E_AUDIT;
    if (audit.seq != 0)
        line.add(DMARACE_K_SEQ, std::to_string(audit.seq));
    if (audit.ts != 0)
        line.add(DMARACE_K_TS, std::to_string(audit.ts));
    for (const auto& word : kAuditWords)
        std::visit([&](auto fact) { write(line, word.key, audit.*fact); }, word.fact);
    return line;
}

const Sample* Facts::settled(const std::string& device) const {
    const auto found = devices.find(device);
    if (found == devices.end() || found->second.empty() || !found->second.back().settled)
        return nullptr;
    return &found->second.back();
}

std::string Facts::driver_of(const std::string& device) const {
    const auto found = devices.find(device);
    if (found == devices.end())
        return {};
    for (auto it = found->second.rbegin(); it != found->second.rend(); ++it)
        if (!it->audit.driver.empty())
            return it->audit.driver;
    return {};
}

// The device that is named first; of a path the last, below what it hangs on.
std::string Facts::device_in(std::string_view text) const {
    const bool is_path = text.find("'/devices/") != text.npos;
    std::string out;
    auto where = text.npos;
    for (const auto& [device, samples] : devices) {
        const auto name = std::string_view(device).substr(device.find('/') + 1);
        for (auto at = catalogue::word_in(text, name); at != text.npos;
             at = is_path ? catalogue::word_in(text, name, at + 1) : text.npos)
            if (where == text.npos || (is_path ? at > where : at < where)) {
                where = at;
                out = device;
            }
    }
    return out;
}

bool Facts::log_tells(catalogue::LogHint hint) const {
    return std::ranges::any_of(
        log, [&](const LogLine& line) { return !hinted(hint, line.text).empty(); });
}

const FoundDevice* Facts::found(const std::string& device) const {
    if (!observed.found)
        return nullptr;
    const auto known = observed.found->devices.find(device);
    return known == observed.found->devices.end() ? nullptr : &known->second;
}

bool Facts::comparable() const {
    return observed.compared && observed.error.empty() && observed.settle_failed.empty() &&
           std::ranges::all_of(observed.actors, [](const ActorEnd& actor) {
               return actor.how == ActorEnd::How::returned;
           });
}

bool is_iommu_driver(std::string_view name) {
    const auto has = [&](const auto part) { return name.find(part) != std::string_view::npos; };
    return std::ranges::any_of(kIommuModules, has) && std::ranges::none_of(kCounters, has);
}

Facts gather(const job::Plan& plan, const Observed& observed, const Baseline& baseline) {
    Facts facts{.plan = plan, .expect = plan.expect, .observed = observed, .baseline = baseline};
    std::ranges::copy_if(observed.log, std::back_inserter(facts.log),
                         [](const LogLine& line) { return !line.user && line.lost == 0; });
    facts.done = steps_done(plan, observed);
    FactReader reader(facts);
    for (const auto& line : observed.events)
        reader.event(line);
    for (const auto& audit : observed.settled)
        reader.settled(audit);
    for (const auto& [device, audit] : baseline)
        if (audit.group || audit.via_iommu.value_or(false))
            facts.iommu_seen = true;
    if (std::ranges::any_of(observed.steps, brings_iommu))
        facts.iommu_seen = true;
    note_timeouts(facts);
    note_named(facts);
    if (facts.comparable())
        note_failed_iommus(facts);
    return facts;
}

bool has_iommu(const Audit& audit) {
    return audit.fw.value_or(false) || audit.fwspec.value_or(false);
}

bool is_dma_domain(const Audit& audit) {
    return audit.domain == DMARACE_DOMAIN_DMA || audit.domain == DMARACE_DOMAIN_DMA_FQ;
}

bool same_device(std::string_view a, std::string_view b) {
    if (a.find('/') == std::string_view::npos)
        b.remove_prefix(b.find('/') + 1);
    else if (b.find('/') == std::string_view::npos)
        a.remove_prefix(a.find('/') + 1);
    return a == b;
}

std::string log_text(const LogLine& line) {
    char stamp[40];
    std::snprintf(stamp, sizeof(stamp), "[%5llu.%06llu] ",
                  static_cast<unsigned long long>(line.ts / 1'000'000),
                  static_cast<unsigned long long>(line.ts % 1'000'000));
    return stamp + line.text;
}

} // namespace dmarace::verdict
