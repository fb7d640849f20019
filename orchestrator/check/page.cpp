// SPDX-License-Identifier: GPL-2.0-or-later
#include "check/page.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "report/tally.hpp"
#include "run/parts.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace dmarace::check {

using verdict::Verdict;

namespace {

bool is_hit(const Tried& tried) {
    return tried.verdict == Verdict::pass || report::is_bad(tried.verdict);
}

// Another job of the order has hit its window.
bool is_shown(const CheckedBoard& board, Order order) {
    return std::ranges::any_of(
        board.tried, [&](const auto& tried) { return tried.what.order == order && is_hit(tried); });
}

// Nothing was wrong, and this kernel does not have what the job is for.
bool is_not_here(const CheckedBoard& board, const Tried& tried) {
    return tried.verdict == Verdict::skip || (tried.verdict == Verdict::inconclusive &&
                                              tried.missed && is_shown(board, tried.what.order));
}

bool is_doubt(const CheckedBoard& board, const Tried& tried) {
    return (tried.verdict == Verdict::inconclusive || tried.verdict == Verdict::error) &&
           !is_not_here(board, tried);
}

struct CheckOutcome {
    Verdict verdict;
    std::string why;
};

std::string name_of(const Try& what) {
    return what.job + (what.device.empty() ? "" : " " + what.device);
}

CheckOutcome outcome(const CheckedBoard& board) {
    for (const auto bad : {Verdict::crash, Verdict::hang, Verdict::fail}) {
        if (board.found.verdict == bad)
            return {bad, "before anything was tried: " + board.found.reason};
        for (const auto& tried : board.tried)
            if (tried.verdict == bad)
                return {bad, name_of(tried.what) + ": " + tried.why};
    }
    for (const auto& check : board.machine)
        if (check.state == "stop")
            return {Verdict::error, check.name + ": " + check.found};
    for (const auto& tried : board.tried)
        if ((tried.verdict == Verdict::error && !tried.unbegun) || !tried.left.empty())
            return {Verdict::error, name_of(tried.what) + ": " +
                                        (tried.left.empty() ? tried.why : "not all was restored")};
    if (!board.stopped.empty())
        return {Verdict::inconclusive, board.stopped};
    if (!board.ended)
        return {Verdict::inconclusive, "it goes on, or it did not come to its end"};
    if (board.found.verdict == Verdict::inconclusive)
        return {Verdict::inconclusive, board.found.reason};
    for (const auto& master : board.masters)
        if (!master.waits_for.empty())
            return {Verdict::inconclusive, master.audit.device + " waits for " + master.waits_for};
    for (const auto& tried : board.tried)
        if (is_doubt(board, tried))
            return {Verdict::inconclusive, name_of(tried.what) + ": " + tried.why};
    const auto late = std::ranges::count(board.untried, true, &Untried::for_time);
    if (late > 0)
        return {Verdict::inconclusive, std::to_string(late) +
                                           " of what could be tried was not, "
                                           "for want of time; --time gives more"};
    if (board.masters.empty())
        return {Verdict::skip, "no device of this machine is behind an IOMMU"};
    if (std::ranges::none_of(board.tried, is_hit))
        return {Verdict::skip, "nothing could be tried here"};
    return {Verdict::pass, ""};
}

// The page.

std::string headline(const CheckedBoard& board) {
    const auto [verdict, why] = outcome(board);
    std::string out = "check: " + std::string(to_text(verdict)) + "\n";
    if (!why.empty())
        out += "  " + printable(why) + "\n";
    return out + "  kernel " + printable(board.kernel) + " " + printable(board.arch) + ", board " +
           printable(board.board) + ", " + std::to_string(std::lround(board.seconds)) + " s of " +
           std::to_string(std::lround(board.limit)) + " s\n";
}

std::string machine_lines(const CheckedBoard& board) {
    std::string out;
    for (const auto& check : board.machine) {
        if (check.state == "ok")
            continue;
        out += "  " + printable(check.name) + ": " + printable(check.found) + "\n";
        if (!check.remedy.empty())
            out += "    -> " + printable(check.remedy) + "\n";
    }
    return out.empty() ? "" : "the machine\n" + out;
}

std::string firmware(const verdict::Audit& audit) {
    return !audit.fw ? "unknown" : *audit.fw ? "an IOMMU" : "none";
}

std::string group_of(const Master& master) {
    if (!master.audit.group)
        return "none";
    auto others = master.members;
    std::erase(others, master.audit.device);
    return std::to_string(*master.audit.group) +
           (others.empty() ? ", alone" : ", with " + joined(others, " "));
}

std::string dma_of(const verdict::Audit& audit) {
    return !audit.via_iommu ? "unknown" : *audit.via_iommu ? "translated" : "direct";
}

std::string mapping_of(const verdict::Audit& audit) {
    return audit.map + (audit.map_reason.empty() ? "" : ": " + audit.map_reason);
}

std::string driver_of(const verdict::Audit& audit) {
    return audit.driver.empty()
               ? "-"
               : audit.driver + (audit.bound.value_or(false) ? "" : " (not bound)");
}

std::string master_lines(const CheckedBoard& board) {
    std::string out = "DMA masters\n";
    Columns columns(
        {"device", "driver", "firmware says", "group", "domain", "DMA", "a page mapped"});
    for (const auto& master : board.masters)
        columns.add({master.audit.device, driver_of(master.audit), firmware(master.audit),
                     group_of(master), master.audit.domain, dma_of(master.audit),
                     mapping_of(master.audit)});
    if (!board.masters.empty())
        out += columns.text("  ");
    for (const auto& master : board.masters)
        if (!master.waits_for.empty())
            out += "  " + printable(master.audit.device) +
                   (master.audit.bound.value_or(false) ? " gave up waiting for " : " waits for ") +
                   printable(master.waits_for) + "\n";
    return out + "  " + std::to_string(board.without) + " more, to which firmware gives no IOMMU\n";
}

std::string failure_text(const verdict::Failure& failure, const std::string& where) {
    auto out = "  " + std::string(to_text(failure.kind));
    if (!failure.device.empty())
        out += " " + printable(failure.device);
    if (!failure.driver.empty())
        out += " (" + printable(failure.driver) + ")";
    return out + ", " + where + "\n    " + printable(failure.detail) + "\n";
}

std::string unsound_lines(const CheckedBoard& board) {
    std::string out;
    for (const auto& failure : board.found.failures) {
        out += failure_text(failure, "as the board was found");
        for (const auto& line : failure.evidence)
            out += "      " + printable(line) + "\n";
    }
    for (const auto& tried : board.tried) {
        if (!report::is_bad(tried.verdict))
            continue;
        for (const auto& failure : tried.failures)
            if (!failure.allowed)
                out += failure_text(failure, "when " + std::string(to_text(tried.what.order)));
        if (tried.failures.empty())
            out += "  " + std::string(to_text(tried.verdict)) + ", when " +
                   std::string(to_text(tried.what.order)) + "\n    " + printable(tried.why) + "\n";
        out += "    again: dmarace run " + tried.what.job +
               (tried.what.device.empty() ? "" : " --device " + tried.what.device) +
               "; evidence: dmarace report " + printable(board.directory + "/" + tried.directory) +
               "\n";
    }
    return out.empty() ? "" : "not sound\n" + out;
}

std::string sound_lines(const CheckedBoard& board) {
    Columns columns;
    for (const auto& tried : board.tried)
        if (tried.verdict == Verdict::pass)
            columns.add({std::string(to_text(tried.what.order)), tried.what.job,
                         tried.what.device.empty() ? "all clients" : tried.what.device});
    const auto rows = columns.text("  ");
    std::string out = rows.empty() ? "" : "sound\n" + rows;
    for (const auto& note : board.found.notes)
        out += "  note: " + printable(note) + "\n";
    for (const auto& tried : board.tried)
        for (const auto& note : tried.notes)
            out += "  note, " + tried.what.job + ": " + printable(note) + "\n";
    return out;
}

// What has one reason is told together.
std::string untried_lines(const CheckedBoard& board) {
    struct Reason {
        std::string why, remedy;
        std::vector<std::string> what;
    };
    std::vector<Reason> reasons;
    const auto add = [&](const std::string& what, const std::string& why,
                         const std::string& remedy) {
        auto known = std::ranges::find_if(reasons, [&](const auto& reason) {
            return reason.why == why && reason.remedy == remedy;
        });
        if (known == reasons.end())
            known = reasons.insert(known, {why, remedy, {}});
        known->what.push_back(what);
    };
    for (const auto& tried : board.tried)
        if (!is_hit(tried))
            add(name_of(tried.what), std::string(to_text(tried.verdict)) + ": " + tried.why, "");
    for (const auto& one : board.untried)
        add(one.what, one.why, one.remedy);
    std::string out;
    for (const auto& [why, remedy, what] : reasons) {
        out += "  " + printable(joined(what, ", ")) + "\n    " + printable(why) + "\n";
        if (!remedy.empty())
            out += "    -> " + printable(remedy) + "\n";
    }
    return out.empty() ? "" : "not tried, or not shown\n" + out;
}

std::string left_lines(const CheckedBoard& board) {
    std::string out;
    for (const auto& tried : board.tried)
        for (const auto& command : tried.left)
            out += "  " + printable(command) + "\n";
    return out.empty() ? "" : "not restored; this would\n" + out;
}

// As JSON.

using run::Json;

Json json_of(const Master& master) {
    Json json = Json::object();
    for (const auto& [key, value] : verdict::to_line(master.audit).words)
        json[key] = value;
    json["members"] = master.members;
    json["waits_for"] = master.waits_for;
    return json;
}

template <class T>
Json all_of(const std::vector<T>& items, const std::function<Json(const T&)>& one) {
    auto json = Json::array();
    for (const auto& item : items)
        json.push_back(one(item));
    return json;
}

Json json_of(const CheckedBoard& board) {
    const auto [verdict, why] = outcome(board);
    return {
        {"schema", run::kSchema},
        {"tool_version", board.tool_version},
        {"kernel", board.kernel},
        {"arch", board.arch},
        {"board", board.board},
        {"started", board.started},
        {"seconds", board.seconds},
        {"limit", board.limit},
        {"ended", board.ended},
        {"verdict", to_text(verdict)},
        {"reason", why},
        {"machine", all_of<DoctorCheck>(board.machine,
                                        [](const auto& check) -> Json {
                                            return {{"check", check.name},
                                                    {"state", check.state},
                                                    {"found", check.found},
                                                    {"remedy", check.remedy}};
                                        })},
        {"masters", all_of<Master>(board.masters, [](const auto& one) { return json_of(one); })},
        {"without_iommu", board.without},
        {"failures", run::to_json(board.found.failures)},
        {"notes", board.found.notes},
        {"tried", all_of<Tried>(board.tried,
                                [](const auto& tried) -> Json {
                                    return {{"order", to_text(tried.what.order)},
                                            {"job", tried.what.job},
                                            {"device", tried.what.device},
                                            {"directory", tried.directory},
                                            {"verdict", to_text(tried.verdict)},
                                            {"reason", tried.why},
                                            {"missed", tried.missed},
                                            {"failures", run::to_json(tried.failures)},
                                            {"notes", tried.notes},
                                            {"not_restored", tried.left},
                                            {"seconds", tried.seconds}};
                                })},
        {"untried", all_of<Untried>(board.untried, [](const auto& one) -> Json {
             return {{"what", one.what},
                     {"order", one.of ? Json(to_text(*one.of)) : Json()},
                     {"why", one.why},
                     {"remedy", one.remedy},
                     {"for_time", one.for_time}};
         })}};
}

// Without its iterations whose window nobody came by, and that show nothing else, it would pass.
bool is_missed(run::Run run) {
    bool any = false;
    for (auto& end : run.ended) {
        auto& judged = end.judgement;
        const auto reason = verdict::never_hit(judged.rules);
        if (judged.verdict != Verdict::inconclusive || reason.empty() || judged.reason != reason)
            continue;
        judged.verdict = Verdict::pass;
        any = true;
    }
    return any && report::overall(run) == Verdict::pass;
}

} // namespace

Tried to_tried(const Try& what, const std::string& directory, const run::Run& run) {
    Tried out{.what = what, .directory = directory};
    out.verdict = report::overall(run);
    out.why = report::why_not_pass(run);
    out.notes = report::notes_of(run);
    out.left = run.left;
    out.unbegun = run.begun.empty() && run.ended.empty() &&
                  std::ranges::all_of(run.outside, [](const auto& outside) {
                      return outside.judgement.failures.empty();
                  });
    for (const auto& end : run.ended) {
        out.seconds += end.seconds;
        std::ranges::copy(end.judgement.failures, std::back_inserter(out.failures));
    }
    out.missed = is_missed(run);
    for (const auto& outside : run.outside)
        std::ranges::copy(outside.judgement.failures, std::back_inserter(out.failures));
    return out;
}

Verdict overall(const CheckedBoard& board) { return outcome(board).verdict; }

std::string why_not_pass(const CheckedBoard& board) { return outcome(board).why; }

std::string page(const CheckedBoard& board) {
    return headline(board) + machine_lines(board) +
           (board.masters.empty() ? "" : master_lines(board)) + unsound_lines(board) +
           sound_lines(board) + untried_lines(board) + left_lines(board) +
           (board.directory.empty() ? "" : "the runs are in " + printable(board.directory) + "\n");
}

std::string check_json(const CheckedBoard& board) {
    return json_of(board).dump(2, ' ', true, Json::error_handler_t::replace);
}

std::string check_line(const CheckedBoard& board) { return run::one_line(json_of(board)); }

} // namespace dmarace::check
