// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/task.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace dmarace::board {

namespace {

// Functions a task sleeps in when it waits for a lock, in 6.1 to 7.x.
constexpr std::array<std::string_view, 6> kLockFunctions{
    "__mutex_lock", "mutex_lock", "rwsem_down_read_slowpath", "rwsem_down_write_slowpath",
    "down_read",    "down_write"};

bool names_function(std::string_view line, std::string_view function) {
    const auto at = line.find(function);
    if (at == std::string_view::npos || (at > 0 && line[at - 1] != ' '))
        return false;
    const auto rest = line.substr(at + function.size());
    return rest.empty() || rest.front() == '+' || rest.front() == '.' || rest.front() == '_';
}

} // namespace

bool TaskState::on_lock() const {
    if (state != 'D' || stack.find("dmarace") != std::string::npos)
        return false;
    std::string_view rest = stack;
    for (int depth = 0; depth < 6 && !rest.empty(); ++depth) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = rest.substr(0, end);
        if (std::ranges::any_of(kLockFunctions,
                                [&](auto function) { return names_function(line, function); }))
            return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

TaskState task_state(const Files& files, pid_t pid) {
    TaskState out;
    const auto dir = "/proc/" + std::to_string(pid);
    const auto stat = files.read(dir + "/stat").value_or("");
    const auto comm_end = stat.rfind(')');
    if (comm_end != std::string::npos && comm_end + 2 < stat.size())
        out.state = stat[comm_end + 2];
    const auto status = files.read(dir + "/status").value_or("");
    constexpr std::string_view key = "\nvoluntary_ctxt_switches:\t";
    if (const auto at = status.find(key); at != std::string::npos)
        std::from_chars(status.data() + at + key.size(), status.data() + status.size(),
                        out.switches);
    out.stack = files.read(dir + "/stack").value_or("");
    return out;
}

} // namespace dmarace::board
