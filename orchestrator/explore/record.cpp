// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/record.hpp"

#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"
#include "board/symbols.hpp"
#include "explore/locksets.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>

namespace dmarace::explore {

namespace {

// Where a word is: in something that the module gives the address of, or at a symbol.
struct WordRow {
    std::string_view name;      // as it is shown
    std::string_view base;      // a word of the module's answer; "" for a symbol
    std::string_view structure; // or the symbol
    std::string_view member;
};

// Those that one run watches are together, four by four.
constexpr std::array<WordRow, 15> kWords{{
    {"device.iommu_group", DMARACE_K_DEVICE_AT, "device", "iommu_group"},
    {"device.iommu", DMARACE_K_DEVICE_AT, "device", "iommu"},
    {"device.driver", DMARACE_K_DEVICE_AT, "device", "driver"},
    {"device.dma_iommu", DMARACE_K_DEVICE_AT, "device", "dma_iommu"},
    {"group.default_domain", DMARACE_K_GROUP_AT, "iommu_group", "default_domain"},
    {"group.domain", DMARACE_K_GROUP_AT, "iommu_group", "domain"},
    {"group.owner", DMARACE_K_GROUP_AT, "iommu_group", "owner"},
    {"group.owner_cnt", DMARACE_K_GROUP_AT, "iommu_group", "owner_cnt"},
    {"iommu_device_list", "", "iommu_device_list", ""},
    {"driver.devices", DMARACE_K_DRIVER_PRIVATE_AT, "driver_private", "klist_devices.k_list.next"},
    {"group.devices", DMARACE_K_GROUP_AT, "iommu_group", "devices.next"},
    {"device.links.status", DMARACE_K_DEVICE_AT, "device", "links.status"},
    {"dev_iommu.fwspec", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "fwspec"},
    {"dev_iommu.iommu_dev", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "iommu_dev"},
    {"dev_iommu.priv", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "priv"},
}};

constexpr std::size_t kRuns = (kWords.size() + board::kWatchpoints - 1) / board::kWatchpoints;
constexpr std::size_t kRing = 8U << 20;
constexpr std::chrono::milliseconds kIdle{150};

std::uint64_t monotonic() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t address_in(const Line& where, std::string_view key) {
    const auto text = where.get(key); // all 64 bits, in hexadecimal
    return text.starts_with("0x") ? leading_number(text.substr(2), 16) : 0;
}

// One actor, from the set's start and what another one did.
job::Job one_act(const search::ActSet& set, std::size_t act, std::size_t after, unsigned runs) {
    auto out = set.job;
    out.actors = {set.job.actors.at(act)};
    out.risk = job::Risk::taint; // nothing races
    if (after != act)
        for (auto step : set.job.actors.at(after).steps) {
            step.may_fail = true;
            out.reset.push_back(std::move(step));
        }
    out.iterations = runs;
    return out;
}

// What it does, as it is on this board.
std::string text_of(const job::Plan& plan, const job::Actor& actor, std::size_t before) {
    const auto* planned = named(plan.actors, actor.name);
    auto texts = texts_of((planned == nullptr ? actor : *planned).steps, &job::Step::text);
    texts.erase(texts.begin(),
                texts.begin() + static_cast<std::ptrdiff_t>(std::min(before, texts.size() - 1)));
    return joined(texts, ", ");
}

class ActRecorder {
public:
    ActRecorder(campaign::Machine& machine, std::optional<board::Layouts> layouts,
                std::string device)
        : machine_(machine), layouts_(std::move(layouts)), device_(std::move(device)) {
        if (board::kernel_machine() == "aarch64")
            if (auto memory = board::KernelMemory::open())
                memory_ = std::move(*memory);
    }

    // Everything that is asked of the machine once.
    Status open() {
        TRY(load_symbols());
        TRY_AS(watch_, board::KernelWatch::open(lock_probes(), kRing));
        if (watch_->sees_functions())
            for (const auto& name : unseen_locks(watch_->absent()))
                missing_.insert(name);
        // Are there watchpoints at all? Nobody touches what is asked for here.
        if (const auto at = symbols_->address_of("iommu_device_list"))
            TRY(watch_->aim({{*at, sizeof(std::uint64_t), true}}));
        return watch_->aim({});
    }

    const std::set<std::string>& missing() const { return missing_; }
    // How often an act is done for one record: where instructions cannot be read, a second time
    // with watchpoints that see writes alone.
    unsigned runs() const { return static_cast<unsigned>(memory_ ? kRuns : 2 * kRuns); }

    Status before(unsigned iteration) {
        TRY_AS(const auto where, ask());
        std::vector<board::Watchpoint> points;
        Seen seen{
            {{}, {}, known_locks(where), memory_ ? &*memory_ : nullptr}, {}, 0, iteration > kRuns};
        const auto first = (iteration - 1) % kRuns * board::kWatchpoints;
        for (const auto& row :
             std::span(kWords).subspan(first, std::min(board::kWatchpoints, kWords.size() - first)))
            if (auto point = point_of(row, where)) {
                point->writes_only = seen.writes_only;
                points.push_back(*point);
                seen.names.words.push_back({std::string(row.name), owner_of(row, where)});
            }
        TRY(watch_->aim(points));
        TRY(watch_->start());
        // Nobody acts yet: what is seen now is the machine's own.
        std::this_thread::sleep_for(kIdle);
        seen.acting = monotonic();
        seen_.push_back(std::move(seen));
        return {};
    }

    // What was seen is looked at once the run is over: the module's lease goes on.
    Status after(unsigned /*iteration*/) {
        seen_.back().watched = watch_->stop();
        TRY(load_symbols());
        seen_.back().names.symbols = symbols_;
        return {};
    }

    void tell(search::ActRecord& record) {
        std::set<std::pair<search::WatchedWord, search::Frame>> written;
        bool told_apart = false;
        if (!watch_->sees_functions())
            record.lost.emplace_back("locks that sleep: this kernel was built without "
                                     "CONFIG_KPROBE_EVENTS");
        for (const auto& seen : std::exchange(seen_, {})) {
            search::ActRecord run;
            interpret(seen.watched, seen.names, run);
            std::ranges::move(run.lost, std::back_inserter(record.lost));
            if (seen.writes_only) {
                told_apart = true;
                for (const auto& touch : run.touches)
                    written.insert({touch.word, touch.chain.front()});
                continue;
            }
            subtract_idle(run, seen.acting);
            std::ranges::move(run.touches, std::back_inserter(record.touches));
            std::ranges::move(run.locks, std::back_inserter(record.locks));
            record.sleepers.merge(run.sleepers);
        }
        for (auto& touch : record.touches)
            if (told_apart && touch.kind == search::Access::both)
                touch.kind = written.contains({touch.word, touch.chain.front()})
                                 ? search::Access::write
                                 : search::Access::read;
    }

private:
    struct Seen {
        SampleNames names;
        board::WatchResult watched;
        std::uint64_t acting = 0; // since when
        bool writes_only = false;
    };

    static void subtract_idle(search::ActRecord& run, std::uint64_t acting) {
        const auto place_of = [](const search::Touch& touch) {
            return std::pair(touch.word, touch.chain);
        };
        const auto is_idle = [acting](const auto& event) { return event.time < acting; };
        std::set<std::pair<search::WatchedWord, std::vector<search::Frame>>> idle;
        for (const auto& touch : run.touches)
            if (is_idle(touch))
                idle.insert(place_of(touch));
        std::erase_if(run.touches,
                      [&](const auto& touch) { return idle.contains(place_of(touch)); });
        std::erase_if(run.locks, is_idle);
    }

    // A module that was inserted anew is elsewhere.
    Status load_symbols() {
        std::string modules;
        for (const auto& line : lines_in(read_text("/proc/modules").value_or("")))
            if (const auto words = words_in(line); words.size() > 5)
                modules += words.front() + " " + words[5] + "\n";
        if (symbols_ && modules == modules_)
            return {};
        TRY_AS(auto symbols, board::Symbols::load());
        symbols_ = std::make_shared<const board::Symbols>(std::move(symbols));
        modules_ = std::move(modules);
        return {};
    }

    Result<Line> ask() {
        TRY(machine_.control.request(Line{DMARACE_V_WHERE, {{DMARACE_K_DEV, device_}}}));
        TRY_AS(const auto lines, machine_.control.take());
        for (const auto& line : lines)
            if (line.verb == DMARACE_E_WHERE)
                return line;
        return fail(Fault::environment, "the module did not say where " + device_ + " is");
    }

    std::optional<board::Watchpoint> point_of(const WordRow& row, const Line& where) {
        if (row.base.empty()) {
            const auto at = symbols_->address_of(row.structure);
            if (!at)
                missing_.insert(std::string(row.name));
            return at ? std::optional(board::Watchpoint{*at, 8, false}) : std::nullopt;
        }
        std::optional<board::MemberAt> member;
        if (layouts_)
            member = layouts_->member(std::string(row.structure), std::string(row.member));
        if (!member) {
            missing_.insert(std::string(row.name));
            return std::nullopt;
        }
        const auto base = address_in(where, row.base);
        if (base == 0)
            return std::nullopt;
        return board::Watchpoint{base + member->offset, std::min(member->length, 8U), false};
    }

    std::string owner_of(const WordRow& row, const Line& where) const {
        if (row.base == DMARACE_K_GROUP_AT)
            return "group " + where.get(DMARACE_K_GROUP);
        return row.base.empty() ? "" : device_;
    }

    std::map<std::uint64_t, std::string> known_locks(const Line& where) const {
        std::map<std::uint64_t, std::string> out;
        if (!layouts_)
            return out;
        const auto add = [&](std::string_view key, const char* structure, const char* member,
                             const std::string& name) {
            const auto at = layouts_->member(structure, member);
            if (const auto base = address_in(where, key); at && base != 0)
                out[base + at->offset] = name;
        };
        add(DMARACE_K_DEVICE_AT, "device", "mutex", "device " + device_);
        add(DMARACE_K_PARENT_AT, "device", "mutex", "parent of " + device_);
        add(DMARACE_K_GROUP_AT, "iommu_group", "mutex", "group " + where.get(DMARACE_K_GROUP));
        add(DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "lock", "dev_iommu of " + device_);
        return out;
    }

    campaign::Machine& machine_;
    std::shared_ptr<const board::Symbols> symbols_;
    std::string modules_; // that were there then, and where
    std::optional<board::Layouts> layouts_;
    std::optional<board::KernelMemory> memory_;
    std::string device_;
    std::optional<board::KernelWatch> watch_;
    std::vector<Seen> seen_; // of the run that goes on
    std::set<std::string> missing_;
};

// What a run of one act is judged as is nobody's question.
class WatchProgress final : public campaign::RunProgress {
public:
    WatchProgress(campaign::RunProgress& told, std::string act)
        : told_(told), act_(std::move(act)) {}

    void iteration(unsigned number, unsigned planned) override {
        told_.doing(act_ + ", time " + std::to_string(number) + " of " + std::to_string(planned));
    }
    void doing(const std::string& /*what*/) override {}
    void judged(unsigned /*number*/, const std::string& /*verdict*/,
                const std::string& /*why*/) override {}
    void note(const std::string& text) override { told_.note(text); }

private:
    campaign::RunProgress& told_;
    std::string act_;
};

// From where all acts begin.
std::string start_of(const job::Plan& plan) {
    return joined(texts_of(plan.reset, &job::Step::text), ", ");
}

// The device that the job is about: the first that a parameter names.
std::string device_of(const job::Job& job, const job::Bindings& bindings) {
    for (const auto& param : job.params)
        if (param.type == job::ParamType::device || param.type == job::ParamType::devices)
            if (const auto found = bindings.find(param.name);
                found != bindings.end() && !found->second.empty())
                return found->second.front();
    return "";
}

// Each act of a set watched, alone and after each other one.
class SetRecording {
public:
    SetRecording(campaign::Machine& machine, campaign::RunProgress& progress,
                 campaign::RunInterrupts& interrupts, const search::ActSet& set,
                 const RecordOptions& options)
        : machine_(machine), progress_(progress), interrupts_(interrupts), set_(set),
          options_(options) {}

    Result<ActRecords> run() {
        TRY(prepare());
        for (std::size_t act = 0; act < out_.acts.size(); ++act)
            for (std::size_t after = 0; after < out_.acts.size() && goes_on(); ++after)
                TRY(one(act, after));
        if (recorder_)
            for (const auto& name : recorder_->missing())
                out_.notes.push_back("not in this kernel, or not known: " + name);
        return std::move(out_);
    }

private:
    bool goes_on() const { return interrupts_.count() == 0 && out_.boot_again.empty(); }

    Status prepare() {
        TRY_AS(const auto survey, campaign::survey(machine_));
        TRY_AS(const auto bindings, campaign::resolve(set_.job, survey, options_.wishes));
        TRY_AS(const auto plan,
               job::make_plan(set_.job, bindings,
                              campaign::inventory(survey, machine_.devices, options_.wishes)));
        out_.device = options_.device.empty() ? device_of(set_.job, bindings) : options_.device;
        if (out_.device.empty())
            return fail(Fault::untestable, "no device: the acts name none, and the job has no "
                                           "device parameter; --device gives one");
        for (std::size_t i = 0; i < set_.job.actors.size(); ++i)
            out_.acts.push_back(text_of(plan, set_.job.actors[i], set_.before.at(i)));
        start_ = start_of(plan);
        return {};
    }

    Status one(std::size_t act, std::size_t after) {
        search::ActRecord record;
        record.act = out_.acts[act];
        record.after = after == act ? "" : out_.acts[after];
        record.kernel = board::kernel_release();
        record.board = options_.board;
        const KeptRecord kept(options_, record, start_, out_.device);
        if (auto before = kept.read()) {
            out_.records.push_back(*std::move(before));
            return {};
        }
        if (!recorder_)
            TRY(open());
        kept.begin(record);
        TRY(watch(act, after, record));
        if (interrupts_.count() > 0)
            kept.forget();
        else
            kept.write(record);
        out_.records.push_back(std::move(record));
        return {};
    }

    Status open() {
        std::optional<board::Layouts> layouts;
        if (auto loaded = board::Layouts::load())
            layouts = std::move(*loaded);
        else
            out_.notes.push_back(loaded.error().message + ": only lists by symbols are watched");
        recorder_.emplace(machine_, std::move(layouts), out_.device);
        return recorder_->open();
    }

    Status watch(std::size_t act, std::size_t after, search::ActRecord& record) {
        std::string blind; // why a run was not watched
        const campaign::ActHooks hooks{[&](unsigned number) {
                                           auto ready = recorder_->before(number);
                                           if (!ready)
                                               blind = ready.error().message;
                                           return ready;
                                       },
                                       [&](unsigned number) { return recorder_->after(number); }};
        campaign::CampaignOptions run;
        run.wishes = options_.wishes;
        run.board = options_.board;
        run.hooks = &hooks;
        run.out = options_.place / (std::to_string(act) + "-after-" + std::to_string(after));
        std::error_code ec; // what a run that was cut off left
        std::filesystem::remove_all(run.out, ec);
        std::filesystem::create_directories(options_.place, ec);
        WatchProgress watched(
            progress_, record.after.empty() ? record.act : record.act + " after " + record.after);
        const auto ran = campaign::run_job(machine_, watched, interrupts_,
                                           one_act(set_, act, after, recorder_->runs()), run);
        recorder_->tell(record);
        if (!blind.empty())
            record.lost.push_back("a run was not watched: " + blind);
        if (!ran)
            record.lost.push_back("it could not be run: " + ran.error().message);
        else if (ran->run.end && ran->run.end->how != run::RunEnding::done)
            record.lost.push_back("its run ended early: " + ran->run.end->why);
        if (ran)
            out_.boot_again = ran->boot_again;
        return {};
    }

    campaign::Machine& machine_;
    campaign::RunProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const search::ActSet& set_;
    const RecordOptions& options_;
    std::string start_;
    std::optional<ActRecorder> recorder_; // once something has to be watched
    ActRecords out_;
};

} // namespace

Result<ActRecords> record_acts(campaign::Machine& machine, campaign::RunProgress& progress,
                               campaign::RunInterrupts& interrupts, const search::ActSet& set,
                               const RecordOptions& options) {
    return SetRecording(machine, progress, interrupts, set, options).run();
}

std::vector<search::Candidate> candidates_of(const ActRecords& records) {
    auto out = search::candidates(records.records);
    const auto layouts = board::Layouts::load();
    if (!layouts)
        return out;
    using As = board::DeviceArgument::As;
    for (auto& candidate : out)
        for (auto* parks : {&candidate.parks_a, &candidate.parks_b})
            for (auto& park : *parks)
                if (const auto argument = layouts->device_argument(park.function)) {
                    park.device_argument = argument->number;
                    park.pci = argument->as == As::pci_dev;
                    park.device = argument->as == As::group ? "" : records.device;
                }
    return out;
}

} // namespace dmarace::explore
