// SPDX-License-Identifier: GPL-2.0-or-later
#include "generate.hpp"

#include "base/draw.hpp"
#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace dmarace::generate {

namespace {

using catalogue::Verb;
namespace effect = catalogue::effect;

// What a job may use, drawn first: the rest follows.
struct Sketch {
    Draw random;
    std::uint64_t seed = 0;
    bool removals = false; // PCI devices and modules come and go; else DMA-FQ may be written
    bool arrival = false;  // the IOMMU's module is inserted; reset takes it out
    bool table = false;    // has a [type] table
    std::vector<std::string> actors;
    // Signals that rules raise; actors wait for them.
    std::vector<std::string> rule_signals;
    // Signals that the steps of an actor raise, by the actor's index.
    std::vector<std::string> step_signals;
};

// A value of the kind that a step's usage names; "" when there is none here.
std::string word_of_kind(Sketch& sketch, std::string_view kind) {
    auto& random = sketch.random;
    const auto listed = [&](const std::vector<job::Word>& words) {
        return std::string(random.of(words).word);
    };
    if (kind.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos)
        return random.of(split(kind, '|')); // a literal, a|b a choice
    if (kind == "DEVICE" || kind == "GROUP|DEVICE")
        return random.chance(70) ? "{client}" : "{clients}";
    if (kind == "MODULE")
        return sketch.arrival && random.chance(40) ? "{iommu}" : "{drivers}";
    if (kind == "IOMMU")
        return sketch.arrival && random.chance(50) ? "{iommu}" : "iommu";
    if (kind == "BUS")
        return "pci";
    if (kind == "TYPE") {
        const auto type = listed(job::type_words());
        return type == "DMA-FQ" && sketch.removals ? "DMA" : type;
    }
    if (kind == "SIZE")
        return "1..";
    if (kind == "STATE")
        return listed(job::type_state_words());
    if (kind == "DRIVER")
        return random.chance(50) ? "none" : "vfio-pci";
    if (kind == "N")
        return std::to_string(random.between(0, 2));
    if (kind == "TIME")
        return random.chance(30) ? "{t}" : std::to_string(random.between(1, 2000)) + "ms";
    return "";
}

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

// A verb and one of its forms.
struct FormChoice {
    const catalogue::VerbRow* verb;
    const catalogue::VerbForm* form;
};

const std::vector<FormChoice>& all_forms() {
    static const auto forms = [] {
        std::vector<FormChoice> out;
        for (const auto& row : catalogue::verb_rows())
            for (const auto& form : row.forms())
                out.push_back({&row, &form});
        return out;
    }();
    return forms;
}

bool takes_away(const catalogue::VerbRow& verb) {
    return verb.does(effect::adds | effect::removes) && !verb.does(effect::walks);
}

// write needs --unsafe, a repeat is a table, signals are drawn by those who know
// who raises them; a walk of all buses does what an arriving IOMMU does. Checked
// I/O needs a disk or a link that a board may not have, and a driver's or an
// IOMMU's name may select no group.
bool usable(const Sketch& sketch, const catalogue::VerbRow& verb, const catalogue::VerbForm& form) {
    constexpr std::array kDrawnElsewhere{Verb::repeat, Verb::wait, Verb::signal, Verb::io};
    const bool may_select_none =
        verb.verb == Verb::type && form.usage.find("DRIVER") != std::string_view::npos;
    if (verb.does(effect::unsafe) || may_select_none ||
        std::ranges::find(kDrawnElsewhere, verb.verb) != kDrawnElsewhere.end())
        return false;
    return sketch.removals || !takes_away(verb);
}

// The words after the verb; "" when a word of it has no value here.
std::string fill_form(Sketch& sketch, const catalogue::VerbRow& verb,
                      const catalogue::VerbForm& form) {
    std::string out(verb.name);
    std::string_view rest = form.usage.substr(std::min(form.usage.find(' '), form.usage.size()));
    while (!rest.empty()) {
        rest.remove_prefix(1);
        auto word = rest.substr(0, std::min(rest.find(' '), rest.size()));
        rest.remove_prefix(word.size());
        const bool optional = word.starts_with('[');
        if (optional && sketch.random.chance(60))
            continue;
        if (optional)
            word = word.substr(1, word.size() - 2);
        if (word.ends_with("..."))
            word.remove_suffix(3);
        const auto value = word_of_kind(sketch, word);
        if (value.empty() && !optional)
            return "";
        out += value.empty() ? "" : " " + value;
    }
    return out;
}

// A signal that comes from elsewhere: from an actor before this one, so that no
// circle closes, from a rule, or from the bus.
std::string awaited_by_step(Sketch& sketch, std::size_t actor) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < actor; ++i) {
        known.push_back("done:" + sketch.actors[i]);
        known.push_back("blocked:" + sketch.actors[i]);
        known.push_back("step:" + sketch.actors[i] + ":1");
        known.push_back(sketch.step_signals[i]);
    }
    for (const auto& signal : sketch.rule_signals)
        known.push_back(signal);
    for (const auto& prefix : job::signal_prefixes())
        if (!job::parse_signal(prefix + ":x").about_actor())
            known.push_back(prefix + ":{client}");
    return sketch.random.of(known);
}

// One step that does something in the kernel or looks at it, as it is written.
std::string kernel_step(Sketch& sketch) {
    for (;;) {
        const auto& [verb, form] = sketch.random.of(all_forms());
        if (!usable(sketch, *verb, *form))
            continue;
        const auto text = fill_form(sketch, *verb, *form);
        if (!text.empty())
            return (sketch.random.chance(80) ? "try " : "") + text;
    }
}

// The steps of an actor, by its index, as a TOML list.
std::string steps_of(Sketch& sketch, std::size_t actor) {
    auto& random = sketch.random;
    std::vector<std::string> steps;
    if (random.chance(50))
        steps.push_back(in_quotes("wait " + awaited_by_step(sketch, actor) + " " +
                                  std::to_string(random.between(1, 900)) + "ms"));
    if (sketch.arrival && actor == 0)
        steps.push_back(
            in_quotes(random.chance(50) ? "insmod {iommu}" : "try insmod {iommu} async"));
    for (unsigned i = random.between(1, 4); i > 0; --i)
        steps.push_back(in_quotes(kernel_step(sketch)));
    if (random.chance(20))
        steps.push_back("{ repeat = " + std::string(random.chance(50) ? "\"{n}\"" : "2") +
                        ", steps = [" + in_quotes(kernel_step(sketch)) + "] }");
    steps.push_back(in_quotes("signal " + sketch.step_signals[actor]));
    return "[" + joined(steps, ", ") + "]";
}

std::string line(const std::string& key, const std::string& value) {
    return key + " = \"" + value + "\"\n";
}

std::string line(const std::string& key, unsigned value) {
    return key + " = " + std::to_string(value) + "\n";
}

std::string milliseconds(unsigned count) { return std::to_string(count) + "ms"; }

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

// [[rule]] tables. Each of rule_signals is raised by one of them.
std::string rules_of(Sketch& sketch) {
    std::string out;
    for (const auto& signal : sketch.rule_signals)
        out += rule(sketch, signal);
    for (unsigned i = sketch.random.between(0, 4); i > 0; --i)
        out += rule(sketch, "");
    return out;
}

Sketch sketch_of(std::uint64_t seed) {
    Sketch sketch{Draw(seed), seed, false, false, false, {}, {}, {}};
    auto& random = sketch.random;
    sketch.removals = random.chance(60);
    sketch.arrival = sketch.removals && random.chance(50);
    sketch.table = random.chance(15);
    for (unsigned i = random.between(1, 4); i > 0; --i) {
        sketch.actors.push_back("actor" + std::to_string(sketch.actors.size() + 1));
        sketch.step_signals.push_back("reached" + std::to_string(sketch.actors.size()));
    }
    for (unsigned i = random.between(0, 2); i > 0; --i)
        sketch.rule_signals.push_back("met" + std::to_string(i));
    return sketch;
}

std::string head(Sketch& sketch) {
    return "name = \"random-" + std::to_string(sketch.seed) +
           "\"\nsummary = \"Made by the generator, seed " + std::to_string(sketch.seed) +
           "\"\nsource = \"tests/generate\"\nrisk = \"taint\"\nneeds = [\"pci-client\"" +
           (sketch.arrival ? ", \"iommu-module\"" : "") + "]\niterations = 1\n";
}

std::string params(const Sketch& sketch) {
    std::string out =
        "\n[params]\n"
        "client = { type = \"device\", behind = \"iommu\", bus = \"pci\", pick = \"unused\" }\n"
        "clients = { type = \"devices\", behind = \"iommu\", bus = \"pci\", pick = \"all\" }\n"
        "drivers = { type = \"modules\", pick = \"driver-of {clients}\" }\n"
        "n = { type = \"number\", default = 2 }\n"
        "t = { type = \"duration\", default = \"5ms\" }\n";
    if (sketch.arrival)
        out += "iommu = { type = \"module\", pick = \"iommu-driver\" }\n";
    return out;
}

// As the library's jobs do it: what was taken away comes back before each try.
std::string reset(const Sketch& sketch) {
    if (sketch.arrival)
        return "\n[reset]\nsteps = [\"autoprobe off pci\", \"remove behind {iommu}\", "
               "\"rmmod {iommu}\", \"rescan pci\", \"try insmod {drivers}\", \"settle\"]\n";
    return "\n[reset]\nsteps = [\"autoprobe on pci\", \"try insmod {drivers}\", \"rescan pci\", "
           "\"settle\"]\n";
}

std::string type_table(Sketch& sketch) {
    const auto first = word_of_kind(sketch, "TYPE"), second = word_of_kind(sketch, "TYPE");
    return "\n[type]\ngroups = \"all\"\ntypes = [" + in_quotes(first) + ", " + in_quotes(second) +
           "]\ndriver = \"" + (sketch.random.chance(70) ? "rebind" : "keep") + "\"\n";
}

} // namespace

std::string job_text(std::uint64_t seed) {
    Sketch sketch = sketch_of(seed);
    std::string out = head(sketch) + params(sketch) + reset(sketch);
    for (std::size_t i = 0; i < sketch.actors.size(); ++i) {
        out += "\n[[actor]]\nname = \"" + sketch.actors[i] + "\"\n";
        out += "steps = " + steps_of(sketch, i) + "\n";
    }
    out += rules_of(sketch);
    if (sketch.table)
        out += type_table(sketch);
    return out + "\n[expect]\ndma = \"" + std::string(sketch.random.of(job::dma_words()).word) +
           "\"\n";
}

} // namespace dmarace::generate
