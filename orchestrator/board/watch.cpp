// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/watch.hpp"

#include "base/text.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>

namespace dmarace::board {

namespace {

// The registers that a sample carries: arguments, and what tells who called; in the order of their
// bits, in which they come.
#if defined(__aarch64__)
constexpr std::uint64_t kRegisters = 0xfULL | 1ULL << 30; // x0 to x3, the link register
constexpr std::array<std::size_t, 4> kArguments{0, 1, 2, 3};
constexpr std::size_t kReturned = 0, kLink = 4;
#else
constexpr std::uint64_t kRegisters = 1ULL << 0 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << 5;
constexpr std::array<std::size_t, 4> kArguments{4, 3, 2, 1}; // ax cx dx si di
constexpr std::size_t kReturned = 0, kLink = 5;              // none
#endif

constexpr std::uint16_t kFrames = 64;
constexpr const char* kProbePmu = "/sys/bus/event_source/devices/kprobe/";

std::uint64_t in_memory(const void* pointer) { return std::bit_cast<std::uint64_t>(pointer); }

perf_event_attr attributes(std::uint32_t type) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = type;
    attr.sample_period = 1;
    attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID |
                       PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_INTR;
    attr.sample_regs_intr = kRegisters;
    attr.disabled = 1;
    attr.exclude_user = 1;
    attr.exclude_callchain_user = 1;
    attr.use_clockid = 1;
    attr.clockid = CLOCK_MONOTONIC;
    attr.wakeup_events = 0;
    // Else the kernel fills it in, and takes what it is asked to aim anew for something else.
    attr.sample_max_stack = kFrames;
    return attr;
}

UniqueFd open_event(perf_event_attr attr, unsigned cpu) {
    return UniqueFd(static_cast<int>(::syscall(SYS_perf_event_open, &attr, -1,
                                               static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC)));
}

perf_event_attr attributes_of(const Watchpoint& point) {
    auto attr = attributes(PERF_TYPE_BREAKPOINT);
    attr.bp_type = point.writes_only ? HW_BREAKPOINT_W : HW_BREAKPOINT_RW;
    attr.bp_addr = point.address;
    attr.bp_len = point.length;
    return attr;
}

std::vector<unsigned> online_cpus() {
    std::vector<unsigned> out;
    const auto text = read_text("/sys/devices/system/cpu/online").value_or("0");
    for (const auto& range : split(first_line(text), ',')) {
        const auto dash = range.find('-');
        const auto first = leading_number<unsigned>(range);
        const auto last =
            dash == std::string::npos ? first : leading_number<unsigned>(range.substr(dash + 1));
        for (unsigned cpu = first; cpu <= last; ++cpu)
            out.push_back(cpu);
    }
    return out;
}

Error no_watchpoint(int error) {
    const std::string why =
        error == ENOSPC || error == EBUSY ? "no debug register of a CPU is free"
        : error == EPERM || error == EACCES
            ? "this kernel refuses them: lockdown, or perf_event_paranoid (dmarace doctor)"
        : error == ENODEV || error == ENOENT || error == ENOSYS || error == EOPNOTSUPP
            ? "this kernel or this machine has none (PERF_EVENTS, HAVE_HW_BREAKPOINT)"
            : std::strerror(error);
    return Error{Fault::untestable, "no hardware watchpoint: " + why, error};
}

// What a sample is made of, in this order: IDENTIFIER IP TID TIME CALLCHAIN REGS_INTR.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
    std::uint64_t next() {
        std::uint64_t out = 0;
        if (bytes_.size() < sizeof out)
            return 0;
        std::memcpy(&out, bytes_.data(), sizeof out);
        bytes_ = bytes_.subspan(sizeof out);
        return out;
    }

private:
    std::span<const std::byte> bytes_;
};

} // namespace

Result<KernelWatch> KernelWatch::open(const std::vector<FunctionProbe>& probes, std::size_t ring) {
    KernelWatch out;
    out.probes_ = probes;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto type =
        leading_number<unsigned>(read_text(std::string(kProbePmu) + "type").value_or(""));
    out.sees_functions_ = type != 0;
    const auto format = read_text(std::string(kProbePmu) + "format/retprobe").value_or("config:0");
    const auto bit = leading_number<unsigned>(format.substr(format.find(':') + 1));
    for (const auto cpu : online_cpus()) {
        auto attr = attributes(PERF_TYPE_SOFTWARE);
        attr.config = PERF_COUNT_SW_DUMMY;
        Ring own{open_event(attr, cpu), {}, cpu};
        if (!own.fd)
            return std::unexpected(no_watchpoint(errno));
        own.pages = Mapped(page + ring, PROT_READ | PROT_WRITE, MAP_SHARED, own.fd.get());
        if (!own.pages)
            return fail_errno("a ring of " + std::to_string(ring) + " bytes for samples");
        for (std::size_t i = 0; i < probes.size(); ++i)
            TRY(out.add(own, i, type, bit));
        out.rings_.push_back(std::move(own));
    }
    std::ranges::sort(out.absent_);
    const auto same = std::ranges::unique(out.absent_);
    out.absent_.erase(same.begin(), same.end());
    return out;
}

Status KernelWatch::aim(const std::vector<Watchpoint>& points) {
    for (auto& source : sources_) {
        source.wanted = source.is_probe || source.index < points.size();
        const bool stays =
            source.is_probe || (source.wanted && source.point == points[source.index]);
        if (!stays)
            TRY(source.wanted ? aim(source, points[source.index]) : turn(source, false));
    }
    const auto has = [&](std::size_t index) {
        return std::ranges::any_of(sources_, [index](const auto& source) {
            return !source.is_probe && source.index == index;
        });
    };
    for (std::size_t i = 0; i < points.size(); ++i)
        for (const bool is_new = !has(i); const auto& ring : rings_)
            if (is_new)
                TRY(add(ring, points[i], i));
    return {};
}

Status KernelWatch::aim(EventSource& source, const Watchpoint& point) {
    TRY(turn(source, false));
    auto attr = attributes_of(point);
    if (::ioctl(source.fd.get(), PERF_EVENT_IOC_MODIFY_ATTRIBUTES, &attr) != 0)
        return std::unexpected(no_watchpoint(errno));
    source.point = point;
    return {};
}

Status KernelWatch::add(const Ring& ring, const Watchpoint& point, std::size_t index) {
    auto event = open_event(attributes_of(point), ring.cpu);
    if (!event)
        return std::unexpected(no_watchpoint(errno));
    TRY(take(std::move(event), ring, false, index));
    sources_.back().point = point;
    return {};
}

Status KernelWatch::add(const Ring& ring, std::size_t index, unsigned type, unsigned return_bit) {
    const auto& probe = probes_.at(index);
    auto attr = attributes(type);
    attr.config = probe.returns ? 1ULL << return_bit : 0;
    attr.kprobe_func = in_memory(probe.function.c_str());
    auto event = type == 0 ? UniqueFd() : open_event(attr, ring.cpu);
    if (!event) {
        absent_.push_back(probe.function);
        return {};
    }
    return take(std::move(event), ring, true, index);
}

Status KernelWatch::take(UniqueFd event, const Ring& ring, bool is_probe, std::size_t index) {
    std::uint64_t id = 0;
    if (::ioctl(event.get(), PERF_EVENT_IOC_ID, &id) != 0 ||
        ::ioctl(event.get(), PERF_EVENT_IOC_SET_OUTPUT, ring.fd.get()) != 0)
        return fail_errno("an event with the ring of another one");
    sources_.push_back({std::move(event), id, is_probe, index, {}, true, false});
    return {};
}

Status KernelWatch::turn(EventSource& source, bool on) {
    if (source.is_on != on &&
        ::ioctl(source.fd.get(), on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0) != 0)
        return fail_errno("an event of perf");
    source.is_on = on;
    return {};
}

Status KernelWatch::enable(bool probes) {
    for (auto& source : sources_)
        if (source.is_probe == probes && source.wanted)
            TRY(turn(source, true));
    return {};
}

void KernelWatch::disable(bool probes) {
    for (auto& source : sources_)
        if (source.is_probe == probes)
            (void)turn(source, false);
}

// Watchpoints last, so that the first access has its locks.
Status KernelWatch::start() {
    TRY(enable(true));
    return enable(false);
}

// Probes stay: each takes the kernel longer than anybody may be held.
Result<std::uint64_t> KernelWatch::aim_anew(const std::vector<Watchpoint>& points) {
    TRY(aim(points));
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    TRY(enable(false));
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

WatchResult KernelWatch::stop() {
    disable(false);
    disable(true);
    WatchResult out;
    for (const auto& ring : rings_)
        read(ring, out);
    std::ranges::stable_sort(out.samples, {}, &WatchSample::time);
    return out;
}

const KernelWatch::EventSource* KernelWatch::source_of(std::uint64_t id) const {
    const auto found = std::ranges::find(sources_, id, &EventSource::id);
    return found == sources_.end() ? nullptr : &*found;
}

void KernelWatch::read(const Ring& ring, WatchResult& out) const {
    auto* head = ring.pages.as<perf_event_mmap_page>();
    const auto* data = ring.pages.as<const std::byte>() + head->data_offset;
    const auto end = std::atomic_ref(head->data_head).load(std::memory_order_acquire);
    std::uint64_t lost = 0;
    std::vector<std::byte> record;
    const auto copy = [&](std::uint64_t at, std::size_t size) {
        const auto from = at % head->data_size;
        const auto first = std::min<std::size_t>(size, head->data_size - from);
        record.assign(data + from, data + from + first);
        record.insert(record.end(), data, data + (size - first));
    };
    for (auto at = static_cast<std::uint64_t>(head->data_tail); at < end;) {
        perf_event_header header{};
        copy(at, sizeof header);
        std::memcpy(&header, record.data(), sizeof header);
        if (header.size < sizeof header)
            break;
        copy(at, header.size);
        at += header.size;
        Reader fields(std::span<const std::byte>(record).subspan(sizeof header));
        if (header.type == PERF_RECORD_LOST) {
            fields.next();
            lost += fields.next();
        } else if (header.type == PERF_RECORD_THROTTLE) {
            out.lost.push_back("perf slowed the samples of CPU " + std::to_string(ring.cpu));
        } else if (header.type == PERF_RECORD_SAMPLE) {
            const auto* source = source_of(fields.next());
            if (source == nullptr)
                continue;
            WatchSample sample;
            sample.is_probe = source->is_probe;
            sample.index = source->index;
            const auto ip = fields.next();
            const auto task = fields.next();
            sample.process = static_cast<int>(task & 0xffffffff);
            sample.task = static_cast<int>(task >> 32);
            sample.time = fields.next();
            for (auto left = fields.next(); left > 0; --left)
                if (const auto one = fields.next(); one < PERF_CONTEXT_MAX)
                    sample.chain.push_back(one);
            if (sample.chain.empty())
                sample.chain.push_back(ip);
            std::array<std::uint64_t, 6> registers{};
            if (fields.next() != PERF_SAMPLE_REGS_ABI_NONE)
                for (int i = 0; i < std::popcount(kRegisters); ++i)
                    registers.at(static_cast<std::size_t>(i)) = fields.next();
            sample.link = registers.at(kLink);
            if (source->is_probe) {
                const auto& probe = probes_.at(source->index);
                sample.value =
                    registers.at(probe.returns ? kReturned : kArguments.at(probe.argument));
            }
            out.samples.push_back(std::move(sample));
        }
    }
    std::atomic_ref(head->data_tail).store(end, std::memory_order_release);
    if (lost > 0)
        out.lost.push_back("the ring of CPU " + std::to_string(ring.cpu) +
                           " was full: " + std::to_string(lost) + " samples lost");
}

// Arm Architecture Reference Manual, "Loads and Stores".
MemoryUse arm64_memory_use(std::uint32_t instruction) {
    const auto is = [&](std::uint32_t mask, std::uint32_t value) {
        return (instruction & mask) == value;
    };
    const bool load = is(0x00400000, 0x00400000);
    if (is(0x3f000000, 0x08000000)) { // exclusive, ordered; compare and swap
        const bool swaps = is(0x00a07c00, 0x00a07c00) || is(0xbfa07c00, 0x08207c00);
        return {load || swaps, !load || swaps};
    }
    if (is(0x3b200c00, 0x38200000)) { // atomic; LDAPR is a load
        const bool reads_only = is(0x3ffffc00, 0x38bfc000);
        return {true, !reads_only};
    }
    if (is(0x3b000000, 0x18000000)) // literal
        return {true, false};
    if (is(0x3a000000, 0x28000000)) // pair
        return {load, !load};
    if (is(0x3a000000, 0x38000000)) { // one register
        const bool stores = is(0x00c00000, 0) || (is(0x04c00000, 0x04800000) && !load);
        return {!stores, stores};
    }
    if (is(0x3f200c00, 0x19000000)) { // unscaled, ordered
        const bool stores = is(0x00c00000, 0);
        return {!stores, stores};
    }
    return {};
}

Result<KernelMemory> KernelMemory::open(const std::string& path) {
    KernelMemory out;
    out.fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!out.fd_)
        return fail_errno(path);
    Elf64_Ehdr head{};
    if (::pread(out.fd_.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head) ||
        std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return fail(Fault::environment, path + ": no core of a kernel");
    std::vector<Elf64_Phdr> parts(head.e_phnum);
    const auto size = parts.size() * sizeof(Elf64_Phdr);
    if (::pread(out.fd_.get(), parts.data(), size, static_cast<off_t>(head.e_phoff)) !=
        static_cast<ssize_t>(size))
        return fail(Fault::environment, path + ": it ends early");
    for (const auto& part : parts)
        if (part.p_type == PT_LOAD)
            out.segments_.push_back({part.p_vaddr, part.p_memsz, part.p_offset});
    return out;
}

Result<std::uint64_t> KernelMemory::read(std::uint64_t address, unsigned length) const {
    for (const auto& segment : segments_) {
        if (address < segment.address || address - segment.address >= segment.size)
            continue;
        std::uint64_t out = 0;
        const auto at = segment.offset + (address - segment.address);
        if (::pread(fd_.get(), &out, length, static_cast<off_t>(at)) ==
            static_cast<ssize_t>(length))
            return out;
    }
    return fail(Fault::environment, "no memory there in /proc/kcore");
}

} // namespace dmarace::board
