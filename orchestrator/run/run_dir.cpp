// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/run_dir.hpp"

#include <fcntl.h>

#include <sys/file.h>
#include <sys/stat.h>

namespace dmarace::run {

namespace {

constexpr const char* kReserve = "reserve";
constexpr off_t kReserveBytes = 128 << 10;

Status write_all(int fd, std::string_view text, const std::string& where) {
    while (!text.empty()) {
        const auto put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("cannot write " + where);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Status with_remedy(Status put) {
    if (!put && put.error().os_error == ENOSPC)
        put.error().message += "; what has ended is kept: make room, and --resume goes on";
    return put;
}

UniqueFd open_append(const std::filesystem::path& path) {
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
}

// A torn last line was never a record: cut it off before appending.
Status cut_torn_line(int fd, const std::string& text) {
    if (text.empty() || text.ends_with('\n'))
        return {};
    const auto end = text.rfind('\n');
    const auto keep = end == std::string::npos ? 0 : static_cast<off_t>(end + 1);
    if (::ftruncate(fd, keep) < 0)
        return fail_errno("cannot cut the torn last line of journal.jsonl");
    return {};
}

Result<std::string> read_all(const std::filesystem::path& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open " + path.string());
    std::string text;
    std::string buffer(65536, '\0');
    for (;;) {
        const auto got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got < 0)
            return fail_errno("cannot read " + path.string());
        if (got == 0)
            return text;
        text.append(buffer, 0, static_cast<std::size_t>(got));
    }
}

} // namespace

Result<RunDir> RunDir::open(const std::filesystem::path& path, bool resume) {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec)
        return fail_errno("cannot make " + path.string(), ec.value());
    if (!resume && std::filesystem::exists(path / "journal.jsonl", ec))
        return fail(Fault::usage, path.string() +
                                      " holds a run already; --resume goes on with it, or give "
                                      "another --out");
    RunDir out;
    out.path_ = path;
    out.journal_ = open_append(path / "journal.jsonl");
    out.events_ = open_append(path / "events.log");
    out.kmsg_ = open_append(path / "kmsg.log");
    if (!out.journal_ || !out.events_ || !out.kmsg_)
        return fail_errno("cannot write in " + path.string());
    // A file system without locks is no reason to do without a journal.
    if (::flock(out.journal_.get(), LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return fail(Fault::usage, path.string() + " is in use: a dmarace, or what one left "
                                                  "running, is at work in it");
    const auto text = out.journal();
    if (!text)
        return std::unexpected(text.error());
    if (auto cut = cut_torn_line(out.journal_.get(), *text); !cut)
        return std::unexpected(cut.error());
    out.whole_ = ::lseek(out.journal_.get(), 0, SEEK_END);
    return out;
}

Result<std::string> RunDir::journal() const {
    return read_all(path_ / "journal.jsonl");
}

Status RunDir::write_record(const std::string& record, bool durable) {
    const auto where = (path_ / "journal.jsonl").string();
    if (auto put = write_all(journal_.get(), record + "\n", where); !put)
        return put;
    if (durable && ::fdatasync(journal_.get()) < 0)
        return fail_errno("cannot make " + where + " durable");
    return {};
}

// Half a record that stayed would make one unreadable line with the next one.
Status RunDir::append(const std::string& record, bool durable) {
    auto put = write_record(record, durable);
    if (put)
        whole_ += static_cast<off_t>(record.size() + 1);
    else if (::ftruncate(journal_.get(), whole_) < 0)
        put.error().message += ", and what was written of the record cannot be cut off";
    return with_remedy(std::move(put));
}

// A disk that has no room for it has none for a run either: that is told when
// the first record does not fit. File systems that cannot do it do without.
void RunDir::set_aside() const {
    const auto path = path_ / kReserve;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (fd && ::fallocate(fd.get(), 0, 0, kReserveBytes) < 0)
        ::unlink(path.c_str());
}

void RunDir::use_reserve() const {
    ::unlink((path_ / kReserve).c_str());
}

Status RunDir::log(const verdict::Observed& observed) {
    std::string events = "# iteration " + std::to_string(observed.iteration) + "\n";
    for (const auto& event : observed.events)
        events += to_text(event) + "\n";
    std::string lines = "# iteration " + std::to_string(observed.iteration) + "\n";
    for (const auto& line : observed.log)
        lines += "[" + std::to_string(line.ts / 1'000'000) + "." +
                 std::to_string(1'000'000 + line.ts % 1'000'000).substr(1) + "] " + line.text +
                 "\n";
    if (auto put = write_all(events_.get(), events, (path_ / "events.log").string()); !put)
        return with_remedy(std::move(put));
    return with_remedy(write_all(kmsg_.get(), lines, (path_ / "kmsg.log").string()));
}

Status RunDir::replace(const std::string& name, const std::string& text) const {
    const auto temporary = path_ / (name + ".new");
    {
        const UniqueFd fd(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!fd)
            return fail_errno("cannot write " + temporary.string());
        if (auto put = write_all(fd.get(), text, temporary.string()); !put)
            return put;
        if (::fsync(fd.get()) < 0)
            return fail_errno("cannot make " + temporary.string() + " durable");
    }
    if (::rename(temporary.c_str(), (path_ / name).c_str()) < 0)
        return fail_errno("cannot rename " + temporary.string());
    return {};
}

} // namespace dmarace::run
