// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/qemu.hpp"

#include "base/files.hpp"
#include "base/process.hpp"
#include "base/size.hpp"
#include "run/run_dir.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <libfdt.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace dmarace::vm {
namespace fs = std::filesystem;
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

std::string escape_commas(const std::string& value) {
    std::string text;
    for (const char letter : value)
        text.append(letter == ',' ? 2 : 1, letter);
    return text;
}

namespace {

// The command that writes the board's own device tree to a file and ends.
std::vector<std::string> dump_arguments(const Board& board, const fs::path& dtb) {
    return {std::string(board.architecture->qemu),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            board.machine + ",dumpdtb=" + escape_commas(dtb.string()),
            "-cpu",
            board.cpu,
            "-smp",
            std::to_string(board.smp),
            "-m",
            board.memory};
}

// Asks QEMU for the board's tree and writes it with board.clients added.
Status make_device_tree(const Board& board, const fs::path& file) {
    TRY_AS(const auto dumped,
           run_checked({.argv = dump_arguments(board, file)}, "the machine's device tree"));
    TRY_AS(const auto bytes, read_text(file));
    const auto tree = add_clients(bytes, board.clients);
    if (!tree)
        return std::unexpected(Error(tree.error()).within("board " + board.name));
    return write_text(file, *tree);
}

// loglevel=5 lets warnings through and keeps boots short: the serial console
// is slow, and an oops raises the level by itself. panic=-1 reboots at once,
// which -no-reboot turns into the end of QEMU.
constexpr const char* kKernelArguments = "panic=-1 loglevel=5";

constexpr std::uintmax_t kDiskBytes = 64 << 20;
constexpr int kFirstSecondMs = 1000;

// What this host can give without taking it from anybody.
std::uint64_t free_memory() {
    constexpr std::string_view kKey = "MemAvailable:";
    const std::string text = peek("/proc/meminfo");
    const auto at = text.find(kKey);
    return at == std::string::npos
               ? 0
               : std::strtoull(text.c_str() + at + kKey.size(), nullptr, 10) * 1024;
}

std::string kernel_arguments(const Board& board, const QemuFiles& files) {
    std::string text = fmt::format("console={} {}", board.architecture->console, kKernelArguments);
    if (!board.root.empty())
        text += std::string(" rw root=LABEL=") + kRootLabel;
    for (const std::string& word : board.append)
        text += " " + word;
    if (!files.append.empty())
        text += " " + files.append;
    return text;
}

// An ext4 of the board's size, made with mke2fs. One that is there is kept.
Status make_data_disk(const DataDisk& data, const fs::path& image) {
    if (fs::exists(image))
        return {};
    const fs::path part = image.string() + ".part";
    TRY_AS(const auto made,
           run_checked({.argv = {"mke2fs", "-q", "-F", "-t", "ext4", part, data.size}},
                       "the board's data disk"));
    std::error_code error;
    fs::rename(part, image, error);
    if (error)
        return fail(Fault::environment, image.string() + ": " + error.message());
    return {};
}

// Copies the run's files to 'out', over what is there. Reads a copy of the image
// with the file system's journal replayed: the guest is to find it as it left it.
// Nothing to copy is no error, unless a boot before had left a journal.
Status copy_run_out(const fs::path& image, const fs::path& out, const fs::path& scratch) {
    const fs::path copy = scratch / "data.img", tree = scratch / "data";
    std::error_code error;
    fs::remove_all(tree, error);
    fs::create_directories(tree, error);
    fs::copy_file(image, copy, fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, image.string() + ": " + error.message());
    auto taken = Image(copy).replay();
    if (taken)
        taken = Image(copy).take_tree("/run", tree);
    fs::remove(copy, error);
    if (!taken)
        return taken;
    // What a boot before has shown does not stand for what is there now.
    if (fs::exists(out / run::files::kJournal) && !fs::exists(tree / "run" / run::files::kJournal))
        return fail(Fault::environment, image.string() + " has lost the run's journal");
    if (fs::exists(tree / "run"))
        fs::copy(tree / "run", out,
                 fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Fault::environment, out.string() + ": " + error.message());
    return {};
}

Status check_firmware(const Board& board) {
    if (board.firmware.empty() || fs::exists(board.firmware))
        return {};
    return fail(Fault::environment,
                fmt::format("board {} boots {}, which is not installed: run scripts/setup.sh",
                            board.name, board.firmware));
}

} // namespace

std::string qemu_version(const Board& board) {
    const auto version = run_checked({.argv = {std::string(board.architecture->qemu), "--version"}},
                                     "QEMU's version");
    return version ? version->substr(0, version->find('\n')) : "";
}

Status check_tools(const Board& board) {
    const Architecture& architecture = *board.architecture;
    for (const auto& [program, package] :
         {std::pair{architecture.qemu, architecture.qemu_package},
          std::pair<std::string_view, std::string_view>{"depmod", "kmod"},
          std::pair<std::string_view, std::string_view>{"mke2fs", "e2fsprogs"}})
        if (find_program(std::string(program)).empty())
            return fail(Fault::environment,
                        fmt::format("{} is not installed: apt-get install {}, or run "
                                    "scripts/setup.sh",
                                    program, package));
    return check_firmware(board);
}

Status make_disks(const Board& board, const fs::path& directory) {
    for (const std::string& disk : board.disks) {
        const auto file = disk_file(directory, disk);
        std::error_code error;
        fs::remove(file, error);
        TRY(write_text(file, ""));
        fs::resize_file(file, kDiskBytes, error);
        if (error)
            return fail(Fault::environment, file.string() + ": " + error.message());
    }
    return {};
}

std::vector<std::string> qemu_arguments(const Board& board, const QemuFiles& files) {
    std::vector<std::string> arguments{std::string(board.architecture->qemu), "-nodefaults",
                                       "-no-user-config", "-no-reboot"};
    const auto add = [&](const char* option, const std::string& value) {
        arguments.insert(arguments.end(), {option, value});
    };
    add("-display", "none");
    add("-monitor", "none");
    add("-machine", board.machine + (board.keep_memory ? ",memory-backend=memory" : ""));
    if (board.keep_memory)
        add("-object", "memory-backend-file,id=memory,share=on,size=" + board.memory +
                           ",mem-path=" + escape_commas(files.memory.string()));
    if (!board.firmware.empty())
        add("-bios", board.firmware);
    add("-cpu", files.kvm ? "host" : board.cpu);
    add("-accel", files.kvm ? "kvm" : "tcg,thread=multi");
    add("-smp", std::to_string(board.smp));
    add("-m", board.memory);
    add("-chardev", files.console_line.empty()
                        ? "file,id=console,append=on,path=" + escape_commas(files.console.string())
                        : files.console_line);
    add("-serial", "chardev:console");
    add("-kernel", files.image.string());
    add("-initrd", files.initramfs.string());
    add("-append", kernel_arguments(board, files));
    add("-fsdev", "local,id=out,security_model=none,path=" + escape_commas(files.share.string()));
    if (!files.dtb.empty())
        add("-dtb", files.dtb.string());
    if (board.data)
        add("-blockdev", "file,node-name=" + board.data->disk +
                             ",filename=" + escape_commas(files.data.string()));
    // Nothing of these is to outlive the guest, so no flush has to reach the host's disk.
    auto disks = board.disks;
    if (!board.root.empty())
        disks.push_back(board.root);
    for (const std::string& disk : disks)
        add("-blockdev", "file,node-name=" + disk + ",cache.no-flush=on,filename=" +
                             escape_commas(disk_file(files.disks, disk).string()));
    for (const std::string& netdev : board.netdevs)
        add("-netdev", netdev);
    for (const std::string& blockdev : board.blockdevs)
        add("-blockdev", blockdev);
    for (const std::string& device : board.devices)
        add("-device", device);
    // Last: a device that names no bus goes to the root bus that came last.
    for (const std::string_view device : board.architecture->wire)
        add("-device", std::string(device));
    arguments.insert(arguments.end(), files.more.begin(), files.more.end());
    return arguments;
}

QemuBoard::QemuBoard(Board board, const fs::path& share, const fs::path& scratch)
    : board_(std::move(board)), files_{.image = {},
                                       .initramfs = {},
                                       .console = share / kConsoleLog,
                                       .share = share,
                                       .disks = scratch,
                                       .data = share / kDataImage,
                                       .memory = scratch / "memory",
                                       .dtb = board_.clients > 0 ? scratch / "board.dtb"
                                                                 : fs::path()} {}

// What the boot starts from, its disks and its device tree.
Status QemuBoard::ready(const Boot& boot) {
    files_.image = boot.kernel;
    files_.append = boot.append;
    files_.initramfs = boot.initramfs;
    if (!boot.loads.empty()) {
        files_.initramfs = files_.disks / "initramfs";
        const Image root(disk_file(files_.disks, board_.root));
        TRY(root.replay());
        TRY(root.take(boot.loads, files_.initramfs));
    }
    if (board_.data)
        TRY(make_data_disk(*board_.data, files_.data));
    if (!files_.dtb.empty() && !(snapshot_ && snapshot_->kept()))
        TRY(make_device_tree(board_, files_.dtb));
    return make_disks(board_, files_.disks);
}

Status QemuBoard::choose_accel() {
    if (chosen_)
        return {};
    chosen_ = true;
    if (board_.accel == Accel::tcg)
        return {};
    const auto runs = try_kvm(*board_.architecture);
    if (!runs && board_.accel == Accel::kvm)
        return std::unexpected(Error(runs.error()).within("--accel kvm"));
    files_.kvm = runs.has_value();
    return {};
}

Result<Process> QemuBoard::launch(WarmGuest* guest, const fs::path& log) {
    const UniqueFd messages(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!messages)
        return fail_errno(log.string());
    int monitor = -1;
    if (guest != nullptr) {
        files_.console_line = guest->console(files_.console);
        files_.more = guest->arguments();
        TRY_AS(monitor, guest->connect());
    }
    auto child = start_command({.argv = qemu_arguments(board_, files_)},
                               monitor < 0 ? messages.get() : monitor, messages.get(), monitor);
    if (guest != nullptr)
        guest->connected();
    return child;
}

Status QemuBoard::power_on() {
    log_ = channel() / "qemu";
    restored_ = snapshot_ && snapshot_->kept();
    TRY_AS(auto child, launch(snapshot_ ? &*snapshot_ : nullptr, log_));
    qemu_.emplace(std::move(child));
    return {};
}

// It has the memory of a whole board besides. Who has none to spare, or whose spare does not come
// up, waits for the next life's guest.
void QemuBoard::make_spare() {
    const auto memory = parse_size(board_.memory);
    if (spare_ || stopped_ || !memory || free_memory() < *memory ||
        !make_disks(board_, files_.disks))
        return;
    WarmGuest guest = snapshot_->another();
    const fs::path log =
        files_.disks / (log_.filename() == "spare.log" ? "other.log" : "spare.log");
    if (auto child = launch(&guest, log))
        spare_.emplace(std::move(guest), *std::move(child), log);
}

bool QemuBoard::take_spare() {
    if (!spare_)
        return false;
    auto spare = std::exchange(spare_, std::nullopt);
    if (spare->qemu.wait(0))
        return false;
    snapshot_ = std::move(spare->guest);
    snapshot_->is_awaited();
    qemu_.emplace(std::move(spare->qemu));
    log_ = spare->log;
    restored_ = true;
    return true;
}

// What is said from here on is this start's.
void QemuBoard::begin_console() {
    std::error_code error;
    console_before_ = fs::exists(files_.console) ? fs::file_size(files_.console, error) : 0;
}

// The guest that was kept does not come back: a new one does all that it can.
Status QemuBoard::boot_instead(const std::string& why) {
    say("the guest that was kept does not come back ({}); booting",
        why.empty() ? "it is off" : why);
    qemu_->kill();
    qemu_->wait(-1);
    snapshot_->give_up("");
    begin_console();
    if (!files_.dtb.empty())
        TRY(make_device_tree(board_, files_.dtb));
    return power_on();
}

Status QemuBoard::start(const Boot& boot) {
    if (boot.warm && !snapshot_)
        snapshot_.emplace(files_.disks);
    else if (snapshot_)
        if (const std::string why = snapshot_->why_none(); !why.empty())
            say(WarmGuest::kCannot, board_.name, why);
    stopped_ = false;
    begin_console();
    if (spare_) {
        TRY(open_channel(channel(), boot.files));
        if (take_spare())
            return {};
    }
    TRY(ready(boot));
    TRY(choose_accel());
    TRY(open_channel(channel(), boot.files));
    TRY(power_on());
    if (!files_.kvm || board_.accel == Accel::kvm || restored_)
        return {};
    // What KVM promised is not always what QEMU asks of it: "failed to set MSR".
    if (const auto status = qemu_->wait(kFirstSecondMs); status.value_or(0) != 0) {
        say("QEMU gave up with KVM ({}); going on with TCG", complaint());
        files_.kvm = false;
        return power_on();
    }
    return {};
}

std::optional<int> QemuBoard::wait(int timeout_ms) {
    const auto status = qemu_->wait(timeout_ms);
    if (!snapshot_ || snapshot_->at() == WarmGuest::At::runs) {
        if (restored_ && !status)
            make_spare();
        return status;
    }
    if (!stopped_ && snapshot_->lost(status.has_value(), channel()) &&
        boot_instead(status ? complaint() : "it takes too long"))
        return std::nullopt;
    if (!status)
        snapshot_->look(snapshot_->at() == WarmGuest::At::boots ? console() : "", channel());
    return status;
}

void QemuBoard::stop() {
    stopped_ = true;
    qemu_->kill();
}

std::string QemuBoard::console() const {
    const std::string all = peek(files_.console);
    return all.substr(std::min(console_before_, all.size()));
}

std::string QemuBoard::complaint() const {
    const std::string text = peek(log_);
    return text.substr(0, text.find('\n'));
}

Status QemuBoard::collect(const BootOutcome& outcome) {
    std::error_code error; // memory outlives a reset, not a power cut
    if (outcome.end == BootEnd::qemu_failed)
        fs::remove(files_.memory, error);
    return board_.data ? copy_run_out(files_.data, files_.share, files_.disks) : Status{};
}

BootGuest boots_of(const Board& board) {
    return [&board](const GuestBoot& boot) -> Result<std::string> {
        QemuBoard machine(board, boot.share, boot.disks);
        const auto outcome =
            run_boot(machine, {.kernel = boot.kernel->image, .initramfs = boot.initramfs},
                     {.out = boot.output, .err = boot.output});
        std::error_code error;
        for (const std::string& disk : board.disks)
            fs::remove(disk_file(boot.disks, disk), error);
        if (!outcome)
            return std::unexpected(outcome.error());
        if (outcome->end != BootEnd::ended)
            return fmt::format("{}: {}", to_text(outcome->end), outcome->detail);
        return outcome->status == 0 ? ""
                                    : fmt::format("{} {}", to_text(outcome->end), outcome->status);
    };
}

} // namespace dmarace::vm
