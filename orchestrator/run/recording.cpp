// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/recording.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "run/parts.hpp"

#include <algorithm>
#include <array>

namespace dmarace::run {

using verdict::ActorEnd;
using verdict::Observed;

void each_key(Is<types::InventoryGroup> auto& group, auto&& each) {
    each("number", group.number);
    each("type", group.type);
    each("named_only", group.named_only);
}

void each_key(Is<types::GroupMember> auto& device, auto&& each) {
    each("dev", device.name);
    each("driver", device.driver);
    each("managed", device.managed);
    each("endpoint", device.endpoint);
    each("iommu", device.iommu);
    each("functions", device.virtual_functions);
}

void each_key(Is<types::TypeGroup> auto& group, auto&& each) {
    each("number", group.number);
    each("type", group.type);
    each("devices", group.devices);
}

void each_key(Is<types::FailedAct> auto& act, auto&& each) {
    each("actor", act.actor);
    each("what", act.what);
    each("dev", act.device);
    each("errno", act.os_error);
    each("count", act.count);
}

void each_key(Is<verdict::FoundDevice> auto& device, auto&& each) {
    each("dev", device.device);
    each("driver", device.driver);
    each("module", device.module);
    each("path", device.path);
    each("group", device.group);
    each("iommu", device.iommu);
    each("physical", device.physical);
    each("domain", device.domain);
    each("translated", device.translated);
    each("there", device.there);
    each("aliases", device.aliases);
}

void each_key(Is<verdict::FoundStream> auto& stream, auto&& each) {
    each("iommu", stream.iommu);
    each("dev", stream.device);
    each("id", stream.id);
    each("ignored", stream.ignored);
    each("first", stream.first);
    each("count", stream.count);
    each("mask", stream.mask);
}

void each_key(Is<verdict::FoundIommu> auto& iommu, auto&& each) {
    each("instance", iommu.instance);
    each("dev", iommu.device);
    each("driver", iommu.driver);
    each("module", iommu.module);
}

// Its devices and IOMMUs have lines of their own.
void each_key(Is<verdict::FoundBoard> auto& found, auto&& each) {
    each("empty_groups", found.empty_groups);
    each("other_boot", found.other_boot);
}

void each_key(Is<ActorEnd> auto& actor, auto&& each) {
    each("name", actor.actor);
    each("how", actor.how);
    each("stack", actor.stack);
}

void each_key(Is<verdict::BlockedTask> auto& task, auto&& each) {
    each("name", task.name);
    each("stack", task.stack);
}

namespace {

constexpr std::string_view kIteration = "# iteration ";
constexpr std::string_view kBoard = "# board";
constexpr std::string_view kBaseline = "# baseline";
constexpr std::string_view kAfter = "# after disarm and settle";

namespace said {
constexpr std::string_view kFacts = "facts", kBefore = "before", kSettled = "settled",
                           kCount = "count", kGroup = "group", kMember = "member", kActor = "actor",
                           kBlocked = "blocked", kLog = "log", kFound = "found", kDevice = "device",
                           kIommu = "iommu", kFailed = "failed", kStream = "stream";
} // namespace said

// How much of an iteration there has to be.
struct Sizes {
    std::size_t events = 0, log = 0, steps = 0, acts = 0;
};

void each_fact(auto& observed, auto& sizes, auto&& each) {
    each("holds", observed.holds);
    each("events", sizes.events);
    each("log", sizes.log);
    each("steps", sizes.steps);
    each("acts", sizes.acts);
    each("lost", observed.lost_events);
    each("log_shift", observed.log_shift);
    each("lease_lost", observed.lease_lost);
    each("taint_before", observed.taint_before);
    each("taint_after", observed.taint_after);
    each("compared", observed.compared);
    each("settle_failed", observed.settle_failed);
    each("reset_failed", observed.reset_failed);
    each("error", observed.error);
}

// What kmsg.log does not say of its nth line.
void each_mark(auto& n, auto& line, auto&& each) {
    each("n", n);
    each("level", line.level);
    each("dev", line.device);
    each("user", line.user);
    each("lost", line.lost);
}

struct HowWord {
    ActorEnd::How how;
    std::string_view word;
};

constexpr std::array kHow{HowWord{ActorEnd::How::returned, "returned"},
                          HowWord{ActorEnd::How::failed, "failed"},
                          HowWord{ActorEnd::How::killed, "killed"},
                          HowWord{ActorEnd::How::killed, "killed-by-oops"}, // older recordings
                          HowWord{ActorEnd::How::stuck, "stuck"},
                          HowWord{ActorEnd::How::cancelled, "cancelled"}};

// Writes keys and values into a line; an empty text and what is not known are left out.
struct LineWriter {
    Line line;

    template <class T>
    void operator()(const char* key, const T& value) {
        if constexpr (std::same_as<T, std::vector<std::string>>)
            text(key, joined(value, " "));
        else if constexpr (std::same_as<T, ActorEnd::How>)
            text(key, std::ranges::find(kHow, value, &HowWord::how)->word);
        else if constexpr (std::same_as<T, types::BoundSeen>)
            text(key, value == T::unknown ? "" : value == T::yes ? "1" : "0");
        else if constexpr (std::is_enum_v<T>)
            text(key, to_text(value));
        else if constexpr (std::is_arithmetic_v<T>)
            line.add(key, std::to_string(value));
        else
            text(key, value);
    }

    std::string written() const { return dmarace::to_text(line) + "\n"; }

private:
    void text(const char* key, std::string_view value) {
        if (!value.empty())
            line.add(key, on_one_line(value));
    }
};

// What is missing or cannot be read leaves the value as it is.
struct LineReader {
    const Line& line;

    template <class T>
    void operator()(const char* key, T& value) const {
        const auto found = line.find(key);
        if (!found)
            return;
        const auto text = with_newlines(*found);
        if constexpr (std::same_as<T, std::vector<std::string>>) {
            value = words_in(text);
        } else if constexpr (std::same_as<T, ActorEnd::How>) {
            if (const auto how = std::ranges::find(kHow, text, &HowWord::word); how != kHow.end())
                value = how->how;
        } else if constexpr (std::same_as<T, types::BoundSeen>) {
            value = text == "1" ? T::yes : T::no;
        } else if constexpr (std::is_enum_v<T>) {
            (void)set_word(value, text);
        } else if constexpr (std::is_arithmetic_v<T>) {
            value = static_cast<T>(line.number(key).value_or(0));
        } else {
            value = text;
        }
    }
};

template <class Part>
Line line_of(std::string_view verb, const Part& part) {
    LineWriter writer{{std::string(verb), {}}};
    each_key(part, writer);
    return std::move(writer.line);
}

template <class Part>
std::string text_of(std::string_view verb, const Part& part) {
    return dmarace::to_text(line_of(verb, part)) + "\n";
}

template <class Part>
Part part_from(const Line& line) {
    Part part;
    each_key(part, LineReader{line});
    return part;
}

std::string audit_line(std::string_view verb, const verdict::Audit& audit) {
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

std::string facts_line(const Observed& observed) {
    Sizes sizes{observed.events.size(), observed.log.size(), observed.steps.size()};
    for (const auto& actor : observed.types.actors)
        sizes.acts += actor.acts.size();
    LineWriter facts{{std::string(said::kFacts), {}}};
    each_fact(observed, sizes, facts);
    return facts.written();
}

std::string log_text(const Observed& observed) {
    std::string out;
    for (const auto& line : observed.log)
        out += "[" + std::to_string(line.ts / 1'000'000) + "." +
               std::to_string(1'000'000 + line.ts % 1'000'000).substr(1) + "] " + line.text + "\n";
    return out;
}

} // namespace

Line to_line(std::string_view verb, const verdict::StepResult& step) {
    auto line = line_of(verb, step);
    if (step.type)
        std::ranges::move(line_of(verb, *step.type).words, std::back_inserter(line.words));
    return line;
}

verdict::StepResult step_from(const Line& line) {
    auto step = part_from<verdict::StepResult>(line);
    if (line.number("group"))
        complete(step.type.emplace(part_from<types::TypeStep>(line)));
    return step;
}

Line to_line(std::string_view verb, const types::TypeGroup& group) { return line_of(verb, group); }

types::TypeGroup group_from(const Line& line) { return part_from<types::TypeGroup>(line); }

Line to_line(std::string_view verb, const verdict::FoundDevice& device) {
    return line_of(verb, device);
}

verdict::FoundDevice found_device_from(const Line& line) {
    return part_from<verdict::FoundDevice>(line);
}

Line to_line(std::string_view verb, const verdict::FoundIommu& iommu) {
    return line_of(verb, iommu);
}

verdict::FoundIommu found_iommu_from(const Line& line) {
    return part_from<verdict::FoundIommu>(line);
}

std::string board_lines(const types::Inventory& inventory, const verdict::FoundBoard* found) {
    std::string out = std::string(kBoard) + "\n";
    for (const auto& group : inventory.groups) {
        out += text_of(said::kGroup, group);
        for (const auto& device : group.devices)
            out += text_of(said::kMember, device);
    }
    if (found == nullptr)
        return out;
    out += text_of(said::kFound, *found);
    for (const auto& [name, device] : found->devices)
        out += text_of(said::kDevice, device);
    for (const auto& iommu : found->iommus)
        out += text_of(said::kIommu, iommu);
    for (const auto& stream : found->streams)
        out += text_of(said::kStream, stream);
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
    // Not the module's own lines any more, for who reads them back; evidence cites them.
    out += std::string(kAfter) + "\n";
    for (const auto& audit : observed.settled)
        out += audit_line(DMARACE_E_AUDIT, audit);
    return out;
}

std::string log_lines(const Observed& observed) {
    return iteration_head(observed) + log_text(observed);
}

std::string outside_lines(const std::string& where, const Observed& observed) {
    return "# " + where + "\n" + log_text(observed);
}

std::string observed_lines(const Observed& observed) {
    std::string out = iteration_head(observed) + facts_line(observed);
    for (const auto& audit : observed.before)
        out += audit_line(said::kBefore, audit);
    for (const auto& audit : observed.settled)
        out += audit_line(said::kSettled, audit);
    for (const auto& count : observed.counts)
        out += text_of(said::kCount, count);
    for (const auto& group : observed.groups)
        out += text_of(said::kGroup, group);
    for (const auto& device : observed.changed)
        out += text_of(said::kDevice, device);
    for (const auto& iommu : observed.iommus)
        out += text_of(said::kIommu, iommu);
    for (const auto& act : observed.failed_acts)
        out += text_of(said::kFailed, act);
    for (const auto& actor : observed.actors)
        out += text_of(said::kActor, actor);
    for (const auto& task : observed.blocked)
        out += text_of(said::kBlocked, task);
    const verdict::LogLine plain;
    for (std::size_t n = 1; n <= observed.log.size(); ++n)
        if (const auto& line = observed.log[n - 1];
            line.level != plain.level || !line.device.empty() || line.user || line.lost != 0) {
            LineWriter mark{{std::string(said::kLog), {}}};
            each_mark(n, line, mark);
            out += mark.written();
        }
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
    return head.starts_with(kIteration) ? to_number<unsigned>(head.substr(kIteration.size()))
                                        : std::nullopt;
}

// "[12.345678] text"; nothing else is written there.
verdict::LogLine log_from(std::string_view text) {
    verdict::LogLine line;
    const auto end = text.find("] ");
    if (!text.starts_with('[') || end == std::string_view::npos) {
        line.text = text;
        return line;
    }
    const auto time = text.substr(1, end - 1);
    const auto dot = std::min(time.find('.'), time.size() - 1);
    line.ts = leading_number(time) * 1'000'000 + leading_number(time.substr(dot + 1));
    line.text = text.substr(end + 2);
    return line;
}

class ObservedReader {
public:
    void head(std::string_view text) {
        entry_ = nullptr;
        if (text == kBoard) {
            board_ = std::make_shared<RecordedBoard>();
            found_.reset();
        }
        in_baseline_ = text == kBaseline;
        if (in_baseline_) // a copy: the iterations before had none, or another one
            board_ = std::make_shared<RecordedBoard>(
                RecordedBoard{board_->inventory, {}, board_->found});
        if (const auto number = iteration_in(text)) {
            entry_ = &all_[*number];
            *entry_ = {};
            entry_->observed.iteration = *number;
            entry_->board = board_;
            entry_->observed.found = board_->found;
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
    std::shared_ptr<const verdict::FoundBoard> found() const { return board_->found; }
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
            groups.push_back(part_from<types::InventoryGroup>(line));
        else if (line.verb == said::kMember && !groups.empty())
            groups.back().devices.push_back(part_from<types::GroupMember>(line));
        else if (line.verb == said::kFound)
            board_->found = found_ =
                std::make_shared<verdict::FoundBoard>(part_from<verdict::FoundBoard>(line));
        else if (line.verb == said::kDevice && found_)
            take_found(part_from<verdict::FoundDevice>(line));
        else if (line.verb == said::kIommu && found_)
            found_->iommus.push_back(part_from<verdict::FoundIommu>(line));
        else if (line.verb == said::kStream && found_)
            found_->streams.push_back(part_from<verdict::FoundStream>(line));
    }

    void take_found(verdict::FoundDevice device) {
        const auto name = device.device;
        found_->devices[name] = std::move(device);
    }

    void take_facts(const Line& line, RecordedIteration& entry) {
        auto& sizes = sizes_[entry.observed.iteration] = {};
        each_fact(entry.observed, sizes, LineReader{line});
        entry.acts_missing = sizes.acts != 0;
        entry.observed.log.resize(sizes.log);
    }

    void take_fact(const Line& line, RecordedIteration& entry) {
        auto& out = entry.observed;
        if (line.verb == said::kFacts)
            take_facts(line, entry);
        else if (line.verb == said::kCount)
            out.counts.push_back(part_from<verdict::RuleCount>(line));
        else if (line.verb == said::kGroup)
            out.groups.push_back(group_from(line));
        else if (line.verb == said::kDevice)
            out.changed.push_back(part_from<verdict::FoundDevice>(line));
        else if (line.verb == said::kIommu)
            out.iommus.push_back(part_from<verdict::FoundIommu>(line));
        else if (line.verb == said::kFailed)
            out.failed_acts.push_back(part_from<types::FailedAct>(line));
        else if (line.verb == said::kActor)
            out.actors.push_back(part_from<ActorEnd>(line));
        else if (line.verb == said::kBlocked)
            out.blocked.push_back(part_from<verdict::BlockedTask>(line));
        else if (line.verb == said::kLog)
            take_mark(line, out);
        else if (auto audit = audit_from(line))
            (line.verb == said::kBefore ? out.before : out.settled).push_back(*std::move(audit));
    }

    static void take_mark(const Line& line, Observed& out) {
        std::size_t n = 0;
        verdict::LogLine mark;
        each_mark(n, mark, LineReader{line});
        if (n == 0 || n > out.log.size())
            return;
        auto& known = out.log[n - 1];
        mark.ts = known.ts;
        mark.text = std::move(known.text);
        known = std::move(mark);
    }

    std::map<unsigned, RecordedIteration> all_;
    std::map<unsigned, Sizes> sizes_;
    std::shared_ptr<RecordedBoard> board_ = std::make_shared<RecordedBoard>();
    std::shared_ptr<verdict::FoundBoard> found_; // of board_, while it is read
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

std::shared_ptr<const verdict::FoundBoard> last_found(const std::string& observed) {
    ObservedReader reader;
    bool in_board = false;
    each_line(
        observed,
        [&](std::string_view head) {
            in_board = head == kBoard;
            if (in_board)
                reader.head(head);
        },
        [&](std::string_view line) {
            if (in_board)
                reader.take(line);
        });
    return reader.found();
}

Result<std::map<unsigned, RecordedIteration>> read_recording(const Recording& texts) {
    ObservedReader reader;
    each_line(
        texts.observed, [&](std::string_view head) { reader.head(head); },
        [&](std::string_view line) { reader.take(line); });
    TRY_AS(auto steps, read_steps(texts.journal));
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
        observed.steps = std::move(steps[number]);
        const auto* sizes = reader.sizes_of(number);
        const auto logged = logs.contains(number) ? logs.at(number).size() : 0;
        entry.cut_off = sizes == nullptr || observed.events.size() != sizes->events ||
                        logged != sizes->log || observed.steps.size() != sizes->steps;
    }
    return std::move(reader.all());
}

} // namespace dmarace::run
