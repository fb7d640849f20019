// SPDX-License-Identifier: GPL-2.0-or-later
#include "generate.hpp"

#include "job/words.hpp"
#include "parts.hpp"

namespace dmarace::generate {

namespace {

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
    std::string types;
    for (int i = 0; i < 2; ++i)
        types += (i == 0 ? "\"" : ", \"") + word_of_kind(sketch, "TYPE") + "\"";
    return "\n[type]\ngroups = \"all\"\ntypes = [" + types + "]\ndriver = \"" +
           (sketch.random.chance(70) ? "rebind" : "keep") + "\"\n";
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
