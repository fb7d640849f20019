// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "explore/runs.hpp"
#include "job/load.hpp"
#include "report/html.hpp"
#include "search/story.hpp"

#include <algorithm>

namespace dmarace::explore {

namespace {

namespace fs = std::filesystem;

constexpr const char *kFindings = "findings", *kStory = "story.txt";
const std::string kNoCandidate = "It comes of a point that the act passed; no candidate named it.";
constexpr const char* kNoOrder = "The machine did not live to tell the order of things.";

std::string quoted_word(const std::string& word) {
    return word.find_first_of(" '\"{}$*") == std::string::npos ? word : "'" + word + "'";
}

class Teller {
public:
    Teller(const SearchRuns& runs, const search::ActSet& set, const ExploreOptions& options)
        : runs_(runs), set_(set), options_(options) {}

    Status tell(Finding& finding) const {
        const auto directory = place_of(options_, finding);
        std::error_code error;
        fs::create_directories(directory, error);
        auto job = search::to_job(set_, finding.schedule, runs_.params(), search::JobFor::people);
        job.name = job_name(finding);
        job.summary = search::shown(finding.schedule, set_);
        job.source = "dmarace " + options_.command;
        job.iterations = 20;
        const auto words = search::in_words(set_, finding.schedule);
        std::string comment = "# SPDX-License-Identifier: GPL-2.0-or-later\n#\n";
        if (!options_.control.empty())
            comment += "# " + control_text(options_) + ".\n#\n";
        for (const auto& line : words)
            comment += "# " + line + "\n";
        comment += "#\n# Shows " + told(finding) + " on " + board::kernel_release() + ".\n\n";
        TRY(write_text(directory / (job.name + ".toml"), comment + job::save(job)));
        finding.html = html(finding, words);
        return write_text(directory / kStory, story(finding, words));
    }

private:
    std::string story(const Finding& finding, const std::vector<std::string>& words) const {
        std::string out = options_.control.empty() ? "" : control_text(options_) + "\n";
        out += "Finding " + finding.id + ": " + finding.verdict + ": " + told(finding) + "\n" +
               search::shown(finding.schedule, set_) + "\n\n";
        if (!finding.known.empty())
            out += "Known: parked as in the job " + finding.known + ".\n\n";
        for (const auto& line : words)
            out += line + "\n";
        out += "\n";
        const auto& from = finding.schedule.places.front().from;
        out += (from.empty() ? kNoCandidate : "Candidate: " + from) + "\n";
        for (const auto& line : evidence(finding))
            out += "    " + printable(line) + "\n";
        if (finding.proof) {
            const auto& proof = *finding.proof;
            out += "\nProof: fails " + std::to_string(proof.whole) + " of " +
                   std::to_string(proof.of) + " with the hold, " + std::to_string(proof.without) +
                   " of " + std::to_string(proof.without_of) + " without." +
                   (proof.note.empty() ? "" : " Note: " + proof.note + ".") + "\n";
        } else {
            out += "\nNot proved yet.\n";
        }
        if (!finding.also.empty())
            out += "\nThe same failures, the same actor parked elsewhere:\n    " +
                   joined(finding.also, "\n    ") + "\n";
        out += "\nAgain, in the directory of the search:\n    " + pasted(finding) + "\n\n";
        const auto observed = runs_.observed_of(finding.run);
        out += observed ? "In the order things happened:\n\n" + search::chart(set_, *observed)
                        : "The machine did not live to tell the order of things (" + finding.run +
                              "/journal.jsonl has its last words).\n";
        return out;
    }

    std::string html(const Finding& finding, const std::vector<std::string>& words) const {
        using report::html_element;
        std::string out =
            "<div class=\"card\"><p>" + report::html_escaped(finding.what) + "</p><ol>";
        for (const auto& line : words)
            out += html_element("li", "", line.substr(line.find(' ') + 1));
        out += "</ol>\n";
        std::set<std::string> proving;
        for (const auto& failure : failures(finding)) {
            out += "<p>" + html_element("b", "bad", catalogue::to_text(failure.kind)) + " " +
                   report::html_escaped(failure.device + ": " + failure.detail) + "</p>\n";
            proving.insert(failure.evidence.begin(), failure.evidence.end());
        }
        const auto observed = runs_.observed_of(finding.run);
        out += observed ? report::html_lanes(
                              texts_of(set_.job.actors, [](const auto& one) { return one.name; }),
                              verdict::happened(*observed, proving), proving)
                        : html_element("p", "dim", kNoOrder);
        const auto& from = finding.schedule.places.front().from;
        out += html_element("p", "dim", from.empty() ? kNoCandidate : "Candidate: " + from);
        for (const auto& also : finding.also)
            out += html_element("p", "dim", "the same: " + also);
        return out + html_element("pre", "", pasted(finding)) + "</div>\n";
    }

    std::vector<verdict::Failure> failures(const Finding& finding) const {
        const auto* shown = runs_.run_of(finding.run);
        return shown == nullptr || shown->run.ended.empty()
                   ? std::vector<verdict::Failure>()
                   : shown->run.ended.front().judgement.failures;
    }

    std::vector<std::string> evidence(const Finding& finding) const {
        std::vector<std::string> out;
        constexpr std::size_t kLines = 12; // of a failure
        for (const auto& failure : failures(finding)) {
            out.push_back(std::string(catalogue::to_text(failure.kind)) + ": " + failure.detail);
            for (std::size_t i = 0; i < failure.evidence.size() && i < kLines; ++i)
                out.push_back("  " + failure.evidence[i]);
        }
        return out;
    }

    // In the directory of the search, wherever somebody has taken it.
    std::string pasted(const Finding& finding) const {
        const auto file = fs::path(kFindings) / finding.id / (job_name(finding) + ".toml");
        std::string out = "dmarace run " + file.string() + " --unsafe";
        for (const auto& [name, value] : runs_.wishes().set)
            out += " --set " + name + "=" + quoted_word(value);
        return out;
    }

    std::string job_name(const Finding& finding) const { return set_.job.name + "-" + finding.id; }

    const SearchRuns& runs_;
    const search::ActSet& set_;
    const ExploreOptions& options_;
};

} // namespace

std::string told(const Finding& finding) {
    const std::vector<std::string> where(finding.where.begin(), finding.where.end());
    return joined(finding.failures, ", ") + (where.empty() ? "" : ", at " + joined(where, ", "));
}

Status tell(const SearchRuns& runs, const search::ActSet& set, const ExploreOptions& options,
            Finding& finding) {
    return Teller(runs, set, options).tell(finding);
}

std::string control_text(const ExploreOptions& options) {
    return "CONTROL: the kernel's guard '" + options.control +
           "' is taken out (--control): this kernel as it is does not fail so";
}

fs::path place_of(const ExploreOptions& options, const Finding& finding) {
    return options.out / kFindings / finding.id;
}

} // namespace dmarace::explore
