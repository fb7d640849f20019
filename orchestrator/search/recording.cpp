// SPDX-License-Identifier: GPL-2.0-or-later
// A record as lines of text, and back.
#include "base/hex.hpp"
#include "base/text.hpp"
#include "search/search.hpp"

#include <array>

namespace dmarace::search {

namespace {

constexpr std::array<std::string_view, 3> kAccess{"read", "write", "both"};
constexpr std::string_view kReading = " for reading"; // behind a lock that others may read with

std::string text_of(const Frame& frame) {
    return frame.offset == 0 ? frame.function : frame.function + "+" + in_hex(frame.offset);
}

Frame frame_from(std::string_view text) {
    const auto plus = text.rfind("+0x");
    if (plus == std::string_view::npos)
        return {std::string(text), 0, ""};
    return {std::string(text.substr(0, plus)), leading_number(text.substr(plus + 3), 16), ""};
}

std::string text_of(const std::vector<Frame>& chain) {
    return joined(texts_of(chain, [](const Frame& frame) { return text_of(frame); }), "<");
}

std::vector<Frame> chain_from(std::string_view text) {
    std::vector<Frame> out;
    for (const auto& word : split(text, '<'))
        out.push_back(frame_from(word));
    return out;
}

std::string line_of(const Touch& touch) {
    Line line{"touch", {}};
    line.add("word", touch.word.name)
        .add("of", touch.word.of)
        .add("kind", std::string(kAccess.at(static_cast<std::size_t>(touch.kind))))
        .add("chain", text_of(touch.chain))
        .add("locks", joined(touch.locks, "|"))
        .add("time", std::to_string(touch.time))
        .add("task", std::to_string(touch.task))
        .add("comm", touch.comm);
    return to_text(line) + "\n";
}

std::string line_of(const LockStep& step) {
    Line line{"lock", {}};
    line.add("taken", step.taken ? "1" : "0")
        .add("name", step.lock)
        .add("chain", text_of(step.chain))
        .add("time", std::to_string(step.time))
        .add("task", std::to_string(step.task));
    return to_text(line) + "\n";
}

int task_of(const Line& line) { return static_cast<int>(line.number("task").value_or(0)); }

std::uint64_t time_of(const Line& line) {
    return static_cast<std::uint64_t>(line.number("time").value_or(0));
}

Status take(ActRecord& record, const Line& line) {
    if (line.verb == "act") {
        record.act = line.get("name");
        record.after = line.get("after");
        record.kernel = line.get("kernel");
        record.board = line.get("board");
    } else if (line.verb == "touch") {
        const auto kind = enum_from<Access>(kAccess, line.get("kind"));
        if (!kind)
            return fail(Fault::environment, "kind '" + line.get("kind") + "' of a touch");
        record.touches.push_back({{line.get("word"), line.get("of")},
                                  *kind,
                                  chain_from(line.get("chain")),
                                  split(line.get("locks"), '|'),
                                  time_of(line),
                                  task_of(line),
                                  line.get("comm")});
    } else if (line.verb == "lock") {
        record.locks.push_back({line.get("taken") == "1", line.get("name"),
                                chain_from(line.get("chain")), time_of(line), task_of(line)});
    } else if (line.verb == "sleeper") {
        record.sleepers.insert(line.get("name"));
    } else if (line.verb == "incomplete") {
        record.lost.push_back(line.get("why"));
    }
    return {};
}

} // namespace

bool is_known_lock(std::string_view lock) { return !lock.starts_with("0x"); }

std::string owned_for_reading(const std::string& lock) { return lock + std::string(kReading); }

bool exclude(std::string_view a, std::string_view b) {
    if (!is_known_lock(a) || (a.ends_with(kReading) && b.ends_with(kReading)))
        return false;
    const auto lock_of = [](std::string_view owned) {
        return owned.substr(0, owned.size() - (owned.ends_with(kReading) ? kReading.size() : 0));
    };
    return lock_of(a) == lock_of(b);
}

std::string to_text(const ActRecord& record) {
    Line head{"act", {}};
    head.add("name", record.act)
        .add("after", record.after)
        .add("kernel", record.kernel)
        .add("board", record.board);
    std::string out = to_text(head) + "\n";
    for (const auto& touch : record.touches)
        out += line_of(touch);
    for (const auto& step : record.locks)
        out += line_of(step);
    for (const auto& name : record.sleepers)
        out += to_text(Line{"sleeper", {{"name", name}}}) + "\n";
    for (const auto& why : record.lost)
        out += to_text(Line{"incomplete", {{"why", why}}}) + "\n";
    return out;
}

Result<ActRecord> record_from(std::string_view text) {
    ActRecord record;
    unsigned number = 0;
    for (const auto& one : lines_in(text)) {
        ++number;
        auto line = parse_line(one);
        const auto taken = line ? take(record, *line) : Status(std::unexpected(line.error()));
        if (!taken)
            return std::unexpected(Error(taken.error()).within("line " + std::to_string(number)));
    }
    if (record.act.empty())
        return fail(Fault::environment, "no record of an act");
    return record;
}

std::string shown(const std::vector<Frame>& chain, std::size_t most) {
    std::string out;
    for (std::size_t i = 0; i < chain.size() && i < most; ++i)
        out += i > 0
                   ? " < " + chain[i].function
                   : text_of(chain[i]) + (chain[i].line.empty() ? "" : " (" + chain[i].line + ")");
    return out;
}

} // namespace dmarace::search
