// SPDX-License-Identifier: GPL-2.0-or-later
// What a campaign works on: the board's edge, opened once in main and handed down; what is
// known of the board before anything is touched, and what a job's parameters are on it.
#pragma once

#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "board/kernel.hpp"
#include "job/job.hpp"
#include "job/plan.hpp"
#include "verdict/verdict.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::campaign {

// Where the time goes, from one verdict to the next.
class PhaseClock {
public:
    // Ends the one before.
    void enter(const char* phase);
    // "guard=0.012 before=0.031", and begins anew with no time spent.
    std::string take();

private:
    std::chrono::steady_clock::time_point since_;
    std::vector<std::pair<const char*, std::chrono::duration<double>>> spent_;
};

struct Machine {
    board::Devices devices;
    board::Modules modules;
    board::KernelLog& log;
    board::Control& control;
    std::map<std::string, std::string> drivers; // BUS/NAME to the driver it belongs to
    PhaseClock phases{};
    // What a child needs to look, and that child: one that was made before these changed is
    // dropped.
    std::shared_ptr<const verdict::FoundBoard> found{};
    board::TreeNodes tree{};
    std::shared_ptr<struct InspectingChild> inspecting{};
};

// What happens while a run goes on, for a status line. Every call returns at
// once.
class RunProgress {
public:
    virtual ~RunProgress() = default;
    virtual void iteration(unsigned number, unsigned planned) = 0;
    virtual void doing(const std::string& what) = 0;
    virtual void judged(unsigned number, const std::string& verdict, const std::string& why) = 0;
    virtual void note(const std::string& text) = 0;
};

// Ctrl-C and SIGTERM, read from a signalfd: once means end this iteration and
// restore, twice means now.
class RunInterrupts {
public:
    virtual ~RunInterrupts() = default;
    virtual int descriptor() const = 0;
    virtual unsigned count() = 0;
    // The sentence with which a run ends for it.
    virtual std::string why() const { return "interrupted"; }
};

struct SurveyedDevice {
    board::Device device;
    std::string driver;        // the driver it is bound to or belongs to, "" if none is known
    std::string driver_module; // "" when built in
    bool behind_iommu = false; // firmware says so, or it sits in a group
    std::int64_t iommus = 0;   // instances that firmware names, where it can be counted
    bool endpoint = true;      // no bridge, no port, no IOMMU
    unsigned pci_class = 0;    // the base class of a PCI device: 1 storage, 2 network
    bool managed = false;      // bound to a driver with driver_managed_dma
    std::vector<std::string> iommu_names; // its IOMMU: instance, driver, module
    unsigned virtual_functions = 0;       // how many it can make
    // Nothing here tells who would miss it (a GPU, a DSP, a USB host of a SoC): it is touched
    // where somebody names it, and with --all-clients.
    bool named_only = false;
    std::string guard; // why it must not be touched, "" if it may
};

struct Survey {
    std::vector<SurveyedDevice> devices;
    std::vector<board::Group> groups;
    std::string iommu_module;    // the module that drives the board's IOMMU
    std::string no_iommu_module; // why there is none
    bool type_writable = false;
    bool walk = false; // the module for a walk on demand is in the tree
    board::TreeNodes tree;
    verdict::FoundBoard found; // what a run compares with; not filled without the module
};

// Reads all of it. Only before holds are armed: it may wait for kernel locks.
Result<Survey> survey(Machine& machine);

// What the survey and the module's audits say of every device, for an iteration to be compared
// with.
verdict::FoundBoard found_board(const board::Devices& devices, const Survey& survey,
                                const std::vector<Line>& audits);
// The domains of devices of which no audit told one, by the types of their groups.
void add_types(verdict::FoundBoard& found, const job::Inventory& inventory);
// What is not as it was found, and the IOMMUs that are there. Takes no lock.
std::vector<verdict::FoundDevice> changes_since(const board::Devices& devices,
                                                const verdict::FoundBoard& found);
std::vector<verdict::FoundIommu> iommus_now(const board::Files& files);

// The same from sysfs alone, for who must not load or ask the module: what a
// device tree says about IOMMUs is seen, what ACPI tables say only once the
// device sits in a group.
Survey survey_without_module(const board::Devices& devices, const board::Modules& modules);

struct Wishes {
    std::string device{};                     // --device: the job's first device parameter
    std::map<std::string, std::string> set{}; // --set NAME=VALUE
    std::vector<std::string> i_know{};        // --i-know DEVICE: the guard lets it pass
    bool all_clients = false;                 // also those that are to be named
};

// Fills every parameter. A wish that names what is not there, or what the guard
// refuses, is Fault::usage; a need of the job or a pick that this board cannot
// meet is Fault::untestable, with the reason.
Result<job::Bindings> resolve(const job::Job& job, const Survey& survey, const Wishes& wishes);

// May the plan touch every device and group that its steps name, by parameter
// or by hand? One that is not there or that the guard refuses is Fault::usage. What
// it does to all devices behind an IOMMU, or to all of a driver, may hit one that
// the guard refuses: Fault::untestable, since no other choice would help.
Status check_touched(const job::Plan& plan, const Survey& survey, const Wishes& wishes);
// The devices that a parameter of type device may become, best first; 'pick'
// takes the first of them, or all. 'so_far' is what other parameters became.
std::vector<const SurveyedDevice*> candidates(const job::Param& param, const Survey& survey,
                                              const Wishes& wishes, const job::Bindings& so_far);

// May the run touch it?
bool allowed(const SurveyedDevice& device, const Wishes& wishes);

// The groups the job may write to, as they are now. Waits for their mutexes.
job::Inventory inventory(const Survey& survey, const board::Devices& devices, const Wishes& wishes);

} // namespace dmarace::campaign
