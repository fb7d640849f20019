// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/boot_log.hpp"

#include "board/kernel_log.hpp"

#include <set>

namespace dmarace::campaign {

namespace {

constexpr std::size_t kLastLines = 60;
constexpr std::string_view kNotLoaded = "not loaded, so no rule is armed";

// The boot whose log this is, by the mark that dmarace's loader left in it.
std::string boot_in(const std::string& text, const std::string& mark) {
    const auto at = text.rfind(mark);
    if (at == std::string::npos)
        return "";
    const auto begin = at + mark.size();
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

} // namespace

std::string mark_of_boots(const std::string& run_id) {
    return "run=" + run_id + " boot=";
}

std::vector<DeadBoot> dead_boots(const board::Files& files, const std::string& run_id) {
    const auto mark = mark_of_boots(run_id);
    std::vector<DeadBoot> out;
    std::set<std::string> known;
    for (const auto& words : board::last_words(files)) {
        const auto boot = boot_in(words, mark);
        if (!boot.empty() && known.insert(boot).second)
            out.push_back({boot, board::after_mark({words}, mark + boot, kLastLines)});
    }
    return out;
}

std::string take_boot_log(const std::string& run_id, bool kept, verdict::Observed& observed) {
    const auto mark = mark_of_boots(run_id);
    auto log = board::KernelLog::open(board::KernelLog::From::boot);
    auto records = log ? log->read_new() : Result<std::vector<board::KernelRecord>>();
    if (!log || !records)
        return log ? records.error().message : log.error().message;
    bool marked = false, not_loaded = false;
    for (auto& record : *records) {
        marked = marked || record.text.find(mark) != std::string::npos;
        not_loaded = not_loaded || record.text.find(kNotLoaded) != std::string::npos;
        if (marked)
            observed.log.push_back(
                {record.ts, record.level, std::move(record.text), std::move(record.device)});
    }
    if (not_loaded)
        return "the module took no rule at this boot; the lines of 'dmarace:' in the log say why";
    if (!marked && kept)
        return "the log of this boot has no '" + mark +
               "' any more: it was overwritten; a larger "
               "log_buf_len= on the kernel's command line keeps it";
    if (!marked)
        return "the initramfs did not load dmarace: the log has no '" + mark +
               "'; is it the one that this machine boots?";
    return "";
}

} // namespace dmarace::campaign
