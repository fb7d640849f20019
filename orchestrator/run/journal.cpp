// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "run/record_json.hpp"

#include <algorithm>

namespace dmarace::run {

namespace {

RunHead head_from(const Json& json) {
    RunHead head;
    read(json, "tool_version", head.tool_version);
    read(json, "run_id", head.run_id);
    read(json, "job", head.job);
    read(json, "kernel", head.kernel);
    read(json, "arch", head.arch);
    read(json, "board", head.board);
    read(json, "started", head.started);
    read(json, "seed", head.seed);
    read(json, "holds", head.holds);
    read(json, "planned", head.planned);
    read(json, "params", head.params);
    read(json, "taint", head.taint);
    return head;
}

Before before_from(const Json& json) {
    Before before;
    read(json, "boot", before.boot);
    read(json, "state", before.state);
    return before;
}

IterationBegin begin_from(const Json& json) {
    IterationBegin begin;
    read(json, "iteration", begin.iteration);
    read(json, "at", begin.at);
    read(json, "may_change", begin.may_change);
    read(json, "boot", begin.boot);
    return begin;
}

IterationEnd end_from(const Json& json, verdict::Verdict verdict) {
    IterationEnd end;
    end.judgement.verdict = verdict;
    read(json, "iteration", end.iteration);
    read(json, "reason", end.judgement.reason);
    read(json, "notes", end.judgement.notes);
    read(json, "lost_events", end.lost_events);
    read(json, "taint", end.taint);
    read(json, "seconds", end.seconds);
    read(json, "boot", end.boot);
    for (const auto& failure : json.value("failures", Json::array()))
        end.judgement.failures.push_back(failure_from(failure));
    for (const auto& rule : json.value("rules", Json::array()))
        end.judgement.rules.push_back(rule_from(rule));
    if (const auto types = json.find("types"); types != json.end() && types->is_object())
        end.judgement.types = types_from(*types);
    return end;
}

struct EndingWord {
    RunEnding ending;
    std::string_view word;
    // How its sentence begins.
    std::vector<std::string_view> beginnings;
};

const std::vector<EndingWord>& ending_words() {
    static const std::vector<EndingWord> words{
        {RunEnding::done, "done", {"done", "duration"}},
        {RunEnding::interrupted, "interrupted", {"interrupted"}},
        {RunEnding::skipped, "skipped", {"skip"}},
        {RunEnding::error, "error", {"error"}},
        {RunEnding::stopped, "stopped", {"stopped"}},
        {RunEnding::boot_again, "boot-again", {"hang", "oops", "fresh"}},
        {RunEnding::reboot, "reboot", {"reboot"}}};
    return words;
}

RunEnd run_end_from(const Json& json) {
    RunEnd end(json.value("why", ""));
    const auto how = json.value("how", "");
    const auto known = std::ranges::find(ending_words(), how, &EndingWord::word);
    if (known != ending_words().end())
        end.how = known->ending;
    return end;
}

class JournalReader {
public:
    // "" or what is wrong with the record.
    std::string take(const Json& json) {
        if (!json.is_object())
            return "a record is a JSON object";
        const auto type = json.value("t", "");
        if (type == "run")
            return take_head(json);
        if (!headed_)
            return "the first record is the run's, not '" + printable(type) + "'";
        if (type == "begin")
            take_begin(json);
        else if (type == "before")
            take_before(json);
        else if (type == "restored")
            take_restored(json);
        else if (type == "verdict")
            return take_verdict(json);
        else if (type == "end")
            run_.end = run_end_from(json);
        return {};
    }

    bool headed() const { return headed_; }
    Run run() && { return std::move(run_); }
    void torn() { run_.torn = true; }

private:
    // A run that went on after a boot writes its head again.
    std::string take_head(const Json& json) {
        int schema = 0;
        read(json, "schema", schema);
        if (schema < 1 || schema > kSchema)
            return "schema " + std::to_string(schema) + " is not known; this reads up to " +
                   std::to_string(kSchema);
        auto head = head_from(json);
        if (headed_ && (head.run_id != run_.head.run_id || head.job != run_.head.job))
            return "a second run begins here";
        if (!headed_)
            run_.head = std::move(head);
        headed_ = true;
        return {};
    }

    void take_before(const Json& json) {
        run_.before = before_from(json);
        run_.boots.push_back(run_.ended.size());
    }

    void take_restored(const Json& json) {
        std::vector<std::string> left;
        read(json, "left", left);
        if (left.empty())
            run_.before.reset();
    }

    // After an end, the run was taken up again.
    void take_begin(const Json& json) {
        run_.end.reset();
        run_.begun.push_back(begin_from(json));
    }

    std::string take_verdict(const Json& json) {
        const auto word = json.value("verdict", "");
        const auto verdict = verdict::verdict_from(word);
        if (!verdict)
            return "'" + printable(word) + "' is no verdict";
        auto end = end_from(json, *verdict);
        const bool twice = std::ranges::any_of(
            run_.ended, [&](const auto& known) { return known.iteration == end.iteration; });
        if (twice)
            return "iteration " + std::to_string(end.iteration) + " has a verdict already";
        run_.ended.push_back(std::move(end));
        return {};
    }

    Run run_;
    bool headed_ = false;
};

// "" or what is wrong with a line.
template <class Take>
std::string take_line(std::string_view line, Take take) {
    try {
        return take(Json::parse(line));
    } catch (const nlohmann::json::parse_error&) {
        return "is not JSON";
    } catch (const std::exception& error) {
        return printable(error.what());
    }
}

std::unexpected<Error> at_line(std::size_t number, const std::string& what) {
    return fail(Fault::environment, "journal line " + std::to_string(number) + ": " + what);
}

} // namespace

std::string_view to_text(RunEnding ending) {
    return std::ranges::find(ending_words(), ending, &EndingWord::ending)->word;
}

RunEnd::RunEnd(std::string sentence) : how(RunEnding::done), why(std::move(sentence)) {
    for (const auto& entry : ending_words())
        if (std::ranges::any_of(entry.beginnings,
                                [this](const auto& word) { return why.starts_with(word); }))
            how = entry.ending;
}

std::optional<unsigned> Run::interrupted() const {
    if (begun.empty())
        return std::nullopt;
    const auto last = begun.back().iteration;
    const bool has_end =
        std::ranges::any_of(ended, [&](const auto& known) { return known.iteration == last; });
    return has_end ? std::nullopt : std::optional(last);
}

namespace {

// Calls take(record) for each line; a torn last one is told of by the result.
template <class Take>
Result<bool> each_record(const std::string& text, Take take) {
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto stop = text.find('\n', begin);
        const bool whole = stop != std::string::npos;
        const auto line = std::string_view(text).substr(begin, whole ? stop - begin : stop);
        begin = whole ? stop + 1 : text.size();
        ++number;
        if (line.empty())
            continue;
        if (!whole && !is_record(line))
            return true;
        if (const auto wrong = take_line(line, take); !wrong.empty())
            return at_line(number, wrong);
    }
    return false;
}

} // namespace

Result<Run> read_journal(const std::string& text) {
    JournalReader reader;
    const auto torn = each_record(text, [&](const Json& json) { return reader.take(json); });
    if (!torn)
        return std::unexpected(torn.error());
    if (*torn)
        reader.torn();
    if (!reader.headed())
        return fail(Fault::environment, "the journal holds no run record");
    return std::move(reader).run();
}

bool is_record(std::string_view line) {
    return Json::accept(line);
}

// An iteration that was interrupted begins again with its first step.
Result<std::map<unsigned, std::vector<verdict::StepResult>>> read_steps(const std::string& text) {
    std::map<unsigned, std::vector<verdict::StepResult>> steps;
    const auto read_all = each_record(text, [&](const Json& json) {
        if (!json.is_object())
            return std::string("a record is a JSON object");
        unsigned iteration = 0;
        read(json, "iteration", iteration);
        const auto type = json.value("t", "");
        if (type == "begin")
            steps[iteration].clear();
        else if (type == "step")
            steps[iteration].push_back(step_from(json));
        return std::string();
    });
    if (!read_all)
        return std::unexpected(read_all.error());
    return steps;
}

namespace {

template <class List>
Json array_of(const List& list) {
    auto json = Json::array();
    for (const auto& entry : list)
        json.push_back(to_json(entry));
    return json;
}

} // namespace

std::string to_journal(const RunHead& head) {
    return one_line({{"t", "run"},
                     {"schema", kSchema},
                     {"tool_version", head.tool_version},
                     {"run_id", head.run_id},
                     {"job", head.job},
                     {"kernel", head.kernel},
                     {"arch", head.arch},
                     {"board", head.board},
                     {"started", head.started},
                     {"seed", head.seed},
                     {"holds", head.holds},
                     {"planned", head.planned},
                     {"params", head.params},
                     {"taint", head.taint}});
}

std::string to_journal(const Before& before) {
    return one_line({{"t", "before"}, {"boot", before.boot}, {"state", before.state}});
}

std::string restored_to_journal(const std::vector<std::string>& left) {
    return one_line({{"t", "restored"}, {"left", left}});
}

std::string to_journal(const IterationBegin& begin) {
    Json json{{"t", "begin"},
              {"iteration", begin.iteration},
              {"at", begin.at},
              {"may_change", begin.may_change}};
    if (!begin.boot.empty())
        json["boot"] = begin.boot;
    return one_line(json);
}

std::string to_journal(const verdict::StepResult& step, unsigned iteration) {
    Json json{{"t", "step"}, {"iteration", iteration}};
    json.update(to_json(step));
    return one_line(json);
}

std::string to_journal(const IterationEnd& end) {
    const auto& judgement = end.judgement;
    Json json{{"t", "verdict"},
              {"iteration", end.iteration},
              {"verdict", verdict::to_text(judgement.verdict)},
              {"reason", judgement.reason},
              {"failures", array_of(judgement.failures)},
              {"rules", array_of(judgement.rules)},
              {"notes", judgement.notes},
              {"lost_events", end.lost_events},
              {"taint", end.taint},
              {"seconds", end.seconds},
              {"types", to_json(judgement.types)}};
    if (!end.boot.empty())
        json["boot"] = end.boot;
    return one_line(json);
}

std::string to_journal(const RunEnd& end) {
    return one_line({{"t", "end"}, {"how", to_text(end.how)}, {"why", end.why}});
}

} // namespace dmarace::run
