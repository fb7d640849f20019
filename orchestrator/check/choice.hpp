// SPDX-License-Identifier: GPL-2.0-or-later
// What 'dmarace check' tries on a board that nobody knows: jobs of the library, one iteration
// each, by the orders in which an IOMMU and its clients can come. Pure but for the job files.
#pragma once

#include "campaign/survey.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::check {

// What is shown of IOMMU and client by one or several jobs: those of one order are made for
// different kernels, so one that hits its window is enough.
enum class Order { there, iommu_first, client_first, arriving, walk, in_walk, types };
std::string_view to_text(Order order);

struct Try {
    Order order;
    std::string job;
    std::string device; // "" for a job that takes all clients at once
    // .. and which they are: its parameter and their names. Those that are bound: what was
    // unbound before may have a driver that does not want it.
    std::string list{}, clients{};
    bool operator==(const Try&) const = default;
};

// What is not tried here, and why.
struct Untried {
    std::string what, why;
    std::string remedy{};      // "" where nothing helps
    bool for_time = false;     // with more time it would have been
    std::optional<Order> of{}; // nothing of a device
    bool operator==(const Untried&) const = default;
};

struct ChosenTries {
    std::vector<Try> tries; // each order with one client first, then the other clients
    std::vector<Untried> untried;
};

struct Choosing {
    const campaign::Survey& survey;
    const campaign::Wishes& wishes;
    const job::Inventory& inventory;
    std::map<std::string, std::string> absent_points; // with what the module says of each
};

// An error is a library that cannot be read.
Result<ChosenTries> choose(const Choosing& board);

// Why a job finds nothing to do here, "" when it can be run: its needs and parameters, what the
// guard refuses, points that this kernel lacks.
std::string why_not_here(const job::Job& job, const Choosing& board);

// Whether a job of the library has something to do here, and with which options.
struct JobHere {
    bool here = false;
    std::string options, why;
};
JobHere job_here(const job::Job& job, const Choosing& board);
// The first sentence of what a job's file says after "# Kernels:", "" if it does not.
std::string kernels_of(std::string_view text);
// The driver of this board's IOMMU, where no board on which the library was booted has one of its
// kind; "" where one has, or there is no IOMMU.
std::string never_booted(const campaign::Survey& survey);

// How long runs take, so that none is begun which would not end in time.
class TimeBudget {
public:
    using Duration = std::chrono::nanoseconds;
    explicit TimeBudget(Duration total) : total_(total) {}

    // When what still runs is cut off, so that the board is restored in time.
    Duration cut() const;
    // May a run of this job begin when so much is spent?
    bool allows(const std::string& job, Duration spent) const;
    void took(const std::string& job, Duration duration);

private:
    Duration total_;
    std::map<std::string, Duration> longest_;
};

} // namespace dmarace::check
