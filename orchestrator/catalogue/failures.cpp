// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace dmarace::catalogue {

namespace {

#define DMARACE_ROW(name, text, meaning) FailureRow{FailureKind::name, text, meaning},
constexpr auto kRows = std::to_array<FailureRow>({DMARACE_FAILURE_KINDS(DMARACE_ROW)});
#undef DMARACE_ROW

using enum LogSign::Effect;
using enum FailureKind;

constexpr bool kStart = true;
constexpr std::string_view kWarn = "WARNING:";

constexpr LogSign overlook(std::string_view text, std::string_view also = "", bool start = false) {
    return {overlooked, kernel_warning, text, also, start};
}
constexpr LogSign note(std::string_view text) { return {noted, kernel_warning, text, "", false}; }
constexpr LogSign oops(std::string_view text, std::string_view also = "") {
    return {broke, kernel_oops, text, also, false};
}
constexpr LogSign stall(std::string_view text, std::string_view also = "") {
    return {broke, kernel_warning, text, also, false};
}
constexpr LogSign warning(std::string_view text, std::string_view also = "", bool start = false) {
    return {warned, kernel_warning, text, also, start};
}
constexpr LogSign failure(FailureKind kind, std::string_view text, std::string_view also = "") {
    return {warned, kind, text, also, false};
}

// The first row wins: what to overlook comes first, oopses before warnings.
constexpr auto kSigns = std::to_array<LogSign>({
    overlook("dmarace", "", kStart),
    overlook("loading out-of-tree module taints kernel"),
    overlook("module verification failed"),
    overlook("module license", "taints kernel"),

    oops("Kernel panic", "not syncing"),
    oops("Unable to handle kernel"),
    oops("Internal error:"),
    oops("kernel BUG at"),
    oops("BUG: kernel NULL pointer dereference"),
    oops("BUG: unable to handle"),
    oops("general protection fault"),
    oops("Oops"),

    failure(double_probe, "cannot create duplicate filename", "iommu_group"),
    // EEXIST: somebody else has added it
    failure(double_probe, "Failed to add to iommu group", ": -17"),
    failure(attach_failed, "Failed to add to iommu group"),
    failure(dma_direct, "Failed to set up IOMMU for device"),

    warning(kWarn, "", kStart),
    stall("soft lockup", "stuck for"),
    stall("blocked for more than", "seconds"),
    stall("self-detected stall"),
    stall("detected stalls on"),
    stall("detected expedited stalls"),
    stall("BUG:"),
    stall("KASAN:"),
    warning("KCSAN:"),
    warning("UBSAN:", "", kStart),
    warning("refcount_t:"),
    warning("cannot create duplicate filename"),
    warning("list_add corruption"),
    warning("list_del corruption"),
    warning("possible circular locking"),
    warning("possible recursive locking"),
    warning("suspicious RCU"),
    warning("kmemleak:", "suspected memory leak"),

    // faults of DMA: SMMUv3, SMMUv2, virtio-iommu, Intel, AMD
    warning("event", "received: "),
    warning("event:", " client:"),
    warning("Unhandled context fault"),
    warning("Unexpected global fault"),
    warning("fault from EP"),
    warning("DMAR:", "[DMA"),
    warning("IO_PAGE_FAULT"),

    note("iova flush queue initialization failed"),
    note("Failed to register iommu"),
    note("Failed to allocate default IOMMU domain"),
    note("Device is not trusted, but driver is overriding group"),
});

struct HintRow {
    LogHint hint;
    std::string_view words;
};

constexpr auto kHints = std::to_array<HintRow>({
    {LogHint::late_probe, "late IOMMU probe at driver bind"},
    {LogHint::probe_timeout, "ignoring dependency"},
    {LogHint::queue_failed, "flush queue initialization failed"},
    {LogHint::type_refused, "Device cannot be in"},
    {LogHint::type_refused, "is not trusted, but driver"},
    {LogHint::panic, "Kernel panic - not syncing"},
    {LogHint::restart, "reboot: Restarting system"}, // kernel/reboot.c
    {LogHint::restart, "sysrq: Resetting"},          // without a word of the reboot itself
});

bool part_of_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

bool matches(const LogSign& sign, std::string_view line) {
    if (sign.at_start ? !line.starts_with(sign.text) : !holds_word(line, sign.text))
        return false;
    return line.find(sign.also) != std::string_view::npos;
}

// How long the stamp "[   12.345678]" is that text begins with; 0 if it does not.
std::size_t stamp_size(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789";
    if (!text.starts_with('['))
        return 0;
    const auto point =
        text.find_first_not_of(kDigits, std::min(text.find_first_not_of(' ', 1), text.size()));
    if (point == text.npos || text[point] != '.')
        return 0;
    const auto end = text.find_first_not_of(kDigits, point + 1);
    return end != text.npos && text[end] == ']' ? end + 1 : 0;
}

// What follows the stamp, and the caller "[   T42]" that some kernels print. Whatever a
// program wrote on the line before it is none of the kernel's.
std::string_view message_of(std::string_view line) {
    for (auto at = line.find('['); at != line.npos; at = line.find('[', at + 1))
        if (const auto size = stamp_size(line.substr(at)); size != 0) {
            line.remove_prefix(at + size);
            if (line.starts_with('[') && line.find(']') != line.npos)
                line.remove_prefix(line.find(']') + 1);
            line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
            break;
        }
    return line;
}

} // namespace

std::span<const FailureRow> failure_kinds() { return kRows; }

std::string_view to_text(FailureKind kind) { return kRows.at(static_cast<std::size_t>(kind)).text; }

std::optional<FailureKind> failure_kind_from(std::string_view text) {
    return enum_from<FailureKind>(kRows, text, &FailureRow::text);
}

bool LogSign::has_message_beside() const { return text == kWarn; }

const LogSign* log_sign(std::string_view line) {
    for (const auto& sign : kSigns)
        if (matches(sign, line))
            return &sign;
    return nullptr;
}

const LogSign* console_sign(std::string_view line) { return log_sign(message_of(line)); }

std::string_view hinted(LogHint hint, std::string_view text) {
    auto last = std::string_view::npos;
    for (const auto& row : kHints)
        if (const auto at = text.rfind(row.words); row.hint == hint && at != text.npos)
            last = last == text.npos ? at : std::max(last, at);
    if (last == text.npos)
        return {};
    text.remove_prefix(last);
    return text.substr(0, text.find_first_of("\r\n"));
}

bool holds_word(std::string_view text, std::string_view word) {
    if (word.empty())
        return false;
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const auto end = at + word.size();
        const bool open = at == 0 || !part_of_name(text[at - 1]) || !part_of_name(word.front());
        const bool closed =
            end == text.size() || !part_of_name(text[end]) || !part_of_name(word.back());
        if (open && closed)
            return true;
    }
    return false;
}

} // namespace dmarace::catalogue
