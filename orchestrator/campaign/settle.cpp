// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/settle.hpp"

#include "board/control.hpp"
#include "board/monitor.hpp"
#include "kmod/dmarace_abi.h"

namespace dmarace::campaign {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long no uevent has to come: longer than one probe retry takes to start.
constexpr milliseconds kQuiet{60};
// A bind put off this often while nothing else is probing is put off for good.
constexpr int kRounds = 4;

milliseconds left(Clock::time_point deadline) {
    return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

} // namespace

std::string settle(const StepContext& context, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    auto monitor = board::Monitor::open();
    if (!monitor)
        return monitor.error().message;
    auto control = board::open_control();
    auto before = context.devices.deferred();
    while (left(deadline).count() > 0) {
        if (control) {
            const auto waited = (*control)->request(Line{DMARACE_V_SETTLE, {}});
            if (!waited)
                return waited.error().message;
        }
        if (!monitor->wait_quiet(kQuiet, left(deadline)))
            break;
        auto now = context.devices.deferred();
        if (now == before)
            return "";
        before = std::move(now);
    }
    return "probing had not ended after " + std::to_string(limit.count()) + " ms";
}

std::vector<verdict::StepResult> bind_again(StepContext& context, std::vector<PutOff> put_off,
                                            milliseconds limit) {
    std::vector<verdict::StepResult> results;
    const auto deadline = Clock::now() + limit;
    for (int round = 0; round < kRounds && !put_off.empty() && left(deadline).count() > 0;
         ++round) {
        std::vector<PutOff> again;
        for (auto& item : put_off) {
            const auto now = context.devices.find(item.device.full_name());
            if (!now || !now->driver.empty())
                continue;
            job::Step step;
            step.verb = job::Verb::bind;
            step.args = {item.device.full_name(), item.driver};
            step.text = "bind " + item.device.full_name() + " " + item.driver;
            auto result = perform(context, step);
            result.actor = "settle";
            if (result.os_error == EAGAIN)
                again.push_back(item);
            results.push_back(std::move(result));
        }
        if (!again.empty() && !settle(context, std::max(left(deadline), milliseconds(1))).empty())
            break;
        put_off = std::move(again);
    }
    return results;
}

} // namespace dmarace::campaign
