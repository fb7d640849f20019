// SPDX-License-Identifier: GPL-2.0-or-later
// Any bytes for what reads what others wrote: for each reader a function that feeds them
// to it and checks what must hold for each.
//   fuzz_replay TARGET FILE..
// runs one of them over the inputs of its part of corpora (*.corpus) and over single
// files, and over every shortened and some damaged forms of them, without a fuzzing
// engine. Built with DMARACE_FUZZ_TARGET this is the entry of libFuzzer (scripts/fuzz.sh).
#include "fuzz.hpp"

#include "base/text.hpp"
#include "board/kernel.hpp"
#include "campaign/campaign.hpp"
#include "campaign/restore.hpp"
#include "job/help.hpp"
#include "job/load.hpp"
#include "report/report.hpp"
#include "run/recording.hpp"
#include "verdict/verdict.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

extern "C" {
#include "parse.h"
}

namespace {

using namespace dmarace;

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Job files: it answers, an error has a place and one line of text, and a job that
// loads can be linted and told.
void check(const job::Diagnostics& diagnostics) {
    for (const auto& diagnostic : diagnostics) {
        require(diagnostic.where.line > 0 && diagnostic.where.column > 0);
        require(!diagnostic.message.empty());
        require(diagnostic.message.find('\n') == std::string::npos);
    }
}

void check(const job::Job& job) {
    require(!job.name.empty());
    for (const auto& rule : job.rules) {
        require(!rule.name.empty() && !rule.point.empty());
        require(!rule.holds() || rule.timeout);
    }
    check(job::lint(job));
    require(!job::job_help(job).empty());
}

void take_job(const std::string& text) {
    const auto job = job::load(text, "f");
    if (job)
        check(*job);
    else
        check(job.error());
}

// The module's requests: no overrun, limits kept, an error has a reason.
void check(const dmarace_rule& rule) {
    constexpr long long ms = 1'000'000;
    require(std::memchr(rule.point, 0, sizeof(rule.point)) != nullptr);
    require(rule.waits <= DMARACE_WAITS_MAX);
    require(rule.delay_min >= 0 && rule.delay_min <= rule.delay_max);
    require(rule.delay_max <= DMARACE_DELAY_MAX_MS * ms);
    require(rule.timeout >= 0 && rule.timeout <= DMARACE_HOLD_MAX_MS * ms);
    require((rule.waits > 0) == (rule.timeout > 0));
    require(rule.probability >= 0 && rule.probability <= 100);
    require(rule.interval >= 1);
}

void take_rule(std::string line) {
    dmarace_request request;
    char reason[DMARACE_REASON_MAX] = "";
    const int error = dmarace_parse(line.data(), &request, reason, sizeof(reason));
    require(std::memchr(request.id, 0, sizeof(request.id)) != nullptr);
    require(std::memchr(reason, 0, sizeof(reason)) != nullptr);
    if (error != 0)
        require(reason[0] != '\0');
    else if (request.verb == DMARACE_DO_RULE)
        check(request.rule);
}

// The module's lines, and what it makes of them to the judge: a line comes back as it
// was written, and every history of events has a judgement with a reason.

// What to_text() writes reads back as the same line, unless a value held what a
// line cannot hold.
void check_round_trip(const Line& line) {
    const auto again = parse_line(to_text(line));
    require(again && *again == line);
}

void check_wire(const Line& line) {
    const auto step = run::step_from(line);
    require(run::step_from(run::to_line("done", step)).text == step.text);
    (void)run::group_from(line);
}

void take(const Line& line, verdict::Observed& observed) {
    if (const auto audit = verdict::to_audit(line)) {
        require(to_text(verdict::to_line(*audit)).starts_with("audit"));
        if (audit->at == "demand")
            observed.settled.push_back(*audit);
    }
    if (line.verb == "done")
        observed.steps.push_back(run::step_from(line));
    else if (line.verb == "group")
        observed.groups.push_back(run::group_from(line));
    else
        observed.events.push_back(line);
}

void take_lines(const std::string& bytes) {
    verdict::Observed observed;
    std::istringstream text(bytes);
    for (std::string one; std::getline(text, one);) {
        const auto line = parse_line(one);
        if (!line) {
            require(!line.error().message.empty());
            continue;
        }
        check_round_trip(*line);
        check_wire(*line);
        take(*line, observed);
    }
    const auto judgement = verdict::judge({}, {}, {}, observed);
    require(judgement.verdict == verdict::Verdict::pass || !judgement.reason.empty());
}

// Journals: it answers, an error says which line, and from what it reads every report
// can be made. A journal that is cut off and goes on is read as far as it goes.

void check_reports(const run::Run& run) {
    require(nlohmann::json::accept(report::result_json(run)));
    require(!report::ktap(run).empty());
    require(!report::summary(run).empty());
    require(!report::table({run}).empty());
    for (const char c : report::result_line(run))
        require(c >= ' ' && c != '\x7f');
}

void check_run(const run::Run& run) {
    std::set<unsigned> ended;
    for (const auto& end : run.ended)
        require(ended.insert(end.iteration).second);
    if (const auto open = run.interrupted())
        require(!ended.contains(*open));
    (void)campaign::why_stop(run, {});
    if (run.before)
        (void)campaign::from_words(run.before->state);
}

void take_journal(const std::string& text) {
    const auto run = run::read_journal(text);
    if (!run) {
        require(!run.error().message.empty());
        require(run.error().message.find('\n') == std::string::npos);
        return;
    }
    check_run(*run);
    check_reports(*run);
    if (const auto whole = text.rfind('\n'); run->torn && whole != std::string::npos)
        require(run::read_journal(text.substr(0, whole + 1))->ended.size() == run->ended.size());
}

// All that reads a kernel log: records of /dev/kmsg (here one a line that begins with
// '|', what continues it without), what the judge makes of them, and the last words of a
// machine in a pstore.

constexpr std::size_t kMost = 60;

void check_last_words(const std::string& text) {
    const auto lines = board::after_mark({text}, "iter=1 begin", kMost);
    require(lines.size() <= kMost);
    for (const auto& line : lines)
        require(!line.empty() && line.find('\n') == std::string::npos &&
                text.find(line) != std::string::npos);
}

verdict::LogLine to_log_line(const std::string& record) {
    auto out = board::parse_kernel_record(record);
    require(out.level >= 0 && out.level <= 7);
    require(out.text.find('\n') == std::string::npos);
    return {out.ts, out.level, std::move(out.text), std::move(out.device)};
}

void take_log(const std::string& text) {
    check_last_words(text);
    verdict::Observed observed;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto next = std::min(text.find("\n|", begin), text.size());
        observed.log.push_back(to_log_line(text.substr(begin, next - begin)));
        begin = next + 2;
    }
    const auto judgement = verdict::judge({}, {}, {}, observed);
    for (const auto& failure : judgement.failures)
        require(!failure.detail.empty() && !failure.evidence.empty());
}

struct Target {
    std::string_view name;
    void (*take)(const std::string& bytes);
};

constexpr Target kTargets[] = {
    {"job", take_job},    {"rule", [](const std::string& bytes) { take_rule(bytes); }},
    {"line", take_lines}, {"journal", take_journal},
    {"klog", take_log},
};

const Target* find_target(std::string_view name) {
    const auto* found = std::ranges::find(kTargets, name, &Target::name);
    return found == std::end(kTargets) ? nullptr : found;
}

} // namespace

#ifdef DMARACE_FUZZ_TARGET

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto take = find_target(DMARACE_FUZZ_TARGET)->take;
    take({reinterpret_cast<const char*>(data), size});
    return 0;
}

#else

int main(int argc, char** argv) {
    const Target* target = argc > 2 ? find_target(argv[1]) : nullptr;
    if (!target) {
        std::fprintf(stderr, "usage: fuzz_replay job|rule|line|journal|klog FILE..\n");
        return 2;
    }
    std::size_t inputs = 0;
    for (int i = 2; i < argc; i++) {
        std::ifstream in(argv[i], std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        const bool corpus = std::string_view(argv[i]).ends_with(".corpus");
        for (const auto& input :
             corpus ? fuzz::inputs_of(fuzz::part_of(bytes, target->name)) : std::vector{bytes}) {
            target->take(input);
            fuzz::damage(input, target->take);
            inputs++;
        }
    }
    std::printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}

#endif
