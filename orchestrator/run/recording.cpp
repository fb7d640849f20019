// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/recording.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace dmarace::run {

using verdict::ActorEnd;
using verdict::Observed;

namespace {

constexpr std::string_view kIteration = "# iteration ";
constexpr std::string_view kBoard = "# board";
constexpr std::string_view kBaseline = "# baseline";

namespace said {
constexpr const char* kFacts = "facts";
constexpr const char* kBefore = "before";
constexpr const char* kSettled = "settled";
constexpr const char* kCount = "count";
constexpr const char* kGroup = "group";
constexpr const char* kMember = "member";
constexpr const char* kActor = "actor";
constexpr const char* kBlocked = "blocked";
constexpr const char* kLog = "log";
} // namespace said

constexpr std::array<std::pair<ActorEnd::How, std::string_view>, 4> kHow{
    {{ActorEnd::How::returned, "returned"},
     {ActorEnd::How::killed_by_oops, "killed-by-oops"},
     {ActorEnd::How::stuck, "stuck"},
     {ActorEnd::How::cancelled, "cancelled"}}};

std::string_view how_text(ActorEnd::How how) {
    return std::ranges::find(kHow, how, &decltype(kHow)::value_type::first)->second;
}

// A stack has lines; a line of the file has none within.
std::string on_one_line(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c == '\n')
            out += "\\n";
        else if (c == '\\')
            out += "\\\\";
        else
            out += c;
    return out;
}

std::string with_newlines(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\\' && i + 1 < text.size())
            out += text[++i] == 'n' ? '\n' : text[i];
        else
            out += text[i];
    return out;
}

// Builds a line; what is empty is left out.
class Words {
public:
    explicit Words(const char* verb) { line_.verb = verb; }
    Words& text(const char* key, std::string_view value) {
        if (!value.empty())
            line_.add(key, on_one_line(value));
        return *this;
    }
    Words& flag(const char* key, bool value) {
        line_.add(key, value ? "1" : "0");
        return *this;
    }
    template <class Number>
    Words& number(const char* key, Number value) {
        line_.add(key, std::to_string(value));
        return *this;
    }
    std::string line() const { return dmarace::to_text(line_) + "\n"; }

private:
    Line line_;
};

std::string text_of(const Line& line, const char* key) {
    return with_newlines(line.get(key));
}

template <class Number = std::uint64_t>
Number number_of(const Line& line, const char* key) {
    return static_cast<Number>(line.number(key).value_or(0));
}

std::vector<std::string> words_of(const Line& line, const char* key) {
    std::vector<std::string> out;
    const auto text = line.get(key);
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(' ', at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::string audit_line(const char* verb, const verdict::Audit& audit) {
    auto line = verdict::to_line(audit);
    line.verb = verb;
    return dmarace::to_text(line) + "\n";
}

std::optional<verdict::Audit> audit_from(Line line) {
    line.verb = DMARACE_E_AUDIT;
    return verdict::to_audit(line);
}

std::string iteration_head(const Observed& observed) {
    return std::string(kIteration) + std::to_string(observed.iteration) + "\n";
}

std::size_t acts_of(const Observed& observed) {
    std::size_t acts = 0;
    for (const auto& actor : observed.types.actors)
        acts += actor.acts.size();
    return acts;
}

std::string facts_line(const Observed& observed) {
    return Words(said::kFacts)
        .flag("holds", observed.holds)
        .number("events", observed.events.size())
        .number("log", observed.log.size())
        .number("steps", observed.steps.size())
        .number("acts", acts_of(observed))
        .number("lost", observed.lost_events)
        .flag("lease_lost", observed.lease_lost)
        .number("taint_before", observed.taint_before)
        .number("taint_after", observed.taint_after)
        .text("settle_failed", observed.settle_failed)
        .text("reset_failed", observed.reset_failed)
        .text("error", observed.error)
        .line();
}

std::string count_line(const verdict::RuleCount& count) {
    return Words(said::kCount)
        .text("rule", count.rule)
        .text("point", count.point)
        .flag("armed", count.armed)
        .flag("optional", count.optional)
        .flag("holds", count.holds)
        .number("hits", count.hits)
        .number("met", count.met)
        .number("blocked", count.blocked)
        .number("timeout", count.timeout)
        .number("unhit", count.unhit)
        .number("released", count.released)
        .number("atomic", count.atomic)
        .number("nmissed", count.nmissed)
        .line();
}

verdict::RuleCount count_from(const Line& line) {
    verdict::RuleCount count;
    count.rule = text_of(line, "rule");
    count.point = text_of(line, "point");
    count.armed = number_of(line, "armed") != 0;
    count.optional = number_of(line, "optional") != 0;
    count.holds = number_of(line, "holds") != 0;
    count.hits = number_of(line, "hits");
    count.met = number_of(line, "met");
    count.blocked = number_of(line, "blocked");
    count.timeout = number_of(line, "timeout");
    count.unhit = number_of(line, "unhit");
    count.released = number_of(line, "released");
    count.atomic = number_of(line, "atomic");
    count.nmissed = number_of(line, "nmissed");
    return count;
}

} // namespace

std::string board_lines(const types::Inventory& inventory) {
    std::string out = std::string(kBoard) + "\n";
    for (const auto& group : inventory.groups) {
        out += Words(said::kGroup).number("number", group.number).text("type", group.type).line();
        for (const auto& device : group.devices)
            out += Words(said::kMember)
                       .text("dev", device.name)
                       .text("driver", device.driver)
                       .flag("managed", device.managed)
                       .flag("endpoint", device.endpoint)
                       .text("iommu", joined(device.iommu, " "))
                       .number("functions", device.virtual_functions)
                       .line();
    }
    return out;
}

std::string baseline_lines(const verdict::Baseline& baseline) {
    std::string out = std::string(kBaseline) + "\n";
    for (const auto& [device, audit] : baseline)
        out += audit_line(said::kSettled, audit);
    return out;
}

std::string event_lines(const Observed& observed) {
    std::string out = iteration_head(observed);
    for (const auto& event : observed.events)
        out += dmarace::to_text(event) + "\n";
    return out;
}

std::string log_lines(const Observed& observed) {
    std::string out = iteration_head(observed);
    for (const auto& line : observed.log)
        out += "[" + std::to_string(line.ts / 1'000'000) + "." +
               std::to_string(1'000'000 + line.ts % 1'000'000).substr(1) + "] " + line.text + "\n";
    return out;
}

std::string observed_lines(const Observed& observed) {
    std::string out = iteration_head(observed) + facts_line(observed);
    for (const auto& audit : observed.before)
        out += audit_line(said::kBefore, audit);
    for (const auto& audit : observed.settled)
        out += audit_line(said::kSettled, audit);
    for (const auto& count : observed.counts)
        out += count_line(count);
    for (const auto& group : observed.groups)
        out += Words(said::kGroup)
                   .number("number", group.number)
                   .text("type", group.type)
                   .text("devices", joined(group.devices, " "))
                   .line();
    for (const auto& actor : observed.actors)
        out += Words(said::kActor)
                   .text("name", actor.actor)
                   .text("how", how_text(actor.how))
                   .text("stack", actor.stack)
                   .line();
    for (const auto& task : observed.blocked)
        out += Words(said::kBlocked).text("name", task.name).text("stack", task.stack).line();
    const verdict::LogLine plain;
    for (std::size_t i = 0; i < observed.log.size(); ++i)
        if (const auto& line = observed.log[i]; line.level != plain.level || !line.device.empty())
            out += Words(said::kLog)
                       .number("n", i + 1)
                       .number("level", line.level)
                       .text("dev", line.device)
                       .line();
    return out;
}

namespace {

// Calls take(line) for each line between the heads of sections, and head(text) there.
template <class Head, class Take>
void each_line(const std::string& text, Head head, Take take) {
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = std::string_view(text).substr(at, end - at);
        at = end + 1;
        if (line.starts_with("# "))
            head(line);
        else
            take(line);
    }
}

std::optional<unsigned> iteration_in(std::string_view head) {
    unsigned number = 0;
    if (!head.starts_with(kIteration))
        return std::nullopt;
    head.remove_prefix(kIteration.size());
    const auto [end, ec] = std::from_chars(head.data(), head.data() + head.size(), number);
    return ec == std::errc{} ? std::optional(number) : std::nullopt;
}

// "[12.345678] text"; nothing else is written there.
verdict::LogLine log_from(std::string_view text) {
    verdict::LogLine line;
    const auto end = text.find("] ");
    if (!text.starts_with('[') || end == std::string_view::npos) {
        line.text = text;
        return line;
    }
    std::uint64_t seconds = 0, micros = 0;
    const auto* const last = text.data() + end;
    const auto dot = std::from_chars(text.data() + 1, last, seconds).ptr;
    if (dot < last)
        std::from_chars(dot + 1, last, micros);
    line.ts = seconds * 1'000'000 + micros;
    line.text = text.substr(end + 2);
    return line;
}

// How much of an iteration there has to be.
struct Sizes {
    std::size_t events = 0, log = 0, steps = 0;
};

class ObservedReader {
public:
    void head(std::string_view text) {
        entry_ = nullptr;
        if (text == kBoard)
            board_ = std::make_shared<RecordedBoard>();
        in_baseline_ = text == kBaseline;
        if (in_baseline_) // a copy: the iterations before had none, or another one
            board_ = std::make_shared<RecordedBoard>(RecordedBoard{board_->inventory, {}});
        if (const auto number = iteration_in(text)) {
            entry_ = &all_[*number];
            *entry_ = {};
            entry_->observed.iteration = *number;
            entry_->board = board_;
        }
    }

    void take(std::string_view text) {
        const auto line = parse_line(text);
        if (!line)
            return;
        if (entry_ != nullptr)
            take_fact(*line, *entry_);
        else if (in_baseline_)
            take_baseline(*line);
        else
            take_board(*line);
    }

    std::map<unsigned, RecordedIteration>& all() { return all_; }
    const Sizes* sizes_of(unsigned number) const {
        const auto found = sizes_.find(number);
        return found == sizes_.end() ? nullptr : &found->second;
    }

private:
    void take_baseline(const Line& line) {
        if (auto audit = audit_from(line)) {
            const auto device = audit->device;
            board_->baseline[device] = *std::move(audit);
        }
    }

    void take_board(const Line& line) {
        auto& groups = board_->inventory.groups;
        if (line.verb == said::kGroup)
            groups.push_back({number_of<unsigned>(line, "number"), text_of(line, "type"), {}});
        else if (line.verb == said::kMember && !groups.empty())
            groups.back().devices.push_back(
                {.name = text_of(line, "dev"),
                 .driver = text_of(line, "driver"),
                 .managed = number_of(line, "managed") != 0,
                 .endpoint = number_of(line, "endpoint") != 0,
                 .iommu = words_of(line, "iommu"),
                 .virtual_functions = number_of<unsigned>(line, "functions")});
    }

    void take_facts(const Line& line, RecordedIteration& entry) {
        auto& out = entry.observed;
        out.holds = number_of(line, "holds") != 0;
        out.lost_events = number_of(line, "lost");
        out.lease_lost = number_of(line, "lease_lost") != 0;
        out.taint_before = number_of(line, "taint_before");
        out.taint_after = number_of(line, "taint_after");
        out.settle_failed = text_of(line, "settle_failed");
        out.reset_failed = text_of(line, "reset_failed");
        out.error = text_of(line, "error");
        entry.acts_missing = number_of(line, "acts") != 0;
        sizes_[out.iteration] = {number_of<std::size_t>(line, "events"),
                                 number_of<std::size_t>(line, "log"),
                                 number_of<std::size_t>(line, "steps")};
        out.log.resize(sizes_[out.iteration].log);
    }

    void take_fact(const Line& line, RecordedIteration& entry) {
        auto& out = entry.observed;
        if (line.verb == said::kFacts)
            take_facts(line, entry);
        else if (line.verb == said::kCount)
            out.counts.push_back(count_from(line));
        else if (line.verb == said::kGroup)
            out.groups.push_back({.number = number_of<std::int64_t>(line, "number"),
                                  .type = text_of(line, "type"),
                                  .devices = words_of(line, "devices")});
        else if (line.verb == said::kActor)
            take_actor(line, out);
        else if (line.verb == said::kBlocked)
            out.blocked.push_back({text_of(line, "name"), text_of(line, "stack")});
        else if (line.verb == said::kLog)
            take_log(line, out);
        else if (auto audit = audit_from(line))
            (line.verb == said::kBefore ? out.before : out.settled).push_back(*std::move(audit));
    }

    static void take_actor(const Line& line, Observed& out) {
        const auto word = line.get("how");
        const auto how = std::ranges::find(kHow, word, &decltype(kHow)::value_type::second);
        if (how != kHow.end())
            out.actors.push_back({text_of(line, "name"), how->first, text_of(line, "stack")});
    }

    static void take_log(const Line& line, Observed& out) {
        const auto n = number_of<std::size_t>(line, "n");
        if (n == 0 || n > out.log.size())
            return;
        out.log[n - 1].level = number_of<int>(line, "level");
        out.log[n - 1].device = text_of(line, "dev");
    }

    std::map<unsigned, RecordedIteration> all_;
    std::map<unsigned, Sizes> sizes_;
    std::shared_ptr<RecordedBoard> board_ = std::make_shared<RecordedBoard>();
    RecordedIteration* entry_ = nullptr;
    bool in_baseline_ = false;
};

// Lines of events.log and kmsg.log by iteration; a section that was written again counts.
std::map<unsigned, std::vector<std::string_view>> sections_of(const std::string& text) {
    std::map<unsigned, std::vector<std::string_view>> out;
    std::vector<std::string_view>* section = nullptr;
    each_line(
        text,
        [&](std::string_view head) {
            const auto number = iteration_in(head);
            section = number ? &out[*number] : nullptr;
            if (section != nullptr)
                section->clear();
        },
        [&](std::string_view line) {
            if (section != nullptr)
                section->push_back(line);
        });
    return out;
}

} // namespace

Result<std::map<unsigned, RecordedIteration>> read_recording(const Recording& texts) {
    ObservedReader reader;
    each_line(
        texts.observed, [&](std::string_view head) { reader.head(head); },
        [&](std::string_view line) { reader.take(line); });
    auto steps = read_steps(texts.journal);
    if (!steps)
        return std::unexpected(steps.error());
    const auto events = sections_of(texts.events);
    const auto logs = sections_of(texts.log);
    for (auto& [number, entry] : reader.all()) {
        auto& observed = entry.observed;
        if (const auto found = events.find(number); found != events.end())
            for (const auto text : found->second)
                if (auto line = parse_line(text))
                    observed.events.push_back(*std::move(line));
        if (const auto found = logs.find(number); found != logs.end())
            for (std::size_t i = 0; i < found->second.size() && i < observed.log.size(); ++i) {
                auto line = log_from(found->second[i]);
                observed.log[i].ts = line.ts;
                observed.log[i].text = std::move(line.text);
            }
        observed.steps = std::move((*steps)[number]);
        const auto* sizes = reader.sizes_of(number);
        const auto logged = logs.contains(number) ? logs.at(number).size() : 0;
        if (sizes == nullptr || observed.events.size() != sizes->events || logged != sizes->log ||
            observed.steps.size() != sizes->steps)
            return fail(Fault::environment, "what was recorded of iteration " +
                                                std::to_string(number) + " is not all there");
    }
    return std::move(reader.all());
}

} // namespace dmarace::run
