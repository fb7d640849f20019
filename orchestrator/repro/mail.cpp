// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "repro/repro.hpp"

#include <algorithm>

namespace dmarace::repro {

namespace {

constexpr std::size_t kWidth = 76, kTraceLines = 24, kTraces = 1, kFailures = 4;
using Text = std::vector<std::string>;

// Words into lines; those that follow the first stand further in.
void add_wrapped(Text& out, const std::string& text, const std::string& indent = "") {
    std::string line;
    for (const auto& word : words_in(printable(text))) {
        if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
            out.push_back(line);
            line = indent + word;
        } else {
            line += (line.empty() ? "" : " ") + word;
        }
    }
    out.push_back(line);
}

// Without registers and what is said of the machine.
bool is_of_trace(std::string_view line) {
    return line.starts_with(" ") || line.starts_with("pc :") || line.starts_with("lr :") ||
           line.starts_with("RIP:") || line.starts_with("Call trace") ||
           line.starts_with("Call Trace") || line.starts_with("Internal error");
}

// From the lines that mean a failure, each with its trace.
Text traces(const SeenRun& seen) {
    Text out;
    std::size_t count = 0;
    const auto& log = seen.observed.log;
    for (std::size_t i = 0; i < log.size() && count < kTraces; ++i) {
        const auto* sign = catalogue::log_sign(log[i].text);
        if (log[i].user || !sign || !sign->is_failure())
            continue;
        out.push_back("  " + printable(log[i].text).substr(0, kWidth));
        std::size_t lines = 0;
        bool trace = false;
        for (++i; i < log.size() && lines < kTraceLines; ++i) {
            const auto& text = log[i].text;
            const auto* next = catalogue::log_sign(text);
            if (text.find("end trace") != std::string::npos ||
                (trace && next && next->is_failure()))
                break;
            if (!is_of_trace(text) || text.find("[dmarace]") != std::string::npos)
                continue;
            trace = trace || text.find("race:") != std::string::npos;
            out.push_back("  " + printable(text).substr(0, kWidth));
            ++lines;
        }
        ++count;
    }
    return out;
}

std::string acts_of(const job::Actor& actor) {
    std::string out;
    for (const auto& step : actor.steps)
        out += (out.empty() ? "" : ", then ") + ("'" + step.text + "'");
    return out;
}

std::string place_of(const Hold& hold) {
    return std::string(hold.exit ? "the end of " : "the beginning of ") + hold.functions.front() +
           "()" + (hold.device.empty() ? "" : " for " + hold.device);
}

void add_interleaving(Text& out, const job::Plan& plan, const std::vector<Hold>& holds) {
    std::size_t number = 0;
    for (const auto& actor : plan.actors)
        add_wrapped(out,
                    std::to_string(++number) + ". " + actor.name + " does " + acts_of(actor) + ".",
                    "   ");
    for (const auto& hold : holds) {
        const auto who = hold.actor.empty() ? "Who comes" : hold.actor + " comes";
        const auto ms = std::to_string(hold.sleep.count()) + " ms";
        add_wrapped(out,
                    std::to_string(++number) + ". " + who + " to " + place_of(hold) +
                        (hold.locks == "-" ? "" : ", with the locks " + hold.locks) +
                        (hold.sleep.count() == 0
                             ? ": '" + hold.says + "'."
                             : ", and sleeps there ('" + hold.says + "') for " + ms +
                                   ", meant to last until " + joined(hold.waits_for, " or ") + "."),
                    "   ");
    }
}

std::string as_seen(const SeenRun* seen, const std::vector<Hold>& holds) {
    if (!seen)
        return "The times are guesses: nobody has measured how long the other act takes. Where "
               "it takes longer, make the msleep() longer.";
    std::string out = "In the run that was seen the hold lasted";
    for (const auto& hold : holds)
        if (const auto held = seen->held_us.find(hold.rule); held != seen->held_us.end())
            out += " " + std::to_string(held->second / 1000) + " ms ('" + hold.says + "')";
    return out + "; the sleeps are longer, as nothing ends them early.";
}

} // namespace

std::string mail_of(const job::Job& job, const job::Plan& plan, const std::vector<Hold>& holds,
                    const MailFacts& facts) {
    Text out, tail;
    out.push_back("Subject: [BUG] " + printable(job.summary));
    out.emplace_back("");
    add_wrapped(out, printable(job.summary) + "." +
                         (facts.seen ? " Seen on " + facts.seen->kernel + " (" + facts.seen->arch +
                                           (facts.seen->board.empty() ? "" : ", ") +
                                           facts.seen->board + ")."
                                     : ""));
    if (!job.source.empty())
        add_wrapped(out, "See also: " + printable(job.source));
    out.emplace_back("");
    add_interleaving(out, plan, holds);
    out.emplace_back("");
    add_wrapped(tail, "To see it on " + facts.tree + ":");
    tail.push_back(std::string("  git apply ") + kPatch + "    # only makes the window wide");
    tail.emplace_back("  make && boot it");
    tail.push_back(std::string("  sh ") + kScript +
                   "           # root; exit 1: shown, 0: not, 3: not reached");
    add_wrapped(tail, as_seen(facts.seen, holds));
    add_wrapped(tail,
                "The script knows a task by its oom_score_adj, and waits for the line 'repro: "
                "NAME:' that the patch prints before it goes on.");
    if (facts.seen) {
        out.emplace_back("What came of it:");
        const auto& failures = facts.seen->judgement.failures;
        for (std::size_t i = 0; i < std::min(failures.size(), kFailures); ++i)
            add_wrapped(out, "- " + failures[i].detail, "  ");
        out.emplace_back("");
        const auto room = kMailLines - std::min(kMailLines, out.size() + tail.size() + 1);
        auto lines = traces(*facts.seen);
        lines.resize(std::min(lines.size(), room));
        out.insert(out.end(), lines.begin(), lines.end());
        if (!lines.empty())
            out.emplace_back("");
    }
    out.resize(std::min(out.size(), kMailLines - tail.size()));
    out.insert(out.end(), tail.begin(), tail.end());
    out.resize(std::min(out.size(), kMailLines));
    return joined(out, "\n") + "\n";
}

} // namespace dmarace::repro
