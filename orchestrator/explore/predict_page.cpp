// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "explore/record.hpp"
#include "report/html.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace dmarace::explore {

namespace {

using nlohmann::ordered_json;
using report::html_element;
using report::html_escaped;
using search::Candidate;

constexpr std::array<const char*, 3> kAccessWords{"reads", "writes", "reads or writes"};

constexpr std::size_t kParksShown = 4;  // innermost; the JSON has all
constexpr std::size_t kFramesShown = 6; // innermost; a hover has all
constexpr const char* kUnseen = "spinlocks unknown, but for those of lists that are named";

struct Side {
    const std::string& act;
    const search::Touch& touch;
    const std::vector<search::Park>& parks;

    std::string access() const { return kAccessWords.at(static_cast<std::size_t>(touch.kind)); }
    std::string locks() const {
        return touch.locks.empty() ? "no lock that was seen" : joined(touch.locks, ", ");
    }
    // "" where nobody may be parked.
    std::string places() const {
        auto places = texts_of(parks, [](const auto& park) { return search::shown(park); });
        const auto more = places.size() - std::min(places.size(), kParksShown);
        places.resize(places.size() - more);
        return joined(places, ", ") +
               (more == 0 ? "" : ", and " + std::to_string(more) + " further out");
    }
    std::string text() const {
        return "     " + act + "\n       " + access() + " in " + search::shown(touch.chain) +
               "\n       owns " + locks() + "\n" +
               (parks.empty() ? "" : "       park at " + places() + "\n");
    }
    ordered_json json() const {
        ordered_json out{{"act", act},
                         {"access", access()},
                         {"chain", ordered_json::array()},
                         {"locks", touch.locks},
                         {"parks", ordered_json::array()}};
        for (const auto& frame : touch.chain)
            out["chain"].push_back(
                {{"function", frame.function}, {"offset", frame.offset}, {"line", frame.line}});
        for (const auto& park : parks) {
            ordered_json one{{"function", park.function}, {"on", park.exit ? "exit" : "enter"}};
            if (park.device_argument)
                one["arg"] = *park.device_argument;
            if (!park.device.empty())
                one["dev"] = park.device;
            out["parks"].push_back(std::move(one));
        }
        return out;
    }
    std::string html() const {
        const auto frames =
            texts_of(touch.chain, [](const auto& frame) { return search::shown({frame}); });
        const auto most = std::min(frames.size(), kFramesShown);
        return std::string("<div class=\"side") +
               (touch.kind == search::Access::read ? "" : " writes") + "\"><p>" +
               html_element("b", "", act) + " " + access() + "</p>" +
               html_element("pre", "", joined({frames.begin(), frames.begin() + most}, "\n"),
                            joined(frames, " < ")) +
               "<p>owns " + html_escaped(locks()) + "</p>" +
               (parks.empty() ? "<p class=\"dim\">no place to park is known</p>"
                              : "<p class=\"dim\">park at " + html_escaped(places()) + "</p>") +
               "</div>";
    }
};

Side side_a(const Candidate& one) { return {one.act_a, one.a, one.parks_a}; }
Side side_b(const Candidate& one) { return {one.act_b, one.b, one.parks_b}; }

std::string word_of(const Candidate& one) {
    return one.word.name + (one.word.of.empty() ? "" : " of " + one.word.of);
}

std::string guard_note(const Candidate& one) {
    const std::string guard(search::guard_of(one.word));
    return guard.empty() ? "" : "a list that " + guard + " guards, a spinlock";
}

std::string candidate_text(std::size_t number, const Candidate& one) {
    auto head = std::to_string(number);
    head.resize(std::max<std::size_t>(head.size(), 3), ' ');
    const auto guard = guard_note(one);
    return head + "  " + std::string(search::to_text(one.kind)) + ": " + word_of(one) +
           (one.known.empty() ? "" : "  (" + one.known + " of docs/races.md)") +
           (guard.empty() ? "" : "  (" + guard + ")") + "\n" + side_a(one).text() +
           side_b(one).text();
}

std::string candidate_html(std::size_t number, const Candidate& one) {
    const auto guard = guard_note(one);
    return "<div class=\"card\"><h3>" + std::to_string(number) + ". " +
           html_element("code", "", word_of(one)) + "</h3><p>" +
           html_element("span", "tag", search::to_text(one.kind)) +
           (one.known.empty() ? "" : html_element("span", "tag", one.known, "of docs/races.md")) +
           (guard.empty() ? "" : html_element("span", "dim", guard)) + "</p><div class=\"sides\">" +
           side_a(one).html() + side_b(one).html() + "</div></div>\n";
}

// Which act reads and writes which word, of all candidates.
std::string glance(const ActRecords& records, const std::vector<Candidate>& candidates) {
    std::map<std::string, std::map<std::string, std::set<std::string>>> words;
    std::map<std::string, std::vector<std::string>> numbers;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto word = word_of(candidates[i]);
        numbers[word].push_back(std::to_string(i + 1));
        for (const auto& side : {side_a(candidates[i]), side_b(candidates[i])})
            words[word][side.act].insert(side.access());
    }
    std::vector<std::string> heads{"word"};
    heads.insert(heads.end(), records.acts.begin(), records.acts.end());
    heads.push_back("candidates");
    std::vector<std::vector<std::string>> rows;
    for (const auto& [word, sides] : words) {
        std::vector<std::string> row{html_element("code", "", word)};
        for (const auto& act : records.acts) {
            const auto found = sides.find(act);
            const auto how = found == sides.end()
                                 ? std::string()
                                 : joined({found->second.begin(), found->second.end()}, ", ");
            row.push_back(html_element(
                "span", how.find(kAccessWords[1]) == std::string::npos ? "dim" : "bad", how));
        }
        row.push_back(joined(numbers[word], ", "));
        rows.push_back(std::move(row));
    }
    return report::html_table(heads, rows);
}

std::string count_of(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " candidate" : " candidates");
}

} // namespace

std::string predict_page(const ActRecords& records, const std::vector<Candidate>& candidates,
                         bool whole) {
    std::string out;
    for (const auto& record : records.records) {
        out += record.act + (record.after.empty() ? "" : ", after " + record.after) + ": " +
               std::to_string(record.touches.size()) + " accesses\n";
        for (const auto& why : record.lost)
            out += "  incomplete: " + why + "\n";
        if (whole)
            out += search::to_text(record);
    }
    out += "\nwords of " + records.device + ": " + count_of(candidates.size()) + "\n";
    for (std::size_t i = 0; i < candidates.size(); ++i)
        out += "\n" + candidate_text(i + 1, candidates[i]);
    out += std::string("\nnote: ") + kUnseen + "\n";
    for (const auto& note : records.notes)
        out += "note: " + note + "\n";
    return out;
}

std::string predict_json(const ActRecords& records, const std::vector<Candidate>& candidates) {
    ordered_json out{{"schema", 1},
                     {"device", records.device},
                     {"acts", records.acts},
                     {"records", ordered_json::array()},
                     {"candidates", ordered_json::array()},
                     {"notes", records.notes},
                     {"unseen", kUnseen}};
    for (const auto& record : records.records)
        out["records"].push_back({{"act", record.act},
                                  {"after", record.after},
                                  {"kernel", record.kernel},
                                  {"accesses", record.touches.size()},
                                  {"incomplete", record.lost}});
    for (const auto& one : candidates)
        out["candidates"].push_back({{"kind", search::to_text(one.kind)},
                                     {"rank", one.rank},
                                     {"word", one.word.name},
                                     {"of", one.word.of},
                                     {"known", one.known},
                                     {"guard", search::guard_of(one.word)},
                                     {"a", side_a(one).json()},
                                     {"b", side_b(one).json()}});
    return out.dump() + "\n";
}

std::string predict_html(const ActRecords& records, const std::vector<Candidate>& candidates) {
    const auto title = "dmarace predict " + joined(records.acts, " ");
    std::string out =
        html_element("h1", "", title) + "<p>" + count_of(candidates.size()) +
        ": where these acts could meet at words of " + html_element("code", "", records.device) +
        (records.records.empty() ? "" : ", on " + html_escaped(records.records.front().kernel)) +
        ". Nothing was held, and nothing raced.</p>\n" + glance(records, candidates) +
        "<h2>Candidates, the likeliest first</h2>\n";
    for (std::size_t i = 0; i < candidates.size(); ++i)
        out += candidate_html(i + 1, candidates[i]);
    out += "<h2>What was watched</h2>\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& record : records.records)
        rows.push_back({html_escaped(record.act), html_escaped(record.after),
                        std::to_string(record.touches.size()),
                        html_element("span", "bad", joined(record.lost, "; "))});
    out += report::html_table({"act", "after", "accesses", "incomplete"}, rows);
    out += html_element("p", "dim", kUnseen);
    for (const auto& note : records.notes)
        out += html_element("p", "dim", note);
    return report::html_page(title, out);
}

} // namespace dmarace::explore
