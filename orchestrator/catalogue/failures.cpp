// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/failures.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace dmarace::catalogue {

namespace {

#define DMARACE_ROW(name, text, meaning) FailureRow{FailureKind::name, text, meaning},
constexpr auto kRows = std::to_array<FailureRow>({DMARACE_FAILURE_KINDS(DMARACE_ROW)});
#undef DMARACE_ROW

using enum LogSign::Effect;
using enum FailureKind;

constexpr std::string_view kWarn = "WARNING:";

constexpr LogSign overlook(std::string_view begins, std::string_view text = "",
                           std::string_view also = "") {
    return {overlooked, kernel_warning, begins, text, also};
}
constexpr LogSign note(std::string_view text, std::string_view also = "") {
    return {noted, kernel_warning, "", text, also};
}
constexpr LogSign oops(std::string_view text, std::string_view also = "") {
    return {broke, kernel_oops, "", text, also};
}
constexpr LogSign oops_at_start(std::string_view begins, std::string_view also = "") {
    return {broke, kernel_oops, begins, "", also};
}
constexpr LogSign stall(std::string_view text, std::string_view also = "") {
    return {broke, kernel_warning, "", text, also};
}
constexpr LogSign warning(std::string_view text, std::string_view also = "") {
    return {warned, kernel_warning, "", text, also};
}
constexpr LogSign warning_at_start(std::string_view begins, std::string_view also = "") {
    return {warned, kernel_warning, begins, "", also};
}
constexpr LogSign failure(FailureKind kind, std::string_view text, std::string_view also = "") {
    return {warned, kind, "", text, also};
}

// The first row wins: what to overlook comes first, oopses before warnings, and before what
// IOMMUs say of themselves.
constexpr auto kSigns = std::to_array<LogSign>({
    overlook("dmarace"),
    overlook("", "loading out-of-tree module taints kernel"),
    overlook("", "module verification failed"),
    overlook("", "module license", "taints kernel"),
    overlook("traps: "), // a program died, not the kernel

    oops("Kernel panic", "not syncing"),
    oops("Unable to handle kernel"),
    oops_at_start("Internal error: ", "[#"),
    oops("kernel BUG at"),
    oops("BUG: kernel NULL pointer dereference"),
    oops("BUG: unable to handle"),
    oops_at_start("general protection fault", "[#"),
    oops_at_start("general protection fault, "),
    oops_at_start("invalid opcode: ", "[#"),
    oops_at_start("divide error: ", "[#"),
    oops_at_start("stack segment: ", "[#"),
    oops_at_start("double fault: ", "[#"),
    oops_at_start("int3: ", "[#"),
    oops_at_start("control protection fault: ", "[#"),
    oops_at_start("Oops"),

    failure(double_probe, "cannot create duplicate filename", "iommu_group"),
    failure(double_probe, "cannot create duplicate filename", "/iommu/"), // among its IOMMU's
    // EEXIST: somebody else has added it
    failure(double_probe, "Failed to add to iommu group", ": -17"),
    failure(attach_failed, "Failed to add to iommu group"),
    failure(dma_direct, "Failed to set up IOMMU for device"),

    warning_at_start(kWarn),
    stall("soft lockup", "stuck for"),
    stall("hard LOCKUP"),
    stall("blocked", " for more than "),
    stall("self-detected stall"),
    stall("detected stalls on"),
    stall("detected expedited stalls"),
    stall("BUG:"),
    {broke, kernel_warning, "BUG ", "", "): "}, // of a slab cache
    stall("KASAN:"),
    warning("KCSAN:"),
    warning_at_start("UBSAN:"),
    warning("refcount_t:"),
    warning("cannot create duplicate filename"),
    warning("list_add corruption"),
    warning("list_add double add"),
    warning("list_del corruption"),
    warning("called for class", " before it was "),
    warning("kobject:", "something is seriously wrong"),
    warning("possible circular locking"),
    warning("possible recursive locking"),
    warning("INFO: trying to register non-static key"),
    warning("suspicious RCU"),
    warning("kmemleak:", "suspected memory leak"),
    warning_at_start("DMA-API:", "device driver"),
    warning("Detected page leak!"),

    // drivers/base/dd.c, of any device
    note("will not be reported"), // errors, or events: an SMMU without that interrupt
    note("deferred probe pending"),
    note("ignoring dependency"),
    note("probe with driver", "failed with error"),
    note("probe of", "failed with error"),
    // drivers/iommu: devices that were not taken, or not as it was asked
    note("iova flush queue initialization failed"),
    note("Failed to register iommu"),
    note("Failed to allocate default IOMMU domain"),
    note("IOMMU driver was not able to establish FW requested direct mapping"),
    note("Firmware has requested this device have a 1:1 IOMMU mapping"),
    note("Device is not trusted, but driver is overriding group"),
    note("requesting conflicting def_domain_type"),
    note("Device needs domain type"),
    note("Device cannot be in"),
    note("Cannot change default domain"),
    note("Device is still bound to driver"),
    note("Group not assigned to default domain"),
    note("cannot attach to"),
    note("Cannot attach to"),
    note("iommu domain is already attached"),
    note("already in tree", "stream "),
    note("swiotlb buffer is full"),
    note("Failed to attach domain"),
    note("attach to IOMMU"),
    note("attach iommu device"),
    note("out of range for SMMU"),
    note("Failed to reserve IOVA"),
    note("outside IOMMU capability"),
    note("Incompatible range for DMA domain"),
    note("may be prematurely unblocked"),

    // clients that report what their IOMMU told them, and what was asked of it
    warning("Unhandled context fault"),
    warning("iommu fault:"),
    warning("gpu fault:"),
    warning_at_start("*** fault: iova="),
    warning("iopf with pasid", "aborted"),
    warning("unaligned: iova"),
    warning_at_start("zpci: ", "reports an error"),
});

// With what the lines of IOMMU drivers begin: the driver's name before that of the device,
// or what it puts before all it says, also behind the name of a client.
constexpr std::string_view kIommuDrivers[] = {
    "AMD-Vi",        "DMAR",           "IOMMU",        "apple-dart", "arm-smmu",     "dmar",
    "exynos-sysmmu", "exynos_iommu",   "fsl-of-pamu",  "fsl-pamu",   "iommu_pci",    "iommufd",
    "ipmmu-vmsa",    "msm_iommu",      "mtk-iommu",    "omap-iommu", "qcom-iommu",   "qcom_tbu",
    "riscv,iommu",   "riscv-iommu",    "rk_iommu",     "sprd-iommu", "sun50i-iommu", "tegra-mc",
    "tegra-smmu",    "tegra241-cmdqv", "virtio_iommu", "vsi_iommu",  "zpci"};

// With what the functions begin that report faults, where the kernel says that they were called
// more often than the log may take.
constexpr std::string_view kIommuReporters[] = {
    "amd_iommu_",  "apple_dart_",  "arm_smmu_",   "dmar_",     "ipmmu_", "mtk_iommu_",
    "qcom_iommu_", "riscv_iommu_", "tegra30_mc_", "tegra_mc_", "viommu_"};
constexpr LogSign kUntold = note("callbacks suppressed");

constexpr LogSign iommu_word(std::string_view word, LogSign::Effect effect = warned,
                             std::string_view also = "") {
    return {effect, kernel_warning, "", word, also};
}

// What they say when something goes wrong, in small letters. The first that is met wins.
constexpr auto kIommuWords = std::to_array<LogSign>({
    iommu_word("stag:", overlooked),         // SMMUv3: of the event that the line before it tells
    iommu_word("map overflow", overlooked),  // AMD: of the command line
    iommu_word("error", noted, ": error -"), // dev_err_probe()
    iommu_word("error", noted, "installing isr"),
    iommu_word("failed to enable fault", noted),
    iommu_word("event logged"), // AMD
    iommu_word("received:"),    // SMMUv3: the words of the event follow, line by line
    iommu_word("client:"),      // .. in later kernels all on one line
    iommu_word("fault"),
    iommu_word("faults"),
    iommu_word("error"),
    iommu_word("errors"),
    iommu_word("bus_error"),
    iommu_word("errs:"),
    iommu_word("timed out"),
    iommu_word("timeout"),
    iommu_word("time-out"),
    iommu_word("overflow"),
    iommu_word("abort"),
    iommu_word("aborted"),
    iommu_word("deadlocked"),
    iommu_word("did not clear"),
    iommu_word("not responding"),
    iommu_word("service failure mode"),
    iommu_word("blocked unknown"), // SMMUv2: stream ID
    iommu_word("multiple tlb hits"),
    iommu_word("unhandled"),
    iommu_word("unexpected"),
    iommu_word("flush iotlb failed"),
    iommu_word("expect dma to be broken"),
    iommu_word("unmapped address"),
    iommu_word("violation"),
    iommu_word("invalid apb asid update"),
    iommu_word("page entry is"), // Tegra's GART
    iommu_word("cannot remap"),
    iommu_word("time out"),
    iommu_word("log restarting"),   // AMD: it has overflowed
    iommu_word("no event written"), // .. or there is one that cannot be read
    iommu_word("invalid page request"),
    iommu_word("page request without"),
    iommu_word("page request in privilege"),
    iommu_word("execution request not supported"),
    iommu_word("not canonical"),
    iommu_word("invalid descriptor"),
    iommu_word("ineligible for iommu", noted),
    iommu_word("failed", noted),
    iommu_word("fail", noted),
    iommu_word("not sufficient for", noted),
    iommu_word("already attached", noted, "domain"),
});

// How a driver writes whose fault it was: the number that stands behind these words.
struct SourceRow {
    std::string_view driver;
    std::string_view before;
    FaultSource::Says says = FaultSource::Says::stream;
    unsigned shift = 0;
    std::uint64_t bits = UINT64_MAX;
};
using enum FaultSource::Says;
constexpr std::string_view kMtkFirst = "mtk-iommu-v1";
constexpr std::array<unsigned, 4> kMtkFirstPorts{0, 11, 21, 44}; // of its larbs
constexpr auto kSources = std::to_array<SourceRow>({
    // up to 6.13 four words follow, the stream in the upper half of the first; a tab is before it
    {"arm-smmu-v3", "received:", follows},
    {"arm-smmu-v3", ": \\x09", stream, 32},
    {"arm-smmu-v3", ": \t", stream, 32},
    {"arm-smmu-v3", " sid: "},
    {"arm-smmu-v3", "sid "}, // of a page request
    {"arm-smmu", " Stream ID "},
    {"arm-smmu", " cbfrsynra=", stream, 0, 0xffff},
    {"arm-smmu", " sid="},
    {"arm-smmu", "global fault", follows},
    {"arm-smmu", " GFSYNR1 ", stream, 0, 0xffff},
    {"virtio_iommu", " from EP "},
    {"riscv,iommu", " devid: "},
    {"iommu_pci", " devid: "},
    {"apple-dart", " stream:"},
    {"sun50i-iommu", "(master "},
    {"sun50i-iommu", "Page fault", unsaid},
    // its number is larb << 5 | port; the domain's is above them
    {"mtk-iommu", "(larb=", stream, 0, 0x3ff},
    {kMtkFirst, " larb="},
    {"DMAR:", "handling fault status", follows},
    {"DMAR", " Request device [", requester},
    {"AMD-Vi", " device=", requester},
    {"rk_iommu", "Page fault", unsaid},
    {"rk_iommu", "BUS_ERROR", unsaid},
    {"rk_iommu", " int_status", unsaid},
    {"vsi_iommu", " int_status", unsaid},
    {"exynos-sysmmu", "FAULT occurred", unsaid},
    {"ipmmu-vmsa", " fault", unsaid},
    {"ipmmu-vmsa", " TLB hits", unsaid},
    {"ipmmu-vmsa", " Walk Abort", unsaid},
    {"omap-iommu", " fault", unsaid},
    {"omap-iommu", " errs:", unsaid},
    {"sprd-iommu", " fault", unsaid},
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
    {LogHint::type_devices, "Group has more than one device"},
    {LogHint::type_bound, "Device is still bound to driver"},
    {LogHint::type_owned, "Group not assigned to default domain"},
    {LogHint::type_changed, "default domain: Device has been changed"},
    {LogHint::type_suppressed, "iommu_group_store_type: "},
    {LogHint::type_suppressed, "iommu_change_dev_def_domain: "},
    {LogHint::panic, "Kernel panic - not syncing"},
    {LogHint::restart, "reboot: Restarting system"}, // kernel/reboot.c
    {LogHint::restart, "sysrq: Resetting"},          // without a word of the reboot itself
});

// "0000:0b:00.0", "0b:00.0", "0x0b:0x00.0"; a segment that is not said is 0.
std::optional<std::uint64_t> requester_in(const std::string& text) {
    unsigned segment = 0, bus = 0, slot = 0, function = 0;
    if (std::sscanf(text.c_str(), "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4) {
        segment = 0;
        if (std::sscanf(text.c_str(), "%x:%x.%x", &bus, &slot, &function) != 3)
            return std::nullopt;
    }
    return std::uint64_t{segment} << 16 | bus << 8 | slot << 3 | function;
}

std::optional<std::uint64_t> source_id(const SourceRow& row, const std::string& text) {
    if (row.says == requester)
        return requester_in(text);
    if (row.says != stream)
        return 0;
    unsigned larb = 0, port = 0;
    if (std::sscanf(text.c_str(), "%u port=%u", &larb, &port) == 2)
        return row.driver != kMtkFirst ? std::optional<std::uint64_t>(larb << 5 | port)
               : larb < kMtkFirstPorts.size()
                   ? std::optional<std::uint64_t>(kMtkFirstPorts[larb] + port)
                   : std::nullopt;
    char* end = nullptr;
    const auto number = std::strtoull(text.c_str(), &end, 0);
    return end == text.c_str() ? std::nullopt : std::optional<std::uint64_t>(number >> row.shift);
}

bool part_of_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

bool matches(const LogSign& sign, std::string_view line) {
    return line.starts_with(sign.begins) && (sign.text.empty() || holds_word(line, sign.text)) &&
           line.find(sign.also) != std::string_view::npos;
}

const LogSign* iommu_sign(std::string_view line) {
    const auto reports = [&](const auto function) { return line.starts_with(function); };
    if (matches(kUntold, line) && std::ranges::any_of(kIommuReporters, reports))
        return &kUntold;
    if (!says_iommu(line))
        return nullptr;
    std::string small(line);
    std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
    for (const auto& row : kIommuWords)
        if (matches(row, small))
            return &row;
    return nullptr;
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

// How long the caller "[   T42]" is that text begins with, which some kernels print.
std::size_t caller_size(std::string_view text) {
    const auto kind = text.find_first_not_of(' ', 1);
    if (!text.starts_with('[') || kind == text.npos || (text[kind] != 'T' && text[kind] != 'C'))
        return 0;
    const auto end = text.find_first_not_of("0123456789", kind + 1);
    return end != text.npos && end > kind + 1 && text[end] == ']' ? end + 1 : 0;
}

// What follows level, stamp and caller. Whatever a program wrote on the line before the stamp is
// none of the kernel's.
std::string_view message_of(std::string_view line) {
    if (line.size() > 3 && line[0] == '<' && line[2] == '>')
        line.remove_prefix(3);
    for (auto at = line.find('['); at != line.npos; at = line.find('[', at + 1))
        if (const auto size = stamp_size(line.substr(at)); size != 0) {
            line.remove_prefix(at + size);
            break;
        }
    const auto rest = [&] {
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        return line;
    };
    line.remove_prefix(caller_size(rest()));
    return rest();
}

} // namespace

std::span<const FailureRow> failure_kinds() { return kRows; }

std::string_view to_text(FailureKind kind) { return kRows.at(static_cast<std::size_t>(kind)).text; }

std::optional<FailureKind> failure_kind_from(std::string_view text) {
    return enum_from<FailureKind>(kRows, text, &FailureRow::text);
}

bool LogSign::has_message_beside() const { return begins == kWarn; }

const LogSign* log_sign(std::string_view line) {
    for (const auto& sign : kSigns)
        if (matches(sign, line))
            return &sign;
    return iommu_sign(line);
}

bool says_iommu(std::string_view line) {
    return std::ranges::any_of(kIommuDrivers, [&](const auto driver) {
        const auto behind = line.find(driver);
        return behind == 0 || (behind != line.npos && line.substr(0, behind).ends_with(": ") &&
                               line.substr(behind + driver.size()).starts_with(':'));
    });
}

const LogSign* console_sign(std::string_view line) { return log_sign(message_of(line)); }

std::optional<FaultSource> fault_source(std::string_view line) {
    const auto blank = std::min(line.find(' '), line.size());
    const auto driver = line.substr(0, blank);
    auto iommu = line.substr(std::min(blank + 1, line.size()));
    iommu = driver.ends_with(':') ? "" : iommu.substr(0, iommu.find(':'));
    for (const auto& row : kSources) {
        const bool named = row.says == requester ? says_iommu(line) : driver == row.driver;
        const auto at = line.find(row.before);
        if (!named || at == line.npos)
            continue;
        if (const auto id = source_id(row, std::string(line.substr(at + row.before.size()))))
            return FaultSource{row.says, row.says == requester ? "" : iommu, *id, row.bits};
    }
    return std::nullopt;
}

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

std::size_t word_in(std::string_view text, std::string_view word, std::size_t from) {
    if (word.empty())
        return std::string_view::npos;
    for (auto at = text.find(word, from); at != text.npos; at = text.find(word, at + 1)) {
        const auto end = at + word.size();
        const bool open = at == 0 || !part_of_name(text[at - 1]) || !part_of_name(word.front());
        const bool closed =
            end == text.size() || !part_of_name(text[end]) || !part_of_name(word.back());
        if (open && closed)
            return at;
    }
    return std::string_view::npos;
}

bool holds_word(std::string_view text, std::string_view word) {
    return word_in(text, word) != std::string_view::npos;
}

} // namespace dmarace::catalogue
