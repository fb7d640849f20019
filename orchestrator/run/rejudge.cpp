// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/plan.hpp"
#include "run/recording.hpp"

#include <algorithm>

namespace dmarace::run {

namespace {

using catalogue::FailureKind;
using verdict::Failure;
using verdict::Judgement;

// What the acts of a [type] table prove, and nothing else does.
bool is_of_acts(const Failure& failure) { return failure.kind == FailureKind::unexpected_errno; }

bool same(const Failure& a, const Failure& b) {
    return a.kind == b.kind && a.device == b.device && a.driver == b.driver &&
           a.detail == b.detail && a.evidence == b.evidence && a.allowed == b.allowed;
}

bool same(const std::vector<Failure>& a, const std::vector<Failure>& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same(x, y); });
}

// Without its acts the new verdict stands only where something else changed it.
Judgement with_acts_kept(const Judgement& old, Judgement fresh) {
    std::vector<Failure> kept, others;
    for (const auto& failure : old.failures)
        (is_of_acts(failure) ? kept : others).push_back(failure);
    std::erase_if(fresh.failures, is_of_acts);
    fresh.types = old.types;
    if (same(others, fresh.failures))
        return old;
    for (auto& failure : kept) {
        failure.detail += " (kept from the journal)";
        fresh.failures.push_back(std::move(failure));
    }
    const auto counts = std::ranges::find(fresh.failures, false, &Failure::allowed);
    if (counts == fresh.failures.end()) {
        fresh.verdict = verdict::Verdict::inconclusive;
        fresh.reason = "the writes of its [type] table were not recorded";
    } else if (fresh.verdict != verdict::Verdict::fail && fresh.verdict != verdict::Verdict::hang) {
        fresh.verdict = verdict::Verdict::fail;
        fresh.reason =
            std::string(to_text(counts->kind)) + " " + counts->device + ": " + counts->detail;
    }
    return fresh;
}

std::string told(const Judgement& judgement) {
    std::string out(verdict::to_text(judgement.verdict));
    return out + (judgement.reason.empty() ? "" : " (" + judgement.reason + ")");
}

class Judge {
public:
    Judge(const Run& run, const job::Job& job)
        : run_(run), job_(job), allow_(job::filled_allow(job, run.head.params, run.head.allow)) {}

    Result<Judgement> judge(const RecordedIteration& recorded) {
        if (board_ != recorded.board) {
            TRY_AS(auto plan, job::make_plan(job_, run_.head.params, recorded.board->inventory));
            plan_ = run_.head.holds ? std::move(plan) : job::without_holds(plan);
            board_ = recorded.board;
        }
        return verdict::judge(plan_, allow_, recorded.board->baseline, recorded.observed);
    }

private:
    const Run& run_;
    const job::Job& job_;
    std::vector<job::Allow> allow_;
    std::shared_ptr<const RecordedBoard> board_;
    job::Plan plan_;
};

} // namespace

Result<Rejudgement> rejudge(const Run& run, const job::Job& job, const Recording& texts) {
    TRY_AS(const auto recorded, read_recording(texts));
    if (recorded.empty() && !run.ended.empty())
        return fail(Fault::usage, "what its iterations observed was not recorded, by an older "
                                  "dmarace or because the machine ended in each: it cannot be "
                                  "judged anew");
    const auto cut_off = [](const auto& entry) { return entry.second.cut_off; };
    if (!recorded.empty() && std::ranges::all_of(recorded, cut_off))
        return fail(Fault::environment,
                    "what was recorded of iteration " + std::to_string(recorded.begin()->first) +
                        (recorded.size() > 1 ? " and the rest" : "") + " is not all there");
    Judge judge(run, job);
    Rejudgement out{run, {}, 0};
    for (auto& end : out.run.ended) {
        const auto name = "iteration " + std::to_string(end.iteration) + ": ";
        const auto found = recorded.find(end.iteration);
        // The machine ended in it: nobody looked afterwards.
        if (found == recorded.end() || end.judgement.verdict == verdict::Verdict::crash) {
            out.notes.push_back(name +
                                "kept, nobody observed it to its end: " + told(end.judgement));
            continue;
        }
        if (found->second.cut_off) {
            out.notes.push_back(
                name + "kept, what was recorded of it is not all there: " + told(end.judgement));
            continue;
        }
        TRY_AS(auto judged, judge.judge(found->second));
        verdict::Judgement fresh = std::move(judged);
        if (found->second.acts_missing) {
            out.notes.push_back(name + "what its [type] table did was not recorded: what the "
                                       "journal says of it is kept");
            fresh = with_acts_kept(end.judgement, std::move(fresh));
        }
        const auto& old = end.judgement;
        if (old.verdict != fresh.verdict || old.reason != fresh.reason ||
            !same(old.failures, fresh.failures)) {
            ++out.changed;
            out.notes.push_back(name + told(old) + ", now " + told(fresh));
        }
        end.judgement = std::move(fresh);
    }
    return out;
}

} // namespace dmarace::run
