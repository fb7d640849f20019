// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/type_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace dmarace::verdict {

namespace {

bool succeeded(const TypeWrite& w) {
    return w.os_error == 0;
}
bool valid(const TypeWrite& w) {
    return w.asked != TypeWord::other && w.asked != TypeWord::none;
}

bool as_asked(const TypeWrite& w) {
    return succeeded(w) && !w.bound && valid(w) && w.asked != TypeWord::automatic;
}

bool automatic(const TypeWrite& w) {
    return succeeded(w) && !w.bound && w.asked == TypeWord::automatic;
}

// A driver may be bound or not: the domain stays.
bool live(const TypeWrite& w) {
    return succeeded(w) && w.asked == TypeWord::dma_fq && w.before == TypeWord::dma;
}

bool no_change(const TypeWrite& w) {
    return succeeded(w) && valid(w) && w.asked == w.before;
}

// EBUSY up to 6.3, EPERM since 6.4.
bool refused(const TypeWrite& w) {
    return (w.os_error == EBUSY || w.os_error == EPERM) && valid(w);
}

bool bound_refusal(const TypeWrite& w) {
    return refused(w) && w.bound;
}
bool managed_refusal(const TypeWrite& w) {
    return refused(w) && w.managed;
}

bool unknown_word(const TypeWrite& w) {
    return w.os_error == EINVAL && !valid(w);
}

bool invalid(const TypeWrite& w) {
    return w.os_error == EINVAL && valid(w);
}

bool many_devices(const TypeWrite& w) {
    return invalid(w) && w.group_refuses;
}
bool word_refused(const TypeWrite& w) {
    return invalid(w) && w.word_refused;
}

bool no_default_domain(const TypeWrite& w) {
    return invalid(w) && (w.before == TypeWord::other || w.before == TypeWord::none);
}

bool no_such_domain(const TypeWrite& w) {
    return w.os_error == EOPNOTSUPP && w.asked == TypeWord::identity;
}

bool not_permitted(const TypeWrite& w) {
    return w.os_error == EACCES;
}

// A PCI function under reset keeps its group from changing (since 6.19).
bool in_reset(const TypeWrite& w) {
    return w.os_error == EBUSY && w.resetting;
}

bool going_away(const TypeWrite& w) {
    constexpr std::array kGone{ENOENT, ENODEV, EINVAL, EPERM, EBUSY};
    return w.removing && std::ranges::count(kGone, w.os_error) != 0;
}

// A removal ends the group that had the number, and on 6.14 and older a device
// that came back is in none until it is bound.
bool gone(const TypeWrite& w) {
    return w.removed && (w.os_error == ENOENT || w.os_error == ENODEV);
}

// The writer saw no group of that number before it wrote either.
bool not_there(const TypeWrite& w) {
    return w.before == TypeWord::none && w.os_error == ENOENT;
}

constexpr std::array<TypeRow, 17> kRows{{
    {"the type asked for", as_asked, ""},
    {"a flush queue brought up on the live domain", live, ""},
    {"the driver's or the kernel's default", automatic, ""},
    {"no change", no_change, ""},
    {"refused while a driver is bound", bound_refusal, ""},
    {"an unknown word", unknown_word, ""},
    {"more than one device in the group", many_devices,
     "this kernel refuses groups of several devices"},
    {"refused for a driver with driver_managed_dma", managed_refusal, ""},
    {"the device cannot have this type", word_refused, "the device cannot have this type"},
    {"the IOMMU has no identity domain", no_such_domain, "the IOMMU has no identity domain"},
    {"no default domain", no_default_domain, "the group has no default domain"},
    {"the group is going away", going_away, ""},
    {"the group went away with a removed device", gone, ""},
    {"there was no such group", not_there, ""},
    {"a PCI function is being reset", in_reset, ""},
    {"no permission", not_permitted, "needs CAP_SYS_ADMIN and CAP_SYS_RAWIO; nothing was tried"},
    {"not written", [](const TypeWrite& w) { return w.os_error == ECANCELED; }, ""},
}};

} // namespace

const TypeRow* allowed_result(const TypeWrite& write) {
    for (const auto& row : kRows)
        if (row.allows(write))
            return &row;
    return nullptr;
}

bool reached_kernel(const StepResult& step) {
    return !step.type_asked.empty() && tried(step.os_error);
}

bool tried(int os_error) {
    constexpr std::array kNothingTried{EACCES, ENOENT, ECANCELED, EROFS};
    return std::ranges::count(kNothingTried, os_error) == 0;
}

} // namespace dmarace::verdict
