// SPDX-License-Identifier: GPL-2.0-or-later
// The running kernel: its modules, through libkmod; what it says in its log and has said
// before it went down; the uevents it sends, so that nothing has to sleep for a guessed time.
#pragma once

#include "base/error.hpp"
#include "board/files.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct kmod_ctx;
struct udev;
struct udev_monitor;

namespace dmarace::board {

// As uname() has them: "6.12.0-1-arm64", "aarch64", the board's name in its network.
std::string kernel_release();
std::string kernel_machine();
std::string host_name();

// Modules are named; where their files are is known from the kernel's tree, by depmod's index
// or, where there is none, by their names, and of those that are in no tree from who gives them.
class Modules {
public:
    // tree: a directory as /lib/modules/RELEASE, which it is by default.
    explicit Modules(const std::string& tree = "");
    // A context of its own for another process: libkmod contexts are not shared.
    Modules fresh() const;
    // A module's file, which goes before one of the same name in the tree. Fault::usage when
    // it is none.
    Status give(const std::filesystem::path& file);

    // Inserts a module after those it depends on. os_error EEXIST: it is there
    // already; ENOENT: this kernel's tree has none of that name.
    Status insert(const std::string& name, const std::string& options) const;
    // Removes it, never by force. os_error EAGAIN or EBUSY: it is in use.
    Status remove(const std::string& name) const;
    bool loaded(const std::string& name) const;
    bool known(const std::string& name) const; // loaded, built in, or there is a file
    bool builtin(const std::string& name) const;
    // Modules that claim a modalias, by name; built-in ones are not listed.
    std::vector<std::string> for_alias(const std::string& modalias) const;
    // The kernel release that the module was built for: this kernel's when it is
    // loaded, else what its file says; "" if there is none.
    std::string release(const std::string& name) const;
    // Where the module's file is, "" if there is none.
    std::string path(const std::string& name) const;

private:
    struct KmodUnref {
        void operator()(kmod_ctx* ctx) const;
    };
    // A tree without depmod's index.
    struct Unindexed {
        std::map<std::string, std::filesystem::path> files; // by name
        std::set<std::string> builtin;
        std::optional<std::vector<std::pair<std::string, std::string>>> aliases; // pattern, name
    };
    void walk(const std::filesystem::path& tree);
    int state(const std::string& name) const;
    const std::filesystem::path* file_of(const std::string& name) const;
    Status insert(const std::string& name, const std::string& options, unsigned depth) const;
    Status insert_file(const std::string& name, const std::filesystem::path& file,
                       const std::string& options, unsigned depth) const;
    std::vector<std::string> claimants(const std::string& modalias) const;

    std::unique_ptr<kmod_ctx, KmodUnref> ctx_;
    std::map<std::string, std::filesystem::path> given_;
    std::shared_ptr<Unindexed> unindexed_; // null where there is an index
};

struct KernelRecord {
    std::uint64_t ts = 0;  // us since boot
    std::uint64_t seq = 0; // the kernel counts its records
    int level = 6;         // 0 emergency .. 7 debug
    bool user = false;     // a program wrote it into /dev/kmsg
    std::string text;
    std::string device; // BUS/NAME from DEVICE=, "" if none
    // Of a gap: how many records were overwritten before they were read.
    std::uint64_t lost = 0;
};

// Reads the log while it is written: a thread of its own takes each record before the kernel
// needs the room again. Where it was too late the records have a gap.
class KernelLog {
public:
    // now: starts after the last record there is. boot: with the oldest that the
    // kernel still has.
    enum class From { now, boot };
    static Result<KernelLog> open(From from = From::now);
    // A log that says nothing and takes nothing, for tests.
    static KernelLog none() { return {}; }
    // .. and one of whatever gives a record with each read.
    static KernelLog of(UniqueFd records);
    KernelLog(KernelLog&&) noexcept;
    ~KernelLog();

    // Writes a record of our own, so that a log read elsewhere (a console, a
    // pstore) shows where the iteration began, and its clock is known by it.
    Status mark(const std::string& text);
    // The records since the last call, their times by CLOCK_MONOTONIC once a mark was read.
    Result<std::vector<KernelRecord>> read_new();
    // What was added to the kernel's stamps for that, us.
    std::int64_t clock_shift() const;

private:
    class Reader;
    KernelLog();
    std::unique_ptr<Reader> reader_;
};

// One record as /dev/kmsg gives it: "prio,seq,us,flags;text\n KEY=value\n..".
KernelRecord parse_kernel_record(std::string_view record);

// The text of every record that is there, those of one dump put together in
// the order of time. Nothing is removed.
std::vector<std::string> last_words(const Files& files);
// Whether the kernel keeps any: pstore has somewhere to write to.
bool keeps_last_words(const Files& files);

// The lines after the last one that holds 'mark', at most 'most' of them, from
// the end; empty when no text holds it.
std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most);

struct Uevent {
    std::string action, subsystem, name, driver;
    std::string path{};       // of its device, below /sys
    std::uint64_t number = 0; // as the kernel counts events
};

// Follows uevents (add, remove, bind, unbind) through a monitor of libudev.
class Monitor {
public:
    // kernel: as the kernel sends them. udev: after udev has done its rules, and
    // only where it runs.
    enum class Source { kernel, udev };
    static Result<Monitor> open(Source source = Source::kernel);

    // Events that have come so far. Events the kernel had to drop (ENOBUFS) are
    // counted in lost().
    std::vector<Uevent> take();
    // Waits until no event has come for 'quiet', at most 'limit'. False when
    // events were still coming at the limit.
    bool wait_quiet(std::chrono::milliseconds quiet, std::chrono::milliseconds limit);
    int descriptor() const;
    unsigned lost() const { return lost_; }

private:
    struct UdevUnref {
        void operator()(udev* context) const;
        void operator()(udev_monitor* monitor) const;
    };
    Monitor() = default;
    std::unique_ptr<udev, UdevUnref> udev_;
    std::unique_ptr<udev_monitor, UdevUnref> monitor_;
    unsigned lost_ = 0;
};

// Whether another program hears the kernel's uevents, udev for one: it may load modules, bind,
// write.
bool somebody_acts_on_uevents(const Files& files);
// Until udev has worked through its queue: before that a module that it is to load is not there,
// and no event of the kernel tells of it. At once where there is no udev.
void wait_for_udev(std::chrono::milliseconds limit);

} // namespace dmarace::board
