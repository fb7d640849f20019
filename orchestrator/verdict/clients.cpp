// SPDX-License-Identifier: GPL-2.0-or-later
// Whose fault an IOMMU tells of: streams, endpoints and requester IDs, by what firmware says
// of the devices that the run found, to those devices.
#include "base/hex.hpp"
#include "catalogue/failures.hpp"
#include "verdict/checks.hpp"

#include <algorithm>
#include <cstdio>

namespace dmarace::verdict {

namespace {

using catalogue::FaultSource;

// An event of an SMMUv3 has four words.
constexpr std::size_t kWordsMax = 8;

// Segment << 16 and the requester ID of "0000:02:00.5".
std::optional<std::uint64_t> requester_of(const std::string& name) {
    unsigned segment = 0, bus = 0, slot = 0, function = 0;
    if (std::sscanf(name.c_str(), "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
        return std::nullopt;
    return std::uint64_t{segment} << 16 | bus << 8 | slot << 3 | function;
}

// Every device that is known, with the IDs under which the DMA of a PCI function comes.
using Requesters = std::map<std::string, std::vector<std::uint64_t>>;

void add_requester(const std::string& name, std::vector<std::uint64_t>& out) {
    if (const auto id = requester_of(name))
        out.push_back(*id);
}

Requesters requesters_in(const Facts& facts) {
    Requesters out;
    const auto add = [&](const std::string& device) {
        auto& ids = out[device];
        if (ids.empty() && device.starts_with("pci/"))
            add_requester(device.substr(device.find('/') + 1), ids);
    };
    for (const auto& [device, samples] : facts.devices)
        add(device);
    if (facts.observed.found)
        for (const auto& [device, found] : facts.observed.found->devices) {
            add(device);
            for (const auto& alias : found.aliases)
                add_requester(alias, out[device]);
        }
    return out;
}

// The stream that the requester's DMA has there. Segments that the kernel makes up (behind VMD,
// say) are in no table of the firmware.
std::optional<std::uint64_t> stream_of(const FoundStream& range, std::uint64_t requester) {
    if (requester > UINT32_MAX)
        return std::nullopt;
    const auto masked = requester & range.mask;
    if (masked < range.first || masked - range.first >= range.count)
        return std::nullopt;
    return range.id + (masked - range.first);
}

bool is_stream_of(const FoundStream& stream, const FaultSource& source, const std::string& device,
                  const std::vector<std::uint64_t>& ids) {
    const auto bits = source.bits & ~std::uint64_t{stream.ignored};
    const auto same = [&](std::uint64_t id) {
        return source.says == FaultSource::Says::unsaid || ((id ^ source.id) & bits) == 0;
    };
    if (!stream.device.empty())
        return stream.device == device && same(stream.id);
    return std::ranges::any_of(ids, [&](const auto requester) {
        const auto id = stream_of(stream, requester);
        return id && same(*id);
    });
}

// Whose stream it is; a requester of a segment that the line may have left out is anybody's.
std::vector<std::string> clients_of(const Facts& facts, const FaultSource& source) {
    constexpr std::uint32_t kWithoutSegment = 0xffff;
    std::vector<std::string> out;
    for (const auto& [device, ids] : requesters_in(facts)) {
        // What is behind VMD has a segment that the kernel made up, and VMD's own requester ID.
        const auto by_requester = [&](const auto id) {
            if (id > UINT32_MAX)
                return false;
            return source.id > kWithoutSegment ? id == source.id
                                               : (id & kWithoutSegment) == source.id;
        };
        const auto by_stream = [&](const FoundStream& stream) {
            return stream.iommu == source.iommu && is_stream_of(stream, source, device, ids);
        };
        if (source.says == FaultSource::Says::requester
                ? std::ranges::any_of(ids, by_requester)
                : facts.observed.found &&
                      std::ranges::any_of(facts.observed.found->streams, by_stream))
            out.push_back(device);
    }
    return out;
}

// What the line says, or, for an event whose words are lines of their own, the first of those.
std::optional<FaultSource> source_at(const Facts& facts, std::size_t at) {
    const auto& log = facts.log;
    auto source = catalogue::fault_source(log[at].text);
    if (!source || source->says != FaultSource::Says::follows)
        return source;
    for (auto i = at + 1; i < log.size() && i <= at + kWordsMax; ++i)
        if (const auto next = catalogue::fault_source(log[i].text);
            next && next->iommu == source->iommu)
            return next->says <= FaultSource::Says::requester ? next : std::nullopt;
    return std::nullopt;
}

bool maps(const Facts& facts, std::string_view iommu) {
    return facts.observed.found &&
           std::ranges::count(facts.observed.found->streams, iommu, &FoundStream::iommu) != 0;
}

std::string not_about(const Facts& facts, const std::vector<std::string>& devices) {
    const bool others =
        !facts.about.empty() && std::ranges::none_of(devices, [&](const auto& device) {
            return facts.about.contains(device);
        });
    return others ? ", which the job is not about" : "";
}

} // namespace

std::optional<FaultClient> fault_client(const Facts& facts, std::size_t line) {
    const auto source = source_at(facts, line);
    if (!source)
        return std::nullopt;
    FaultClient out{.devices = clients_of(facts, *source)};
    const bool requester = source->says == FaultSource::Says::requester;
    const bool unsaid = source->says == FaultSource::Says::unsaid;
    const auto id = (requester ? "requester " : "stream ") + in_hex(source->id);
    if (out.devices.empty() && !requester && !unsaid && maps(facts, source->iommu))
        out.text = "no device that the run found has " + id;
    else if (out.devices.size() == 1)
        out.text = "client " + out.devices.front() +
                   (unsaid ? ", the only one of this IOMMU" : ", by " + id) +
                   not_about(facts, out.devices);
    else if (out.devices.size() > 1 && unsaid)
        out.text =
            "one of its clients, " + joined(out.devices, ", ") + not_about(facts, out.devices);
    else if (out.devices.size() > 1)
        out.text =
            "clients " + joined(out.devices, ", ") + " share " + id + not_about(facts, out.devices);
    return out.text.empty() ? std::nullopt : std::optional(std::move(out));
}

} // namespace dmarace::verdict
