// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/task.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"

#include <poll.h>

#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace dmarace::board {

namespace {

constexpr std::size_t kPacketMax = 64 * 1024;
constexpr std::size_t kGarbledMax = 200; // of it as much is told
constexpr int kReapMs = 2000;

// Runs in the child; never returns.
[[noreturn]] void run_child(const std::string& name, pid_t parent, Channel channel,
                            const std::function<void()>& before,
                            const std::function<int(Channel&)>& work) {
    before();
    ::prctl(PR_SET_NAME, name.c_str());
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
        ::_exit(1);
    // A Ctrl-C at the terminal is the parent's to handle.
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGTERM, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::_exit(work(channel));
}

// Functions a task sleeps in when it waits for a lock, in 6.1 to 7.x.
constexpr std::string_view kLockFunctions[] = {
    "__mutex_lock", "mutex_lock", "rwsem_down_read_slowpath", "rwsem_down_write_slowpath",
    "down_read",    "down_write"};

// /proc/PID/stack leaves out the scheduler's functions, and the locks' are among
// them (stack_trace_consume_entry_nosched): it begins with the function that
// takes the lock. These take one of the locks that jobs are about, and sleep
// for nothing else themselves.
constexpr std::string_view kLockTakers[] = {
    // iommu_probe_device_lock
    "of_iommu_configure", "acpi_dma_configure_id", "acpi_iommu_configure_id", "iommu_probe_device",
    "probe_iommu_group", "__iommu_probe_device", "iommu_init_device",
    // iommu_group.mutex
    "iommu_device_use_default_domain", "iommu_device_unuse_default_domain",
    "iommu_group_store_type", "iommu_group_show_type", "iommu_group_show_resv_regions",
    "iommu_get_group_resv_regions", "__iommu_group_remove_device", "iommu_group_remove_device",
    "iommu_release_device", "iommu_bus_notifier", "bus_iommu_probe", "iommu_device_register",
    "iommu_group_dma_owner_claimed", "iommu_setup_default_domain", "iommu_change_dev_def_domain",
    "iommu_group_claim_dma_owner", "iommu_group_release_dma_owner",
    // device_lock()
    "device_driver_attach", "device_driver_detach", "__device_driver_lock", "device_release_driver",
    "device_release_driver_internal", "device_attach", "__device_attach", "__driver_attach",
    "device_del", "bind_store", "unbind_store", "drivers_probe_store", "bus_rescan_devices_helper",
    "pci_dev_lock", "pci_reset_function", "sriov_numvfs_store",
    // pci_rescan_remove_lock
    "pci_lock_rescan_remove", "pci_stop_and_remove_bus_device_locked"};

// Does a line of a stack name the function, with a compiler's suffix or without?
bool names_function(std::string_view line, std::string_view function, std::string_view may_follow) {
    const auto at = line.find(function);
    if (at == std::string_view::npos || (at > 0 && line[at - 1] != ' '))
        return false;
    const auto rest = line.substr(at + function.size());
    return rest.empty() || may_follow.find(rest.front()) != std::string_view::npos;
}

bool takes_lock(std::string_view line) {
    return std::ranges::any_of(kLockTakers,
                               [&](auto name) { return names_function(line, name, "+."); });
}

bool is_lock(std::string_view line) {
    return std::ranges::any_of(kLockFunctions,
                               [&](auto name) { return names_function(line, name, "+._"); });
}

} // namespace

Status Channel::send(const Line& line) const {
    const auto text = to_text(line);
    if (::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
        return fail_errno("cannot write to a child process");
    return {};
}

std::optional<Line> Channel::receive(std::chrono::milliseconds limit) const {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) <= 0)
        return std::nullopt;
    std::string packet;
    std::size_t size = 0;
    packet.resize_and_overwrite(kPacketMax, [&](char* bytes, std::size_t room) {
        size = static_cast<std::size_t>(
            std::max<ssize_t>(::recv(fd_.get(), bytes, room, MSG_TRUNC), 0));
        return std::min(size, room);
    });
    if (size == 0)
        return std::nullopt;
    auto line = parse_line(packet);
    if (line && size <= kPacketMax)
        return *std::move(line);
    return Line{"", {{"text", packet.substr(0, kGarbledMax)}}};
}

Result<ForkedChild> ForkedChild::start(const std::string& name, const std::function<void()>& before,
                                       const std::function<int(Channel&)>& work) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
        return fail_errno("cannot make a socket pair");
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail_errno("cannot fork");
    if (pid == 0) {
        ours.reset();
        run_child(name, parent, Channel(std::move(theirs)), before, work);
    }
    TRY_AS(auto process, Process::of_child(pid, kReapMs));
    return ForkedChild(std::move(process), Channel(std::move(ours)));
}

namespace {

constexpr const char* kAt = "at";
constexpr const char* kEnd = "end";

} // namespace

void ChildTelling::line(const Line& line) { failed_ = !channel_.send(line) || failed_; }

void ChildTelling::at(const std::string& what) { line(Line{kAt, {{"what", what}}}); }

Result<std::vector<Line>> told_in_time(const std::string& what,
                                       const std::function<void(ChildTelling&)>& work,
                                       std::chrono::milliseconds limit) {
    TRY_AS(auto child, ForkedChild::start(
                           "told", [] {},
                           [&](Channel& channel) {
                               // A child that is stuck must not keep the module's owner's
                               // descriptor.
                               const auto own = static_cast<unsigned>(channel.descriptor());
                               ::close_range(STDERR_FILENO + 1, own - 1, 0);
                               ::close_range(own + 1, ~0U, 0);
                               ChildTelling tell(channel);
                               work(tell);
                               tell.line(Line{kEnd, {}});
                               return tell.failed() ? 1 : 0;
                           }));
    std::vector<Line> told;
    std::string at = what;
    while (auto line = child.channel().receive(limit)) {
        if (line->verb == kEnd)
            return told;
        if (line->verb == kAt)
            at = line->get("what");
        else
            told.push_back(*std::move(line));
    }
    if (child.wait(std::chrono::milliseconds(100)))
        return fail(Fault::environment, at + " ended without a word");
    auto stack = task_state(Files(), child.pid()).stack;
    std::ranges::replace(stack, '\n', ';');
    return fail(Fault::environment, at +
                                        " does not return: a task of this kernel is stuck; boot "
                                        "the machine" +
                                        (stack.empty() ? "" : " (" + stack + ")"));
}

Status kernel_answers_reads(const Files& files, std::chrono::milliseconds limit) {
    const auto told = told_in_time(
        "reading /sys",
        [&](ChildTelling& tell) {
            const auto read = [&](const std::string& path) {
                tell.at("reading " + path);
                (void)files.read(path);
            };
            const std::string groups = "/sys/kernel/iommu_groups/";
            for (const auto& group : files.list(groups))
                read(groups + group + "/type");
            for (const auto& bus : files.list("/sys/bus"))
                for (const auto& device : files.list("/sys/bus/" + bus + "/devices"))
                    if (const auto path =
                            "/sys/bus/" + bus + "/devices/" + device + "/driver_override";
                        files.exists(path))
                        read(path);
        },
        limit);
    return told ? Status() : std::unexpected(told.error());
}

bool TaskState::on_lock() const {
    if (state != 'D')
        return false;
    std::string_view rest = stack;
    for (int depth = 0; depth < 6 && !rest.empty(); ++depth) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = rest.substr(0, end);
        if (line.find("dmarace") != std::string_view::npos)
            return false;
        if (is_lock(line) || (depth == 0 && takes_lock(line)))
            return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

bool TaskState::waits_for_another() const {
    const std::string_view first = std::string_view(stack).substr(0, stack.find('\n'));
    return on_lock() || (state == 'D' && names_function(first, "kernfs_drain", "+."));
}

namespace {

constexpr char kUnknown = '?';

char state_of(const Files& files, const std::string& process) {
    const auto stat = files.read("/proc/" + process + "/stat").value_or("");
    const auto end = stat.rfind(')');
    return end != std::string::npos && end + 2 < stat.size() ? stat[end + 2] : kUnknown;
}

} // namespace

bool others_at_work(const Files& files, const std::set<pid_t>& beside) {
    return std::ranges::any_of(files.list("/proc"), [&](const std::string& entry) {
        const auto pid = to_number<pid_t>(entry);
        if (!pid || *pid == ::getpid() || beside.contains(*pid))
            return false;
        const char state = state_of(files, entry);
        return state == 'R' || state == 'D';
    });
}

TaskState task_state(const Files& files, pid_t pid) {
    TaskState out;
    const auto dir = "/proc/" + std::to_string(pid);
    out.state = state_of(files, std::to_string(pid));
    const auto status = files.read(dir + "/status").value_or("");
    constexpr std::string_view key = "\nvoluntary_ctxt_switches:\t";
    if (const auto at = status.find(key); at != std::string::npos)
        out.switches = leading_number(std::string_view(status).substr(at + key.size()));
    out.stack = files.read(dir + "/stack").value_or("");
    return out;
}

std::vector<UninterruptibleTask> blocked_tasks(const Files& files) {
    std::vector<UninterruptibleTask> out;
    for (const auto& entry : files.list("/proc")) {
        const auto pid = to_number<pid_t>(entry);
        if (!pid || state_of(files, entry) != 'D')
            continue;
        const auto state = task_state(files, *pid);
        if (state.state != 'D')
            continue;
        const auto comm = files.read("/proc/" + entry + "/comm").value_or("?");
        out.push_back({comm + "[" + entry + "]", state.stack});
    }
    return out;
}

bool BlockedWatch::look(const TaskState& state, std::chrono::steady_clock::time_point now) {
    if (!state.on_lock()) {
        seen_ = known_ = false;
        return false;
    }
    if (!seen_ || state.switches != switches_ || state.stack != stack_) {
        seen_ = true;
        told_ = false;
        since_ = now;
        switches_ = state.switches;
        stack_ = state.stack;
        return false;
    }
    if (told_ || known_ || now - since_ < kBlockedFor)
        return false;
    told_ = true;
    return true;
}

void BlockedWatch::forget() {
    seen_ = told_ = known_ = false;
    stack_.clear();
}

} // namespace dmarace::board
