// SPDX-License-Identifier: GPL-2.0-or-later
// What a job's own steps say of a device at the end of an iteration: what they took away,
// unbound or told the kernel to leave is meant so.
#include "base/text.hpp"
#include "catalogue/verbs.hpp"
#include "job/words.hpp"
#include "types/judge.hpp"
#include "verdict/checks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <span>

namespace dmarace::verdict {

namespace {

using catalogue::Verb;
using job::does;
namespace effect = catalogue::effect;

// Words of 'expect'.
constexpr std::array kWithoutDriver{std::string_view("unbound"), std::string_view("deferred")};
constexpr std::array kAway{std::string_view("gone")};

bool is_word(const job::Step& step, std::size_t index, auto&& words) {
    return index < step.args.size() && std::ranges::count(words, step.args[index]) != 0;
}

bool names(const job::Step& step, const std::string& device) {
    return std::ranges::any_of(step.args,
                               [&](const auto& word) { return same_device(word, device); });
}

// It, or something that it is below of.
bool names_above(const job::Step& step, const FoundDevice& device) {
    return names(step, device.device) ||
           std::ranges::any_of(step.args, [&](const std::string& word) {
               const auto name = word.substr(word.find('/') + 1);
               return !name.empty() &&
                      (device.path + "/").find("/" + name + "/") != device.path.npos;
           });
}

bool same_module(std::string a, std::string b) {
    std::ranges::replace(a, '-', '_');
    std::ranges::replace(b, '-', '_');
    return a == b;
}

bool is_module(const job::Step& step, const std::string& module) {
    return !module.empty() && !step.args.empty() && same_module(step.args.front(), module);
}

bool drives_iommu(const job::Step& step) {
    return !step.args.empty() && is_iommu_driver(step.args.front());
}

// A rescan and its like, and nothing that brings drivers alone.
bool finds_devices(const job::Step& step) {
    return does(step, effect::adds) && !does(step, effect::everything);
}

class MeantReader {
public:
    // iommu: that serves it, or null. on_bare: is_on_bare_pci().
    MeantReader(const FoundDevice& device, const FoundIommu* iommu, bool on_bare)
        : device_(device), iommu_(iommu), bus_(device.device.substr(0, device.device.find('/'))),
          on_bare_(on_bare) {}

    void take(const DoneStep& done) {
        const auto& step = done.step;
        meant_.driven = meant_.driven || gives_driver(done);
        if (step.verb == Verb::autoprobe)
            return autoprobe(step);
        if (step.verb == Verb::expect)
            return expected(done);
        if (does(step, effect::removes_module) || does(step, effect::inserts_module))
            return module(done);
        if (done.os_error == 0 && names_iommu(step))
            iommu(step);
        if (does(step, effect::removes) && does(step, effect::adds))
            functions(step);
        else if (does(step, effect::removes))
            removed(done);
        else if (finds_devices(step))
            found(done);
        else if (does(step, effect::leaves_unbound))
            unbound(done);
        else if (does(step, effect::binds) && does(step, effect::churns))
            bound(done);
    }

    Meant end(bool found_by_reset) {
        meant_.away =
            meant_.away || taken_ || orphan_ || (away_ && (away_in_reset_ || found_by_reset));
        meant_.unbound = meant_.unbound || waits_ || iommu_removed_;
        return std::move(meant_);
    }

private:
    struct Taken {
        std::uint64_t ended = 0;
        std::string actor{};

        // Two that overlap may have taken effect in either order.
        bool overlaps(const DoneStep& later) const {
            return later.actor != actor && later.began < ended;
        }
    };

    // By its name, or any that its module or a new one brings while it has none. A claim ends
    // with its actor.
    bool gives_driver(const DoneStep& done) const {
        const auto& step = done.step;
        const bool named_one =
            step.verb == Verb::override_driver || (step.verb == Verb::bind && step.args.size() > 1);
        return done.os_error == 0 &&
               ((named_one && names(step, device_.device)) ||
                (does(step, effect::removes_module) && is_module(step, device_.module)) ||
                (does(step, effect::inserts_module) && (meant_.unbound || away_)));
    }

    void autoprobe(const job::Step& step) {
        const auto bus = step.args.size() > 1 ? step.args[1] : "pci";
        if (bus == bus_ && !step.args.empty())
            by_itself_ = step.args.front() == "on";
    }

    // What was expected and not so is not meant to stay.
    void expected(const DoneStep& done) {
        const auto& step = done.step;
        if (done.os_error != 0 || !names(step, device_.device))
            return;
        if (is_word(step, 0, kAway))
            meant_.away = true;
        else if (is_word(step, 0, kWithoutDriver))
            meant_.unbound = true;
    }

    bool names_iommu(const job::Step& step) const {
        return iommu_ != nullptr && ((!iommu_->device.empty() && names(step, iommu_->device)) ||
                                     names(step, iommu_->instance));
    }

    // Its clients lose their groups, and their drivers where the core unbinds consumers.
    void iommu(const job::Step& step) {
        meant_.regrouped = true;
        if (does(step, effect::removes_own))
            iommu_removed_ = true;
        else if (does(step, effect::leaves_unbound))
            waits_ = true;
        else if (does(step, effect::binds_own))
            waits_ = false;
    }

    void module(const DoneStep& done) {
        if (done.os_error != 0)
            return;
        const bool goes = does(done.step, effect::removes_module);
        if (drives_iommu(done.step)) {
            waits_ = goes;
            meant_.regrouped = true;
        }
        if (!is_module(done.step, device_.module))
            return;
        meant_.unbound = goes || !by_itself_;
        // One that its own module makes.
        if (goes && device_.path.find("dmarace") != device_.path.npos)
            taken_ = true;
    }

    // Virtual functions come and go with a number.
    void functions(const job::Step& step) {
        if (!device_.physical.empty() && names(step, device_.physical))
            taken_ = meant_.regrouped = true;
    }

    void removed(const DoneStep& done) {
        const bool all = does(done.step, effect::everything) && (bus_ == "pci" || on_bare_);
        if (done.os_error != 0 || !(all || names_above(done.step, device_)))
            return;
        away_ = meant_.regrouped = true;
        taken_ = taken_ || on_bare_;
        away_in_reset_ = done.in_reset;
        removal_ = {done.ended, done.actor};
    }

    void found(const DoneStep& done) {
        iommu_removed_ = false;
        if (!away_ || removal_.overlaps(done))
            return;
        away_ = meant_.away = false;
        meant_.unbound = meant_.left = !by_itself_;
        meant_.bind.clear();
    }

    void unbound(const DoneStep& done) {
        if (done.os_error != 0 || !names_above(done.step, device_))
            return;
        // What its parent's driver made goes with it.
        if (!names(done.step, device_.device)) {
            orphan_ = true;
            return;
        }
        meant_.unbound = true;
        unbind_ = {done.ended, done.actor};
    }

    void bound(const DoneStep& done) {
        if (!names(done.step, device_.device)) {
            orphan_ = orphan_ && !names_above(done.step, device_);
            return;
        }
        const bool went = done.os_error == 0 || done.os_error == EAGAIN;
        // drivers_probe answers 0 where no driver matches, too.
        if (done.step.may_fail &&
            (went ? done.step.verb == Verb::probe : types::in_the_way(done.os_error)))
            return;
        meant_.left = false;
        meant_.unbound = unbind_.overlaps(done);
        meant_.bind = went ? "" : "'" + done.step.text + "' failed: " + errno_text(done.os_error);
    }

    const FoundDevice& device_;
    const FoundIommu* iommu_;
    std::string bus_;
    bool on_bare_;
    Meant meant_;
    bool by_itself_ = true; // its bus probes what is found
    bool waits_ = false;    // for the IOMMU's module, which was removed, or for its driver
    bool iommu_removed_ = false;
    bool away_ = false, away_in_reset_ = false, taken_ = false;
    bool orphan_ = false; // what is above it was unbound
    Taken removal_, unbind_;
};

const FoundIommu* iommu_of(const Facts& facts, const FoundDevice& device) {
    if (!facts.observed.found || device.iommu.empty())
        return nullptr;
    const auto& all = facts.observed.found->iommus;
    const auto known = std::ranges::find(all, device.iommu, &FoundIommu::instance);
    return known == all.end() ? nullptr : &*known;
}

// What firmware put below a PCI device that no driver drives, as a clock below a PC's LPC bridge:
// with that it leaves sysfs, and no rescan brings it back.
bool is_on_bare_pci(const Facts& facts, const FoundDevice& device) {
    const FoundDevice* nearest = nullptr;
    for (const std::string& name : split(device.path, '/'))
        if (const auto* above = facts.found("pci/" + name))
            nearest = above;
    return nearest != nullptr && nearest->driver.empty() && nearest->device != device.device;
}

} // namespace

bool expects_unbound(const job::Step& step) {
    return step.verb == Verb::expect && is_word(step, 0, std::span(kWithoutDriver).first(1));
}

Meant meant(const Facts& facts, const FoundDevice& device, std::uint64_t until) {
    MeantReader reader(device, iommu_of(facts, device), is_on_bare_pci(facts, device));
    for (const auto& done : facts.done)
        if (done.ended <= until)
            reader.take(done);
    const bool found_by_reset = std::ranges::any_of(
        facts.done, [](const auto& done) { return done.in_reset && finds_devices(done.step); });
    auto out = reader.end(found_by_reset);
    for (const auto& actor : facts.plan.actors)
        for (const auto& step : actor.steps)
            if (step.work && step.work->kind == types::TypeWork::Kind::remove)
                out.regrouped = true;
    for (const auto& act : facts.observed.failed_acts)
        if (act.what == types::TypeAct::What::bind && same_device(act.device, device.device))
            out.bind = act_text(act);
    return out;
}

bool meant_gone(const Facts& facts, const FoundIommu& iommu) {
    bool without_module = false, unbound = false, removed = false;
    for (const auto& [step, actor, began, ended, os_error, in_reset] : facts.done) {
        if (os_error != 0)
            continue;
        const bool its_own = !iommu.device.empty() && names(step, iommu.device);
        if (is_module(step, iommu.module))
            without_module = does(step, effect::removes_module);
        else if (finds_devices(step))
            removed = false;
        else if (its_own && does(step, effect::removes_own))
            removed = true;
        else if (its_own && does(step, effect::leaves_unbound | effect::binds_own))
            unbound = does(step, effect::leaves_unbound);
    }
    return without_module || unbound || removed;
}

std::vector<DoneStep> steps_done(const job::Plan& plan, const Observed& observed) {
    std::vector<DoneStep> out;
    for (const auto* step : job::flattened(plan.reset))
        out.push_back({.step = *step, .in_reset = true});
    const auto resets = static_cast<std::ptrdiff_t>(out.size());
    for (const auto& result : observed.steps) {
        DoneStep done{.actor = result.actor,
                      .began = result.began,
                      .ended = result.ended,
                      .os_error = result.os_error};
        const auto* actor = named(plan.actors, result.actor);
        if (actor != nullptr && result.index > 0 && result.index <= actor->steps.size())
            done.step = actor->steps[result.index - 1];
        else if (auto parsed = job::parse_step(result.text, {}))
            done.step = *std::move(parsed);
        else
            continue;
        done.step.verb = result.verb;
        if (!result.device.empty() && !names(done.step, result.device))
            done.step.args.push_back(result.device);
        out.push_back(std::move(done));
    }
    std::stable_sort(out.begin() + resets, out.end(),
                     [](const auto& a, const auto& b) { return a.ended < b.ended; });
    return out;
}

std::string act_text(const types::FailedAct& act) {
    return "'" + std::string(to_text(act.what)) + " " +
           (act.device.empty() ? "devices" : act.device) + "' of " + act.actor + " failed " +
           std::to_string(act.count) + (act.count == 1 ? " time: " : " times: ") +
           errno_text(act.os_error);
}

std::string errno_text(int os_error) {
    const char* name = ::strerrorname_np(os_error);
    return std::string(std::strerror(os_error)) +
           (name != nullptr ? " (" + std::string(name) + ")" : "");
}

} // namespace dmarace::verdict
