// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/draw.hpp"
#include "base/files.hpp"
#include "base/hex.hpp"
#include "explore/record.hpp"

namespace dmarace::explore {

KeptRecord::KeptRecord(const RecordOptions& options, const search::ActRecord& wanted,
                       const std::string& start, const std::string& device,
                       const std::string& words)
    : anew_(options.anew), as_they_are_(options.as_they_are) {
    if (options.kept.empty())
        return;
    const Line key{"key",
                   {{"act", wanted.act},
                    {"after", wanted.after},
                    {"kernel", wanted.kernel},
                    {"board", wanted.board},
                    {"device", device},
                    {"start", start},
                    {"words", words},
                    {"version", DMARACE_VERSION}}};
    key_ = to_text(key) + "\n";
    std::uint64_t hash = 0;
    for (const char letter : key_)
        hash = mixed(hash + static_cast<unsigned char>(letter));
    file_ = options.kept / ("record-" + in_hex(hash));
}

std::optional<search::ActRecord> KeptRecord::read() const {
    const auto text = anew_ || file_.empty() ? Result<std::string>("") : read_text(file_);
    if (!text || key_.empty() || !text->starts_with(key_))
        return std::nullopt;
    auto record = search::record_from(*text);
    if (!record || (!record->lost.empty() && !as_they_are_)) // it may be whole the next time
        return std::nullopt;
    return *std::move(record);
}

void KeptRecord::begin(search::ActRecord record) const {
    record.lost.emplace_back("the machine died while it was watched");
    if (as_they_are_)
        write(record);
}

void KeptRecord::forget() const {
    std::error_code ec;
    if (!file_.empty())
        std::filesystem::remove(file_, ec);
}

// A disk that is full costs only that.
void KeptRecord::write(const search::ActRecord& record) const {
    if (file_.empty())
        return;
    std::error_code ec;
    std::filesystem::create_directories(file_.parent_path(), ec);
    (void)replace_file(file_, key_ + search::to_text(record));
}

} // namespace dmarace::explore
