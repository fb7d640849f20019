// SPDX-License-Identifier: GPL-2.0-or-later
// What a sweep says: a page, JSON, and what comes of several of them.
#include "base/files.hpp"
#include "base/text.hpp"
#include "explore/sweep.hpp"
#include "run/request.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace dmarace::explore {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int kSchema = 1;
constexpr std::size_t kWhyShown = 90, kNotesShown = 12;

// In the order of the enum.
constexpr std::array<std::string_view, 5> kEnds{"not reached", "cannot meet", "predicted", "tried",
                                                "failed"};

std::string count_of(std::size_t number, const std::string& one) {
    return std::to_string(number) + " " + one + (number == 1 ? "" : "s");
}

std::string seconds_text(double seconds) {
    return std::to_string(static_cast<long>(seconds + 0.5)) + " s";
}

std::vector<std::string> not_covered(const Swept& swept) {
    std::map<PairEnd, std::size_t> ends;
    std::size_t left = 0, pairs_left = 0, unseen = 0;
    for (const auto& pair : swept.pairs) {
        ++ends[pair.end()];
        unseen += pair.candidates == 0U && pair.tried == 0 ? 1 : 0;
        if (pair.tried > 0 && pair.left > 0) {
            left += pair.left;
            ++pairs_left;
        }
    }
    std::vector<std::string> out;
    if (const auto count = ends[PairEnd::not_reached]; count > 0)
        out.push_back(count_of(count, "pair") + " not even predicted");
    if (const auto count = ends[PairEnd::predicted]; count > 0)
        out.push_back(count_of(count, "pair") + " predicted, and no schedule tried" +
                      (unseen > 0 ? " (" + std::to_string(unseen) + " without a candidate)" : ""));
    if (left > 0)
        out.push_back(count_of(left, "schedule") + " of " + count_of(pairs_left, "pair") +
                      " that were begun");
    for (const auto& note : swept.missing_shards)
        out.push_back(note);
    for (const auto line : search::not_covered())
        out.emplace_back(line);
    return out;
}

std::string text_of(const SweepPair& pair) {
    return joined(pair.acts, ", ") + (pair.device.empty() ? "" : " on " + pair.device);
}

std::string place_text(const Race& race) {
    const auto functions = joined(race.functions, " and ");
    return race.functions.empty() ? "without a hold"
           : race.word.empty()    ? "parked in " + functions + ", which no candidate names"
                                  : race.kind + ", " + race.word + ": " + functions;
}

// A job or a known race is known by where somebody is parked.
std::string known_text(const Race& race) {
    if (!race.known.empty())
        return "known: " + race.known;
    return race.functions.empty() ? "nobody was parked, so it is not compared with what is known"
                                  : "no job parks there and no known race names the place: it is "
                                    "new, or known from elsewhere";
}

std::string race_text(std::size_t number, const Race& race) {
    std::string out = "\nRace " + std::to_string(number) + ": " + joined(race.kinds, ", ") +
                      "\n  " + place_text(race) + "\n  " + known_text(race) + "\n  " + "shown by " +
                      count_of(race.pairs.size(), "pair") + ":\n";
    for (std::size_t i = 0; i < race.pairs.size(); ++i) {
        const auto& finding = race.findings[i];
        out += "    " + race.pairs[i] + ": " + finding.schedule + "\n      " +
               (finding.proof.empty() ? "not proved" : finding.proof) + "; " + finding.story + "\n";
    }
    return out;
}

Json to_json(const PairFinding& finding) {
    return {
        {"failures", finding.failures},   {"kind", finding.kind},   {"word", finding.word},
        {"functions", finding.functions}, {"known", finding.known}, {"schedule", finding.schedule},
        {"proof", finding.proof},         {"job", finding.job},     {"story", finding.story}};
}

Json to_json(const PairState& pair) {
    Json out{{"id", pair.pair.id},         {"acts", pair.pair.acts},   {"device", pair.pair.device},
             {"end", to_text(pair.end())}, {"why", pair.why},          {"apart", pair.apart},
             {"over", pair.over},          {"candidates", nullptr},    {"leading", pair.leading},
             {"rank", pair.rank},          {"tried", pair.tried},      {"left", pair.left},
             {"pruned", pair.pruned},      {"seconds", pair.seconds},  {"rounds", pair.rounds},
             {"until", pair.until},        {"findings", Json::array()}};
    if (pair.candidates)
        out["candidates"] = *pair.candidates;
    for (const auto& finding : pair.findings)
        out["findings"].push_back(to_json(finding));
    return out;
}

Json to_json(const Race& race) {
    return {{"kinds", race.kinds},         {"kind", race.kind},   {"word", race.word},
            {"functions", race.functions}, {"known", race.known}, {"pairs", race.pairs}};
}

using Words = std::vector<std::string>;

PairFinding finding_from(const Json& json) {
    PairFinding out;
    out.failures = json.at("failures").get<Words>();
    out.functions = json.at("functions").get<Words>();
    for (const auto& [key, text] :
         {std::pair("kind", &out.kind), std::pair("word", &out.word),
          std::pair("known", &out.known), std::pair("schedule", &out.schedule),
          std::pair("proof", &out.proof), std::pair("job", &out.job),
          std::pair("story", &out.story)})
        *text = json.at(key).get<std::string>();
    return out;
}

PairState pair_from(const Json& json) {
    PairState out;
    out.pair = {json.at("id"), json.at("device"), json.at("acts").get<Words>()};
    out.why = json.at("why");
    out.apart = json.at("apart");
    out.over = json.at("over");
    if (!json.at("candidates").is_null())
        out.candidates = json.at("candidates").get<unsigned>();
    out.rank = json.at("rank");
    for (const auto& [key, number] :
         {std::pair("leading", &out.leading), std::pair("tried", &out.tried),
          std::pair("left", &out.left), std::pair("pruned", &out.pruned),
          std::pair("rounds", &out.rounds)})
        *number = json.at(key);
    out.seconds = json.at("seconds");
    out.until = json.at("until");
    for (const auto& finding : json.at("findings"))
        out.findings.push_back(finding_from(finding));
    return out;
}

Swept swept_from(const Json& json) {
    Swept out;
    for (const auto& [key, text] :
         {std::pair("board", &out.board), std::pair("kernel", &out.kernel),
          std::pair("command", &out.command), std::pair("at", &out.at),
          std::pair("boot_again", &out.boot_again), std::pair("stopped", &out.stopped)})
        *text = json.at(key).get<std::string>();
    out.asked = json.value("asked", "");
    out.shard = json.at("shard");
    out.shards = json.at("shards");
    out.ordered = json.at("ordered");
    out.interrupted = json.at("interrupted");
    out.seconds = json.at("seconds");
    out.written = json.at("written");
    out.notes = json.at("notes").get<Words>();
    out.missing_shards = json.at("missing_shards").get<Words>();
    for (const auto& pair : json.at("pairs"))
        out.pairs.push_back(pair_from(pair));
    return out;
}

// What a part has of a pair that another part has too: the one that saw more.
bool saw_more(const PairState& a, const PairState& b) {
    return std::pair(a.end(), a.tried) > std::pair(b.end(), b.tried);
}

// Files are where the part has them, and a pair of another board or kernel is another pair.
PairState placed(PairState pair, const fs::path& directory, const std::string& where) {
    pair.pair.id += where;
    for (auto& finding : pair.findings) {
        finding.job = (directory / finding.job).string();
        finding.story = (directory / finding.story).string();
    }
    return pair;
}

void add_once(std::string& list, const std::string& text) {
    if (std::ranges::count(split(list, ','), text) == 0)
        list += (list.empty() ? "" : ",") + text;
}

std::string place_of(const Swept& part) { return part.board + ", kernel " + part.kernel; }

// All but the pairs.
void add_part(Swept& out, const Swept& part) {
    add_once(out.board, part.board);
    add_once(out.kernel, part.kernel);
    add_once(out.command, part.command);
    out.seconds = std::max(out.seconds, part.seconds);
    if (!part.stopped.empty())
        out.stopped = part.stopped;
    if (!part.boot_again.empty())
        out.boot_again = part.boot_again;
    out.interrupted = out.interrupted || part.interrupted;
    for (const auto& [to, from] :
         {std::pair(&out.notes, &part.notes), std::pair(&out.missing_shards, &part.missing_shards)})
        for (const auto& text : *from)
            if (std::ranges::find(*to, text) == to->end())
                to->push_back(text);
}

// Parts of one sweep are of one board and kernel, of the same words, and cut in the same way.
void add_missing(Swept& out, const std::vector<Swept>& parts) {
    std::map<std::pair<std::string, unsigned>, std::set<unsigned>> sweeps;
    for (const auto& part : parts)
        sweeps[{part.command + " " + part.asked + " on " + place_of(part), part.shards}].insert(
            part.shard);
    for (const auto& [sweep, here] : sweeps)
        for (unsigned shard = 1; shard <= sweep.second; ++shard)
            if (!here.contains(shard))
                out.missing_shards.push_back("shard " + std::to_string(shard) + "/" +
                                             std::to_string(sweep.second) +
                                             ", which is not among these" +
                                             (sweeps.size() > 1 ? ", of " + sweep.first : ""));
}

bool is_cut_off(const Swept& swept) { return swept.interrupted || !swept.boot_again.empty(); }

std::string no_finding(const Swept& swept) {
    if (verdict_of(swept) == verdict::Verdict::pass)
        return "\nNo finding.\n";
    return std::string("\nNo finding, which says nothing: ") +
           (!swept.missing_shards.empty() ? "a part is missing"
            : is_cut_off(swept)           ? "it has not come to its end"
                                          : "no schedule was run") +
           ".\n";
}

} // namespace

std::string_view to_text(PairEnd end) { return kEnds.at(static_cast<std::size_t>(end)); }

verdict::Verdict verdict_of(const Swept& swept) {
    using verdict::Verdict;
    const auto any = [&](PairEnd end) {
        return std::ranges::any_of(swept.pairs,
                                   [&](const auto& pair) { return pair.end() == end; });
    };
    if (any(PairEnd::failed))
        return Verdict::fail;
    if (!swept.missing_shards.empty() || is_cut_off(swept))
        return Verdict::inconclusive;
    return any(PairEnd::tried) ? Verdict::pass : Verdict::inconclusive;
}

std::string sweep_page(const Swept& swept) {
    std::map<PairEnd, std::size_t> ends;
    std::size_t tried = 0;
    for (const auto& pair : swept.pairs) {
        ++ends[pair.end()];
        tried += pair.tried;
    }
    std::string out =
        "dmarace " + swept.command + "\nboard " + swept.board + ", kernel " + swept.kernel +
        (swept.shards > 1
             ? ", shard " + std::to_string(swept.shard) + "/" + std::to_string(swept.shards)
             : "") +
        "\n\n" + count_of(swept.pairs.size(), "pair") + ", " + count_of(tried, "schedule") +
        " in " + seconds_text(swept.seconds) + ":";
    for (auto end = ends.rbegin(); end != ends.rend(); ++end)
        out += (end == ends.rbegin() ? " " : ", ") + std::to_string(end->second) + " " +
               std::string(to_text(end->first));
    out += "\n";
    if (!swept.stopped.empty())
        out += "Ended early: " + swept.stopped + "\n";
    if (swept.interrupted)
        out += "Interrupted; --resume goes on\n";
    if (!swept.boot_again.empty())
        out += "Waits for a boot: " + swept.boot_again + "\n";
    const auto races = grouped(swept.pairs);
    out += races.empty() ? no_finding(swept) : "";
    for (std::size_t i = 0; i < races.size(); ++i)
        out += race_text(i + 1, races[i]);
    out += "\nNot covered:\n";
    for (const auto& line : not_covered(swept))
        out += "  " + line + "\n";
    for (std::size_t i = 0; i < std::min(swept.notes.size(), kNotesShown); ++i)
        out += "Note: " + swept.notes[i] + "\n";
    if (swept.notes.size() > kNotesShown)
        out += "Note: " + std::to_string(swept.notes.size() - kNotesShown) + " more in " +
               run::kSweepJson + "\n";
    Columns table({"acts", "end", "candidates", "tried", "left", "findings", "why"});
    for (const auto& pair : swept.pairs)
        table.add({text_of(pair.pair), std::string(to_text(pair.end())),
                   pair.candidates ? std::to_string(*pair.candidates) : "",
                   pair.apart ? "" : std::to_string(pair.tried),
                   pair.tried > 0 ? std::to_string(pair.left) : "",
                   pair.findings.empty() ? "" : std::to_string(pair.findings.size()),
                   pair.why.substr(0, kWhyShown)});
    return out + "\n" + table.text("");
}

std::string sweep_json(const Swept& swept) {
    Json out{{"schema", kSchema},
             {"command", swept.command},
             {"asked", swept.asked},
             {"verdict", verdict::to_text(verdict_of(swept))},
             {"board", swept.board},
             {"kernel", swept.kernel},
             {"shard", swept.shard},
             {"shards", swept.shards},
             {"missing_shards", swept.missing_shards},
             {"seconds", swept.seconds},
             {"written", swept.written},
             {"at", swept.at},
             {"ordered", swept.ordered},
             {"stopped", swept.stopped},
             {"boot_again", swept.boot_again},
             {"interrupted", swept.interrupted},
             {"notes", swept.notes},
             {"not_covered", not_covered(swept)},
             {"races", Json::array()},
             {"pairs", Json::array()}};
    for (const auto& race : grouped(swept.pairs))
        out["races"].push_back(to_json(race));
    for (const auto& pair : swept.pairs)
        out["pairs"].push_back(to_json(pair));
    return out.dump(1, ' ', true, Json::error_handler_t::replace);
}

Result<Swept> read_sweep(const fs::path& directory) {
    const auto file = directory / run::kSweepJson;
    const auto text = read_text(file);
    std::error_code none;
    if (!text)
        return fail(Fault::usage,
                    directory.string() + " holds no sweep (" + text.error().message + ")" +
                        (fs::exists(directory / run::kExploreJson, none)
                             ? "; it is one search, whose page is " + std::string(run::kExplorePage)
                             : ""));
    try {
        return swept_from(Json::parse(*text));
    } catch (const Json::exception& error) {
        return fail(Fault::usage, file.string() + " is torn, or no sweep's (" + error.what() +
                                      "); without it 'dmarace sweep --resume' makes it anew from "
                                      "the searches beside it");
    }
}

Result<Swept> merged_sweeps(const std::vector<fs::path>& directories) {
    std::vector<Swept> parts;
    std::set<std::string> places;
    for (const auto& directory : directories) {
        TRY_AS(auto part, read_sweep(directory));
        places.insert(place_of(part));
        parts.push_back(std::move(part));
    }
    Swept out;
    out.ordered = true;
    std::map<std::string, PairState> pairs;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        add_part(out, parts[i]);
        const auto where =
            places.size() > 1 ? " (" + parts[i].board + ", " + parts[i].kernel + ")" : "";
        for (const auto& pair : parts[i].pairs) {
            auto one = placed(pair, directories[i], where);
            const auto at = pairs.find(one.pair.id);
            if (at == pairs.end() || saw_more(one, at->second))
                pairs[one.pair.id] = std::move(one);
        }
    }
    add_missing(out, parts);
    for (auto& [id, pair] : pairs)
        out.pairs.push_back(std::move(pair));
    std::ranges::stable_sort(out.pairs, {}, [](const PairState& pair) {
        return std::tuple(pair.apart, pair.rank, -static_cast<int>(pair.leading));
    });
    return out;
}

} // namespace dmarace::explore
