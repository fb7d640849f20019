// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/timeline.hpp"

#include <algorithm>
#include <map>

namespace dmarace::verdict {

namespace {

constexpr std::size_t kFirst = 9, kLast = 6, kFrames = 4;

class Sentences {
public:
    Sentences(const Observed& observed, const std::vector<Failure>& failures)
        : seen_(observed), line_(timeline(observed, failures)) {
        for (const auto& line : seen_.events)
            if (line.verb == DMARACE_E_BUS && line.get(DMARACE_K_WHAT) == DMARACE_BUS_BOUND)
                binds_[line.get(DMARACE_K_DEV)].push_back(
                    {static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0)),
                     line.get(DMARACE_K_ACTOR)});
    }

    std::vector<std::string> told() {
        for (const auto& span : line_.spans)
            tell(span);
        tell_log();
        for (const auto& end : seen_.actors)
            if (end.how == ActorEnd::How::stuck)
                add(line_.ended, SIZE_MAX,
                    who(end.actor) + " never came back from " + printable(first_line(end.stack)) +
                        where(end.stack));
            else if (end.how == ActorEnd::How::killed)
                add(line_.ended, SIZE_MAX, who(end.actor) + " was killed in its step");
        std::ranges::stable_sort(all_, {}, &Said::ts);
        return sentences();
    }

private:
    struct Said {
        std::uint64_t ts;
        std::size_t lane; // whose doing it was
        std::string text;
    };

    static std::string who(const std::string& name) { return in_quotes(printable(name)); }
    void add(std::uint64_t ts, std::size_t lane, std::string text) {
        all_.push_back({ts, lane, std::move(text)});
    }

    // "in a() < b() < c()", the innermost first
    static std::string where(const std::string& stack) {
        std::vector<std::string> frames;
        for (auto line : lines_in(stack)) {
            if (line.find('+') == std::string::npos) // the step
                continue;
            line = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
            line = line.substr(line.starts_with("[<") ? line.find(' ') + 1 : 0);
            if (line = line.substr(0, line.find_first_of("+ ")); !line.empty())
                frames.push_back(printable(line));
        }
        frames.resize(std::min(frames.size(), kFrames));
        return frames.empty() ? "" : ": it sleeps in " + joined(frames, " < ");
    }

    static std::string length(std::int64_t us) {
        return us < 10'000 ? std::to_string(us) + " us" : std::to_string(us / 1000) + " ms";
    }

    // Of lines that follow each other the first two.
    void tell_log() {
        std::uint64_t last = 0;
        unsigned said = 0;
        constexpr std::uint64_t kTogether = 100'000'000; // ns
        for (const auto& mark : line_.marks) {
            if (!mark.wrong || line_.lanes[mark.lane].of != LaneKind::log)
                continue;
            said = mark.ts < last + kTogether ? said + 1 : 0;
            last = mark.ts;
            if (said < 2)
                add(mark.ts, SIZE_MAX, "the kernel said \"" + printable(mark.text) + "\"");
        }
    }

    // The step that a hold is in.
    const Span* around(const Span& hold) const {
        for (const auto& step : line_.spans)
            if (step.is_step() && step.lane == hold.lane && step.began <= hold.began &&
                (step.open || hold.ended <= step.ended))
                return &step;
        return nullptr;
    }
    bool is_held(const Span& step) const {
        return std::ranges::any_of(line_.spans, [&](const Span& hold) {
            return hold.kind == SpanKind::parked && around(hold) == &step;
        });
    }

    void tell_hold(const Span& span) {
        const auto* step = around(span);
        add(span.began, span.lane,
            who(line_.lanes[span.lane].name) +
                (step == nullptr
                     ? ""
                     : " (" + printable(step->text.substr(0, step->text.find(": "))) + ")") +
                " was held " + (span.open ? "" : length(span.held_us) + " ") + "at " + span.place +
                (span.device.empty() ? "" : " for " + span.device) + let_go(span));
    }

    void tell(const Span& span) {
        const auto& lane = line_.lanes[span.lane];
        const auto name = who(lane.name);
        if (span.kind == SpanKind::parked)
            tell_hold(span);
        else if (span.kind == SpanKind::failed && !span.open)
            add(span.ended, span.lane, name + " was refused " + printable(span.text));
        else if (span.kind == SpanKind::step && !binds(span) && !is_held(span))
            add(span.began, span.lane, name + " did " + printable(span.text));
        else if (span.kind == SpanKind::underfoot)
            changed(span, lane.name);
        else if ((span.kind == SpanKind::direct || span.kind == SpanKind::translated) &&
                 audit_of(span).get(DMARACE_K_AT) == DMARACE_AT_BOUND)
            bound(span, lane.name);
    }

    static Line audit_of(const Span& span) {
        return parse_line(span.lines.front()).value_or(Line());
    }

    static std::string let_go(const Span& span) {
        if (span.open)
            return ", and was not let go";
        const auto colon = span.by.find(':');
        const auto of = colon == std::string::npos ? "" : span.by.substr(colon + 1);
        if (span.how == DMARACE_HOW_TIMEOUT)
            return ", until its time was out: nobody came";
        if (span.how == DMARACE_HOW_BLOCKED || span.by.starts_with(DMARACE_S_BLOCKED ":"))
            return ", until " + (of.empty() ? span.by : who(of)) + " slept on a lock";
        if (span.by.starts_with(DMARACE_S_DONE ":"))
            return ", until " + who(of) + " was done";
        return span.by.empty() ? "" : ", until " + span.by;
    }

    // Its bind is told with what the audit saw.
    bool binds(const Span& step) const {
        return std::ranges::any_of(seen_.events, [&](const Line& line) {
            const auto ts = static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
            return line.verb == DMARACE_E_BUS && line.get(DMARACE_K_WHAT) == DMARACE_BUS_BOUND &&
                   ts >= step.began && ts <= step.ended &&
                   line.get(DMARACE_K_ACTOR) == line_.lanes[step.lane].name &&
                   step.text.find(line.get(DMARACE_K_DEV)) != std::string::npos;
        });
    }

    void bound(const Span& span, const std::string& device) {
        std::size_t lane = SIZE_MAX;
        std::string actor = "the kernel";
        const auto& all = binds_[device];
        const auto after = std::ranges::upper_bound(all, span.began, {}, &Bind::ts);
        if (after != all.begin() && !std::prev(after)->actor.empty()) {
            actor = who(std::prev(after)->actor);
            lane = static_cast<std::size_t>(
                std::ranges::find(line_.lanes, std::prev(after)->actor, &Lane::name) -
                line_.lanes.begin());
        }
        add(span.began, lane,
            actor + " bound " + printable(audit_of(span).get(DMARACE_K_DRIVER)) + " to " +
                printable(device) + ", its DMA " +
                (span.kind == SpanKind::direct ? "direct" : "translated"));
    }

    // Beside it stands who went on last before it was seen.
    void changed(const Span& span, const std::string& device) {
        const Span* freed = nullptr;
        for (const auto& hold : line_.spans)
            if (hold.kind == SpanKind::parked && !hold.open && hold.ended < span.began)
                freed = &hold;
        const auto audit = audit_of(span);
        const auto now = audit.get(DMARACE_K_VIA_IOMMU) == "1" ? "translated" : "direct";
        add(span.began, SIZE_MAX,
            "the DMA of " + printable(device) + " was seen " + now + " under " +
                printable(audit.get(DMARACE_K_DRIVER)) + ", in domain " +
                printable(audit.get(DMARACE_K_DOMAIN)) +
                (freed == nullptr
                     ? ""
                     : ", " +
                           length(static_cast<std::int64_t>((span.began - freed->ended) / 1000)) +
                           " after " + who(line_.lanes[freed->lane].name) + " went on"));
    }

    bool meanwhile(const Said& said) const {
        return std::ranges::any_of(line_.spans, [&](const Span& span) {
            return span.kind == SpanKind::parked && span.lane != said.lane &&
                   span.began < said.ts && said.ts <= span.ended;
        });
    }

    std::vector<std::string> sentences() const {
        std::vector<std::string> out;
        // How it began, and how it ended.
        const bool cut = all_.size() > kFirst + kLast + 1;
        for (std::size_t i = 0; i < all_.size(); ++i) {
            if (cut && i == kFirst) {
                out.push_back("Then " + std::to_string(all_.size() - kFirst - kLast) +
                              " things more, which the timeline has.");
                i = all_.size() - kLast;
            }
            const auto& said = all_[i];
            auto text = i == 0 ? said.text : (meanwhile(said) ? "Meanwhile " : "Then ") + said.text;
            if (i == 0 && text.starts_with("the "))
                text[0] = 'T';
            out.push_back(text + ".");
        }
        return out;
    }

    struct Bind {
        std::uint64_t ts;
        std::string actor;
    };

    const Observed& seen_;
    Timeline line_;
    std::map<std::string, std::vector<Bind>> binds_; // of each device, in order
    std::vector<Said> all_;
};

} // namespace

std::vector<std::string> told(const Observed& observed, const std::vector<Failure>& failures) {
    return Sentences(observed, failures).told();
}

} // namespace dmarace::verdict
