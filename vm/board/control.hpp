// SPDX-License-Identifier: GPL-2.0-or-later
// A board that is switched on and off, of whatever kind, and how a boot of it ended.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

enum class BootEnd {
    ended,        // the program ended: its exit code counts
    panic,        // the kernel panicked
    rebooted,     // the guest's kernel was asked to boot again
    died,         // the guest switched itself off: no exit code, no panic
    qemu_failed,  // QEMU failed or was killed: the host is to blame
    hang,         // the guest stopped beating
    timeout,      // --timeout was over
    interrupted,  // the user pressed ctrl-c twice
    no_start,     // init could not start the program
    no_qemu,      // QEMU refused its command line
    lost,         // the board lives, and the connection to it does not
    other_kernel, // the board runs another kernel than it was given
};

std::string_view to_text(BootEnd end);

struct BootOutcome {
    BootEnd end = BootEnd::died;
    int status = 0;                    // of the program, when it ended
    std::string detail;                // one line: the panic, what was waited for
    std::vector<std::string> evidence; // the last lines of the console that matter
    double program_seconds = 0;        // how long the program ran, by the guest's clock
};

// What was seen of a boot when it was over.
struct BootTraces {
    std::optional<int> exit{};         // what init wrote
    double program_seconds = 0;        // and how long the program took
    std::optional<BootEnd> stopped{};  // why we cut the power, if we did
    int status = 0;                    // of what carries the board: QEMU's exit code
    bool beaten = false;               // init was there
    std::string console{};             // of this boot
    std::string complaint{};           // of what carries the board
    std::optional<BootOutcome> told{}; // what the board itself can say of its end
};

BootOutcome classify(const BootTraces& traces);

// From the first sign of trouble near the end of a console to its end, at most
// so many lines; the last lines when there is no such sign.
std::vector<std::string> trouble(std::string_view console, std::size_t most);

// What a board starts from.
struct Boot {
    std::filesystem::path kernel;    // its image
    std::filesystem::path initramfs; // "" where the board's own disk has one: at 'loads'
    std::string loads{};
    std::string append{};                       // more kernel arguments
    std::map<std::string, std::string> files{}; // in the channel before it boots
    bool warm = false; // its guest waits before it begins: it may be kept, and begun again
};

// What lies in a run's directory beside what dmarace writes.
inline constexpr const char *kConsoleLog = "console.log", *kVmJson = "vm.json";

// What can be done with one board. A kind of board is one of these: QEMU (qemu.hpp), and
// hardware on a desk (hardware_board.hpp).
class BoardControl {
public:
    virtual ~BoardControl() = default;

    // Switches it on.
    virtual Status start(const Boot& boot) = 0;
    // Waits up to timeout_ms for it to go off: the status of what carries it, nothing
    // while it is on.
    virtual std::optional<int> wait(int timeout_ms) = 0;
    // Cuts the power.
    virtual void stop() = 0;
    // What its kernel has said since it was switched on.
    virtual std::string console() const = 0;
    // One line of what carries it, when that cannot.
    virtual std::string complaint() const = 0;
    // The directory here in which init and we talk: it leaves stdout, stderr, beat and
    // exit there, we an 'interrupt'.
    virtual std::filesystem::path channel() const = 0;
    // How the boot ended, where there is more to go by than a process and a console.
    virtual std::optional<BootOutcome> told() const { return std::nullopt; }
    // A silence may be that of a board that was reset, and is not a hang yet.
    virtual bool may_be_booting() const { return false; }
    // Whether the last start was no boot: the guest was taken up where it had been kept.
    virtual bool restored() const { return false; }
    // Once it is off: brings the files here that the run left on a disk of the board.
    virtual Status collect(const BootOutcome& outcome) = 0;
};

struct Watch {
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    std::chrono::seconds first_beat{300}; // how long a boot may take
    std::chrono::seconds beat{60};        // how long a guest may be silent
    int out = 1, err = 2;                 // where the program's output goes
    // A file here with which a program tells of its end, before it has given back all that it has
    // of a kernel which nobody asks any more: its second line is the exit code. "": there is none.
    std::filesystem::path last_word{};
    bool keeps_disk = false; // what it wrote there is whole once it has switched itself off
};

// Boots and waits for the end: hands the program's output on while it runs, and stops a
// guest that is stuck. SIGINT or SIGTERM is passed on to the program once; the second one
// cuts the power. Fails only when the board cannot be started.
Result<BootOutcome> run_boot(BoardControl& machine, const Boot& boot, const Watch& watch);

// An empty channel with these files in it.
Status open_channel(const std::filesystem::path& channel,
                    const std::map<std::string, std::string>& files);

// The small whole files of a channel; "" when absent.
std::string peek(const std::filesystem::path& file);

inline constexpr const char* kCutOff = " [cut off]"; // ends a line in which its writer died

} // namespace dmarace::vm
