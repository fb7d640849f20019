// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/html.hpp"
#include "report/pictures.hpp"
#include "report/scale.hpp"

#include <cmath>

namespace dmarace::report {

namespace {

using verdict::LaneKind, verdict::Span, verdict::SpanKind;

constexpr int kLeft = 12, kWidth = 1080, kTop = 30, kLane = 32, kBar = 18;
constexpr std::size_t kName = 24;
constexpr double kLetter = 7.4;
constexpr unsigned kTicks = 7;

std::string number(double value) { return std::to_string(std::lround(value)); }

std::string attribute(std::string_view name, std::string_view value) {
    return " " + std::string(name) + "=\"" + std::string(value) + "\"";
}

std::string titled(const std::string& text, const std::vector<std::string>& lines) {
    return "<title>" + html_escaped(printable(text)) +
           (lines.empty() ? "" : "\n" + html_escaped(joined(lines, "\n"))) + "</title>";
}

std::string stamp(std::uint64_t ns) {
    const auto us = ns / 1000;
    return us < 10'000 ? std::to_string(us) + " us" : std::to_string(us / 1000) + " ms";
}

class Picture {
public:
    explicit Picture(const verdict::Timeline& timeline)
        : line_(timeline), scale_(timeline, kWidth - kLeft - 20) {}

    // The names stay where they are when the lanes are scrolled.
    std::string svg() const {
        const auto height = top(line_.lanes.size()) + 6;
        std::size_t longest = 0;
        std::string names, out;
        for (std::size_t i = 0; i < line_.lanes.size(); ++i) {
            names += name(i);
            out += floor(i);
            longest = std::max(longest, std::min(kName, line_.lanes[i].name.size()));
        }
        for (const auto& span : line_.spans)
            out += bar(span);
        for (std::size_t i = 0; i < line_.marks.size(); ++i)
            out += point(line_.marks[i]) + said(i);
        for (const auto& span : line_.spans)
            out += arrow(span);
        const auto picture = [&](const char* kind, int width) {
            return "<svg role=\"img\"" + attribute("class", kind) +
                   attribute("width", std::to_string(width)) +
                   attribute("height", std::to_string(height)) + ">";
        };
        return "<div class=\"wide lined\">" +
               picture("time names",
                       static_cast<int>(kLetter * static_cast<double>(longest)) + 10) +
               names + "</svg>" + picture("time", kWidth) + std::string(kPatterns) + axis(height) +
               out + cuts(height) + "</svg></div>\n";
    }

private:
    static constexpr std::string_view kPatterns =
        "<defs><pattern id=\"held\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" "
        "patternTransform=\"rotate(45)\"><rect width=\"8\" height=\"8\" "
        "style=\"fill:var(--park-ground)\"/><rect width=\"3\" height=\"8\" "
        "style=\"fill:var(--park)\"/></pattern><marker id=\"tip\" markerWidth=\"7\" "
        "markerHeight=\"7\" refX=\"6\" refY=\"3\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\" "
        "style=\"fill:var(--park)\"/></marker></defs>\n";

    static int top(std::size_t lane) { return kTop + static_cast<int>(lane) * kLane; }
    double x(std::uint64_t ts) const { return kLeft + scale_.at(ts); }

    static std::string text(double x, double y, const std::string& kind, const std::string& text) {
        return "<text" + attribute("x", number(x)) + attribute("y", number(y)) +
               attribute("class", kind) + ">" + html_escaped(printable(text)) + "</text>";
    }
    static std::string rect(double x, double y, double width, double height,
                            const std::string& kind) {
        return "<rect" + attribute("x", number(x)) + attribute("y", number(y)) +
               attribute("width", number(std::max(width, 2.0))) +
               attribute("height", number(height)) + attribute("class", kind) + ">";
    }
    static std::string upright(double x, double from, double to, const std::string& kind) {
        return "<line" + attribute("x1", number(x)) + attribute("x2", number(x)) +
               attribute("y1", number(from)) + attribute("y2", number(to)) +
               attribute("class", kind) + "/>";
    }

    std::string axis(int height) const {
        std::string out;
        for (const auto tick : scale_.ticks(kTicks))
            out += upright(x(tick), kTop - 8, height, "") +
                   text(x(tick) + 3, kTop - 12, "dim", stamp(tick - line_.began));
        return out + "\n";
    }

    std::string name(std::size_t i) const {
        auto name = printable(line_.lanes[i].name);
        if (name.size() > kName)
            name = ".." + name.substr(name.size() - kName + 2);
        const bool actor = line_.lanes[i].of == LaneKind::actor;
        return text(4, top(i) + kBar + 1, actor ? "" : "dim", name) + "\n";
    }

    static std::string floor(std::size_t i) {
        return "<line" + attribute("x1", "0") + attribute("x2", std::to_string(kWidth)) +
               attribute("y1", std::to_string(top(i) + kLane - 2)) +
               attribute("y2", std::to_string(top(i) + kLane - 2)) + "/>\n";
    }

    // A hold is drawn over the step that it is in, and lower.
    std::string bar(const Span& span) const {
        const auto from = x(span.began), width = x(span.ended) - from;
        const bool held = span.kind == SpanKind::parked || span.kind == SpanKind::delayed;
        const int y = top(span.lane) + (held ? 9 : 4);
        auto out = rect(from, y, width, held ? kBar - 6 : kBar,
                        "k-" + std::string(verdict::to_text(span.kind))) +
                   titled("+" + stamp(span.began - line_.began) + ", " +
                              stamp(span.ended - span.began) + ": " + span.text,
                          span.lines) +
                   "</rect>";
        const auto inside = label(span);
        if (!held && width > kLetter * static_cast<double>(inside.size()) + 8)
            out += text(from + (span.is_step() ? 4 : 10), y + kBar - 5,
                        span.kind == SpanKind::wait || span.kind == SpanKind::unbound ? "" : "in",
                        inside);
        return out + "\n";
    }

    static std::string label(const Span& span) {
        if (span.is_step())
            return span.text.substr(0, span.text.find(" pci/"));
        return std::string(verdict::to_text(span.kind));
    }

    std::string point(const verdict::Moment& mark) const {
        const auto at = x(mark.ts);
        const auto y = top(mark.lane) + 4;
        const auto title = titled("+" + stamp(mark.ts - line_.began) + ": " + mark.text,
                                  {mark.line == mark.text ? "" : mark.line});
        if (mark.wrong)
            return "<path class=\"wrong\"" +
                   attribute("d", "M" + number(at) + " " + std::to_string(y - 2) +
                                      "l6 11l-6 11l-6 -11z") +
                   attribute("style", "stroke:var(--card)") + ">" + title + "</path>\n";
        return "<circle class=\"mark\" r=\"4\"" + attribute("cx", number(at)) +
               attribute("cy", std::to_string(y + kBar / 2)) + ">" + title + "</circle>\n";
    }

    // As much of what the kernel said as there is room until it says more.
    std::string said(std::size_t i) const {
        const auto& mark = line_.marks[i];
        if (line_.lanes[mark.lane].of != LaneKind::log)
            return "";
        double end = kWidth;
        for (std::size_t next = i + 1; next < line_.marks.size() && end == kWidth; ++next)
            if (line_.marks[next].lane == mark.lane)
                end = x(line_.marks[next].ts);
        const auto from = x(mark.ts) + 10;
        const auto letters = static_cast<std::size_t>(std::max(0.0, (end - from) / kLetter));
        constexpr std::size_t kFew = 12;
        return letters < kFew
                   ? ""
                   : text(from, top(mark.lane) + kBar, "dim", mark.text.substr(0, letters - 1)) +
                         "\n";
    }

    std::string arrow(const Span& span) const {
        if (span.kind != SpanKind::parked || span.by_lane >= line_.lanes.size() ||
            span.by_lane == span.lane)
            return "";
        const bool down = span.by_lane < span.lane;
        const auto from = top(span.by_lane) + kBar / 2 + 4;
        const auto to = top(span.lane) + (down ? 8 : kBar + 6);
        return upright(x(span.ended), from, to, "arrow");
    }

    std::string cuts(int height) const {
        std::string out;
        for (const auto& cut : scale_.cuts()) {
            const auto middle = (x(cut.from) + x(cut.to)) / 2;
            out += rect(middle - 14, kTop - 8, 28, height - kTop, "gap") + "</rect>" +
                   text(middle - 20, kTop - 12, "", "~" + stamp(cut.to - cut.from));
        }
        return out;
    }

    const verdict::Timeline& line_;
    Scale scale_;
};

} // namespace

std::string html_timeline(const verdict::Timeline& timeline) { return Picture(timeline).svg(); }

} // namespace dmarace::report
