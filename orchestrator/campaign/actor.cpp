// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/actor.hpp"

#include "campaign/wire.hpp"

namespace dmarace::campaign {

namespace {

// An actor that is never told to go waits for its owner's end, which kills it.
constexpr std::chrono::hours kGoLimit{1};

} // namespace

int act(board::Channel& channel, const job::Actor& actor, StepContext context) {
    context.channel = &channel;
    for (;;) {
        const auto line = channel.receive(kGoLimit);
        if (!line)
            return 1;
        if (line->verb == wire::kGo)
            break;
        if (line->verb == wire::kSignal)
            context.signals.insert(line->get("name"));
    }
    unsigned index = 0;
    for (const auto& step : actor.steps) {
        ++index;
        const auto number = std::to_string(index);
        if (!channel.send(
                Line{std::string(wire::kBegan), {{"index", number}, {"text", step.text}}}))
            return 1;
        auto result = perform(context, step);
        result.actor = actor.name;
        result.index = index;
        if (!channel.send(wire::to_line(result)))
            return 1;
    }
    return 0;
}

} // namespace dmarace::campaign
