// SPDX-License-Identifier: GPL-2.0-or-later
// Streams by the tables of ACPI (IORT, VIOT), and in whose name DMA of a PCI function comes.
#include "base/text.hpp"
#include "board/firmware.hpp"

#include <algorithm>
#include <cstdio>

namespace dmarace::board {

namespace {

constexpr const char* kTables = "/sys/firmware/acpi/tables/";
constexpr std::size_t kHead = 36; // of any table

// A table, little endian; what lies beyond its end is 0.
class Table {
public:
    // A file's last newlines are not given: they may be the end of a number.
    Table(const Files& files, const char* name)
        : bytes_(files.read(std::string(kTables) + name).value_or("")) {
        bytes_.resize(std::clamp<std::size_t>(u32(4), size(), size() + 16), '\n');
    }

    std::size_t size() const { return bytes_.size(); }
    std::uint64_t number(std::size_t at, std::size_t bytes) const {
        std::uint64_t out = 0;
        for (std::size_t i = bytes; i-- > 0;)
            out = out << 8 | (at + i < size() ? static_cast<unsigned char>(bytes_[at + i]) : 0U);
        return out;
    }
    std::uint32_t u32(std::size_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
    std::uint32_t u16(std::size_t at) const { return static_cast<std::uint32_t>(number(at, 2)); }
    std::uint8_t u8(std::size_t at) const { return static_cast<std::uint8_t>(number(at, 1)); }
    std::string text(std::size_t at, std::size_t end) const {
        at = std::min(at, size());
        const auto all = bytes_.substr(at, std::min(end, size()) - at);
        return all.substr(0, all.find('\0'));
    }

private:
    std::string bytes_;
};

// The device whose registers are there: "  09050000-0906ffff : arm-smmu-v3.0.auto".
std::string device_at(const Files& files, std::uint64_t base) {
    for (const auto& line : lines_in(files.read("/proc/iomem").value_or(""))) {
        const auto words = words_in(line);
        if (words.size() > 2 && leading_number(words[0], 16) == base)
            return words[2];
    }
    return "";
}

const Device* device_of_path(const Files& files, const std::vector<Device>& all,
                             const std::string& path) {
    const auto found = std::ranges::find_if(all, [&](const Device& device) {
        return files.read(device.path + "/firmware_node/path").value_or("") == path;
    });
    return found == all.end() || path.empty() ? nullptr : &*found;
}

// IORT (Arm DEN 0049): nodes with mappings from the IDs of what they are to those of a node.
class Iort {
public:
    Iort(const Files& files, const std::vector<Device>& all)
        : files_(files), all_(all), table_(files, "IORT") {}

    std::vector<Stream> streams() {
        auto at = table_.size() < kHead ? 0 : table_.u32(kHead + 4);
        for (auto left = table_.u32(kHead); left > 0 && at + kNode <= table_.size(); --left) {
            const auto type = table_.u8(at);
            const std::size_t first = std::size_t{at} + table_.u32(at + 12);
            for (std::size_t i = 0; i < table_.u32(at + 8); ++i) {
                if (first + (i + 1) * kMapping > table_.size())
                    break;
                add(at, type, first + i * kMapping);
            }
            if (table_.u16(at + 1) < kNode)
                break;
            at += table_.u16(at + 1);
        }
        return std::move(out_);
    }

private:
    static constexpr std::size_t kNode = 16, kMapping = 20;
    static constexpr std::uint8_t kNamed = 1, kRootComplex = 2, kSmmu = 3, kSmmuV3 = 4;

    void add(std::size_t node, std::uint8_t type, std::size_t mapping) {
        if ((type != kNamed && type != kRootComplex) || mapping + kMapping > table_.size())
            return;
        const auto target = table_.u32(mapping + 12);
        const auto what = table_.u8(target);
        if (what != kSmmu && what != kSmmuV3)
            return;
        Stream stream{.iommu = device_at(files_, table_.number(target + kNode, 8)),
                      .device = "",
                      .id = table_.u32(mapping + 8)};
        if (type == kRootComplex) {
            const auto segment = table_.u32(node + kNode + 12);
            stream.first = segment << 16 | table_.u32(mapping);
            stream.count = table_.u32(mapping + 4) + 1;
        } else {
            const auto path = table_.text(node + kNode + 13, node + table_.u16(node + 1));
            const auto* device = device_of_path(files_, all_, path);
            if (device == nullptr)
                return;
            stream.device = device->full_name();
        }
        if (!stream.iommu.empty())
            out_.push_back(std::move(stream));
    }

    const Files& files_;
    const std::vector<Device>& all_;
    Table table_;
    std::vector<Stream> out_;
};

// VIOT (virtio-iommu): endpoints, PCI ranges and devices by their registers.
std::vector<Stream> viot_streams(const Files& files, const std::vector<Device>& all) {
    constexpr std::uint8_t kRange = 1, kMmio = 2, kByPci = 3, kByMmio = 4;
    const Table table(files, "VIOT");
    const auto iommu = [&](std::size_t node) -> std::string {
        if (table.u8(node) == kByMmio)
            return device_at(files, table.number(node + 8, 8));
        if (table.u8(node) != kByPci)
            return "";
        char name[24];
        const auto id = table.u16(node + 6);
        std::snprintf(name, sizeof name, "%04x:%02x:%02x.%x", table.u16(node + 4), id >> 8,
                      id >> 3 & 31, id & 7);
        const auto found = std::ranges::find(all, name, &Device::name);
        return found == all.end() ? "" : name_in_log(files, *found);
    };
    std::vector<Stream> out;
    auto at = table.size() < kHead ? 0 : table.u16(kHead + 2);
    for (auto left = table.u16(kHead); left > 0 && at + 16 <= table.size(); --left) {
        Stream stream{.iommu = "", .device = "", .id = table.u32(at + 4)};
        if (table.u8(at) == kRange) {
            stream.iommu = iommu(table.u16(at + 16));
            stream.first = table.u16(at + 8) << 16 | table.u16(at + 12);
            stream.count = (table.u16(at + 10) << 16 | table.u16(at + 14)) - stream.first + 1;
        } else if (table.u8(at) == kMmio) {
            stream.iommu = iommu(table.u16(at + 16));
            const auto name = device_at(files, table.number(at + 8, 8));
            const auto found = std::ranges::find(all, name, &Device::name);
            stream.device = found == all.end() ? "" : found->full_name();
            if (stream.device.empty())
                stream.iommu.clear();
        }
        if (!stream.iommu.empty())
            out.push_back(std::move(stream));
        at += std::max(table.u16(at + 2), std::uint32_t{1});
    }
    return out;
}

unsigned char config_byte(const std::string& config, std::size_t at) {
    return at < config.size() ? static_cast<unsigned char>(config[at]) : 0;
}

// The kind of a PCI Express port or bridge; nothing for conventional PCI.
std::optional<unsigned> express_kind(const std::string& config) {
    constexpr unsigned kExpress = 0x10;
    auto at = config_byte(config, 0x34) & ~3U;
    for (int left = 48; left > 0 && at >= 0x40; --left, at = config_byte(config, at + 1) & ~3U)
        if (config_byte(config, at) == kExpress)
            return config_byte(config, at + 2) >> 4;
    return std::nullopt;
}

} // namespace

std::string name_in_log(const Files& files, const Device& iommu) {
    for (const auto& name : files.list(iommu.path))
        if (name.starts_with("virtio") && files.exists(iommu.path + "/" + name + "/modalias"))
            return name;
    return iommu.name;
}

std::vector<std::string> dma_aliases(const Files& files, const Device& device) {
    constexpr unsigned kToConventional = 7, kToExpress = 8;
    std::vector<std::string> out;
    for (auto path = device.path; device.bus == "pci" && path.rfind('/') > 0;) {
        path.resize(path.rfind('/'));
        const auto name = path.substr(path.rfind('/') + 1);
        if (name.starts_with("pci") || !files.exists(path + "/config"))
            break;
        const auto config = files.read(path + "/config").value_or("");
        const auto kind = express_kind(config);
        char bus[16];
        std::snprintf(bus, sizeof bus, ":%02x:00.0", config_byte(config, 0x19));
        if (kind == kToConventional)
            out.push_back(name.substr(0, name.find(':')) + bus);
        else if (!kind || kind == kToExpress)
            out.push_back(name);
    }
    return out;
}

std::vector<Stream> streams(const Files& files, const std::vector<Device>& all) {
    auto out = tree_streams(files, all);
    if (!out.empty())
        return out;
    out = Iort(files, all).streams();
    std::ranges::move(viot_streams(files, all), std::back_inserter(out));
    return out;
}

} // namespace dmarace::board
