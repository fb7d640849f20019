// SPDX-License-Identifier: GPL-2.0-or-later
#include "search/acts.hpp"

#include "base/text.hpp"
#include "job/words.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace dmarace::search {

namespace {

using job::Verb;

constexpr std::string_view kClient = "{client}", kSibling = "{sibling}", kIommu = "{iommu}",
                           kDriver = "{driver}", kWord = "WORD";

using namespace state; // NOLINT(google-build-using-namespace)

constexpr std::array kRows{
    ActRow{"iommu", "insmod {iommu}", iommu_out, iommu_in,
           "the IOMMU's driver is inserted, and walks the buses"},
    ActRow{"iommu-unbind", "rmmod {iommu}", iommu_in | clients_out, iommu_out,
           "the IOMMU's driver goes, and with it the IOMMU"},
    ActRow{"client-driver", "insmod {driver}", driver_out | there | probes, bound,
           "a client's driver is inserted, and binds"},
    ActRow{"client-driver-async", "insmod {driver} async", driver_out | there | probes, bound,
           "the same, and binds in a worker"},
    ActRow{"client-driver-out", "rmmod {driver}", there | bound, unbound,
           "a client's driver is taken out"},
    ActRow{"bind", "bind {client}", there | unbound, bound, "a bind through sysfs"},
    ActRow{"probe", "probe {client}", there | unbound, bound, "a write to drivers_probe"},
    ActRow{"unbind", "unbind {client}", there | bound, unbound, "an unbind through sysfs"},
    ActRow{"remove", "remove {client}", there, gone, "the device is removed"},
    ActRow{"rescan", "rescan pci", gone, there, "the device is found again"},
    ActRow{"rescan-bind", "rescan pci", gone | probes, bound,
           "the device is found again, and its driver with it"},
    ActRow{"type",
           "type {client} WORD",
           iommu_in | there | unbound,
           any,
           "the type of its group is written: type:identity",
           {},
           "DMA"},
    ActRow{"type:DMA-FQ", "type {client} DMA-FQ", iommu_in | there, any,
           "the one type write that a bound driver allows"},
    ActRow{"reset", "reset {client}", there, any, "a function reset"},
    ActRow{"sriov",
           "sriov {client} WORD",
           there | bound,
           any,
           "virtual functions are made: sriov:2",
           {},
           "1"},
    ActRow{"walk", "walk", there | fresh, any, "the core walks all buses again, on demand"},
    ActRow{"claim", "claim {client}", iommu_in | there | vfio, bound,
           "a user claims the DMA of its group"},
    ActRow{"release", "release {client}", iommu_in | there | vfio, bound, "a user gives it back",
           "claim {client}"},
};

constexpr std::array<std::string_view, 4> kNotCovered{
    "suspend and resume: nothing here can wake the machine in the window",
    "runtime PM of the IOMMU: what decides about it is a timer, and no verb",
    "CPU hotplug: a task that is held has to stay on a CPU that is there",
    "memory hotplug, live migration and kexec: they end the boot that is judged"};

// Two states of which a board has one: of the whole of it, or of one device.
struct Opposites {
    std::uint32_t a, b;
    bool client_only = false; // only of a device behind the IOMMU
};
constexpr std::array kOpposites{
    Opposites{iommu_in, iommu_out},    Opposites{there, gone},
    Opposites{bound, unbound},         Opposites{bound, gone},
    Opposites{bound, driver_out},      Opposites{bound, fresh},
    Opposites{iommu_out, bound, true}, Opposites{clients_out, there, true},
};
constexpr std::uint32_t kOfAll = iommu_in | iommu_out | clients_out | probes | vfio;

struct StateWords {
    std::uint32_t bit;
    std::string_view words; // DEVICE stands for the device
};
constexpr std::array kWords{
    StateWords{iommu_in, "the IOMMU's driver inserted"},
    StateWords{iommu_out, "the IOMMU's driver not inserted"},
    StateWords{clients_out, "every PCI device behind the IOMMU removed"},
    StateWords{there, "DEVICE there"},
    StateWords{gone, "DEVICE removed"},
    StateWords{bound, "DEVICE bound"},
    StateWords{unbound, "DEVICE unbound"},
    StateWords{driver_out, "the driver of DEVICE not inserted"},
    StateWords{fresh, "no driver ever tried on DEVICE"},
};

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
    std::string out(text);
    if (const auto at = out.find(what); at != std::string::npos)
        out.replace(at, what.size(), by);
    return out;
}

std::string words_of(std::uint32_t bit, const std::string& device) {
    const auto* row = std::ranges::find(kWords, bit, &StateWords::bit);
    auto shown = device;
    std::erase_if(shown, [](char c) { return c == '{' || c == '}'; });
    return row == kWords.end() ? "" : replaced(row->words, "DEVICE", "the " + shown);
}

const ActRow* find_row(std::string_view name) {
    const auto* row = std::ranges::find(kRows, name, &ActRow::name);
    return row == kRows.end() ? nullptr : row;
}

std::string row_names() {
    std::string out;
    for (const auto& row : kRows)
        out += (out.empty() ? "" : ", ") + std::string(row.name);
    return out;
}

Act filled(const ActRow& row, std::string text, std::string device, std::string word) {
    Act act{&row, std::move(text), "", "", std::move(device), std::move(word), row.needs, {}};
    const auto fill_in = [&](std::string_view step) {
        return replaced(replaced(step, kClient, act.device), kWord, act.word);
    };
    act.step = fill_in(row.step);
    act.before = fill_in(row.before);
    if (const auto step = job::parse_step(act.step, {}))
        act.verb = step->verb;
    return act;
}

// "NAME[:WORD][@DEVICE]".
Result<Act> short_act(const std::string& text) {
    const auto at = text.find('@');
    auto name = text.substr(0, at);
    auto device = at == std::string::npos ? std::string(kClient) : text.substr(at + 1);
    if (device == "sibling" || device == "client")
        device = "{" + device + "}";
    const auto* row = find_row(name);
    std::string word;
    if (const auto colon = name.find(':'); !row && colon != std::string::npos) {
        word = name.substr(colon + 1);
        row = find_row(name.substr(0, colon));
        if (row && row->word.empty())
            return fail(Fault::usage,
                        "'" + text + "': " + std::string(row->name) + " takes no word after it");
    }
    if (!row)
        return fail(Fault::usage, "'" + text + "' is no act" +
                                      did_you_mean(name, texts_of(kRows, &ActRow::name)) +
                                      "; an act is one of " + row_names() +
                                      ", or a step in quotes (dmarace explore --help)");
    if (word.empty())
        word = row->word;
    auto act = filled(*row, text, device, word);
    if (const auto step = job::parse_step(act.step, {}); !step)
        return fail(Fault::usage, "'" + text + "': " + step.error().message);
    return act;
}

// The row of a step as people write it.
const ActRow* row_of_step(const job::Step& step, const ActBoard& board) {
    const bool iommu = !step.args.empty() &&
                       (step.args.front() == kIommu || step.args.front() == board.iommu_module);
    for (const auto& row : kRows) {
        const auto own =
            job::parse_step(filled(row, "", "{client}", std::string(row.word)).step, {});
        if (!own || own->verb != step.verb)
            continue;
        const bool module = !own->args.empty() && own->args.front() == kIommu;
        const bool drives = !own->args.empty() && own->args.front() == kDriver;
        if ((module && !iommu) || (drives && iommu))
            continue;
        if (drives && own->args.size() != step.args.size())
            continue;
        if (step.verb == Verb::type && own->args.back() != step.args.back() &&
            row.name.find(':') != std::string_view::npos)
            continue;
        if (step.verb == Verb::type && !row.word.empty() && find_row("type:" + step.args.back()))
            continue;
        return &row;
    }
    return nullptr;
}

Result<Act> step_act(const std::string& text, const ActBoard& board) {
    const auto step = job::parse_step(text, {});
    if (!step)
        return fail(Fault::usage, "'" + text + "': " + step.error().message);
    const auto* row = row_of_step(*step, board);
    if (!row)
        return fail(Fault::usage, "'" + text +
                                      "' is a step, but no act: nothing it does can be raced "
                                      "(dmarace explore --help has the acts)");
    const bool names_device = row->step.find(kClient) != std::string_view::npos;
    std::string device{kClient};
    if (names_device && !step->args.empty())
        device = step->args.front();
    auto act = filled(*row, text, device, step->verb == Verb::type ? step->args.back() : "");
    act.step = text;
    if (!step->args.empty() && step->args.front() == board.iommu_module)
        act.step = replaced(text, board.iommu_module, kIommu);
    return act;
}

// The device that an act's state is about, as the board knows it.
const ActDevice* device_of(const Act& act, const ActBoard& board) {
    const auto name = act.device == kClient ? board.client : act.device;
    return named(board.devices, name);
}

// Unknown ones are chosen behind the IOMMU.
bool is_client(const Act& act, const ActBoard& board) {
    const auto* device = device_of(act, board);
    return !device || device->behind_iommu;
}

std::string why_apart(const Act& a, const Act& b, const ActBoard& board) {
    for (const auto& [first, second, client_only] : kOpposites)
        for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
            if ((x->needs & first) == 0 || (y->needs & second) == 0)
                continue;
            const bool of_all = (first & kOfAll) != 0 || (second & kOfAll) != 0;
            if (!of_all && x->device != y->device)
                continue;
            if (client_only && !is_client((second & kOfAll) != 0 ? *x : *y, board))
                continue;
            auto why = "'" + x->text + "' begins with " + words_of(first, x->device) + ", '" +
                       y->text + "' with " + words_of(second, y->device);
            if ((x->row->leaves & second) != 0)
                why += "; '" + y->text + "' can only follow '" + x->text + "'";
            else if ((y->row->leaves & first) != 0)
                why += "; '" + x->text + "' can only follow '" + y->text + "'";
            return why;
        }
    return "";
}

// The merged needs of all, and what they say of each device.
struct Merged {
    std::uint32_t all = 0;
    std::vector<std::pair<std::string, std::uint32_t>> devices; // in the order they were named
    std::string type; // that the group begins with, "" for any
    bool removes_iommu = false;

    bool has(std::uint32_t bit) const {
        return (all & bit) != 0 || std::ranges::any_of(devices, [&](const auto& one) {
                   return (one.second & bit) != 0;
               });
    }
};

Merged merged(const std::vector<Act>& acts) {
    Merged out;
    for (const auto& act : acts) {
        out.all |= act.needs & kOfAll;
        out.removes_iommu = out.removes_iommu || (act.row->leaves & iommu_out) != 0;
        if (!act.word.empty() && act.verb == Verb::type && out.type.empty())
            out.type = act.word == "identity" ? "DMA" : "identity";
        auto at =
            std::ranges::find(out.devices, act.device, [](const auto& one) { return one.first; });
        if (at == out.devices.end())
            at = out.devices.insert(at, {act.device, 0});
        at->second |= act.needs & ~kOfAll;
    }
    return out;
}

// The steps of a reset, in the words of a job.
class ResetSteps {
public:
    ResetSteps(const Merged& start, const ActBoard& board) : start_(start), board_(board) {}

    std::vector<std::string> steps() {
        const bool probes = start_.has(probes_by_itself());
        add(probes && !start_.has(iommu_out) ? "autoprobe on pci" : "autoprobe off pci");
        start_.has(iommu_out) ? without_iommu() : with_iommu();
        if (probes && start_.has(iommu_out))
            add("autoprobe on pci");
        if (start_.has(vfio))
            add("insmod vfio-pci");
        for (const auto& [device, bits] : start_.devices)
            expect(device, bits);
        return steps_;
    }

private:
    // Nothing has to be unbound: what is found may be bound.
    std::uint32_t probes_by_itself() const {
        return start_.has(unbound | fresh | iommu_out) ? probes : UINT32_MAX;
    }
    void add(std::string step) { steps_.push_back(std::move(step)); }
    bool is_pci(const std::string& device) const {
        const auto& name = device == kClient && !board_.client.empty() ? board_.client : device;
        return name.starts_with('{') || name.starts_with("pci/") ||
               name.find('/') == std::string::npos;
    }
    bool behind(const std::string& device) const {
        const auto* known = named(board_.devices, device == kClient ? board_.client : device);
        return !known || known->behind_iommu;
    }

    void without_iommu() {
        for (const auto& [device, bits] : start_.devices)
            if (!is_pci(device) && behind(device))
                add("unbind " + device);
        add("remove behind {iommu}");
        add("rmmod {iommu}");
        if (start_.has(driver_out))
            add("try rmmod {driver}");
        add("rescan pci");
        add("settle");
        for (const auto& [device, bits] : start_.devices) {
            if ((bits & gone) != 0)
                add("remove " + device);
            else if (!is_pci(device) && (bits & bound) != 0)
                add("try bind " + device);
            else if (!is_pci(device) && (bits & unbound) != 0)
                add("unbind " + device);
        }
    }

    void with_iommu() {
        if (start_.removes_iommu)
            add("insmod {iommu}");
        add("rescan pci");
        add("settle");
        if (start_.has(clients_out))
            add("remove behind {iommu}");
        if (start_.has(driver_out))
            add("try rmmod {driver}");
        for (const auto& [device, bits] : start_.devices)
            one_device(device, bits);
    }

    void one_device(const std::string& device, std::uint32_t bits) {
        if ((bits & fresh) != 0 && is_pci(device)) {
            for (const char* step : {"remove ", "try rmmod ", "rescan ", "insmod "}) {
                const std::string verb(step);
                add(verb + (verb == "remove "   ? device
                            : verb == "rescan " ? std::string("pci")
                                                : std::string(kDriver)));
            }
            add("settle");
        }
        if ((bits & unbound) != 0 && (bits & fresh) == 0)
            add("try unbind " + device);
        if ((bits & bound) != 0) {
            add("try bind " + device);
            add("settle");
        }
        if ((bits & unbound) != 0 && !start_.type.empty())
            add("type " + device + " " + start_.type);
        const bool is_gone = start_.has(clients_out) && behind(device);
        if ((bits & gone) != 0 && !is_gone)
            add("remove " + device);
    }

    void expect(const std::string& device, std::uint32_t bits) {
        if ((bits & gone) != 0)
            add("expect gone " + device);
        else if ((bits & bound) != 0)
            add("expect bound " + device);
        else if ((bits & unbound) != 0 ||
                 ((bits & there) != 0 && start_.has(iommu_out) && behind(device)))
            add("expect unbound " + device);
    }

    const Merged& start_;
    const ActBoard& board_;
    std::vector<std::string> steps_;
};

bool uses(const std::vector<std::string>& steps, std::string_view param) {
    return std::ranges::any_of(steps,
                               [&](const auto& step) { return step.find(param) != step.npos; });
}

job::Param param(std::string name, job::ParamType type, std::string pick, std::string help) {
    job::Param out;
    out.name = std::move(name);
    out.type = type;
    out.pick = std::move(pick);
    out.help = std::move(help);
    return out;
}

void add_params(job::Job& job, const std::vector<std::string>& all, const ActBoard& board) {
    using enum job::ParamType;
    const bool sibling = uses(all, kSibling);
    if (uses(all, kClient) || sibling || uses(all, kDriver)) {
        auto client =
            param("client", device, sibling ? "shared" : "unused", "the device of the acts");
        const auto* known = named(board.devices, board.client);
        client.bus = known ? known->name.substr(0, known->name.find('/')) : "pci";
        if (!known || known->behind_iommu) {
            client.behind = job::kBehindOne;
            job.needs.emplace_back(client.bus == "pci" ? "pci-client" : "client");
        }
        job.params.push_back(client);
        client.name = "sibling";
        client.pick = "sibling-of {client}";
        client.help = "another one of its group";
        if (sibling) {
            job.params.push_back(std::move(client));
            job.needs.emplace_back("shared-group");
        }
    }
    if (uses(all, kIommu)) {
        job.params.push_back(param("iommu", module, "iommu-driver", "the IOMMU's driver"));
        job.needs.emplace_back("iommu-module");
    }
    if (uses(all, kDriver))
        job.params.push_back(param("driver", modules, "driver-of {client}", "the client's driver"));
    // As a file that is read has them.
    std::ranges::sort(job.params, {}, &job::Param::name);
}

Result<std::vector<job::Step>> to_steps(const std::vector<std::string>& texts) {
    std::vector<job::Step> out;
    for (const auto& text : texts) {
        auto step = job::parse_step(text, {});
        if (!step)
            return fail(Fault::usage, "'" + text + "': " + step.error().message);
        out.push_back(*std::move(step));
    }
    return out;
}

// The name of an actor: that of the row, with a number where two acts have the same.
std::string actor_name(const Act& act, const std::vector<job::Actor>& others) {
    std::string base(act.row->name.substr(0, act.row->name.find(':')));
    auto name = base;
    for (int i = 2; named(others, name); ++i)
        name = base + std::to_string(i);
    return name;
}

// Where every device that is judged has its IOMMU, and no type says otherwise.
job::Dma expected_dma(const std::vector<Act>& acts, const ActBoard& board) {
    for (const auto& act : acts)
        if (act.verb == Verb::type || !is_client(act, board))
            return job::Dma::as_type;
    return job::Dma::translated;
}

} // namespace

std::span<const ActRow> act_rows() { return kRows; }

std::span<const std::string_view> not_covered() { return kNotCovered; }

Result<Act> parse_act(const std::string& text, const ActBoard& board) {
    const auto first = text.substr(0, text.find(' '));
    if (text.find(' ') == std::string::npos)
        return short_act(text);
    return step_act(text, board);
}

Result<ActSet> common_start(const std::vector<Act>& acts, const ActBoard& board) {
    for (std::size_t i = 0; i < acts.size(); ++i)
        for (std::size_t j = i + 1; j < acts.size(); ++j)
            if (const auto why = why_apart(acts[i], acts[j], board); !why.empty())
                return fail(Fault::untestable, "they cannot meet: " + why);
    const auto start = merged(acts);
    auto reset = ResetSteps(start, board).steps();
    ActSet out;
    auto& job = out.job;
    TRY_AS(job.reset, to_steps(reset));
    auto all = reset;
    for (const auto& act : acts) {
        std::vector<std::string> steps;
        if (!act.before.empty())
            steps.push_back(act.before);
        out.before.push_back(steps.size());
        steps.push_back(act.step);
        all.insert(all.end(), steps.begin(), steps.end());
        job::Actor actor{actor_name(act, job.actors), {}, {}};
        TRY_AS(actor.steps, to_steps(steps));
        job.actors.push_back(std::move(actor));
        job.name += (job.name.empty() ? "" : "-vs-") + job.actors.back().name;
        job.summary += (job.summary.empty() ? "" : " against ") + act.step;
        if (act.verb == Verb::type)
            job.needs.emplace_back("writable-type");
        if (act.verb == Verb::walk)
            job.needs.emplace_back("walk");
    }
    add_params(job, all, board);
    job.source = "dmarace explore";
    job.risk = job::Risk::reboot;
    job.iterations = 1;
    job.expect.dma = expected_dma(acts, board);
    return out;
}

Result<ActSet> acts_of(const job::Job& job) {
    if (job.at_boot || job.type_storm || job.actors.size() < 2)
        return fail(Fault::usage,
                    "job " + job.name + " is no set of acts: it " +
                        (job.at_boot      ? "is the machine's boot"
                         : job.type_storm ? "has a [type] table, which is a stress by itself"
                                          : "has one actor"));
    std::set<std::string> raised;
    for (const auto& actor : job.actors)
        for (const auto* step : job::flattened(actor.steps))
            if (step->verb == Verb::signal)
                raised.insert(step->args.front());
    ActSet out{job, std::vector<std::size_t>(job.actors.size(), 0)};
    out.job.rules.clear();
    out.job.trigger.reset();
    out.job.iterations = 1;
    out.job.risk = job::Risk::reboot;
    for (auto& actor : out.job.actors)
        std::erase_if(actor.steps, [&](const job::Step& step) {
            return step.verb == Verb::wait && !raised.contains(step.args.front());
        });
    return out;
}

} // namespace dmarace::search
