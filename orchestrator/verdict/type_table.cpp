// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/type_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace dmarace::verdict {

namespace {

bool succeeded(const TypeWrite& w) {
    return w.step.os_error == 0;
}
bool valid(const TypeWrite& w) {
    return is_type_word(w.step.type_asked);
}
bool read_back(const TypeWrite& w, std::string_view type) {
    return w.step.type_after == type;
}
bool unread(const TypeWrite& w) {
    return w.step.type_after.empty() || w.contended;
}

// Another writer may have changed it meanwhile; then the read-back says nothing.
bool unchanged(const TypeWrite& w) {
    return unread(w) || w.step.type_before.empty() || read_back(w, w.step.type_before);
}

bool live_queue(const TypeWrite& w) {
    return w.step.type_asked == "DMA-FQ" && w.step.type_before == "DMA";
}

bool as_asked(const TypeWrite& w) {
    return succeeded(w) && !w.bound && valid(w) && (unread(w) || read_back(w, w.step.type_asked));
}

bool automatic(const TypeWrite& w) {
    return succeeded(w) && !w.bound && w.step.type_asked == "auto" &&
           is_type_word(w.step.type_after);
}

bool silent_fallback(const TypeWrite& w) {
    return succeeded(w) && !w.bound && w.step.type_asked == "DMA-FQ" && !live_queue(w) &&
           read_back(w, "DMA");
}

bool live(const TypeWrite& w) {
    return succeeded(w) && live_queue(w) && (unread(w) || read_back(w, "DMA-FQ"));
}

bool no_change(const TypeWrite& w) {
    return succeeded(w) && valid(w) && unchanged(w) &&
           (w.step.type_asked == w.step.type_before || w.step.type_asked == "auto");
}

bool contended_success(const TypeWrite& w) {
    return succeeded(w) && valid(w) && w.contended;
}

// EBUSY up to 6.3, EPERM since 6.4.
bool refused(const TypeWrite& w) {
    return (w.step.os_error == EBUSY || w.step.os_error == EPERM) && valid(w) && unchanged(w);
}

bool bound_refusal(const TypeWrite& w) {
    return refused(w) && w.bound;
}
bool managed_refusal(const TypeWrite& w) {
    return refused(w) && w.managed;
}
bool contended_refusal(const TypeWrite& w) {
    return refused(w) && w.contended;
}

bool unknown_word(const TypeWrite& w) {
    return w.step.os_error == EINVAL && !valid(w) && unchanged(w);
}

bool invalid(const TypeWrite& w) {
    return w.step.os_error == EINVAL && valid(w) && unchanged(w);
}

bool many_devices(const TypeWrite& w) {
    return invalid(w) && w.group_refuses;
}
bool word_refused(const TypeWrite& w) {
    return invalid(w) && w.word_refused;
}

bool no_default_domain(const TypeWrite& w) {
    return invalid(w) && (w.step.type_before == "unknown" || w.step.type_before.empty());
}

bool no_such_domain(const TypeWrite& w) {
    return w.step.os_error == EOPNOTSUPP && w.step.type_asked == "identity" && unchanged(w);
}

bool not_permitted(const TypeWrite& w) {
    return w.step.os_error == EACCES && unchanged(w);
}

bool going_away(const TypeWrite& w) {
    constexpr std::array kGone{ENOENT, ENODEV, EINVAL, EPERM, EBUSY};
    return w.removing && std::ranges::count(kGone, w.step.os_error) != 0;
}

constexpr std::array<TypeRow, 17> kRows{{
    {"the type asked for", as_asked, ""},
    {"a flush queue brought up on the live domain", live, ""},
    {"the driver's or the kernel's default", automatic, ""},
    {"no change", no_change, ""},
    {"fallback to DMA", silent_fallback, "fell back from DMA-FQ to DMA without a word"},
    {"refused while a driver is bound", bound_refusal, ""},
    {"an unknown word", unknown_word, ""},
    {"more than one device in the group", many_devices,
     "this kernel refuses groups of several devices"},
    {"refused for a driver with driver_managed_dma", managed_refusal, ""},
    {"the device cannot have this type", word_refused, "the device cannot have this type"},
    {"the IOMMU has no identity domain", no_such_domain, "the IOMMU has no identity domain"},
    {"no default domain", no_default_domain, "the group has no default domain"},
    {"the group is going away", going_away, ""},
    {"refused while somebody else works on the group", contended_refusal, ""},
    {"somebody else works on the group", contended_success, ""},
    {"no permission", not_permitted, "needs CAP_SYS_ADMIN and CAP_SYS_RAWIO; nothing was tried"},
    {"not written", [](const TypeWrite& w) { return w.step.os_error == ECANCELED; }, ""},
}};

} // namespace

const TypeRow* allowed_result(const TypeWrite& write) {
    for (const auto& row : kRows)
        if (row.allows(write))
            return &row;
    return nullptr;
}

bool is_type_word(std::string_view word) {
    return word == "DMA" || word == "DMA-FQ" || word == "identity" || word == "auto";
}

bool reached_kernel(const StepResult& step) {
    constexpr std::array kNothingTried{EACCES, ENOENT, ECANCELED, EROFS};
    return !step.type_asked.empty() && std::ranges::count(kNothingTried, step.os_error) == 0;
}

} // namespace dmarace::verdict
