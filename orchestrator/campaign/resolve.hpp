// SPDX-License-Identifier: GPL-2.0-or-later
// This file chooses what a job's parameters are on this board. Pure: it works
// on a Survey.
#pragma once

#include "campaign/survey.hpp"
#include "job/job.hpp"

#include <map>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct Wishes {
    std::string device;                     // --device: the job's first device parameter
    std::map<std::string, std::string> set; // --set NAME=VALUE
    std::vector<std::string> i_know;        // --i-know DEVICE: the guard lets it pass
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

} // namespace dmarace::campaign
