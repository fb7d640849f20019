// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "base/process.hpp"
#include "vm/board/qemu.hpp"
#include "vm/kernels/say.hpp"

#include <libfdt.h>

#include <array>

namespace dmarace::vm {
namespace {

constexpr const char* kIommu = "arm,smmu-v3";
constexpr const char* kCompatible = "dmarace,sim-client"; // kmod/sim/sim.h
constexpr std::uint32_t kFirstStream = 0xe000;            // PCI buses that no board of ours has
constexpr std::size_t kBytesEach = 256;                   // what one node takes at most

// libfdt's calls return a negative error; the first one is kept.
class DeviceTree {
public:
    DeviceTree(const std::string& bytes, std::size_t more) : bytes_(bytes.size() + more, '\0') {
        check(fdt_check_full(bytes.data(), bytes.size()));
        if (good())
            check(fdt_open_into(bytes.data(), bytes_.data(), static_cast<int>(bytes_.size())));
    }
    bool good() const { return error_ >= 0; }
    const char* error() const { return fdt_strerror(error_); }
    int check(int result) {
        if (result < 0 && error_ >= 0)
            error_ = result;
        return result;
    }
    void* data() { return bytes_.data(); }
    std::string packed() {
        check(fdt_pack(bytes_.data()));
        bytes_.resize(fdt_totalsize(bytes_.data()));
        return bytes_;
    }

private:
    std::string bytes_;
    int error_ = 0;
};

void add_client(DeviceTree& tree, std::uint32_t iommu, unsigned number) {
    const std::string name = fmt::format("dmarace-client{}", number);
    const int node = tree.check(fdt_add_subnode(tree.data(), 0, name.c_str()));
    if (!tree.good())
        return;
    const std::array cells{cpu_to_fdt32(iommu), cpu_to_fdt32(kFirstStream + number)};
    tree.check(fdt_setprop_string(tree.data(), node, "compatible", kCompatible));
    tree.check(fdt_setprop(tree.data(), node, "iommus", cells.data(), sizeof(cells)));
    tree.check(fdt_setprop_empty(tree.data(), node, "dma-coherent"));
}

} // namespace

Result<std::string> add_clients(const std::string& bytes, unsigned clients) {
    DeviceTree tree(bytes, clients * kBytesEach);
    if (!tree.good())
        return fail(Fault::environment, std::string("no device tree: ") + tree.error());
    const int node = fdt_node_offset_by_compatible(tree.data(), -1, kIommu);
    const std::uint32_t iommu = node < 0 ? 0 : fdt_get_phandle(tree.data(), node);
    if (iommu == 0)
        return fail(Fault::environment, std::string("the machine's device tree has no ") + kIommu +
                                            " for 'clients' to be behind");
    for (unsigned i = 0; i < clients; ++i)
        add_client(tree, iommu, i);
    std::string packed = tree.packed();
    if (!tree.good())
        return fail(Fault::environment, std::string("device tree: ") + tree.error());
    return packed;
}

Status make_device_tree(const Board& board, const std::filesystem::path& file) {
    const auto dumped =
        run_checked({.argv = dump_arguments(board, file)}, "the machine's device tree");
    if (!dumped)
        return std::unexpected(dumped.error());
    const auto bytes = read_text(file);
    if (!bytes)
        return std::unexpected(bytes.error());
    const auto tree = add_clients(*bytes, board.clients);
    if (!tree)
        return std::unexpected(Error(tree.error()).within("board " + board.name));
    return write_text(file, *tree);
}

} // namespace dmarace::vm
