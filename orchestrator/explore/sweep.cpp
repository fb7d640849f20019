// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/sweep.hpp"

#include "base/draw.hpp"
#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "run/files.hpp"
#include "run/request.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <set>
#include <tuple>

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;

constexpr double kLongestBoot = 600; // between two calls, in seconds
constexpr double kLeastSlice = 20;   // a few schedules, where the machine is slow
constexpr double kWatchShare = 0.4;  // of the time; the rest is for searches
constexpr int kNoRank = 4;           // of a pair without candidates
constexpr int kLeadingRanks = 2;
constexpr const char* kLuck = "luck met it, with nobody parked";
constexpr const char *kActs = "acts", *kWatched = "watched", *kFindings = "findings";

// What a record says of a group by its number, which is another one after each boot.
std::string without_number(std::string text) {
    constexpr std::string_view kGroup = "group ";
    return text.starts_with(kGroup) && is_digits(std::string_view(text).substr(kGroup.size()))
               ? "group"
               : text;
}

PairFinding to_finding(const Finding& finding, const SweepPair& pair, const std::string& job,
                       const std::vector<search::Candidate>& candidates) {
    PairFinding out;
    out.failures = finding.failures;
    out.schedule = finding.what;
    const auto& place = finding.schedule.places.front();
    const auto from = std::ranges::find(
        candidates, place.from, [](const auto& candidate) { return search::shown(candidate); });
    out.functions = {place.park.function};
    if (from != candidates.end()) {
        out.kind = search::to_text(from->kind);
        out.word = from->word.name;
        out.functions = {from->a.chain.front().function, from->b.chain.front().function};
        std::ranges::sort(out.functions);
        out.known = from->known;
    }
    if (!finding.known.empty())
        out.known += (out.known.empty() ? "job " : ", job ") + finding.known;
    if (finding.proof)
        out.proof = "fails " + std::to_string(finding.proof->whole) + " of " +
                    std::to_string(finding.proof->of) + ", without its hold " +
                    std::to_string(finding.proof->without) + " of " +
                    std::to_string(finding.proof->without_of) +
                    (finding.proof->note.empty() ? "" : "; " + finding.proof->note);
    const auto place_of = pair.id + "/" + kFindings + "/" + finding.id + "/";
    out.job = place_of + job + "-" + finding.id + ".toml";
    out.story = place_of + "story.txt";
    return out;
}

// Tells the sweep what its search does, and shows it.
class PairProgress final : public ExploreProgress {
public:
    PairProgress(ExploreProgress& shown, std::function<void(const Explored&)> kept)
        : shown_(shown), kept_(std::move(kept)) {}

    void iteration(unsigned number, unsigned planned) override {
        shown_.iteration(number, planned);
    }
    void doing(const std::string& what) override { shown_.doing(what); }
    void judged(unsigned number, const std::string& verdict, const std::string& why) override {
        shown_.judged(number, verdict, why);
    }
    void note(const std::string& text) override { shown_.note(text); }
    void state(const Explored& so_far, const std::string& now) override {
        kept_(so_far);
        shown_.state(so_far, now);
    }
    void tried(const TriedSchedule& schedule) override { shown_.tried(schedule); }

private:
    ExploreProgress& shown_;
    std::function<void(const Explored&)> kept_;
};

class Sweep {
public:
    Sweep(const SweepBoard& board, SweepProgress& progress, campaign::RunInterrupts& interrupts,
          const SweepOptions& options, const SweepHands& hands)
        : board_(board), progress_(progress), interrupts_(interrupts), options_(options),
          hands_(hands) {}

    Result<Swept> run(std::vector<SweepPair> pairs) {
        TRY(open(std::move(pairs)));
        if (!ordered_) {
            find_apart();
            TRY(keep());
            TRY(watch());
            if (goes_on())
                predict();
        }
        if (goes_on())
            TRY(search());
        out_.interrupted = interrupts_.count() > 0;
        TRY(keep());
        return std::move(out_);
    }

private:
    bool goes_on() {
        if (options_.limit && out_.stopped.empty() && left() <= 0)
            out_.stopped = "the time was over";
        return out_.boot_again.empty() && interrupts_.count() == 0 && out_.stopped.empty();
    }
    double clock() const {
        return earlier_ + std::chrono::duration<double>(boottime() - began_).count();
    }
    double left() const { return std::chrono::duration<double>(*options_.limit).count() - clock(); }

    // The pairs of this shard, or what an earlier call has made of them.
    Status open(std::vector<SweepPair> pairs) {
        std::error_code error;
        fs::create_directories(options_.out / kActs, error);
        if (error)
            return fail(Fault::environment, options_.out.string() + ": " + error.message());
        if (options_.resume && fs::exists(options_.out / run::kSweepJson, error)) {
            TRY_AS(out_, read_sweep(options_.out));
            TRY(is_the_same());
            const auto gap = static_cast<double>(std::time(nullptr)) - out_.written;
            earlier_ = out_.seconds;
            if (options_.booted && gap > 0 && gap < kLongestBoot)
                earlier_ += gap;
            ordered_ = out_.ordered;
            at_work_ = out_.at;
            out_.stopped = out_.boot_again = "";
            out_.interrupted = false;
        } else {
            for (std::size_t i = 0; i < pairs.size(); ++i)
                if (i % options_.shards == options_.shard - 1) {
                    out_.pairs.emplace_back();
                    out_.pairs.back().pair = std::move(pairs[i]);
                }
        }
        out_.board = options_.board;
        out_.kernel = board::kernel_release();
        out_.command = options_.command;
        out_.asked = asked();
        out_.shard = options_.shard;
        out_.shards = options_.shards;
        return {};
    }

    // With others the searches that were begun could not go on.
    std::string asked() const {
        return "--seed " + std::to_string(options_.seed) + " --bound " +
               std::to_string(options_.bound) + " --points " +
               (options_.all_points ? "all" : "candidates") +
               (options_.triples ? " --triples" : "") +
               (options_.wishes.device.empty() ? "" : " --device " + options_.wishes.device);
    }
    Status is_the_same() const {
        const auto shard = [](const auto& of) {
            return " --shard " + std::to_string(of.shard) + "/" + std::to_string(of.shards);
        };
        const auto held = out_.command + " " + out_.asked + shard(out_),
                   wanted = options_.command + " " + asked() + shard(options_);
        if (held == wanted || (out_.asked.empty() && out_.command == options_.command &&
                               shard(out_) == shard(options_)))
            return {};
        return fail(Fault::usage, options_.out.string() + " holds '" + held +
                                      "', which cannot go on as '" + wanted +
                                      "'; give its words again, or another --out");
    }

    Result<search::ActSet> set_of(const std::vector<std::string>& texts,
                                  const std::string& device) const {
        auto board = board_.board;
        board.client = device;
        std::vector<search::Act> acts;
        for (const auto& text : texts) {
            TRY_AS(auto act, search::parse_act(text, board));
            acts.push_back(std::move(act));
        }
        return search::common_start(acts, board);
    }

    void find_apart() {
        for (auto& pair : out_.pairs)
            if (const auto set = set_of(pair.pair.acts, pair.pair.device); !set)
                set_apart(pair, set.error().message);
    }
    static void set_apart(PairState& pair, std::string why) {
        constexpr std::string_view kSaid = "they cannot meet: ";
        if (why.starts_with(kSaid))
            why.erase(0, kSaid.size());
        pair.apart = pair.over = true;
        pair.why = std::move(why);
    }

    // The device is the acts' own, where they have one.
    campaign::Wishes wishes_for(const search::ActSet& set, const std::string& device) const {
        auto out = options_.wishes;
        const bool has = std::ranges::any_of(
            set.job.params, [](const auto& param) { return param.type == job::ParamType::device; });
        out.device = has ? device : "";
        return out;
    }

    static std::string name_of(const std::string& act, const std::string& device) {
        return file_name(act) + "-on-" + file_name(device);
    }
    fs::path record_file(const std::string& act, const std::string& device) const {
        return options_.out / kActs / name_of(act, device);
    }

    // Each act of a pair that can meet, once.
    Status watch() {
        std::vector<std::pair<std::string, std::string>> all; // device, act
        for (const auto& pair : out_.pairs)
            for (const auto& act : pair.pair.acts)
                if (std::pair wanted{pair.pair.device, act};
                    !pair.apart && std::ranges::find(all, wanted) == all.end())
                    all.push_back(std::move(wanted));
        unsigned number = 0;
        for (const auto& [device, act] : all) {
            ++number;
            std::error_code none;
            if (fs::exists(record_file(act, device), none))
                continue;
            if (!goes_on())
                return {};
            if (options_.limit && left() < (1 - kWatchShare) * (left() + clock())) {
                out_.notes.push_back(std::to_string(all.size() - number + 1) + " of " +
                                     std::to_string(all.size()) +
                                     " acts were not watched: the time is for searches, too");
                return {};
            }
            progress_.now(out_, "watching act " + std::to_string(number) + " of " +
                                    std::to_string(all.size()) + ", " + act);
            TRY(watch_one(act, device));
            TRY(keep());
        }
        return {};
    }

    Status watch_one(const std::string& act, const std::string& device) {
        search::ActRecord record;
        record.act = act;
        const auto place = options_.out / kWatched / name_of(act, device);
        std::error_code none;
        if (fs::exists(place, none)) {
            record.lost.emplace_back("the machine did not live through it");
            return write_text(record_file(act, device), search::to_text(record));
        }
        const auto set = set_of({act}, device);
        auto records =
            set ? watched(*set, device, place) : Result<ActRecords>(std::unexpected(set.error()));
        if (interrupts_.count() > 0) {
            fs::remove_all(place, none);
            return {};
        }
        if (!records)
            record.lost.push_back(records.error().message);
        else if (!records->records.empty())
            record = std::move(records->records.front());
        if (records)
            out_.boot_again = records->boot_again;
        for (const auto& why : record.lost)
            out_.notes.push_back(act + " on " + device + ", watched: " + why);
        return write_text(record_file(act, device), search::to_text(record));
    }

    Result<ActRecords> watched(const search::ActSet& set, const std::string& device,
                               const fs::path& place) {
        RecordOptions options;
        options.wishes = wishes_for(set, device);
        options.place = place;
        options.board = options_.board;
        options.device = device;
        options.brief = true;
        return hands_.watch(set, options);
    }

    // Those of a pair's acts; their names are in the order of the acts.
    ActRecords records_of(const SweepPair& pair) const {
        ActRecords out;
        out.device = pair.device;
        for (const auto& act : pair.acts) {
            const auto text = read_text(record_file(act, pair.device));
            auto record = text ? search::record_from(*text)
                               : Result<search::ActRecord>(std::unexpected(text.error()));
            if (!record)
                record = search::ActRecord{};
            forget_numbers(*record);
            out.acts.push_back(record->act);
            out.records.push_back(*std::move(record));
        }
        return out;
    }

    // What is predicted of each pair, and which come first for it.
    void predict() {
        progress_.now(out_, "predicting " + std::to_string(out_.pairs.size()) + " pairs");
        for (auto& pair : out_.pairs) {
            if (pair.apart)
                continue;
            pair.rank = kNoRank;
            if (!std::ranges::all_of(pair.pair.acts, [&](const auto& act) {
                    std::error_code none;
                    return fs::exists(record_file(act, pair.pair.device), none);
                }))
                continue;
            const auto records = records_of(pair.pair).records;
            const auto found = search::candidates(records);
            if (found.empty() && std::ranges::any_of(records, [](const auto& record) {
                    return record.touches.empty() && !record.lost.empty();
                }))
                continue; // nothing of an act was seen, so nothing is said
            pair.candidates = static_cast<unsigned>(found.size());
            pair.leading = static_cast<unsigned>(std::ranges::count_if(
                found, [](const auto& one) { return one.rank < kLeadingRanks; }));
            pair.rank = found.empty() ? kNoRank : found.front().rank;
        }
        std::map<std::string, std::uint64_t> drawn;
        for (std::size_t i = 0; i < out_.pairs.size(); ++i)
            drawn[out_.pairs[i].pair.id] =
                options_.seed <= 1 ? 0 : mixed(options_.seed + i * kDrawStep);
        std::ranges::stable_sort(out_.pairs, {}, [&](const PairState& pair) {
            return std::tuple(pair.apart, pair.rank, -static_cast<int>(pair.leading),
                              drawn.at(pair.pair.id));
        });
        out_.ordered = ordered_ = true;
    }

    // A pair of which more is expected has more of the time.
    static double weight(const PairState& pair) { return kNoRank + 1 - pair.rank; }

    // In rounds: each pair has its share of what is left.
    Status search() {
        while (goes_on()) {
            PairState* next = nullptr;
            for (auto& pair : out_.pairs)
                if (!pair.over && (next == nullptr || pair.rounds < next->rounds))
                    next = &pair;
            if (next == nullptr)
                return {};
            if (next->pair.id != at_work_)
                next->until = next->seconds + share_of(*next);
            TRY(search_one(*next));
        }
        return {};
    }

    double share_of(const PairState& next) const {
        if (!options_.limit)
            return 0;
        double all = 0;
        for (const auto& pair : out_.pairs)
            if (!pair.over && pair.rounds == next.rounds)
                all += weight(pair);
        return std::max(kLeastSlice, left() * weight(next) / all);
    }

    Status search_one(PairState& pair) {
        out_.at = pair.pair.id;
        TRY(keep());
        const auto set = set_of(pair.pair.acts, pair.pair.device);
        if (!set) {
            set_apart(pair, set.error().message);
            return {};
        }
        const auto records = records_of(pair.pair);
        ExploreOptions wanted{options_, candidates_of(records), records.acts, "", 0, "", {}};
        wanted.wishes = wishes_for(*set, pair.pair.device);
        wanted.out = options_.out / pair.pair.id;
        wanted.command = "explore";
        for (const auto& act : pair.pair.acts)
            wanted.command += act.find(' ') == std::string::npos ? " " + act : " '" + act + "'";
        if (!wanted.wishes.device.empty())
            wanted.command += " --device " + wanted.wishes.device;
        // Without candidates there are the points of the table, one at a time.
        if (wanted.candidates.empty())
            wanted.bound = 1;
        if (options_.limit)
            wanted.limit = std::chrono::nanoseconds(std::llround(pair.until * 1e9));
        std::error_code none;
        wanted.resume = fs::exists(wanted.out / run::kExploreJson, none);
        wanted.booted = options_.booted && pair.pair.id == at_work_;
        at_work_.clear();
        const auto take = [&](const Explored& explored) {
            taken(pair, explored, set->job.name, wanted.candidates);
            (void)keep();
        };
        PairProgress progress(progress_.of_pair(), take);
        const auto explored = hands_.explore(progress, *set, wanted);
        ended(pair, explored, wanted, take);
        return keep();
    }

    static void taken(PairState& pair, const Explored& explored, const std::string& job,
                      const std::vector<search::Candidate>& candidates) {
        pair.tried = static_cast<unsigned>(explored.tried.size());
        pair.left = explored.left;
        pair.pruned = explored.pruned;
        pair.seconds = explored.seconds;
        pair.findings.clear();
        std::vector<std::string> met = explored.met;
        for (const auto& finding : explored.findings) {
            pair.findings.push_back(to_finding(finding, pair.pair, job, candidates));
            const auto shown = [&](const auto& failure) {
                return std::ranges::count(finding.failures, failure) > 0;
            };
            if (std::ranges::any_of(explored.met, shown)) // one race, and luck met it too
                pair.findings.back().proof += (finding.proof ? "; " : "") + std::string(kLuck);
            std::erase_if(met, shown);
        }
        if (met.empty())
            return;
        PairFinding one; // it needs no hold
        one.failures = std::move(met);
        one.schedule = "all at once, nobody parked";
        one.proof = kLuck;
        one.story = pair.pair.id + "/" + run::kExplorePage;
        pair.findings.push_back(std::move(one));
    }

    void ended(PairState& pair, const Result<Explored>& explored, const ExploreOptions& options,
               const std::function<void(const Explored&)>& take) {
        if (!explored) {
            if (explored.error().fault == Fault::untestable && pair.tried == 0)
                return told_over(pair, explored.error().message, true);
            return told_over(pair, "could not be searched: " + explored.error().message, false);
        }
        take(*explored);
        out_.boot_again = explored->boot_again;
        if (!explored->boot_again.empty() || explored->interrupted)
            return;
        ++pair.rounds;
        const bool enough = (options.most > 0 && pair.tried >= options.most) ||
                            (options.stop_after > 0 && pair.findings.size() >= options.stop_after);
        pair.over = explored->stopped.empty() || enough;
        out_.at.clear();
        progress_.ended(pair);
    }
    void told_over(PairState& pair, std::string why, bool apart) {
        if (apart)
            set_apart(pair, std::move(why));
        else
            pair.why = std::move(why);
        pair.over = true;
        out_.at.clear();
        progress_.ended(pair);
    }

    Status keep() {
        out_.seconds = clock();
        out_.written = static_cast<double>(std::time(nullptr));
        TRY(replace_file(options_.out / run::kSweepPage, sweep_page(out_)));
        return replace_file(options_.out / run::kSweepJson, sweep_json(out_) + "\n");
    }

    const SweepBoard& board_;
    SweepProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const SweepOptions& options_;
    const SweepHands& hands_;
    std::chrono::nanoseconds began_ = boottime();
    double earlier_ = 0;
    bool ordered_ = false;
    std::string at_work_; // when the call before this one ended
    Swept out_;
};

} // namespace

void forget_numbers(search::ActRecord& record) {
    for (auto& touch : record.touches) {
        touch.word.of = without_number(touch.word.of);
        for (auto& lock : touch.locks)
            lock = without_number(lock);
    }
    for (auto& step : record.locks)
        step.lock = without_number(step.lock);
}

PairEnd PairState::end() const {
    return !findings.empty() ? PairEnd::failed
           : apart           ? PairEnd::cannot_meet
           : tried > 0       ? PairEnd::tried
           : candidates      ? PairEnd::predicted
                             : PairEnd::not_reached;
}

std::vector<Race> grouped(const std::vector<PairState>& pairs) {
    std::vector<Race> out;
    for (const auto& pair : pairs)
        for (const auto& finding : pair.findings) {
            std::set<std::string> kinds;
            for (const auto& failure : finding.failures)
                kinds.insert(failure.substr(0, failure.find_first_of(" ,")));
            Race race{{kinds.begin(), kinds.end()},
                      finding.kind,
                      finding.word,
                      finding.functions,
                      finding.known,
                      {},
                      {}};
            auto at = std::ranges::find_if(out, [&](const Race& one) {
                return one.kinds == race.kinds && one.kind == race.kind && one.word == race.word &&
                       one.functions == race.functions;
            });
            if (at == out.end())
                at = out.insert(at, std::move(race));
            if (at->known.empty())
                at->known = finding.known;
            at->pairs.push_back(pair.pair.id);
            at->findings.push_back(finding);
        }
    return out;
}

Result<Swept> sweep(const SweepBoard& board, std::vector<SweepPair> pairs, SweepProgress& progress,
                    campaign::RunInterrupts& interrupts, const SweepOptions& options,
                    const SweepHands& hands) {
    return Sweep(board, progress, interrupts, options, hands).run(std::move(pairs));
}

} // namespace dmarace::explore
