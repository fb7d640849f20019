// SPDX-License-Identifier: GPL-2.0-or-later
// What an iteration left behind, ordered by device and by binding, so that each check asks
// one question; the checks; and what they find. docs/verdicts.md tells what each kind means.
// Pure.
#pragma once

#include "catalogue/failures.hpp"
#include "job/job.hpp"
#include "types/judge.hpp"
#include "verdict/verdict.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace dmarace::verdict {

// One audit in its place. A binding is what lies between one binding of a
// driver and its end; a life lies between added and removed.
struct Sample {
    Audit audit;
    std::string text;     // the event line, as evidence
    unsigned binding = 0; // 0: no driver was bound or being bound
    unsigned life = 0;
    bool settled = false;
    bool seen_binding = false; // this binding began before our eyes

    // A driver is there that may do DMA: bound, or on its way into probe().
    bool driven() const { return binding != 0; }
};

// A step that reset, settle or an actor did, as it is written. Reset's have no time: they
// come first, and are taken to have gone through.
struct DoneStep {
    job::Step step{};
    std::string actor{};
    std::uint64_t began = 0, ended = 0;
    int os_error = 0;
    bool in_reset = false;
};

// An IOMMU whose own probe failed, or that is not there any more.
struct FailedIommu {
    std::string device{}, driver{};
    std::string why{};      // "its probe failed with error -2"
    std::string line{};     // of the log, "" if it has none
    std::string instance{}; // that the run found, "" if it found none
};

// The module saw an actor wait for a lock that leads to a held task.
bool is_blocked_by_lock(const Line& line);

struct Facts {
    const job::Plan& plan;
    const job::Expect& expect;
    const Observed& observed;
    const Baseline& baseline;
    std::vector<DoneStep> done{}; // reset's first, then in order of their ends
    std::vector<FailedIommu> failed_iommus{};
    std::set<std::string> about{}; // devices that the job names; empty: it is about all
    // A state that was found, not one that an iteration made.
    bool standing = false;
    std::map<std::string, std::vector<Sample>> devices{}; // by BUS/NAME, in order
    bool iommu_seen = false;                              // some IOMMU instance serves somebody
    std::set<std::string> timed_out{};                    // clients told to do without: legal
    std::map<std::string, std::string> timeout_lines{};   // the log line of each
    std::vector<LogLine> log{};                           // what the kernel itself said

    // The last sample after settle, or null.
    const Sample* settled(const std::string& device) const;
    // The newest driver known for a device, "" if none.
    std::string driver_of(const std::string& device) const;
    // A device of the audits that the text names, "" if none.
    std::string device_in(std::string_view text) const;
    bool log_tells(catalogue::LogHint hint) const;
    // As the run found it, or null.
    const FoundDevice* found(const std::string& device) const;
    // Whether settle told of a board that can be compared with what the run found: nobody
    // was cut off in what he did.
    bool comparable() const;
};

// Whose fault a line of the log is about.
struct FaultClient {
    std::vector<std::string> devices{}; // more than one where the IOMMU cannot tell them apart
    std::string text{};                 // "client pci/0000:00:02.0, by stream 0x10"
};
// Nothing for a line that is about none, or where firmware's tables are not known.
std::optional<FaultClient> fault_client(const Facts& facts, std::size_t line);

Facts gather(const job::Plan& plan, const Observed& observed, const Baseline& baseline);

std::vector<DoneStep> steps_done(const job::Plan& plan, const Observed& observed);

// What the job's own steps say of a device.
struct Meant {
    bool away = false;      // it may be gone
    bool unbound = false;   // it may have no driver
    bool left = false;      // it was found while its bus probed nothing by itself; none bound it
    bool driven = false;    // it may have another driver
    bool regrouped = false; // it, or an IOMMU, came back: another number of its group is no wonder
    std::string bind{};     // its last bind, which failed
};
// By the steps that had ended by then.
Meant meant(const Facts& facts, const FoundDevice& device, std::uint64_t until = types::kForever);
// The job took it away.
bool meant_gone(const Facts& facts, const FoundIommu& iommu);

// By parts of its name: a module or a driver.
// "expect unbound DEVICE"
bool expects_unbound(const job::Step& step);
bool is_iommu_driver(std::string_view name);
// "No such device (ENODEV)"
std::string errno_text(int os_error);
std::string act_text(const types::FailedAct& act);

// Firmware or the core says that an IOMMU serves the device.
bool has_iommu(const Audit& audit);
bool is_dma_domain(const Audit& audit);
// "pci/0000:00:02.0" and "0000:00:02.0" are the same device.
bool same_device(std::string_view a, std::string_view b);
// "[  12.345678] text"
std::string log_text(const LogLine& line);

inline constexpr std::size_t kEvidenceMax = 6;

// What the checks find: one failure for each kind and device, with a handful of lines; those
// that an entry allows are failures of their own.
class Findings {
public:
    Findings(const Facts& facts, const std::vector<job::Allow>& allow)
        : facts_(facts), allow_(allow) {}

    // Adds a failure; evidence of the same kind and device is put together,
    // the first detail stays.
    void add(Failure failure);
    // .. of the newest driver known for the device.
    void add(FailureKind kind, const std::string& device, std::string detail,
             std::vector<std::string> evidence);
    // Legal, but worth a sentence.
    void note(std::string text);
    // Nothing failed here, and yet the iteration must not pass.
    void doubt(std::string text);

    bool has(FailureKind kind) const;
    bool has(FailureKind kind, std::string_view device) const;
    // Evidence for a failure found before; does nothing when there is none.
    // False where there is no such failure that counts: one that is allowed explains nothing.
    bool support(FailureKind kind, std::string_view device, const std::string& evidence);

    // The failures, the gravest kind first.
    std::vector<Failure> take_failures();
    const std::vector<std::string>& notes() const { return notes_; }
    const std::vector<std::string>& doubts() const { return doubts_; }
    types::TypeTally& types() { return types_; }
    // Groups that took no change of their type, and how many were asked for.
    std::vector<types::TypeJudgement::Refused>& refused() { return refused_; }

private:
    // The entry that silences it, or null.
    const job::Allow* allowing(const Failure& failure) const;

    const Facts& facts_;
    const std::vector<job::Allow>& allow_;
    std::vector<Failure> failures_;
    // By kind, device and what allows it.
    std::map<std::tuple<FailureKind, std::string, const job::Allow*>, std::size_t> places_;
    std::vector<std::string> notes_, doubts_;
    types::TypeTally types_;
    std::vector<types::TypeJudgement::Refused> refused_;
};

struct VerdictCheck {
    void (*run)(const Facts& facts, Findings& findings);
    bool standing; // also holds for a state that was found, as a baseline is
};
// In the order in which they run: a log line supports what was found before it.
std::span<const VerdictCheck> dma_checks(), machine_checks(), expectation_checks(), board_checks();

} // namespace dmarace::verdict
