// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/records.hpp"

#include "base/files.hpp"
#include "report/report.hpp"
#include "run/run_dir.hpp"

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using run::files::kJournal;

Result<run::Run> read(const fs::path& journal) {
    const auto text = read_text(journal);
    if (!text)
        return std::unexpected(text.error());
    auto run = run::read_journal(*text);
    if (!run)
        return std::unexpected(std::move(run.error()).within(journal.string()));
    return run;
}

} // namespace

std::vector<fs::path> find_journals(const fs::path& out) {
    // One without a record is of a run that never began.
    const auto begun = [](const fs::path& journal) {
        std::error_code none;
        const auto size = fs::file_size(journal, none);
        return !none && size > 0;
    };
    if (begun(out / kJournal))
        return {out / kJournal};
    std::vector<fs::path> journals;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(out, error))
        if (begun(entry.path() / kJournal))
            journals.push_back(entry.path() / kJournal);
    std::sort(journals.begin(), journals.end());
    return journals;
}

Result<RunSurvey> survey(const fs::path& out) {
    RunSurvey progress;
    for (const fs::path& journal : find_journals(out)) {
        const auto run = read(journal);
        if (!run)
            return std::unexpected(run.error());
        progress.ended += run->ended.size();
        if (const auto iteration = run->interrupted()) {
            progress.journal = journal;
            progress.iteration = *iteration;
        }
    }
    return progress;
}

run::IterationEnd judge_death(unsigned iteration, const BootOutcome& outcome) {
    const bool hang = outcome.end == BootEnd::hang;
    const bool ours = outcome.end == BootEnd::timeout || outcome.end == BootEnd::interrupted ||
                      outcome.end == BootEnd::qemu_failed;
    run::IterationEnd end;
    end.iteration = iteration;
    end.judgement.verdict = ours   ? verdict::Verdict::error
                            : hang ? verdict::Verdict::hang
                                   : verdict::Verdict::crash;
    end.judgement.reason = outcome.detail;
    if (!ours)
        end.judgement.failures.push_back(
            {hang ? verdict::FailureKind::hang : verdict::FailureKind::crash, "", "",
             outcome.detail, outcome.evidence, false});
    return end;
}

Status record_death(const fs::path& journal, const run::IterationEnd& end) {
    return run::append_record(journal, run::to_journal(end));
}

Status write_results(const fs::path& out) {
    for (const fs::path& journal : find_journals(out)) {
        const fs::path result = journal.parent_path() / run::files::kResult;
        std::error_code error;
        if (fs::exists(result) &&
            fs::last_write_time(result, error) >= fs::last_write_time(journal, error))
            continue;
        const auto run = read(journal);
        if (!run)
            return std::unexpected(run.error());
        if (auto written = write_text(result, report::result_json(*run) + "\n"); !written)
            return written;
    }
    return {};
}

Result<std::string> totals(const fs::path& out, std::string (*show)(const run::Run&)) {
    std::string text;
    for (const fs::path& journal : find_journals(out)) {
        const auto run = read(journal);
        if (!run)
            return std::unexpected(run.error());
        text += show(*run);
        if (!text.ends_with('\n'))
            text += '\n';
    }
    return text;
}

Result<verdict::Verdict> overall(const fs::path& out) {
    std::vector<run::Run> all;
    for (const fs::path& journal : find_journals(out)) {
        auto run = read(journal);
        if (!run)
            return std::unexpected(run.error());
        all.push_back(*std::move(run));
    }
    return report::overall(all);
}

} // namespace dmarace::vm
