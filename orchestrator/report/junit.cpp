// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/pictures.hpp"
#include "report/tally.hpp"

#include <pugixml.hpp>

#include <array>
#include <sstream>

namespace dmarace::report {

namespace {

using verdict::Verdict;

// What JUnit knows beside a case that went well. Inconclusive showed nothing, so it is no success.
constexpr const char* element_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::pass:
        return nullptr;
    case Verdict::skip:
        return "skipped";
    case Verdict::fail:
    case Verdict::crash:
    case Verdict::hang:
        return "failure";
    case Verdict::inconclusive:
    case Verdict::error:
        break;
    }
    return "error";
}

std::string proof(const verdict::Judgement& judgement) {
    std::string out;
    for (const auto& failure : judgement.failures) {
        out += std::string(to_text(failure.kind)) + " " + failure.device + ": " + failure.detail +
               (failure.allowed ? " (allowed)" : "") + "\n";
        for (const auto& line : failure.evidence)
            out += "  " + line + "\n";
    }
    return out;
}

class Suite {
public:
    Suite(pugi::xml_node suites, const Run& run)
        : run_(run), node_(suites.append_child("testsuite")) {
        set(node_, "name", run.head.job);
        set(node_, "timestamp", run.head.started.substr(0, run.head.started.find('Z')));
        set(node_, "hostname", run.head.board);
        auto properties = node_.append_child("properties");
        for (const auto& [name, value] :
             {std::pair{"kernel", run.head.kernel}, std::pair{"board", run.head.board},
              std::pair{"arch", run.head.arch}, std::pair{"seed", std::to_string(run.head.seed)},
              std::pair{"dmarace", run.head.tool_version}}) {
            auto property = properties.append_child("property");
            set(property, "name", name);
            set(property, "value", value);
        }
    }

    void add(const std::string& name, const verdict::Judgement& judgement, double seconds) {
        auto one = node_.append_child("testcase");
        set(one, "classname", run_.head.job);
        set(one, "name", name);
        set(one, "time", std::to_string(seconds));
        seconds_ += seconds;
        ++tests_;
        if (const auto* element = element_of(judgement.verdict)) {
            ++ends_[element];
            auto why = one.append_child(element);
            set(why, "type", std::string(to_text(judgement.verdict)));
            set(why, "message", judgement.reason);
            why.text().set(clean(proof(judgement)).c_str());
        } else if (!judgement.failures.empty()) {
            one.append_child("system-out").text().set(clean(proof(judgement)).c_str());
        }
    }

    void end() {
        set(node_, "tests", std::to_string(tests_));
        for (const auto& [attribute, element] :
             {std::pair{"failures", "failure"}, std::pair{"errors", "error"},
              std::pair{"skipped", "skipped"}})
            set(node_, attribute, std::to_string(ends_[element]));
        set(node_, "time", std::to_string(seconds_));
    }

private:
    // XML has no control characters, not even as entities.
    static std::string clean(const std::string& text) {
        return joined(texts_of(split(text, '\n'), printable), "\n");
    }
    static void set(pugi::xml_node node, const char* name, const std::string& value) {
        node.append_attribute(name) = printable(value).c_str();
    }

    const Run& run_;
    pugi::xml_node node_;
    std::map<std::string, unsigned> ends_;
    unsigned tests_ = 0;
    double seconds_ = 0;
};

} // namespace

std::string junit(const std::vector<Run>& runs) {
    pugi::xml_document document;
    auto suites = document.append_child("testsuites");
    suites.append_attribute("name") = "dmarace";
    for (const auto& run : runs) {
        Suite suite(suites, run);
        for (const auto& end : run.ended)
            suite.add("iteration " + std::to_string(end.iteration), end.judgement, end.seconds);
        for (const auto& [where, judgement] : run.outside)
            suite.add(where, judgement, 0);
        verdict::Judgement rest;
        rest.verdict = overall(run);
        rest.reason = why_not_pass(run);
        // What no case says: a run that was skipped, cut off or could not be restored.
        if (run.ended.empty() || !run.end || !run.left.empty())
            suite.add("the run", rest, 0);
        suite.end();
    }
    std::ostringstream out;
    document.save(out, "  ");
    return out.str();
}

} // namespace dmarace::report
