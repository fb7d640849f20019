// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"

#include <fcntl.h>
#include <poll.h>

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace dmarace::board {

namespace {

// "+pci:0000:00:02.0" is a device of a bus; c, b and n forms name nodes.
std::string device_of(std::string_view value) {
    if (!value.starts_with('+'))
        return "";
    value.remove_prefix(1);
    const auto colon = value.find(':');
    if (colon == std::string_view::npos)
        return "";
    return std::string(value.substr(0, colon)) + "/" + std::string(value.substr(colon + 1));
}

// What programs write has a facility: the kernel's own is 0.
constexpr std::uint64_t kFacility = 8;

std::uint64_t monotonic_us() { return monotonic_now() / 1000; }

std::string mark_text(const std::string& text) { return "dmarace: " + text; }

// Between two looks at a log in which much is said, ms. 128 KiB of log, which kernels have
// by default, are full after some hundred of the shortest lines.
constexpr int kBatch = 3;

} // namespace

KernelRecord parse_kernel_record(std::string_view record) {
    KernelRecord out;
    const auto head_end = std::min(record.find(';'), record.size());
    const auto head = record.substr(0, head_end);
    out.level = static_cast<int>(leading_number(head) & 7);
    out.user = leading_number(head) >= kFacility;
    const auto first = head.find(',');
    const auto second = first == std::string_view::npos ? first : head.find(',', first + 1);
    if (second != std::string_view::npos) {
        out.seq = leading_number(head.substr(first + 1));
        out.ts = leading_number(head.substr(second + 1));
    }
    auto body = record.substr(std::min(head_end + 1, record.size()));
    const auto text_end = std::min(body.find('\n'), body.size());
    out.text = body.substr(0, text_end);
    const auto tag = body.find("\n DEVICE=");
    if (tag != std::string_view::npos) {
        const auto value = body.substr(tag + 9);
        out.device = device_of(value.substr(0, value.find('\n')));
    }
    return out;
}

class KernelLog::Reader {
public:
    explicit Reader(UniqueFd fd) : fd_(std::move(fd)), stop_(::eventfd(0, EFD_CLOEXEC)) {
        // Signals are the main thread's, which blocks them later and reads them.
        sigset_t all, before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { follow(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() {
        ::eventfd_write(stop_.get(), 1);
        thread_.join();
    }

    Status mark(const std::string& text) {
        // Nobody may read a record before its end, or the next one, has been written.
        const auto record = "<6>" + mark_text(text) + "\n";
        {
            const std::lock_guard lock(mutex_);
            mark_ = {mark_text(text), monotonic_us()};
        }
        if (::write(fd_.get(), record.data(), record.size()) < 0)
            return fail_errno("cannot write /dev/kmsg");
        return {};
    }

    Result<std::vector<KernelRecord>> read_new() {
        const std::lock_guard lock(mutex_);
        drain();
        if (const auto error = std::exchange(error_, 0); error != 0)
            return fail_errno("cannot read /dev/kmsg", error);
        auto records = std::exchange(records_, {});
        for (auto& record : records)
            record.ts += static_cast<std::uint64_t>(shift_);
        return records;
    }

    std::int64_t shift() const {
        const std::lock_guard lock(mutex_);
        return shift_;
    }

private:
    void follow() {
        std::array<pollfd, 2> news{{{stop_.get(), POLLIN, 0}, {fd_.get(), POLLIN, 0}}};
        for (;;) {
            ::poll(news.data(), news.size(), -1);
            if (news[0].revents != 0)
                return;
            {
                const std::lock_guard lock(mutex_);
                if (!drain())
                    return;
            }
            ::poll(news.data(), 1, kBatch);
        }
    }

    // Reads what is there. False when nothing will come any more.
    bool drain() {
        std::array<char, 8192> buffer{};
        for (;;) {
            const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
            if (got > 0)
                take(parse_kernel_record({buffer.data(), static_cast<std::size_t>(got)}));
            else if (got < 0 && errno == EPIPE)
                late_ = true; // the next read goes on with the oldest that is left
            else if (got < 0 && errno == EAGAIN)
                return true;
            else if (got == 0 || errno != EINTR) {
                error_ = got == 0 ? 0 : errno;
                return false;
            }
        }
    }

    void take(KernelRecord record) {
        if (next_ ? record.seq > *next_ : late_)
            records_.push_back(gap_before(record));
        late_ = false;
        next_ = record.seq + 1;
        if (mark_ && record.user && record.text == mark_->text) {
            shift_ = static_cast<std::int64_t>(mark_->at - record.ts);
            mark_.reset();
        }
        records_.push_back(std::move(record));
    }

    KernelRecord gap_before(const KernelRecord& record) const {
        KernelRecord gap;
        gap.ts = record.ts;
        gap.seq = next_.value_or(record.seq);
        gap.lost = std::max<std::uint64_t>(record.seq - gap.seq, 1);
        gap.text = "(" + std::to_string(gap.lost) + " records of the log, from number " +
                   std::to_string(gap.seq) + " on, were overwritten before they were read)";
        return gap;
    }

    struct Mark {
        std::string text;
        std::uint64_t at;
    };

    UniqueFd fd_, stop_;
    mutable std::mutex mutex_; // of all that follows
    std::vector<KernelRecord> records_;
    std::optional<std::uint64_t> next_;
    bool late_ = false; // records were overwritten
    int error_ = 0;
    std::optional<Mark> mark_; // written, and not read yet
    std::int64_t shift_ = 0;
    std::thread thread_;
};

KernelLog::KernelLog() = default;
KernelLog::KernelLog(KernelLog&&) noexcept = default;
KernelLog::~KernelLog() = default;

KernelLog KernelLog::of(UniqueFd records) {
    KernelLog log;
    log.reader_ = std::make_unique<Reader>(std::move(records));
    return log;
}

Result<KernelLog> KernelLog::open(From from) {
    UniqueFd fd(::open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open /dev/kmsg");
    if (::lseek(fd.get(), 0, from == From::now ? SEEK_END : SEEK_SET) < 0)
        return fail_errno("cannot seek /dev/kmsg");
    return of(std::move(fd));
}

Status KernelLog::mark(const std::string& text) { return reader_ ? reader_->mark(text) : Status{}; }

Result<std::vector<KernelRecord>> KernelLog::read_new() {
    return reader_ ? reader_->read_new() : Result<std::vector<KernelRecord>>();
}

std::int64_t KernelLog::clock_shift() const { return reader_ ? reader_->shift() : 0; }

} // namespace dmarace::board
