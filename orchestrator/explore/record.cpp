// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/record.hpp"

#include "base/files.hpp"
#include "base/hex.hpp"
#include "base/text.hpp"
#include "board/symbols.hpp"
#include "explore/locksets.hpp"
#include "kmod/dmarace_abi.h"
#include "search/schedule.hpp"

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

// Those that one run watches are together, four by four; what decides most comes first.
constexpr std::array<WordRow, 15> kWords{{
    {"device.iommu_group", DMARACE_K_DEVICE_AT, "device", "iommu_group"},
    {"device.iommu", DMARACE_K_DEVICE_AT, "device", "iommu"},
    {"device.driver", DMARACE_K_DEVICE_AT, "device", "driver"},
    {"device.dma_iommu", DMARACE_K_DEVICE_AT, "device", "dma_iommu"},
    {"group.default_domain", DMARACE_K_GROUP_AT, "iommu_group", "default_domain"},
    {"group.devices", DMARACE_K_GROUP_AT, "iommu_group", "devices.next"},
    {"iommu_device_list", "", "iommu_device_list", ""},
    {"driver.devices", DMARACE_K_DRIVER_PRIVATE_AT, "driver_private", "klist_devices.k_list.next"},
    {"group.domain", DMARACE_K_GROUP_AT, "iommu_group", "domain"},
    {"group.owner", DMARACE_K_GROUP_AT, "iommu_group", "owner"},
    {"group.owner_cnt", DMARACE_K_GROUP_AT, "iommu_group", "owner_cnt"},
    {"device.links.status", DMARACE_K_DEVICE_AT, "device", "links.status"},
    {"dev_iommu.fwspec", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "fwspec"},
    {"dev_iommu.iommu_dev", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "iommu_dev"},
    {"dev_iommu.priv", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "priv"},
}};

// Which of them a record has.
struct WordPart {
    const char* name;
    std::size_t first, words;
};
constexpr std::size_t kDeciding = 8;
constexpr std::array<WordPart, 2> kParts{
    {{"deciding", 0, kDeciding}, {"others", kDeciding, kWords.size() - kDeciding}}};

// Where something new is known of a device: it, what its IOMMU has of it, its group. There the act
// is held for as long as it takes to aim at that, and nobody acts meanwhile.
struct MadeRow {
    std::string_view function;
    bool exit;
    unsigned device; // which argument it is
};
constexpr std::array<MadeRow, 5> kMade{{{"iommu_probe_device", false, 0},
                                        {"iommu_fwspec_init", true, 0},
                                        {"iommu_group_alloc_device", false, 1},
                                        {"iommu_group_add_device", true, 1},
                                        {"really_probe", false, 0}}};
constexpr std::chrono::milliseconds kAims{20};
constexpr const char* kAimed = "aimed";

struct MutexRow {
    std::string_view name, base, structure, member;
};
constexpr std::array<MutexRow, 4> kMutexes{
    {{"device ", DMARACE_K_DEVICE_AT, "device", "mutex"},
     {"parent of ", DMARACE_K_PARENT_AT, "device", "mutex"},
     {"group ", DMARACE_K_GROUP_AT, "iommu_group", "mutex"},
     {"dev_iommu of ", DMARACE_K_DEV_IOMMU_AT, "dev_iommu", "lock"}}};

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
job::Job one_act(const search::ActSet& set, std::size_t act, std::size_t after, unsigned runs,
                 std::vector<job::Rule> aimed) {
    auto out = set.job;
    out.rules = std::move(aimed);
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
    ActRecorder(campaign::Machine& machine, const std::optional<board::Layouts>& layouts,
                std::string device)
        : machine_(machine), device_(std::move(device)) {
        if (board::kernel_machine() == "aarch64")
            if (auto memory = board::KernelMemory::open())
                memory_ = std::move(*memory);
        // Looked up once: nobody waits while layouts are searched.
        const auto at = [&](std::string_view structure, std::string_view member) {
            return layouts ? layouts->member(std::string(structure), std::string(member))
                           : std::nullopt;
        };
        for (const auto& row : kWords)
            if (!row.base.empty())
                members_.emplace(row.name, at(row.structure, row.member));
        for (const auto& row : kMutexes)
            if (const auto member = at(row.structure, row.member))
                mutexes_.emplace_back(&row, member->offset);
    }

    // Everything that is asked of the machine once.
    Status open() {
        TRY(load_symbols());
        machine_.inspecting.reset(); // it was forked with what an earlier watch had open
        TRY_AS(watch_, board::KernelWatch::open(lock_probes(), kRing));
        if (watch_->sees_functions())
            for (const auto& name : unseen_locks(watch_->absent()))
                missing_.insert(name);
        // Are there watchpoints at all? Nobody touches what is asked for here.
        list_ = symbols_->address_of("iommu_device_list");
        std::erase_if(made_,
                      [&](const auto& made) { return !symbols_->address_of(made.function); });
        if (const auto at = list_)
            TRY(watch_->aim(std::vector(board::kWatchpoints, board::Watchpoint{*at})));
        return watch_->aim({});
    }

    // Where it wants to be told of what is made, of what this kernel has.
    std::vector<job::Rule> rules() const {
        std::vector<job::Rule> out;
        for (const auto& made : made_) {
            search::Park at;
            at.function = made.function;
            at.exit = made.exit;
            at.device_argument = made.device;
            out.push_back(search::rule_at(at, device_));
            out.back().name = std::string(kAimed) + "-" + at.function;
            out.back().wait_for = {out.back().name};
            out.back().timeout = kAims;
            out.back().optional = true;
        }
        return out;
    }

    const std::set<std::string>& missing() const { return missing_; }
    // What an act that is held waited for, at most.
    std::chrono::nanoseconds slowest() const { return slowest_; }
    // How often an act is done for one record: where instructions cannot be read, a second time
    // with watchpoints that see writes alone.
    unsigned begin(const WordPart& part) {
        part_ = part;
        passes_ =
            static_cast<unsigned>((part.words + board::kWatchpoints - 1) / board::kWatchpoints);
        return memory_ ? passes_ : 2 * passes_;
    }

    Status before(unsigned iteration) {
        seen_.push_back(
            {{{}, {}, {}, memory_ ? &*memory_ : nullptr}, {}, 0, {}, iteration > passes_});
        auto& seen = seen_.back();
        const auto row = (iteration - 1) % passes_ * board::kWatchpoints;
        rows_ = std::span(kWords).subspan(part_.first + row,
                                          std::min(board::kWatchpoints, part_.words - row));
        aimed_.clear();
        seen.aims.push_back({0, 0});
        TRY(watch_->aim(points_at(ask(), seen).value_or(Points{})));
        TRY(watch_->start());
        // Nobody acts yet: what is seen now is the machine's own.
        std::this_thread::sleep_for(kIdle);
        seen.acting = monotonic();
        return {};
    }

    // What the act has made is watched from now on; then it goes on.
    Status held(const Line& line) {
        const auto began = monotonic();
        auto& seen = seen_.back();
        const auto first_word = seen.names.words.size();
        if (const auto points = points_at(ask(), seen)) {
            TRY_AS(const auto since, watch_->aim_anew(*points));
            seen.aims.push_back({since, first_word});
        }
        slowest_ = std::max(slowest_, std::chrono::nanoseconds(monotonic() - began));
        TRY(machine_.control.request(
            Line{DMARACE_V_SIGNAL, {{DMARACE_K_NAME, line.get(DMARACE_K_RULE)}}}));
        return {};
    }

    // What was seen is looked at once the run is over: the module's lease goes on.
    Status after(unsigned /*iteration*/) {
        auto& seen = seen_.back();
        seen.watched = watch_->stop();
        for (auto& sample : seen.watched.samples)
            if (!sample.is_probe)
                sample.index +=
                    std::ranges::find_if(seen.aims.rbegin(), seen.aims.rend(), [&](const Aim& aim) {
                        return aim.since <= sample.time;
                    })->first_word;
        TRY(load_symbols());
        seen.names.symbols = symbols_;
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
    // Since when a watchpoint is one of those words.
    struct Aim {
        std::uint64_t since;
        std::size_t first_word;
    };
    struct Seen {
        SampleNames names;
        board::WatchResult watched;
        std::uint64_t acting = 0; // since when
        std::vector<Aim> aims;
        bool writes_only = false;
    };
    using Points = std::vector<board::Watchpoint>;

    // The words of this run, where they are now. Nothing where that is what is aimed at. A device
    // that is not there has none.
    std::optional<Points> points_at(const Result<Line>& asked, Seen& seen) {
        const auto where = asked.value_or(Line{});
        Points points;
        std::vector<search::WatchedWord> words;
        for (const auto& row : rows_)
            if (auto point = point_of(row, where)) {
                point->writes_only = seen.writes_only;
                points.push_back(*point);
                words.push_back({std::string(row.name), owner_of(row, where)});
            }
        seen.names.locks.merge(known_locks(where));
        auto at = texts_of(points, [](const auto& point) { return in_hex(point.address); });
        if (at == aimed_)
            return std::nullopt;
        aimed_ = std::move(at);
        std::ranges::move(words, std::back_inserter(seen.names.words));
        return points;
    }

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
        auto modules = read_text("/proc/modules").value_or("");
        if (modules == modules_)
            return {};
        auto symbols = symbols_ ? symbols_->with(modules) : std::nullopt;
        if (!symbols) {
            TRY_AS(symbols, board::Symbols::load());
        }
        symbols_ = std::make_shared<const board::Symbols>(*std::move(symbols));
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
            if (!list_)
                missing_.insert(std::string(row.name));
            return list_ ? std::optional(board::Watchpoint{*list_}) : std::nullopt;
        }
        const auto& member = members_.at(row.name);
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
        const auto group = where.get(DMARACE_K_GROUP);
        for (const auto& [row, offset] : mutexes_)
            if (const auto base = address_in(where, row->base); base != 0)
                out[base + offset] =
                    std::string(row->name) + (row->base == DMARACE_K_GROUP_AT ? group : device_);
        // Who owns the group's DMA took it for a device or for the group.
        for (const auto key : {DMARACE_K_DEVICE_AT, DMARACE_K_GROUP_AT})
            if (const auto at = address_in(where, key); at != 0 && !group.empty())
                out[at] = "DMA of group " + group;
        return out;
    }

    campaign::Machine& machine_;
    std::shared_ptr<const board::Symbols> symbols_;
    std::string modules_; // that were there then, and where
    std::map<std::string_view, std::optional<board::MemberAt>> members_; // of words
    std::vector<std::pair<const MutexRow*, std::uint64_t>> mutexes_;     // and where they are
    std::optional<std::uint64_t> list_;                                  // of IOMMUs
    std::vector<MadeRow> made_{kMade.begin(), kMade.end()};              // that the kernel has
    std::optional<board::KernelMemory> memory_;
    std::string device_;
    std::optional<board::KernelWatch> watch_;
    std::vector<Seen> seen_; // of the run that goes on
    WordPart part_{};
    unsigned passes_ = 0;
    std::span<const WordRow> rows_;  // of its iteration
    std::vector<std::string> aimed_; // at these
    std::set<std::string> missing_;
    std::chrono::nanoseconds slowest_{};
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
        // 0 away from itself: alone.
        const std::size_t acts = out_.acts.size(), most = options_.brief ? 1 : acts;
        for (std::size_t away = 0; away < most; ++away)
            for (std::size_t act = 0; act < acts && goes_on(); ++act)
                TRY(one(act, (act + away) % acts));
        if (recorder_)
            for (const auto& name : recorder_->missing())
                out_.notes.push_back("not in this kernel, or not known: " + name);
        if (recorder_ && recorder_->slowest() > kAims)
            out_.notes.push_back("a busy machine: aiming at what an act made took up to " +
                                 to_text(recorder_->slowest()) + ", and it is held for " +
                                 to_text(kAims) + ": it may have touched that before");
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
        search::ActRecord whole;
        whole.act = out_.acts[act];
        whole.after = after == act ? "" : out_.acts[after];
        whole.kernel = board::kernel_release();
        whole.board = options_.board;
        for (const auto& part : std::span(kParts).first(options_.brief ? 1 : kParts.size()))
            if (goes_on()) {
                TRY_AS(auto record, of_part(act, after, part, whole));
                std::ranges::move(record.touches, std::back_inserter(whole.touches));
                std::ranges::move(record.locks, std::back_inserter(whole.locks));
                std::ranges::move(record.lost, std::back_inserter(whole.lost));
                whole.sleepers.merge(record.sleepers);
            }
        out_.records.push_back(std::move(whole));
        return {};
    }

    Result<search::ActRecord> of_part(std::size_t act, std::size_t after, const WordPart& part,
                                      search::ActRecord record) {
        record = {record.act, record.after, record.kernel, record.board, {}, {}, {}, {}};
        const KeptRecord kept(options_, record, start_, out_.device, part.name);
        if (auto before = kept.read())
            return *std::move(before);
        if (!recorder_)
            TRY(open());
        kept.begin(record);
        TRY(watch(act, after, part, record));
        if (interrupts_.count() > 0)
            kept.forget();
        else
            kept.write(record);
        return record;
    }

    Status open() {
        if (auto loaded = board::Layouts::load())
            out_.layouts = std::move(*loaded);
        else
            out_.notes.push_back(loaded.error().message + ": only lists by symbols are watched");
        recorder_.emplace(machine_, out_.layouts, out_.device);
        return recorder_->open();
    }

    Status watch(std::size_t act, std::size_t after, const WordPart& part,
                 search::ActRecord& record) {
        std::string blind; // why a run was not watched
        const campaign::ActHooks hooks{[&](unsigned number) {
                                           auto ready = recorder_->before(number);
                                           if (!ready)
                                               blind = ready.error().message;
                                           return ready;
                                       },
                                       [&](unsigned number) { return recorder_->after(number); },
                                       [&](const Line& line) { return recorder_->held(line); }};
        campaign::CampaignOptions run;
        run.wishes = options_.wishes;
        run.board = options_.board;
        run.hooks = &hooks;
        run.out = options_.place /
                  (std::to_string(act) + "-after-" + std::to_string(after) + "-" + part.name);
        std::error_code ec; // what a run that was cut off left
        std::filesystem::remove_all(run.out, ec);
        std::filesystem::create_directories(options_.place, ec);
        WatchProgress watched(
            progress_, record.after.empty() ? record.act : record.act + " after " + record.after);
        const auto ran = campaign::run_job(
            machine_, watched, interrupts_,
            one_act(set_, act, after, recorder_->begin(part), recorder_->rules()), run);
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

} // namespace dmarace::explore
