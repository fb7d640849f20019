// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/points.hpp"
#include "kmod/dmarace_abi.h"
#include "parts.hpp"

#include <algorithm>

namespace dmarace::generate {

namespace {

std::string line(const std::string& key, const std::string& value) {
    return key + " = \"" + value + "\"\n";
}

std::string line(const std::string& key, unsigned value) {
    return key + " = " + std::to_string(value) + "\n";
}

std::string milliseconds(unsigned count) {
    return std::to_string(count) + "ms";
}

const catalogue::Point& sleeping_point(Draw& random) {
    for (;;) {
        const auto& point = random.of(catalogue::points());
        if (point.facts & DMARACE_SLEEPS)
            return point;
    }
}

// Whom the rule is for. One that is for no actor owns no more than the point says.
std::string filters(Sketch& sketch, const catalogue::Point& point, bool by_actor) {
    auto& random = sketch.random;
    std::string out;
    if (by_actor)
        out += line("actor", random.of(sketch.actors));
    else if (random.chance(30))
        out += line("task", random.chance(50) ? "kworker*" : "*");
    else if (random.chance(10))
        out += line("from", random.of(catalogue::points()).name);
    if (point.knows_device && random.chance(40))
        out += line("dev", random.chance(80) ? "{client}" : "{clients}");
    return out;
}

std::string delay(Draw& random) {
    const unsigned least = random.between(0, 10);
    std::string out =
        line("delay", random.chance(30) ? milliseconds(least + 1)
                                        : milliseconds(least) + ".." +
                                              milliseconds(least + random.between(0, 20)));
    if (random.chance(50))
        out += line("probability", random.between(1, 100));
    if (random.chance(20))
        out += line("interval", random.between(1, 5));
    if (random.chance(20))
        out += line("space", random.between(0, 5));
    return out;
}

// What a hold may wait for. The end of an actor only where the held task owns
// nothing: lint refuses the rest, since it tests nothing.
std::string awaited(Sketch& sketch, const catalogue::Point& point, bool by_actor) {
    auto& random = sketch.random;
    // An unbind needs locks too, and stands first.
    std::vector<std::string> known{"unbound:{client}", "deferred:{client}", "added:{client}"};
    for (std::size_t i = 0; i < sketch.actors.size(); ++i) {
        known.push_back(sketch.step_signals[i]);
        if (!by_actor)
            known.push_back("blocked:" + sketch.actors[i]);
        if (!by_actor && point.locks == 0)
            known.push_back("done:" + sketch.actors[i]);
    }
    if (by_actor || point.locks != 0)
        known.erase(known.begin());
    return random.of(known);
}

std::string hold(Sketch& sketch, const catalogue::Point& point, bool by_actor) {
    auto& random = sketch.random;
    std::string out;
    if (random.chance(25))
        out += "wait_for = [\"" + awaited(sketch, point, by_actor) + "\", \"" +
               awaited(sketch, point, by_actor) + "\"]\n";
    else
        out += line("wait_for", awaited(sketch, point, by_actor));
    return out + line("timeout", milliseconds(random.between(1, 500))) +
           line(random.chance(50) ? "nth" : "times", random.between(1, 3));
}

std::string rule(Sketch& sketch, const std::string& signal) {
    auto& random = sketch.random;
    const auto& point = sleeping_point(random);
    const bool by_actor = random.chance(50);
    std::string out = "\n[[rule]]\n" + line("point", point.name);
    if (!point.inside && random.chance(40))
        out += line("on", random.chance(50) ? "exit" : "enter");
    out += filters(sketch, point, by_actor);
    if (!signal.empty())
        out += line("signal", signal);
    const bool delays = signal.empty() ? random.chance(60) : random.chance(30);
    if (delays)
        out += delay(random);
    else if (signal.empty() || random.chance(50))
        out += hold(sketch, point, by_actor);
    return out + (random.chance(80) ? "optional = true\n" : "");
}

} // namespace

std::string rules_of(Sketch& sketch) {
    std::string out;
    for (const auto& signal : sketch.rule_signals)
        out += rule(sketch, signal);
    for (unsigned i = sketch.random.between(0, 4); i > 0; --i)
        out += rule(sketch, "");
    return out;
}

} // namespace dmarace::generate
