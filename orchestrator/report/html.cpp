// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/html.hpp"

#include "base/text.hpp"

#include <map>

namespace dmarace::report {

namespace {

using verdict::Happened, verdict::HappenedKind;

// Colours are named by what they mean; a narrow screen scrolls tables and lanes, not the page.
constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ground: #fbfbf9; --card: #fff; --ink: #1c1e21; --dim: #646b73;
  --rule: #dcdfe3; --bad: #b3261e; --bad-ground: #fbe9e7; --good: #2e7d4f; --park: #b26a00;
  --park-ground: #fff3dc; --run: #2a63b8; --run-ground: #e8f0fb; --none: #9aa1a9;
  --direct: #8e5bb5; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --card: #1d2024; --ink: #e6e8ea;
  --dim: #9aa2ab; --rule: #343940; --bad: #ff8a80; --bad-ground: #3d1f1d; --good: #7fd1a0;
  --park: #ffc166; --park-ground: #382b14; --run: #8db8f5; --run-ground: #1b2a41;
  --none: #6b737c; --direct: #cba6ec; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 84rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .6rem; } h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .3rem 0; } ol { margin: .4rem 0; padding-left: 1.4rem; overflow-wrap: anywhere; }
.dim { color: var(--dim); } .bad { color: var(--bad); } .good { color: var(--good); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: .9rem 1rem; margin: .8rem 0; }
.wide { overflow-x: auto; } .sides { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.side { border-left: 3px solid var(--run); padding-left: .7rem; min-width: 0; }
.side.writes { border-color: var(--bad); }
code, pre, .lanes { font: 12.5px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--ground); border: 1px solid var(--rule);
  border-radius: 6px; padding: .5rem .7rem; margin: .4rem 0; }
.tag { display: inline-block; border: 1px solid currentColor; border-radius: 99px;
  padding: 0 .55rem; margin-right: .4rem; font-size: .82rem; white-space: nowrap; }
.cells { display: flex; flex-wrap: wrap; gap: 3px; margin: .6rem 0; }
.cell { width: 15px; height: 15px; border-radius: 3px; background: var(--none); }
.cell.failed, .cell.crash { background: var(--bad); } .cell.quiet { background: var(--good); }
.cell.blocked { background: var(--park); }
.key { display: inline-flex; align-items: center; gap: .35rem; margin-right: 1rem; }
table { border-collapse: collapse; font-size: .9rem; } th { text-align: left; font-weight: 600; }
th, td { padding: .2rem .9rem .2rem 0; vertical-align: top; border-top: 1px solid var(--rule); }
.lanes td, .lanes th { padding: .15rem .6rem; border-top: 0; min-width: 7.5rem; }
.lanes tr > :first-child { text-align: right; color: var(--dim); min-width: 3.5rem; }
.lanes .waits { color: var(--dim); box-shadow: inset 1px 0 var(--none); }
.lanes .runs { background: var(--run-ground); box-shadow: inset 3px 0 var(--run); }
.lanes .parked { box-shadow: inset 3px 0 var(--park); background: repeating-linear-gradient(
  -45deg, var(--park-ground) 0 6px, transparent 6px 12px); }
.lanes b { font-weight: 600; } .lanes .parked b { color: var(--park); }
.lanes .wrong { background: var(--bad-ground); color: var(--bad); box-shadow:
  inset 3px 0 var(--bad); }
td code { white-space: nowrap; }
.lined { display: flex; } .names { position: sticky; left: 0; background: var(--card); }
.time { display: block; flex: none; font: 12px ui-monospace, monospace; }
.time text { fill: var(--ink); } .time .dim { fill: var(--dim); } .time .in { fill: var(--card); }
.time line { stroke: var(--rule); } .time .gap { fill: var(--ground); opacity: .8; }
.k-step { fill: var(--run); background: var(--run); } .k-failed { fill: var(--bad); background:
  var(--bad); } .k-wait, .k-unbound { fill: var(--none); background: var(--none); opacity: .45; }
.k-parked, .k-delayed { fill: url(#held); stroke: var(--park); background: var(--park); }
.k-direct { fill: var(--direct); background: var(--direct); } .k-translated { fill: var(--good);
  background: var(--good); } .k-underfoot, .time .wrong { fill: var(--bad);
  background: var(--bad); } .time .mark { fill: var(--dim); stroke: var(--card); }
.time .arrow { stroke: var(--park); stroke-width: 2; marker-end: url(#tip); }
a.cell { display: block; } .cell.hang { background: var(--bad); } .cell.pass { background:
  var(--good); } .cell.inconclusive { background: var(--park); }
.heat td { text-align: right; padding: .35rem .7rem; border: 1px solid var(--rule); }
.heat .wrong { outline: 2px solid var(--bad); color: var(--bad); font-weight: 600; }
details > summary { cursor: pointer; color: var(--dim); }
)";

class Lanes {
public:
    Lanes(const std::vector<std::string>& actors, const std::set<std::string>& evidence)
        : actors_(actors), evidence_(evidence) {}

    std::string row(const Happened& thing, std::uint64_t since_us) {
        const bool ends = ends_it(thing.what);
        if (!ends)
            follow(thing);
        const bool theirs = lane_of(thing.actor) && thing.what != HappenedKind::bus;
        std::string out = "<tr><td>" + std::to_string(since_us / 1000) + "." +
                          std::to_string(since_us % 1000 / 100) + "</td>";
        for (const auto& actor : actors_)
            out += cell(actor, thing, theirs && actor == thing.actor);
        out += "<td" + kind(!theirs && wrong(thing) ? "wrong" : "") + hover(thing) + ">" +
               (theirs ? "" : html_escaped(printable(thing.text))) + "</td></tr>\n";
        if (ends)
            follow(thing);
        return out;
    }

private:
    // Its row still belongs to what went before.
    static bool ends_it(HappenedKind what) {
        return what == HappenedKind::done || what == HappenedKind::failed ||
               what == HappenedKind::released;
    }
    bool lane_of(const std::string& actor) const {
        return std::find(actors_.begin(), actors_.end(), actor) != actors_.end();
    }
    bool wrong(const Happened& thing) const { return evidence_.contains(thing.line); }
    static std::string kind(const std::string& name) {
        return name.empty() ? "" : " class=\"" + name + "\"";
    }
    static std::string hover(const Happened& thing) {
        return thing.line.empty() ? "" : " title=\"" + html_escaped(printable(thing.line)) + "\"";
    }

    std::string cell(const std::string& actor, const Happened& thing, bool its) {
        const auto state = its && wrong(thing) ? "wrong" : state_[actor];
        std::string text;
        if (its)
            text = html_escaped(printable(thing.text));
        else if (thing.what == HappenedKind::released && actor == thing.by)
            text = "lets " + html_escaped(thing.actor) + " go";
        if (thing.what == HappenedKind::parked || thing.what == HappenedKind::released)
            text = text.empty() ? "" : "<b>" + text + "</b>";
        return "<td" + kind(state) + (its ? hover(thing) : "") + ">" + text + "</td>";
    }

    void follow(const Happened& thing) {
        using enum HappenedKind;
        auto& state = state_[thing.actor];
        if (thing.what == step || thing.what == released)
            state = "runs";
        else if (thing.what == parked)
            state = "parked";
        else if (thing.what == wait)
            state = "waits";
        else if (thing.what == done || thing.what == failed)
            state = "";
    }

    const std::vector<std::string>& actors_;
    const std::set<std::string>& evidence_;
    std::map<std::string, std::string> state_;
};

} // namespace

std::string html_escaped(std::string_view text) {
    std::string out;
    for (const char c : text)
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += c;
        }
    return out;
}

std::string html_page(std::string_view title, std::string_view html) {
    return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
           "'unsafe-inline'\">\n"
           "<title>" +
           html_escaped(title) + "</title><style>" + std::string(kStyle) +
           "</style></head>\n<body>\n" + std::string(html) + "</body></html>\n";
}

std::string html_element(std::string_view tag, std::string_view kind, std::string_view text,
                         std::string_view hover) {
    std::string out = "<" + std::string(tag);
    if (!kind.empty())
        out += " class=\"" + html_escaped(kind) + "\"";
    if (!hover.empty())
        out += " title=\"" + html_escaped(printable(hover)) + "\"";
    return out + ">" + html_escaped(text) + "</" + std::string(tag) + ">";
}

std::string html_table(const std::vector<std::string>& heads,
                       const std::vector<std::vector<std::string>>& html_rows) {
    std::string out = "<div class=\"wide\"><table><tr>";
    for (const auto& head : heads)
        out += "<th>" + html_escaped(head) + "</th>";
    out += "</tr>\n";
    for (const auto& row : html_rows) {
        out += "<tr>";
        for (const auto& cell : row)
            out += "<td>" + cell + "</td>";
        out += "</tr>\n";
    }
    return out + "</table></div>\n";
}

std::string html_lanes(const std::vector<std::string>& actors, const std::vector<Happened>& things,
                       const std::set<std::string>& evidence) {
    std::string out = "<div class=\"wide\"><table class=\"lanes\"><tr><th>ms</th>";
    for (const auto& actor : actors)
        out += "<th>" + html_escaped(actor) + "</th>";
    out += "<th>devices and the kernel</th></tr>\n";
    Lanes lanes(actors, evidence);
    for (const auto& thing : things)
        out += lanes.row(thing, (thing.ts - things.front().ts) / 1000);
    return out + "</table></div>\n";
}

} // namespace dmarace::report
