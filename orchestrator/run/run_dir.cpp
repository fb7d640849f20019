// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/run_dir.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "run/record.hpp"
#include "run/recording.hpp"

#include <fcntl.h>
#include <poll.h>

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace dmarace::run {

namespace {

constexpr off_t kReserveBytes = 128 << 10;
// Of a limit: a log that has so much turns over, all of them together; what stays gets the rest.
constexpr std::uint64_t kTurnsOver = 10, kOfLogs = 4;
// result.json is indented, and result.ktap tells of each failure once more.
constexpr std::uint64_t kShownAs = 5, kShownOf = 2, kKtapLine = 100;

Status with_remedy(Status put) {
    if (!put && put.error().os_error == ENOSPC)
        put.error().message += "; what has ended is kept: make room, and --resume goes on";
    return put;
}

UniqueFd open_append(const std::filesystem::path& path) {
    return UniqueFd(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644));
}

// A line of a log that was cut off ends, so that what follows is a line of its own.
void end_last_line(int fd) {
    const auto size = ::lseek(fd, 0, SEEK_END);
    char last = '\n';
    if (size > 0 && ::pread(fd, &last, 1, size - 1) == 1 && last != '\n')
        (void)!::write(fd, "\n", 1);
}

// Makes the journal whole, of which this is the text, before a record is appended.
// A last line that is no whole record was never one. One that only lacks its end is.
Status mend_journal(int fd, const std::string& text) {
    const auto whole = whole_lines(text);
    if (whole == text.size())
        return {};
    const auto where = std::string("the torn last line of ") + files::kJournal;
    if (is_record(std::string_view(text).substr(whole)))
        return write_all(fd, "\n", where);
    if (::ftruncate(fd, static_cast<off_t>(whole)) < 0)
        return fail_errno("cannot cut " + where);
    return {};
}

// A descriptor that whoever started us has named in the environment; -1 if he has not.
int given_descriptor(const char* name) {
    const char* text = std::getenv(name);
    const int fd = text != nullptr && is_digits(text) ? std::atoi(text) : -1;
    return fd <= STDERR_FILENO || ::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

constexpr int kWitnessMs = 10'000; // one that does not answer is done without

// Waits until whoever watches from outside has what the directory holds. Nobody does: at once.
void ask_witness() {
    const int fd = given_descriptor(kWitness);
    if (fd < 0)
        return;
    pollfd answer{fd, POLLIN, 0};
    char byte = 'y';
    while (::poll(&answer, 1, 0) > 0) // an answer that came too late
        if (::read(fd, &byte, 1) <= 0)
            return;
    if (::send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && ::poll(&answer, 1, kWitnessMs) > 0)
        (void)!::read(fd, &byte, 1);
}

Status lead_to(int fd, const char* name) {
    const char* file = std::getenv(name);
    if (file == nullptr)
        return {};
    const auto opened = open_append(file);
    return opened && ::dup2(opened.get(), fd) == fd ? Status{} : fail_errno(file);
}

} // namespace

bool may_be_kept() { return given_descriptor(kStand) >= 0; }

Result<bool> stand() {
    const UniqueFd line(given_descriptor(kStand));
    if (!line)
        return false;
    ::unsetenv(kStand);
    std::string life;
    std::array<char, 4096> buffer{};
    ssize_t got = ::send(line.get(), "y", 1, MSG_NOSIGNAL);
    while (got > 0 && (got = ::read(line.get(), buffer.data(), buffer.size())) > 0)
        life.append(buffer.data(), static_cast<std::size_t>(got));
    if (got < 0)
        return fail_errno("the line to whoever keeps the guest");
    for (const auto& word : split(life, '\0'))
        if (const auto equals = word.find('='); equals != std::string::npos)
            ::setenv(word.substr(0, equals).c_str(), word.c_str() + equals + 1, 1);
    TRY(lead_to(STDOUT_FILENO, kStdout));
    TRY(lead_to(STDERR_FILENO, kStderr));
    return std::getenv(kGoesOn) != nullptr;
}

Status can_hold_runs(const std::filesystem::path& directory) {
    std::error_code ec;
    auto there = std::filesystem::absolute(directory, ec);
    while (!std::filesystem::exists(there, ec) && there.has_relative_path())
        there = there.parent_path();
    if (!std::filesystem::is_directory(there, ec))
        errno = ENOTDIR;
    else if (::access(there.c_str(), W_OK | X_OK) == 0)
        return {};
    auto error = fail_errno("results cannot be written in " + directory.string());
    error.error().message += "; name a directory that can be, on a tmpfs for example, with --out "
                             "DIR or the environment's DMARACE_OUT";
    return error;
}

Result<RunDir> RunDir::open(const std::filesystem::path& path, bool resume) {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec)
        return fail_errno("cannot make " + path.string(), ec.value());
    if (!resume && std::filesystem::exists(path / files::kJournal, ec))
        return fail(Fault::usage, path.string() +
                                      " holds a run already; --resume goes on with it, or give "
                                      "another --out");
    RunDir out;
    out.path_ = path;
    out.journal_ = open_append(path / files::kJournal);
    out.events_ = open_append(path / files::kEvents);
    out.kmsg_ = open_append(path / files::kLog);
    out.observed_ = open_append(path / files::kObserved);
    if (!out.journal_ || !out.events_ || !out.kmsg_ || !out.observed_)
        return fail_errno("cannot write in " + path.string());
    // A file system without locks is no reason to do without a journal.
    if (::flock(out.journal_.get(), LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return fail(Fault::usage, path.string() + " is in use: a dmarace, or what one left "
                                                  "running, is at work in it");
    TRY_AS(const auto text, out.journal());
    TRY(mend_journal(out.journal_.get(), text));
    for (const auto* fd : {&out.events_, &out.kmsg_, &out.observed_})
        end_last_line(fd->get());
    out.whole_ = ::lseek(out.journal_.get(), 0, SEEK_END);
    return out;
}

Result<std::string> RunDir::journal() const { return read_text(path_ / files::kJournal); }

Status RunDir::write_durably(const std::string& records) {
    const auto where = (path_ / files::kJournal).string();
    TRY(write_all(journal_.get(), records, where));
    if (::fdatasync(journal_.get()) < 0)
        return fail_errno("cannot make " + where + " durable");
    ask_witness();
    return {};
}

// Half a record that stayed would make one unreadable line with the next one.
Status RunDir::append(const std::string& record, bool durable) {
    ahead_of_next_ += record + "\n";
    if (!durable)
        return {};
    const auto records = std::exchange(ahead_of_next_, {});
    auto put = write_durably(records);
    if (put)
        whole_ += static_cast<off_t>(records.size());
    else if (::ftruncate(journal_.get(), whole_) < 0)
        put.error().message += ", and what was written of the record cannot be cut off";
    return with_remedy(std::move(put));
}

// A disk that has no room for it has none for a run either: that is told when
// the first record does not fit. File systems that cannot do it do without.
void RunDir::set_aside() const {
    const auto path = path_ / files::kReserve;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd && ::fallocate(fd.get(), 0, 0, kReserveBytes) < 0)
        ::unlink(path.c_str());
}

void RunDir::use_reserve() const { ::unlink((path_ / files::kReserve).c_str()); }

Status RunDir::add(const UniqueFd& fd, const char* name, const std::string& text) const {
    return with_remedy(write_all(fd.get(), text, (path_ / name).string()));
}

// All at once, between two iterations: what one observed stands in three files.
Status RunDir::turn_over() {
    std::error_code ec;
    for (auto [fd, name] : {std::pair{&events_, files::kEvents}, std::pair{&kmsg_, files::kLog},
                            std::pair{&observed_, files::kObserved}}) {
        const auto file = path_ / name;
        std::filesystem::rename(file, file.string() + files::kOlder, ec);
        *fd = open_append(file);
        if (ec || !*fd)
            return fail_errno("cannot begin " + file.string() + " anew", ec ? ec.value() : errno);
    }
    return add(observed_, files::kObserved, board_ + baseline_);
}

std::uint64_t limit_for(std::uint64_t stays) {
    return (stays + kReserveBytes) * kOfLogs / (kOfLogs - 1);
}

void RunDir::foresee(const std::string& verdict, bool failed) {
    ahead_ += kKtapLine + (failed ? verdict.size() * kShownAs / kShownOf : 0);
}

bool RunDir::full() {
    const auto stays = static_cast<std::uint64_t>(whole_) + ahead_;
    if (last_ > 0)
        largest_ = std::max(largest_, stays - last_);
    last_ = stays;
    return limit_ > 0 && limit_for(stays + 2 * largest_) > limit_;
}

Status RunDir::log(const verdict::Observed& observed) {
    off_t logged = 0;
    for (const auto* fd : {&events_, &kmsg_, &observed_})
        logged += ::lseek(fd->get(), 0, SEEK_END);
    if (limit_ > 0 && static_cast<std::uint64_t>(logged) > limit_ / kTurnsOver)
        TRY(turn_over());
    TRY(add(events_, files::kEvents, event_lines(observed)));
    TRY(add(kmsg_, files::kLog, log_lines(observed)));
    return add(observed_, files::kObserved, observed_lines(observed));
}

Status RunDir::log_outside(const std::string& where, const verdict::Observed& observed) {
    if (observed.log.empty())
        return {};
    return add(kmsg_, files::kLog, outside_lines(where, observed));
}

Status RunDir::log_board(const types::Inventory& inventory, const verdict::FoundBoard* found) {
    board_ = board_lines(inventory, found);
    baseline_.clear();
    return add(observed_, files::kObserved, board_);
}

std::shared_ptr<const verdict::FoundBoard> RunDir::last_found() const {
    const auto text = read_text(path_ / files::kObserved);
    return text ? run::last_found(*text) : nullptr;
}

Status RunDir::log_baseline(const verdict::Baseline& baseline) {
    baseline_ = baseline_lines(baseline);
    return add(observed_, files::kObserved, baseline_);
}

void RunDir::keep_job(const std::filesystem::path& file) const {
    if (const auto text = read_text(file))
        (void)replace(files::kJob, *text);
}

Status RunDir::replace(const std::string& name, const std::string& text) const {
    return replace_file(path_ / name, text);
}

Status RunDir::tell(const std::string& text) {
    if (text.empty())
        return {};
    const auto path = path_ / files::kKtap;
    if (!ktap_) {
        TRY(replace(files::kKtap, ""));
        ktap_ = open_append(path);
        if (!ktap_)
            return fail_errno(path.string());
    }
    TRY(add(ktap_, files::kKtap, text));
    return ::fdatasync(ktap_.get()) < 0 ? fail_errno(path.string()) : Status{};
}

Status mark_boot_again(const std::filesystem::path& directory, const std::string& why,
                       std::optional<int> status) {
    return write_text(directory / files::kBootAgain,
                      why + "\n" + (status ? std::to_string(*status) + "\n" : ""));
}

std::optional<std::string> take_boot_again(const std::filesystem::path& directory) {
    const auto mark = directory / files::kBootAgain;
    const auto text = read_text(mark);
    std::error_code error;
    if (!text || !std::filesystem::remove(mark, error))
        return std::nullopt;
    return first_line(*text);
}

Status append_record(const std::filesystem::path& journal, const std::string& record) {
    TRY_AS(const auto text, read_text(journal));
    const UniqueFd fd(::open(journal.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!fd)
        return fail_errno(journal.string());
    TRY(mend_journal(fd.get(), text));
    TRY(write_all(fd.get(), record + "\n", journal.string()));
    if (::fsync(fd.get()) < 0)
        return fail_errno("cannot make " + journal.string() + " durable");
    return {};
}

} // namespace dmarace::run
