// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "run/parts.hpp"

#include <algorithm>
#include <set>

namespace dmarace::run {

void each_key(Is<RunHead> auto& head, auto&& each) {
    each("tool_version", head.tool_version);
    each("run_id", head.run_id);
    each("job", head.job);
    each("kernel", head.kernel);
    each("arch", head.arch);
    each("board", head.board);
    each("started", head.started);
    each("seed", head.seed);
    each("holds", head.holds);
    each("planned", head.planned);
    each("params", head.params);
    each("allow", head.allow);
    each("taint", head.taint);
}

void each_key(Is<Before> auto& before, auto&& each) {
    each("boot", before.boot);
    each("state", before.state);
    each("taint", before.taint);
}

void each_key(Is<IterationBegin> auto& begin, auto&& each) {
    each("iteration", begin.iteration);
    each("at", begin.at);
    each("may_change", begin.may_change);
    each("boot", begin.boot);
}

void each_key(Is<Outside> auto& outside, auto&& each) {
    each("where", outside.where);
    each("verdict", outside.judgement.verdict);
    each("reason", outside.judgement.reason);
    each("failures", outside.judgement.failures);
    each("notes", outside.judgement.notes);
}

void each_key(Is<IterationEnd> auto& end, auto&& each) {
    each("iteration", end.iteration);
    each("verdict", end.judgement.verdict);
    each("reason", end.judgement.reason);
    each("failures", end.judgement.failures);
    each("rules", end.judgement.rules);
    each("notes", end.judgement.notes);
    each("lost_events", end.lost_events);
    each("taint", end.taint);
    each("seconds", end.seconds);
    each("phases", end.phases);
    each("types", end.judgement.types);
    each("boot", end.boot);
}

namespace {

template <class Part>
Part part_from(const Json& json) {
    Part part;
    read_keys(json, part);
    return part;
}

template <class Value>
const char* set_if(Value& value, const std::optional<Value>& known, const char* what) {
    value = known.value_or(value);
    return known ? nullptr : what;
}

verdict::StepResult step_from(const Json& json) {
    auto step = part_from<verdict::StepResult>(json);
    if (json.contains("type_asked"))
        complete(step.type.emplace(part_from<types::TypeStep>(json)));
    return step;
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
        else if (type == "outside")
            run_.outside.push_back(part_from<Outside>(json));
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
        auto head = part_from<RunHead>(json);
        if (headed_ && (head.run_id != run_.head.run_id || head.job != run_.head.job))
            return "a second run begins here";
        if (!headed_)
            run_.head = std::move(head);
        headed_ = true;
        return {};
    }

    void take_before(const Json& json) {
        run_.before = part_from<Before>(json);
        run_.boots.push_back(run_.ended.size());
    }

    // What was restored after the end, by hand, the run has not restored.
    void take_restored(const Json& json) {
        std::vector<std::string> left;
        read(json, "left", left);
        if (left.empty())
            run_.before.reset();
        if (!run_.end)
            run_.left = std::move(left);
    }

    // After an end, the run was taken up again.
    void take_begin(const Json& json) {
        run_.end.reset();
        run_.begun.push_back(part_from<IterationBegin>(json));
    }

    std::string take_verdict(const Json& json) {
        auto end = part_from<IterationEnd>(json);
        if (!numbers_.insert(end.iteration).second)
            return "iteration " + std::to_string(end.iteration) + " has a verdict already";
        run_.ended.push_back(std::move(end));
        return {};
    }

    Run run_;
    std::set<unsigned> numbers_; // of iterations that ended
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
        const std::string_view what = error.what(); // "[json.exception.type_error.302] .."
        const auto text = what.starts_with("[json.") ? what.find("] ") : what.npos;
        return printable(std::string(what.substr(text == what.npos ? 0 : text + 2)));
    }
}

std::unexpected<Error> at_line(std::size_t number, const std::string& what) {
    return fail(Fault::environment, "journal line " + std::to_string(number) + ": " + what);
}

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

Result<Run> read_journal(const std::string& text) {
    JournalReader reader;
    TRY_AS(const auto torn, each_record(text, [&](const Json& json) { return reader.take(json); }));
    if (torn)
        reader.torn();
    if (!reader.headed())
        return fail(Fault::environment, "the journal holds no run record");
    return std::move(reader).run();
}

bool is_record(std::string_view line) { return Json::accept(line); }

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

std::string one_line(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

const char* set_word(catalogue::Verb& value, std::string_view word) {
    return set_if(value, catalogue::verb_from(word), "verb");
}

const char* set_word(catalogue::FailureKind& value, std::string_view word) {
    return set_if(value, catalogue::failure_kind_from(word), "kind of failure");
}

const char* set_word(verdict::Verdict& value, std::string_view word) {
    return set_if(value, verdict::verdict_from(word), "verdict");
}

const char* set_word(types::TypeWord& value, std::string_view word) {
    value = types::type_word_from(word);
    return nullptr;
}

const char* set_word(types::TypeAct::What& value, std::string_view word) {
    return set_if(value, types::type_act_from(word), "thing that an actor does");
}

void complete(types::TypeStep& type) {
    type.act.what = types::TypeAct::What::write;
    type.act.asked = types::type_word_from(type.word);
}

void read_list(const Json& json, std::vector<types::TypeCell>& cells) {
    types::TypeTally tally;
    for (const auto& entry : json)
        tally.add(part_from<types::TypeCell>(entry));
    cells = std::move(tally.cells);
}

Json to_json(const verdict::StepResult& step) {
    Json json;
    write_keys(json, step);
    if (step.type)
        write_keys(json, *step.type);
    return json;
}

std::string to_journal(const RunHead& head) {
    Json json{{"t", "run"}, {"schema", kSchema}};
    write_keys(json, head);
    return one_line(json);
}

std::string to_journal(const Before& before) {
    Json json{{"t", "before"}};
    write_keys(json, before);
    return one_line(json);
}

std::string restored_to_journal(const std::vector<std::string>& left) {
    return one_line({{"t", "restored"}, {"left", left}});
}

std::string to_journal(const IterationBegin& begin) {
    Json json{{"t", "begin"}};
    write_keys(json, begin);
    if (begin.boot.empty())
        json.erase("boot");
    return one_line(json);
}

std::string to_journal(const verdict::StepResult& step, unsigned iteration) {
    Json json{{"t", "step"}, {"iteration", iteration}};
    json.update(to_json(step));
    return one_line(json);
}

std::string to_journal(const IterationEnd& end) {
    Json json{{"t", "verdict"}};
    write_keys(json, end);
    for (const auto& [key, value] : {std::pair("boot", &end.boot), {"phases", &end.phases}})
        if (value->empty())
            json.erase(key);
    return one_line(json);
}

std::string to_journal(const Outside& outside) {
    Json json{{"t", "outside"}};
    write_keys(json, outside);
    return one_line(json);
}

std::string to_journal(const RunEnd& end) {
    return one_line({{"t", "end"}, {"how", to_text(end.how)}, {"why", end.why}});
}

} // namespace dmarace::run
