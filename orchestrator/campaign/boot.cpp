// SPDX-License-Identifier: GPL-2.0-or-later
// Iterations that are boots of the machine: rules are left for the next boot, the machine
// boots, and what the module, the log and the devices then show is judged. Each call of
// dmarace is one leg, from boot to boot.
#include "base/text.hpp"
#include "campaign/iteration.hpp"
#include "campaign/restore.hpp"
#include "campaign/steps.hpp"
#include "job/plan.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

namespace dmarace::campaign {

namespace {

constexpr std::string_view kNotLoaded = "not loaded, so no rule is armed";

// The boot whose log this is, by the mark that dmarace's loader left in it.
std::string boot_in(const std::string& text, const std::string& mark) {
    const auto at = text.rfind(mark);
    if (at == std::string::npos)
        return "";
    const auto begin = at + mark.size();
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

// In the log of every boot of a run, before the initramfs loads dmarace.
std::string mark_of_boots(const std::string& run_id) { return "run=" + run_id + " boot="; }

// A boot that went down, and the end of its log.
struct DeadBoot {
    std::string boot;
    std::vector<std::string> log;
};
// Those of which pstore or its archive kept the last words.
std::vector<DeadBoot> dead_boots(const board::Files& files, const std::string& run_id) {
    const auto mark = mark_of_boots(run_id);
    std::vector<DeadBoot> out;
    std::set<std::string> known;
    for (const auto& words : board::last_words(files)) {
        const auto boot = boot_in(words, mark);
        if (!boot.empty() && known.insert(boot).second)
            out.push_back({boot, board::after_mark({words}, mark + boot, kLastLines)});
    }
    return out;
}

// The taint that the loader found, which is nobody's doing.
std::uint64_t taint_in(std::string_view mark) {
    constexpr std::string_view kKey = " taint=";
    const auto at = mark.find(kKey);
    return at == std::string_view::npos ? 0 : leading_number(mark.substr(at + kKey.size()));
}

// This boot's log, from the mark on, and the taint there. kept: whether the module has told of its
// own loading, which says more than a log that may have been overwritten. What is wrong with it, ""
// if nothing.
std::string take_boot_log(const std::string& run_id, bool kept, verdict::Observed& observed) {
    const auto mark = mark_of_boots(run_id);
    auto log = board::KernelLog::open(board::KernelLog::From::boot);
    if (log) // its clock is told by a mark
        (void)log->mark("run=" + run_id + " reads the log of this boot");
    auto records = log ? log->read_new() : Result<std::vector<board::KernelRecord>>();
    if (!log || !records)
        return log ? records.error().message : log.error().message;
    bool marked = false, not_loaded = false;
    for (auto& record : *records) {
        if (const auto at = record.text.find(mark); at != std::string::npos) {
            marked = true;
            observed.taint_before = taint_in(std::string_view(record.text).substr(at));
        }
        not_loaded = not_loaded || record.text.find(kNotLoaded) != std::string::npos;
        if (marked)
            observed.log.push_back(to_log_line(std::move(record)));
    }
    observed.log_shift = log->clock_shift();
    if (not_loaded)
        return "the module took no rule at this boot; the lines of 'dmarace:' in the log say why";
    if (!marked && kept)
        return "the log of this boot has no '" + mark +
               "' any more: it was overwritten; a larger "
               "log_buf_len= on the kernel's command line keeps it";
    if (!marked)
        return "the initramfs did not load dmarace: the log has no '" + mark +
               "'; is it the one that this machine boots?";
    return "";
}

// A job of the machine's own boot has no [type], so that no group is asked for its
// type: the boot's holds may be on, and groups' mutexes with them.
Result<job::Plan> plan_of(const job::Job& job, const job::Bindings& bindings, bool holds) {
    auto made = job::make_plan(job, bindings, job::Inventory{});
    if (!made || holds)
        return made;
    return job::without_holds(*made);
}

bool is_module_name(const std::string& word) {
    return !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
}

Status waits_already(const board::Waiting& other) {
    return fail(Fault::usage, "another run --reboot waits for its boot (" + other.run_id +
                                  "); dmarace restore --reboot ends it");
}

class BootIterations final : public IterationMaker {
public:
    BootIterations(CampaignState& state, board::BootFiles files)
        : state_(state), files_(std::move(files)) {}

    Status hear_first() override {
        TRY_AS(auto kept, state_.machine.control.take());
        kept_ = std::move(kept);
        return {};
    }

    // Nothing is left on the disk before all is known to fit.
    Status check(const Survey& survey, const Result<job::Bindings>& bindings,
                 bool begins) override {
        if (!state_.job.at_boot)
            return fail(Fault::usage,
                        "job " + state_.job.name +
                            " has actors, and none of them is there while the machine "
                            "boots: --reboot takes jobs with at_boot = true");
        if (!begins)
            return {};
        TRY(check_words(bindings));
        if (!bindings)
            return std::unexpected(bindings.error());
        TRY(check_reach(survey, *bindings));
        TRY_AS(auto made, plan_of(state_.job, *bindings, state_.options.holds));
        plan_ = std::move(made);
        return {};
    }

    Status check_earlier() override {
        const auto other = files_.waiting();
        return other && other->run_id != state_.run.head.run_id ? waits_already(*other) : Status{};
    }

    bool leaves_something() const override { return files_.armed(); }

    Status account(bool went_down) override {
        auto& run = state_.run;
        TRY_AS(auto made, plan_of(state_.job, run.head.params, state_.options.holds));
        plan_ = std::move(made);
        const bool armed = files_.waiting().has_value();
        if (armed && run.before && run.before->boot == boot_id()) {
            state_.boot_again = "reboot: the machine has not booted yet";
            return {};
        }
        TRY(record_crashes(went_down));
        return armed && state_.wanted() ? judge_boot() : Status{};
    }

    // The module says now what it would refuse then.
    Status prepare(const Survey& survey) override {
        if (files_.waiting())
            return {};
        TRY_AS(auto accepted, load_rules(state_.machine, state_.progress, plan_));
        (void)state_.machine.control.request(Line{DMARACE_V_CLEAR, {}});
        auto found = survey.found;
        found.other_boot = true;
        TRY(state_.dir->log_board({}, &found));
        if (!board::keeps_last_words(state_.machine.devices.files()))
            state_.progress.note("this kernel keeps no last words (pstore has no backend): a boot "
                                 "that dies or hangs before it is judged is not counted, and is "
                                 "tried again until dmarace=off is on its command line");
        state_.progress.doing("make the initramfs");
        return files_.arm(rules(survey, accepted), state_.options.words,
                          state_.options.fresh == Fresh::never);
    }

    // The machine's boot is what the next iteration does.
    Status iterate(std::optional<run::IterationEnd>& /*ended*/) override {
        auto& run = state_.run;
        run.before = run::Before{boot_id(), {}};
        TRY(state_.append(run::to_journal(*run.before)));
        run::IterationBegin begin{state_.next_number(), now_text(), {"boot the machine"}};
        state_.boot_again =
            "reboot: iteration " + std::to_string(begin.iteration) + " is the next boot";
        auto put = state_.append(run::to_journal(begin));
        run.begun.push_back(std::move(begin));
        return put;
    }

    Status restore(bool goes_on) override {
        if (goes_on)
            return {};
        state_.boot_again.clear();
        state_.progress.doing("take the rules out of the initramfs");
        if (auto gone = files_.disarm(); !gone) {
            state_.progress.note(gone.error().message + "; dmarace restore --reboot tries again");
            return gone;
        }
        return state_.append(run::restored_to_journal({}));
    }

    void abandon() override { (void)files_.disarm(); }

private:
    // What would make the command line wrong, before anything is written.
    Status check_words(const Result<job::Bindings>& bindings) const {
        if (!bindings && bindings.error().fault == Fault::usage)
            return std::unexpected(bindings.error());
        if (const auto other = files_.waiting())
            return waits_already(*other);
        for (const auto& name : state_.options.async)
            if (!is_module_name(name) || state_.machine.modules.path(name).empty())
                return fail(Fault::usage, "--async-probe " + name +
                                              ": this kernel's tree has no such "
                                              "module");
        return {};
    }

    // Every device that the job's rules are about has to come after the module.
    Status check_reach(const Survey& survey, const job::Bindings& bindings) const {
        const auto reach = boot_reach(survey);
        if (std::ranges::all_of(reach, [](const auto& item) { return item.modules.empty(); }))
            return fail(Fault::untestable,
                        "nothing behind an IOMMU is left to come once the initramfs starts: " +
                            (reach.empty() ? std::string("no such device has a driver")
                                           : reach.front().text()) +
                            "; it would take " + boot_remedy());
        for (const auto& [name, values] : bindings)
            for (const auto& item : reach)
                if (item.modules.empty() && std::ranges::find(values, item.device) != values.end())
                    return fail(Fault::untestable, item.device + ": " + item.text() +
                                                       "; it would take " + boot_remedy());
        return {};
    }

    board::BootRules rules(const Survey& survey, const std::vector<job::Rule>& accepted) const {
        board::BootRules out;
        out.run_id = state_.run.head.run_id;
        for (const auto& rule : accepted)
            out.rules.push_back(to_text(job::to_rule_line(rule)));
        std::set<std::string> after;
        for (const auto& reach : boot_reach(survey))
            after.insert(reach.modules.begin(), reach.modules.end());
        out.after.assign(after.begin(), after.end());
        out.async = state_.options.async;
        return out;
    }

    Status end(run::IterationEnd record) {
        auto told = state_.tell_end(record);
        if (told)
            state_.run.ended.push_back(std::move(record));
        return told;
    }

    Status record_crash(const std::string& boot, const std::string& why,
                        std::vector<std::string> log) {
        auto record = crashed(state_.next_number(), why, std::move(log));
        record.boot = boot;
        return end(std::move(record));
    }

    // Boots of this run that ended in a crash before anybody had judged them: their
    // last words name the boot. So is one that went down while it was judged, of which
    // the journal knows. Each is an iteration of its own.
    Status record_crashes(bool went_down) {
        std::set<std::string> known{boot_id()};
        for (const auto& ended : state_.run.ended)
            known.insert(ended.boot);
        for (auto& dead : dead_boots(state_.machine.devices.files(), state_.run.head.run_id))
            if (known.insert(dead.boot).second)
                TRY(record_crash(dead.boot, "the machine went down in this boot",
                                 std::move(dead.log)));
        const auto judged = state_.run.begun.empty() ? std::string() : state_.run.begun.back().boot;
        if (!went_down || judged.empty() || !known.insert(judged).second)
            return {};
        return record_crash(judged, "the machine went down while this boot was judged", {});
    }

    Status judge_boot() {
        run::IterationBegin begin{state_.next_number(), now_text(), {"judge the boot"}, boot_id()};
        TRY(state_.dir->append(run::to_journal(begin), true));
        state_.run.begun.push_back(std::move(begin));
        state_.progress.iteration(state_.next_number(), state_.run.head.planned);
        state_.progress.doing("settle and audit");
        const auto observed = observe();
        if (state_.interrupts.count() > 0)
            return {};
        auto record = state_.judged(plan_, state_.run.head.params, {}, observed);
        record.boot = boot_id();
        const auto uptime = state_.machine.devices.files().read("/proc/uptime").value_or("0");
        record.seconds = std::strtod(uptime.c_str(), nullptr);
        // A verdict that still fits counts, even where its log does not.
        auto logged = state_.dir->log(observed);
        TRY(end(std::move(record)));
        return logged;
    }

    verdict::Observed observe() {
        verdict::Observed observed;
        observed.iteration = state_.next_number();
        observed.holds = state_.run.head.holds;
        observed.events = std::move(kept_);
        observed.found = state_.dir->last_found();
        // Holds have had their time when all that boots has settled.
        if (auto looked = inspect(state_.machine, state_.interrupts, {}, observed.holds, observed);
            !looked)
            observed.error = looked.error().message;
        const auto disarmed = state_.machine.control.request(Line{DMARACE_V_DISARM, {}});
        if (auto taken = take_events(state_.machine, observed); !taken)
            observed.error = taken.error().message;
        else if (!disarmed)
            observed.error = disarmed.error().message;
        const bool kept = std::ranges::any_of(observed.events, [](const Line& line) {
            return line.verb == DMARACE_E_GATE && line.get(DMARACE_K_WHY) == DMARACE_WHY_LOAD;
        });
        sort_events(observed, plan_);
        const auto wrong = take_boot_log(state_.run.head.run_id, kept, observed);
        if (observed.error.empty())
            observed.error = wrong;
        if (!kept && observed.error.empty())
            observed.error = "somebody else has read what the module kept of this boot";
        observed.taint_after = read_taint(state_.machine.devices);
        return observed;
    }

    CampaignState& state_;
    board::BootFiles files_;
    std::vector<Line> kept_; // what the module has told since it was loaded
    job::Plan plan_;
};

} // namespace

std::unique_ptr<IterationMaker> make_boots(CampaignState& state, board::BootFiles files) {
    return std::make_unique<BootIterations>(state, std::move(files));
}

std::string BootReach::text() const {
    if (modules.empty())
        return "its driver and that of its IOMMU are built in: it is bound before anything can be "
               "loaded";
    return joined(modules, " and ") + " load" + (modules.size() > 1 ? "" : "s") + " after dmarace";
}

std::vector<BootReach> boot_reach(const Survey& survey) {
    std::vector<BootReach> out;
    for (const auto& item : survey.devices) {
        if (!item.behind_iommu || !item.endpoint || item.driver.empty())
            continue;
        BootReach reach{item.device.full_name(), {}};
        if (!survey.iommu_module.empty())
            reach.modules.push_back(survey.iommu_module);
        if (!item.driver_module.empty())
            reach.modules.push_back(item.driver_module);
        out.push_back(std::move(reach));
    }
    return out;
}

std::string boot_remedy() {
    return "a kernel that has the IOMMU's driver or the device's as a module (CONFIG_..=m), or a "
           "job that races after the boot";
}

} // namespace dmarace::campaign
