// SPDX-License-Identifier: GPL-2.0-or-later
#include "explore/explore.hpp"

#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "campaign/restore.hpp"
#include "job/load.hpp"
#include "job/plan.hpp"
#include "report/report.hpp"
#include "run/files.hpp"
#include "run/recording.hpp"
#include "search/story.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;
using search::Schedule;
using search::ScheduleEnd;
using verdict::Verdict;

constexpr double kLongestBoot = 600; // between two calls, in seconds

constexpr const char *kJobs = "jobs", *kFindings = "findings", *kStory = "story.txt";

// One line of what a run showed: kind and device of each failure, each once.
std::vector<std::string> failures_of(const run::Run& run) {
    std::vector<std::string> out;
    const auto take = [&](const verdict::Judgement& judgement) {
        for (const auto& failure : judgement.failures) {
            auto text = std::string(catalogue::to_text(failure.kind)) +
                        (failure.device.empty() ? "" : " " + failure.device);
            if (!failure.allowed && std::ranges::find(out, text) == out.end())
                out.push_back(std::move(text));
        }
    };
    for (const auto& end : run.ended)
        take(end.judgement);
    for (const auto& outside : run.outside)
        take(outside.judgement);
    return out;
}

std::string numbered(const char* prefix, std::size_t number, std::size_t digits) {
    auto text = std::to_string(number);
    text.insert(0, text.size() < digits ? digits - text.size() : 0, '0');
    return prefix + text;
}

bool has_failed(const verdict::Judgement& judgement) {
    return search::end_of(judgement) == ScheduleEnd::failed;
}

unsigned failed_in(const run::Run& run) {
    return static_cast<unsigned>(std::ranges::count_if(
        run.ended, [](const auto& end) { return has_failed(end.judgement); }));
}

std::string quoted_word(const std::string& word) {
    return word.find_first_of(" '\"{}$*") == std::string::npos ? word : "'" + word + "'";
}

class Search {
public:
    Search(campaign::Machine& machine, ExploreProgress& progress,
           campaign::RunInterrupts& interrupts, const search::ActSet& set,
           const ExploreOptions& options, MakeRun make_run)
        : machine_(machine), progress_(progress), interrupts_(interrupts), set_(set),
          options_(options), make_run_(std::move(make_run)) {}

    Result<Explored> run() {
        TRY(prepare());
        TRY(quiet());
        if (goes_on())
            TRY(all_schedules());
        out_.interrupted = interrupts_.count() > 0;
        TRY(keep());
        return std::move(out_);
    }

private:
    bool goes_on() const {
        return out_.boot_again.empty() && interrupts_.count() == 0 && out_.stopped.empty();
    }

    // What every run works on: the same device each time, whatever it is bound to by then.
    Status prepare() {
        TRY_AS(const auto survey, campaign::survey(machine_));
        TRY_AS(const auto bindings, campaign::resolve(set_.job, survey, options_.wishes));
        wishes_ = options_.wishes;
        wishes_.device.clear();
        for (const auto& [name, values] : bindings) {
            if (!values.empty())
                wishes_.set[name] = joined(values, ",");
            const auto* param = named(set_.job.params, name);
            if (param && param->type == job::ParamType::device && !values.empty()) {
                params_[values.front()] = "{" + name + "}";
                devices_.insert(values.front());
            }
        }
        const auto inventory = campaign::inventory(survey, machine_.devices, wishes_);
        TRY_AS(const auto plan, job::make_plan(set_.job, bindings, inventory));
        TRY(campaign::check_touched(plan, survey, wishes_));
        for (const auto& device : job::touched_by(plan).devices)
            devices_.insert(device);
        for (std::size_t i = 0; i < plan.actors.size(); ++i)
            if (plan.actors[i].steps.empty())
                return fail(Fault::untestable, "'" + set_.job.actors[i].name +
                                                   "' does nothing here: the driver of that "
                                                   "device is built in");
        for (const auto& name : job::library_jobs())
            if (auto checked = job::check_job(name); checked && checked->job)
                library_.push_back(*std::move(checked->job));
        std::error_code error;
        fs::create_directories(options_.out / kJobs, error);
        if (error)
            return fail(Fault::environment, options_.out.string() + ": " + error.message());
        return read_seconds();
    }

    // What an earlier call took, and the time since it wrote last, where a boot was between.
    Status read_seconds() {
        const auto text = read_text(options_.out / run::kExploreJson);
        if (!text)
            return {};
        const auto json = nlohmann::json::parse(*text, nullptr, false);
        if (!json.is_object())
            return {};
        out_.seconds = json.value("seconds", 0.0);
        out_.proving = json.value("proving", 0.0);
        const auto gap = static_cast<double>(std::time(nullptr)) - json.value("written", 0.0);
        if (options_.booted && gap > 0 && gap < kLongestBoot)
            (json.value("proves", false) ? out_.proving : out_.seconds) += gap;
        for (const auto& finding : json.value("findings", nlohmann::json::array()))
            found_at_[finding.value("run", "")] = finding.value("seconds", 0.0);
        return {};
    }

    // A run of that name: read if it has ended, else made, or gone on with. Null: the search has
    // to stop here.
    Result<const run::Run*> made(const std::string& name, const job::Job& wanted,
                                 unsigned iterations, bool holds, double& clock) {
        if (const auto known = runs_.find(name); known != runs_.end())
            return &known->second;
        const auto file = options_.out / kJobs / (name + ".toml");
        const auto text = job::save(wanted);
        auto job = job::load(text, file.string());
        if (!job)
            return fail(Fault::usage, job::to_text(job.error().front()));
        const auto directory = options_.out / name;
        if (auto earlier = read_run(directory); earlier && is_over(*earlier, iterations)) {
            if (!earlier->end && earlier->before && !campaign::is_this_boot(earlier->before->boot))
                died_after_.insert(name);
            return &(runs_[name] = *std::move(earlier));
        }
        if (!goes_on() || over_time())
            return nullptr;
        out_.proves = &clock == &out_.proving;
        TRY(keep());
        TRY(write_text(file, text));
        campaign::CampaignOptions options;
        options.wishes = wishes_;
        options.iterations = iterations;
        options.seed = options_.seed;
        options.holds = holds;
        options.unsafe = true;
        options.crash_limit = {0, 0};
        options.board = options_.board;
        options.allow = options_.allow;
        options.out = directory;
        std::error_code none;
        options.resume = fs::exists(directory / run::files::kJournal, none);
        const auto began = boottime();
        auto ran = make_run_ ? make_run_(*job, options)
                             : campaign::run_job(machine_, progress_, interrupts_, *job, options);
        clock += std::chrono::duration<double>(boottime() - began).count();
        if (!ran)
            return std::unexpected(ran.error());
        out_.boot_again = ran->boot_again;
        if (interrupts_.count() > 0 || !is_over(ran->run, iterations))
            return nullptr;
        return &(runs_[name] = std::move(ran->run));
    }

    static std::optional<run::Run> read_run(const fs::path& directory) {
        const auto text = read_text(directory / run::files::kJournal);
        auto run =
            text ? run::read_journal(*text) : Result<run::Run>(std::unexpected(text.error()));
        return run ? std::optional(*std::move(run)) : std::nullopt;
    }

    static bool is_over(const run::Run& run, unsigned iterations) {
        using run::RunEnding;
        if (run.ended.size() >= iterations)
            return true;
        return run.end && (run.end->how == RunEnding::skipped || run.end->how == RunEnding::error ||
                           run.end->how == RunEnding::stopped);
    }

    bool over_time() {
        if (options_.limit &&
            out_.seconds >= std::chrono::duration<double>(*options_.limit).count())
            out_.stopped = "the time was over";
        return !out_.stopped.empty();
    }

    // The acts with nobody held: one after the other both ways, with the points they pass, and all
    // at once. What these show is no finding, and where they pass a task can be parked.
    Status quiet() {
        std::vector<std::size_t> order(set_.job.actors.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        const std::vector<std::size_t> back(order.rbegin(), order.rend());
        for (const auto& [name, way] : {std::pair("q1", order), std::pair("q2", back)}) {
            progress_.state(out_, "nobody held, " +
                                      std::string(way == order ? "in turn" : "the other way"));
            TRY_AS(const auto* run,
                   made(name, search::to_passing_job(set_, way), 1, true, out_.seconds));
            if (!run)
                return keep();
            TRY(learn_quiet(name, *run));
            TRY(read_places(name));
        }
        progress_.state(out_, "nobody held, all at once");
        TRY_AS(const auto* run,
               made("q3", search::to_job(set_, {}, params_, search::JobFor::search), 1, true,
                    out_.seconds));
        if (run)
            TRY(learn_quiet("q3", *run));
        return keep();
    }

    Status learn_quiet(const std::string& name, const run::Run& run) {
        using run::RunEnding;
        if (run.ended.empty() && run.end)
            return fail(run.end->how == RunEnding::skipped ? Fault::untestable : Fault::environment,
                        name + ", with nobody held: " + run.end->why);
        for (auto& failure : failures_of(run))
            if (std::ranges::find(out_.quiet, failure) == out_.quiet.end())
                out_.quiet.push_back(std::move(failure));
        return {};
    }

    Result<verdict::Observed> observed_of(const std::string& name) {
        const auto dir = options_.out / name;
        const auto text = [&](const char* file) { return read_text(dir / file).value_or(""); };
        TRY_AS(auto all,
               run::read_recording({text(run::files::kJournal), text(run::files::kEvents),
                                    text(run::files::kLog), text(run::files::kObserved)}));
        if (all.empty())
            return fail(Fault::environment, name + ": nothing of it was recorded");
        return std::move(all.begin()->second.observed);
    }

    Status read_places(const std::string& name) {
        const auto observed = observed_of(name);
        if (!observed) {
            out_.notes.push_back("no places of " + name + ": " + observed.error().message);
            return {};
        }
        for (auto& place : search::passed(set_, *observed, devices_))
            passed_.push_back(std::move(place));
        return {};
    }

    std::vector<search::ParkPlace> places() {
        auto all = search::places_of(options_.candidates, set_, options_.acts);
        if (options_.all_points || all.empty())
            all.insert(all.end(), passed_.begin(), passed_.end());
        return search::in_order(std::move(all), options_.seed);
    }

    Status all_schedules() {
        const auto all = places();
        if (!options_.no_candidates.empty())
            out_.notes.push_back(options_.no_candidates);
        std::vector<Schedule> list;
        for (unsigned bound = 1; bound <= options_.bound; ++bound)
            std::ranges::move(search::schedules(all, set_.job.actors.size(), bound),
                              std::back_inserter(list));
        TRY(keep_list(list));
        std::size_t number = 0;
        for (const auto& schedule : list) {
            ++number;
            out_.left = static_cast<unsigned>(list.size() - number + 1);
            if (!pruning_.why_not(schedule).empty()) {
                ++out_.pruned;
                continue;
            }
            if (options_.most > 0 && out_.tried.size() >= options_.most)
                out_.stopped = "as many schedules as were asked for";
            if (options_.stop_after > 0 && out_.findings.size() >= options_.stop_after)
                out_.stopped = "as many findings as were asked for";
            if (!goes_on())
                return {};
            TRY_AS(const bool whole, one(schedule, numbered("s", number, 4)));
            if (!whole)
                return {};
        }
        out_.left = 0;
        return {};
    }

    Status keep_list(const std::vector<Schedule>& list) {
        std::string text;
        for (std::size_t i = 0; i < list.size(); ++i)
            text +=
                numbered("s", i + 1, 4) + "  " + search::shown(list[i], set_) +
                (list[i].places.front().from.empty() ? "" : "  <- " + list[i].places.front().from) +
                "\n";
        return write_text(options_.out / "schedules.txt", text);
    }

    // Its failures that are none of the quiet runs'.
    std::vector<std::string> fresh_failures(const std::string& name, const run::Run& run) const {
        auto out = failures_of(run);
        if (died_after_.contains(name))
            out.emplace_back(std::string(catalogue::to_text(catalogue::FailureKind::crash)) +
                             ", when the schedule was over");
        std::erase_if(out, [&](const auto& failure) {
            return std::ranges::find(out_.quiet, failure) != out_.quiet.end();
        });
        return out;
    }

    // False: the search has to stop here.
    Result<bool> one(const Schedule& schedule, const std::string& name) {
        progress_.state(out_, search::shown(schedule, set_));
        const auto before = out_.seconds;
        const auto job = search::to_job(set_, schedule, params_, search::JobFor::search);
        TRY_AS(const auto* run, made(name, job, 1, true, out_.seconds));
        if (!run)
            return false;
        const auto failures = fresh_failures(name, *run);
        TriedSchedule tried{name, search::shown(schedule, set_), "", "", out_.seconds - before};
        auto end = ScheduleEnd::unclear;
        if (run->ended.empty()) {
            tried.why = run->end ? run->end->why : "";
        } else {
            const auto& judgement = run->ended.front().judgement;
            end = search::end_of(judgement);
            tried.why = judgement.reason;
            pruning_.learn(schedule, judgement);
        }
        if (!failures.empty()) {
            end = ScheduleEnd::failed;
            tried.why = joined(failures, ", ");
        } else if (end == ScheduleEnd::failed) {
            end = ScheduleEnd::quiet; // as with nobody held
        }
        tried.end = search::to_text(end);
        out_.tried.push_back(tried);
        progress_.tried(tried);
        if (!failures.empty())
            TRY(found(schedule, name, *run));
        TRY(keep());
        return true;
    }

    // The same failures with the same actor parked are one race until somebody shows otherwise.
    Finding* same_as(const Schedule& schedule, const std::vector<std::string>& failures) {
        for (auto& finding : out_.findings)
            if (finding.failures == failures &&
                finding.schedule.order.front() == schedule.order.front())
                return &finding;
        return nullptr;
    }

    Status found(const Schedule& schedule, const std::string& name, const run::Run& run) {
        const auto failures = fresh_failures(name, run);
        if (auto* finding = same_as(schedule, failures)) {
            finding->also.push_back(name + " " + search::shown(schedule, set_));
            return tell(*finding);
        }
        Finding finding;
        finding.schedule = schedule;
        finding.id = numbered("", out_.findings.size() + 1, 2);
        finding.run = name;
        finding.failures = failures;
        finding.verdict = verdict::to_text(run.ended.empty() ? Verdict::fail
                                                             : run.ended.front().judgement.verdict);
        finding.number = static_cast<unsigned>(out_.tried.size());
        const auto earlier = found_at_.find(name);
        finding.seconds = earlier == found_at_.end() ? out_.seconds : earlier->second;
        finding.what = search::shown(schedule, set_);
        finding.known = search::known_as(set_, schedule, library_);
        out_.findings.push_back(finding);
        TRY(tell(out_.findings.back()));
        TRY(minimise(out_.findings.back()));
        TRY(prove(out_.findings.back()));
        return tell(out_.findings.back());
    }

    // Holds away one at a time, as long as it fails the same way.
    Status minimise(Finding& finding) {
        for (std::size_t i = 0; finding.schedule.places.size() > 1 && i < 2 && goes_on(); ++i) {
            auto less = finding.schedule;
            if (i == 0)
                std::swap(less.order[0], less.order[1]);
            less.places.erase(less.places.begin() + static_cast<std::ptrdiff_t>(i));
            const auto job = search::to_job(set_, less, params_, search::JobFor::search);
            const auto name = "m" + finding.id + "-" + std::to_string(i + 1);
            TRY_AS(const auto* run, made(name, job, 1, true, out_.proving));
            if (run && fresh_failures(name, *run) == finding.failures) {
                finding.schedule = less;
                finding.what = search::shown(less, set_);
                return {};
            }
        }
        return {};
    }

    // The whole has to fail each time, and not at all with a hold taken away.
    Status prove(Finding& finding) {
        if (options_.prove == 0)
            return {};
        progress_.state(out_, "proof of finding " + finding.id);
        Proof proof;
        const auto job = search::to_job(set_, finding.schedule, params_, search::JobFor::people);
        for (const bool holds : {true, false}) {
            const auto name = (holds ? "p" : "p-free-") + finding.id;
            TRY_AS(const auto* run, made(name, job, options_.prove, holds, out_.proving));
            if (!run)
                return {};
            (holds ? proof.whole : proof.without) = failed_in(*run);
            (holds ? proof.of : proof.without_of) = static_cast<unsigned>(run->ended.size());
            if (run->ended.size() < options_.prove && run->end)
                proof.note += (proof.note.empty() ? "" : "; ") + run->end->why;
        }
        if (proof.whole < proof.of)
            proof.note += (proof.note.empty() ? "" : "; ") +
                          std::string("with its hold it does not fail each time: something that is "
                                      "not held decides too");
        if (proof.without > 0)
            proof.note += (proof.note.empty() ? "" : "; ") +
                          std::string("it fails without its hold as well: luck meets it");
        finding.proof = proof;
        return {};
    }

    // In the directory of the search, wherever somebody has taken it.
    std::string pasted(const Finding& finding) const {
        const auto file = fs::path(kFindings) / finding.id / (job_name(finding) + ".toml");
        std::string out = "dmarace run " + file.string() + " --unsafe";
        for (const auto& [name, value] : wishes_.set)
            out += " --set " + name + "=" + quoted_word(value);
        return out;
    }

    std::string job_name(const Finding& finding) const { return set_.job.name + "-" + finding.id; }

    // The job file and the story.
    Status tell(const Finding& finding) {
        const auto directory = options_.out / kFindings / finding.id;
        std::error_code error;
        fs::create_directories(directory, error);
        auto job = search::to_job(set_, finding.schedule, params_, search::JobFor::people);
        job.name = job_name(finding);
        job.summary = search::shown(finding.schedule, set_);
        job.source = "dmarace " + options_.command;
        job.iterations = 20;
        const auto words = search::in_words(set_, finding.schedule);
        std::string comment = "# SPDX-License-Identifier: GPL-2.0-or-later\n#\n";
        for (const auto& line : words)
            comment += "# " + line + "\n";
        comment += "#\n# Shows " + joined(finding.failures, ", ") + " on " +
                   board::kernel_release() + ".\n\n";
        TRY(write_text(directory / (job.name + ".toml"), comment + job::save(job)));
        return write_text(directory / kStory, story(finding, words));
    }

    std::string story(const Finding& finding, const std::vector<std::string>& words) {
        std::string out = "Finding " + finding.id + ": " + finding.verdict + ": " +
                          joined(finding.failures, ", ") + "\n" +
                          search::shown(finding.schedule, set_) + "\n\n";
        if (!finding.known.empty())
            out += "Known: parked as in the job " + finding.known + ".\n\n";
        for (const auto& line : words)
            out += line + "\n";
        out += "\n";
        const auto& from = finding.schedule.places.front().from;
        out += from.empty() ? "It comes of a point that the act passed; no candidate named it.\n"
                            : "Candidate: " + from + "\n";
        for (const auto& line : evidence(finding))
            out += "    " + printable(line) + "\n";
        if (finding.proof) {
            const auto& proof = *finding.proof;
            out += "\nProof: fails " + std::to_string(proof.whole) + " of " +
                   std::to_string(proof.of) + " with the hold, " + std::to_string(proof.without) +
                   " of " + std::to_string(proof.without_of) + " without." +
                   (proof.note.empty() ? "" : " Note: " + proof.note + ".") + "\n";
        } else {
            out += "\nNot proved yet.\n";
        }
        if (!finding.also.empty())
            out += "\nThe same failures, the same actor parked elsewhere:\n    " +
                   joined(finding.also, "\n    ") + "\n";
        out += "\nAgain, in the directory of the search:\n    " + pasted(finding) + "\n\n";
        const auto observed = observed_of(finding.run);
        out += observed ? "In the order things happened:\n\n" + search::chart(set_, *observed)
                        : "The machine did not live to tell the order of things (" + finding.run +
                              "/journal.jsonl has its last words).\n";
        return out;
    }

    std::vector<std::string> evidence(const Finding& finding) {
        std::vector<std::string> out;
        const auto run = runs_.find(finding.run);
        if (run == runs_.end() || run->second.ended.empty())
            return out;
        constexpr std::size_t kLines = 12;
        for (const auto& failure : run->second.ended.front().judgement.failures) {
            out.push_back(std::string(catalogue::to_text(failure.kind)) + ": " + failure.detail);
            for (std::size_t i = 0; i < failure.evidence.size() && i < kLines; ++i)
                out.push_back("  " + failure.evidence[i]);
        }
        return out;
    }

    Status keep() {
        TRY(replace_file(options_.out / run::kExplorePage, explore_page(out_, options_)));
        return replace_file(options_.out / run::kExploreJson, explore_json(out_, options_) + "\n");
    }

    campaign::Machine& machine_;
    ExploreProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const search::ActSet& set_;
    const ExploreOptions& options_;
    MakeRun make_run_;
    campaign::Wishes wishes_;
    search::ParamOf params_;
    std::set<std::string> devices_;
    std::vector<job::Job> library_;
    std::vector<search::ParkPlace> passed_;
    search::Pruning pruning_;
    std::map<std::string, run::Run> runs_;
    std::set<std::string> died_after_; // whose iteration had ended when the machine died
    std::map<std::string, double> found_at_;
    Explored out_;
};

} // namespace

Result<Explored> explore(campaign::Machine& machine, ExploreProgress& progress,
                         campaign::RunInterrupts& interrupts, const search::ActSet& set,
                         const ExploreOptions& options, MakeRun make_run) {
    return Search(machine, progress, interrupts, set, options, std::move(make_run)).run();
}

} // namespace dmarace::explore
