// SPDX-License-Identifier: GPL-2.0-or-later
// A board that QEMU is: its command line, its disks, its power.
#pragma once

#include "base/files.hpp"
#include "base/process.hpp"
#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/image/root.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// Whether KVM runs guests of an architecture here, and what is missing: a guest of two
// instructions is run to its end. There are hosts where a machine can be made, not run.
Status try_kvm(const Architecture& guest);

// What QEMU says of itself; "" when it does not.
std::string qemu_version(const Board& board);

// QEMU and what a run needs besides, before anything is fetched or booted.
Status check_tools(const Board& board);

// The files that a command line names.
struct QemuFiles {
    std::filesystem::path image, initramfs;
    std::filesystem::path console;   // the guest's console is appended here
    std::filesystem::path share;     // the directory the guest sees as /run/out
    std::filesystem::path disks;     // the directory with the files of the board's disks
    std::filesystem::path data{};    // the image of its data disk
    std::filesystem::path memory{};  // the file that is its memory, where it keeps that
    std::string append{};            // more kernel arguments
    std::filesystem::path dtb{};     // in place of QEMU's own device tree; "" for that one
    std::string console_line{};      // a -chardev for the console; "" for one that only writes
    std::vector<std::string> more{}; // options for this start alone
    bool kvm = false;
};

// QEMU splits option values at commas; a comma in a path is written twice.
std::string escape_commas(const std::string& value);

std::vector<std::string> qemu_arguments(const Board& board, const QemuFiles& files);

// The files of the board's disks, all of them empty; the root is left alone.
Status make_disks(const Board& board, const std::filesystem::path& directory);

// A flattened tree with dmarace-client0, 1, .. as children of the root, platform devices
// behind the SMMU as those of a SoC are: each compatible with dmarace_sim's client driver,
// each with a stream of its own. Fault::environment when it is no tree or has no SMMUv3.
Result<std::string> add_clients(const std::string& tree, unsigned clients);

// What lies in the directory that a run shares with its guest.
inline constexpr const char* kDataImage = "data.img";

// Boots guests of that board, the other disks empty for each: what making a root file
// system takes.
BootGuest boots_of(const Board& board);

// What came of one command to QEMU's monitor. Pure; nothing for an event, for the greeting, and
// for the answer to another command. An error is what QEMU says of it.
std::optional<Result<std::string>> monitor_answer(std::string_view line, unsigned number);

// A guest that stands before its program, kept in a file: the next lives of the board begin
// there instead of with a boot. The state is a migration's; it is on no device of the board.
class WarmGuest {
public:
    // Said once, with the board and why.
    static constexpr const char* kCannot =
        "board {} boots for each life: its guest cannot be kept ({})";

    // scratch: where its files lie while the board is in use. room: what they leave free there.
    explicit WarmGuest(const std::filesystem::path& scratch,
                       std::uintmax_t room = std::uintmax_t{256} << 20);
    // What speaks against it before anything is booted: its console's socket has no name there.
    // "": nothing.
    static std::string why_not(const std::filesystem::path& scratch);

    // Whether a life can begin there.
    bool kept() const { return kept_; }
    // The same guest, with lines of its own: it may come back beside this one.
    WarmGuest another() const;
    // A life begins in it only now, however long it is there already.
    void is_awaited() { since_ = std::chrono::steady_clock::now(); }
    // Why none will be kept, said once: "" when nothing speaks against it, or it was said.
    std::string why_none();
    void give_up(const std::string& why);

    // What QEMU is told besides. The console has a line in as well; its log is the console's file.
    std::vector<std::string> arguments() const;
    std::string console(const std::filesystem::path& log) const;
    // Before QEMU is started, and after: it gets this descriptor as stdin and stdout.
    Result<int> connect();
    void connected() { theirs_.reset(); }

    enum class At { boots, comes_back, begins, runs };
    At at() const { return at_; }
    // Called every few ms: keeps the guest once it stands there, and lets it begin.
    void look(const std::string& console, const std::filesystem::path& channel);
    // Whether a life that began in the file will not get to its program: it is off, or takes longer
    // than a boot did.
    bool lost(bool off, const std::filesystem::path& channel) const;

private:
    Result<std::string> ask(const std::string& command, const std::string& arguments = "");
    bool is_back();
    Status keep();
    void begin(const std::filesystem::path& channel);
    void wake();

    std::filesystem::path state_, socket_;
    std::uintmax_t room_;
    UniqueFd ours_, theirs_, line_; // both ends of the monitor's socket, and the console's line
    std::string heard_, why_;
    unsigned number_ = 0;
    bool kept_ = false, hopeless_ = false;
    bool returns_ = false; // this life began in the file
    At at_ = At::boots;
    std::chrono::steady_clock::time_point since_, woken_;
    std::chrono::steady_clock::duration booted_{}; // the life that it was kept of took, to stand
};

// What a life is told before it begins: the time, and what no life before it had drawn.
std::string life_text(std::chrono::system_clock::time_point now, std::string_view entropy);

class QemuBoard final : public BoardControl {
public:
    // share: what the guest sees as /run/out. scratch: a directory for the files of the
    // board's disks, which has its root disk, if it has one.
    QemuBoard(Board board, const std::filesystem::path& share,
              const std::filesystem::path& scratch);

    Status start(const Boot& boot) override;
    std::optional<int> wait(int timeout_ms) override;
    void stop() override;
    std::string console() const override;
    std::string complaint() const override;
    std::filesystem::path channel() const override { return files_.share / guest::kChannel; }
    Status collect(const BootOutcome& outcome) override;
    bool restored() const override { return restored_; }
    // What carried the last boot: "kvm" or "tcg".
    const char* accel() const { return files_.kvm ? "kvm" : "tcg"; }

private:
    Status ready(const Boot& boot);
    Status choose_accel();
    Status power_on();
    Result<Process> launch(WarmGuest* guest, const std::filesystem::path& log);
    bool take_spare();
    void make_spare();
    void begin_console();
    Status boot_instead(const std::string& why);

    Board board_;
    QemuFiles files_;
    std::size_t console_before_ = 0; // what other boots have left in its file
    bool chosen_ = false;            // KVM or not
    bool stopped_ = false;           // by us
    bool restored_ = false;          // the last start
    std::optional<WarmGuest> snapshot_;
    std::optional<Process> qemu_;
    std::filesystem::path log_; // what QEMU says
    // The next life's guest, read from its file while the one before it runs. It is stopped.
    struct Spare {
        WarmGuest guest;
        Process qemu;
        std::filesystem::path log;
    };
    std::optional<Spare> spare_;
};

} // namespace dmarace::vm
