// SPDX-License-Identifier: GPL-2.0-or-later
// Feeds any bytes to the reader of journals: it answers, an error says
// which line, and from what it reads every report can be made. A journal that is
// cut off and goes on is read as far as it goes.
#include "campaign/campaign.hpp"
#include "campaign/restore.hpp"
#include "fuzz.hpp"
#include "report/report.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace {

using namespace dmarace;
using fuzz::require;

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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const auto run = run::read_journal(text);
    if (!run) {
        require(!run.error().message.empty());
        require(run.error().message.find('\n') == std::string::npos);
        return 0;
    }
    check_run(*run);
    check_reports(*run);
    if (const auto whole = text.rfind('\n'); run->torn && whole != std::string::npos)
        require(run::read_journal(text.substr(0, whole + 1))->ended.size() == run->ended.size());
    return 0;
}
