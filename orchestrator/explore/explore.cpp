// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/explore.hpp"

#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "explore/runs.hpp"
#include "job/load.hpp"
#include "search/story.hpp"

#include <algorithm>

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;
using search::Schedule;
using search::ScheduleEnd;
using verdict::Verdict;

constexpr const char* kList = "schedules.txt";

std::string numbered(const char* prefix, std::size_t number, std::size_t digits) {
    auto text = std::to_string(number);
    text.insert(0, text.size() < digits ? digits - text.size() : 0, '0');
    return prefix + text;
}

void add_once(std::vector<std::string>& out, std::vector<std::string> more,
              const std::vector<std::string>& but = {}) {
    for (auto& text : more)
        if (std::ranges::count(out, text) == 0 && std::ranges::count(but, text) == 0)
            out.push_back(std::move(text));
}

void add_note(std::string& notes, const std::string& note) {
    notes += (notes.empty() ? "" : "; ") + note;
}

class Search {
public:
    Search(campaign::Machine& machine, ExploreProgress& progress,
           campaign::RunInterrupts& interrupts, const search::ActSet& set,
           const ExploreOptions& options, MakeRun make_run)
        : progress_(progress), interrupts_(interrupts), set_(set), options_(options),
          runs_(machine, progress, interrupts, set, options, std::move(make_run), out_) {}

    Result<Explored> run() {
        TRY(runs_.prepare());
        for (const auto& name : job::library_jobs())
            if (auto checked = job::check_job(name); checked && checked->job)
                library_.push_back(*std::move(checked->job));
        TRY(all_schedules());
        if (goes_on() && !quieted_)
            TRY(quiet());
        out_.interrupted = interrupts_.count() > 0;
        TRY(runs_.keep());
        return std::move(out_);
    }

private:
    bool goes_on() const { return runs_.goes_on(SearchClock::search); }

    // The acts with nobody held: one after the other both ways, with the points they pass, and all
    // at once. Where they pass a task can be parked. What they show in turn is no finding; what
    // they show at once is a race that luck met, and the finding of the schedule that shows it too.
    // quieted_: nothing of it is left to do.
    Status quiet() {
        std::vector<std::size_t> order(set_.job.actors.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        const std::vector<std::size_t> back(order.rbegin(), order.rend());
        for (const auto& [name, way] : {std::pair("q1", order), std::pair("q2", back)}) {
            progress_.state(out_, "nobody held, " +
                                      std::string(way == order ? "in turn" : "the other way"));
            TRY_AS(const auto* made, quiet_run(name, search::to_passing_job(set_, way)));
            if (made == nullptr)
                return {};
            add_once(out_.quiet, failures_of(*made));
            read_places(name);
        }
        progress_.state(out_, "nobody held, all at once");
        TRY_AS(const auto* made,
               quiet_run("q3", search::to_job(set_, {}, runs_.params(), search::JobFor::search)));
        quieted_ = made != nullptr;
        if (quieted_)
            add_once(out_.met, failures_of(*made), out_.quiet);
        return {};
    }

    Result<const SearchRun*> quiet_run(const std::string& name, const job::Job& job) {
        using run::RunEnding;
        TRY_AS(const auto* made, runs_.made(name, job, 1, true, SearchClock::search));
        if (made != nullptr && made->run.ended.empty() && made->run.end)
            return fail(made->run.end->how == RunEnding::skipped ? Fault::untestable
                                                                 : Fault::environment,
                        name + ", with nobody held: " + made->run.end->why);
        return made;
    }

    void read_places(const std::string& name) {
        const auto observed = runs_.observed_of(name);
        if (!observed)
            return out_.notes.push_back("no places of " + name + ": " + observed.error().message);
        for (auto& place : search::passed(set_, *observed, runs_.devices()))
            passed_.push_back(std::move(place));
    }

    // What costs least comes first: what the acts alone have shown, what they do one after the
    // other, the points that they pass with nobody held, and then two parked at once.
    Status all_schedules() {
        if (!options_.no_candidates.empty())
            out_.notes.push_back(options_.no_candidates);
        places_ = search::places_of(options_.candidates, set_, options_.acts);
        TRY(stage(1));
        if (is_next() && options_.predict_more) {
            progress_.state(out_, "the acts one after the other");
            const auto began = boottime();
            TRY_AS(const auto more, options_.predict_more());
            out_.seconds += std::chrono::duration<double>(boottime() - began).count();
            out_.boot_again = more.boot_again;
            add_places(search::places_of(more.candidates, set_, options_.acts));
            TRY(stage(1));
        }
        if (is_next() && (options_.all_points || places_.empty())) {
            TRY(quiet());
            add_places(passed_);
            TRY(stage(1));
        }
        if (is_next() && places_.empty())
            return fail(Fault::untestable, "no place at which a task could be parked: nothing was "
                                           "predicted, and the acts passed no point of the table");
        for (unsigned bound = 2; bound <= options_.bound && is_next(); ++bound)
            TRY(stage(bound));
        return {};
    }

    // All that is known so far has been tried, and it goes on.
    bool is_next() { return goes_on() && next_ == list_.size() && !is_enough(); }

    bool is_enough() {
        if (options_.most > 0 && out_.tried.size() >= options_.most)
            out_.stopped = "as many schedules as were asked for";
        if (options_.stop_after > 0 && out_.findings.size() >= options_.stop_after)
            out_.stopped = "as many findings as were asked for";
        return !out_.stopped.empty();
    }

    void add_places(std::vector<search::ParkPlace> more) {
        std::ranges::move(more, std::back_inserter(places_));
    }

    // What is known now, and is not in the list: it goes to its end.
    Status stage(unsigned bound) {
        for (auto& one : search::schedules(search::in_order(places_, options_.seed),
                                           set_.job.actors.size(), bound))
            if (std::ranges::find(list_, one) == list_.end())
                list_.push_back(std::move(one));
        TRY(keep_list());
        while (next_ < list_.size()) {
            const auto& schedule = list_[next_];
            const auto number = next_ + 1;
            out_.left = static_cast<unsigned>(list_.size() - next_);
            if (!pruning_.why_not(schedule).empty()) {
                ++next_;
                ++out_.pruned;
                continue;
            }
            if (is_enough() || !goes_on())
                return {};
            TRY_AS(const bool whole, one(schedule, numbered("s", number, 4)));
            if (!whole)
                return {};
            ++next_;
        }
        out_.left = 0;
        return {};
    }

    // Runs are known by their numbers: with another list they would be those of others. What was
    // known before the machine died may be more than what is known yet.
    Status keep_list() {
        std::string text = options_.control.empty() ? "" : control_text(options_) + "\n";
        for (std::size_t i = 0; i < list_.size(); ++i)
            text +=
                numbered("s", i + 1, 4) + "  " + search::shown(list_[i], set_) +
                (list_[i].places.front().from.empty() ? ""
                                                      : "  <- " + list_[i].places.front().from) +
                "\n";
        const auto file = options_.out / kList;
        const auto earlier = read_text(file).value_or("");
        if (earlier.starts_with(text))
            return {};
        if (!text.starts_with(earlier))
            return fail(Fault::usage,
                        file.string() +
                            " is the list of another search (other acts, --seed, "
                            "--bound, --points, --control, or other records); give another "
                            "--out");
        return write_text(file, text);
    }

    // Failures that are none of the quiet runs'.
    std::vector<std::string> fresh(std::vector<std::string> failures) const {
        std::vector<std::string> out;
        add_once(out, std::move(failures), out_.quiet);
        return out;
    }

    // False: the search has to stop here.
    Result<bool> one(const Schedule& schedule, const std::string& name) {
        progress_.state(out_, search::shown(schedule, set_));
        const auto before = out_.seconds;
        const auto job = search::to_job(set_, schedule, runs_.params(), search::JobFor::search);
        TRY_AS(const auto* made, runs_.made(name, job, 1, true, SearchClock::search));
        if (made == nullptr)
            return false;
        auto failures = fresh(failures_of(*made));
        if (!quieted_ && (!failures.empty() || made->run.ended.empty())) {
            TRY(quiet());
            if (!quieted_)
                return false;
            failures = fresh(std::move(failures));
        }
        TriedSchedule tried{name, search::shown(schedule, set_), "", "", out_.seconds - before};
        auto end = ScheduleEnd::unclear;
        if (made->run.ended.empty()) {
            tried.why = made->run.end ? made->run.end->why : "";
        } else {
            const auto& judgement = made->run.ended.front().judgement;
            end = search::reach_of(judgement); // its failures may be as with nobody held
            tried.why = judgement.reason;
            pruning_.learn(schedule, judgement);
        }
        if (!failures.empty()) {
            end = ScheduleEnd::failed;
            tried.why = joined(failures, ", ");
        }
        tried.end = search::to_text(end);
        out_.tried.push_back(tried);
        progress_.tried(tried);
        if (!failures.empty())
            TRY(found(schedule, name, *made, failures));
        TRY(runs_.keep());
        return true;
    }

    // The same failures at the same place of the kernel with the same actor parked are one race
    // until somebody shows otherwise.
    Finding* same_as(const Schedule& schedule, const std::vector<std::string>& failures,
                     const std::set<std::string>& where) {
        for (auto& finding : out_.findings)
            if (finding.failures == failures &&
                (finding.where == where || finding.where.empty() || where.empty()) &&
                finding.schedule.order.front() == schedule.order.front())
                return &finding;
        return nullptr;
    }

    // True: it is told with that one.
    Result<bool> is_another_of(const Schedule& schedule, const std::string& shown,
                               const std::vector<std::string>& failures,
                               const std::set<std::string>& where) {
        auto* finding = same_as(schedule, failures, where);
        if (finding == nullptr)
            return false;
        finding->also.push_back(shown);
        TRY(tell(runs_, set_, options_, *finding));
        return true;
    }

    Status found(const Schedule& schedule, const std::string& name, const SearchRun& made,
                 const std::vector<std::string>& failures) {
        const auto shown = name + " " + search::shown(schedule, set_);
        const auto where = reported_at(made);
        TRY_AS(const bool is_told, is_another_of(schedule, shown, failures, where));
        if (is_told)
            return {};
        Finding finding;
        finding.schedule = schedule;
        finding.id = numbered("", out_.findings.size() + 1, 2);
        finding.run = name;
        finding.failures = failures;
        finding.where = where;
        finding.verdict =
            verdict::to_text(made.died                ? Verdict::crash
                             : made.run.ended.empty() ? Verdict::fail
                                                      : made.run.ended.front().judgement.verdict);
        finding.number = static_cast<unsigned>(out_.tried.size());
        finding.seconds = runs_.found_at(name);
        finding.what = search::shown(schedule, set_);
        TRY(tell(runs_, set_, options_, finding));
        TRY_AS(const bool is_less, minimise(finding, name));
        if (is_less) {
            TRY_AS(const bool is_one, is_another_of(finding.schedule, shown, failures, where));
            std::error_code none;
            if (is_one) {
                fs::remove_all(place_of(options_, finding), none);
                return {};
            }
        }
        finding.known = search::known_as(set_, finding.schedule, library_);
        out_.findings.push_back(std::move(finding));
        TRY(prove(out_.findings.back()));
        return tell(runs_, set_, options_, out_.findings.back());
    }

    // Holds away one at a time, as long as it fails the same way. True: one was too many.
    Result<bool> minimise(Finding& finding, const std::string& name) {
        for (std::size_t i = 0; finding.schedule.places.size() > 1 && i < 2; ++i) {
            auto less = finding.schedule;
            if (i == 0)
                std::swap(less.order[0], less.order[1]);
            less.places.erase(less.places.begin() + static_cast<std::ptrdiff_t>(i));
            const auto job = search::to_job(set_, less, runs_.params(), search::JobFor::search);
            TRY_AS(const auto* made, runs_.made("m" + name.substr(1) + "-" + std::to_string(i + 1),
                                                job, 1, true, SearchClock::proof));
            if (made == nullptr)
                return false;
            if (fresh(failures_of(*made)) == finding.failures) {
                finding.schedule = less;
                finding.what = search::shown(less, set_);
                return true;
            }
        }
        return false;
    }

    unsigned failed_in(const SearchRun& made) const {
        return static_cast<unsigned>(std::ranges::count_if(made.run.ended, [&](const auto& end) {
            return search::end_of(end.judgement) == ScheduleEnd::failed &&
                   (end.judgement.failures.empty() || !fresh(failures_of(end.judgement)).empty());
        }));
    }

    // The whole has to fail each time, and not at all with a hold taken away.
    Status prove(Finding& finding) {
        if (options_.prove == 0)
            return {};
        progress_.state(out_, "proof of finding " + finding.id);
        Proof proof;
        const auto job =
            search::to_job(set_, finding.schedule, runs_.params(), search::JobFor::people);
        for (const bool holds : {true, false}) {
            TRY_AS(const auto* made, runs_.made((holds ? "p" : "p-free-") + finding.id, job,
                                                options_.prove, holds, SearchClock::proof));
            if (made == nullptr)
                return {};
            const auto& run = made->run;
            (holds ? proof.whole : proof.without) = failed_in(*made);
            (holds ? proof.of : proof.without_of) = static_cast<unsigned>(run.ended.size());
            if (run.ended.size() < options_.prove && run.end)
                add_note(proof.note, run.end->why);
        }
        if (proof.whole < proof.of)
            add_note(proof.note, "with its hold it does not fail each time: something that is not "
                                 "held decides too");
        if (proof.without > 0)
            add_note(proof.note, "it fails without its hold as well: luck meets it");
        finding.proof = proof;
        return {};
    }

    ExploreProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const search::ActSet& set_;
    const ExploreOptions& options_;
    bool quieted_ = false;
    std::vector<search::ParkPlace> places_; // that are known
    std::vector<Schedule> list_;            // of them; those before next_ are done
    std::size_t next_ = 0;
    Explored out_;
    SearchRuns runs_;
    std::vector<job::Job> library_;
    std::vector<search::ParkPlace> passed_;
    search::Pruning pruning_;
};

} // namespace

Result<Explored> explore(campaign::Machine& machine, ExploreProgress& progress,
                         campaign::RunInterrupts& interrupts, const search::ActSet& set,
                         const ExploreOptions& options, MakeRun make_run) {
    return Search(machine, progress, interrupts, set, options, std::move(make_run)).run();
}

} // namespace dmarace::explore
