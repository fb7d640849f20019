// SPDX-License-Identifier: GPL-2.0-or-later
// A board that stands on a desk: its power is commands, its console one more, and dmarace goes
// there over ssh or over the console.
#pragma once

#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/board/desk.hpp"
#include "vm/image/guest/words.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace dmarace::vm {

// What goes to the board, made by whoever knows what is to run there.
struct HardwareKit {
    std::filesystem::path agent;        // the static program of vm/image/guest
    std::filesystem::path kit;          // an archive of vm/image/kit.hpp
    std::string key{};                  // of both: what is there already need not be brought again
    Words deploy{};                     // brings a kernel there; none: the board's own runs
    std::set<std::string> kernel_ids{}; // one of which that kernel has; empty: unknown
    std::string stamp{};                // in its tree of modules; "" where that is not deployed
    std::string release{};              // of the kernel that is deployed
};

// What the board says of itself.
struct BoardIdentity {
    std::string release, machine, kernel, boot, stamp; // kernel: its build id
    std::map<std::string, std::string> modules;        // by name, their build ids
};
// Pure; fields that are not there stay empty.
BoardIdentity read_identity(std::string_view text);
// Why this is not the kernel that was deployed; nothing when it is.
std::optional<std::string> is_other_kernel(const BoardIdentity& identity, const HardwareKit& kit);

// Takes the lines of the board's agent: parts of files that belong below 'share', in order.
class MirrorWriter {
public:
    explicit MirrorWriter(std::filesystem::path share) : share_(std::move(share)) {}
    // The answer, when it is a part; nothing for any other line.
    std::optional<std::string> take(std::string_view line);
    bool heard() const { return have_ > 0; }

private:
    bool write(const std::string& name, std::uint64_t offset, std::string_view bytes);

    std::filesystem::path share_;
    std::uint64_t have_ = 0;
};

class HardwareBoard final : public BoardControl {
public:
    // share: the run's directory, here; scratch: one of ours.
    HardwareBoard(const Board& board, HardwareKit kit, const std::filesystem::path& share,
                  const std::filesystem::path& scratch);

    Status start(const Boot& boot) override;
    std::optional<int> wait(int timeout_ms) override;
    void stop() override;
    std::string console() const override { return desk_.console().text(); }
    std::string complaint() const override;
    std::filesystem::path channel() const override { return share_ / guest::kChannel; }
    Status collect(const BootOutcome&) override { return {}; }
    std::optional<BootOutcome> told() const override { return told_; }
    bool may_be_booting() const override;

    // Of the last boot.
    const BoardIdentity& identity() const { return identity_; }

private:
    using Clock = std::chrono::steady_clock;

    Result<bool> find_alive();
    Status bring_up();
    Status switch_on();
    Status reboot_by_shell();
    Result<bool> await_shell(std::chrono::seconds limit);
    std::string ask_boot();
    std::string why_silent() const; // behind a sentence
    Status pack_for_board(const std::filesystem::path& file, bool kit) const;
    Status come_in();
    Result<BoardIdentity> identify();
    Status begin_session();
    void hear(std::string_view line);
    bool has_panicked();
    bool shows_boot(std::string_view text) const;
    std::string why_not_started(bool closed) const;
    void ask_after_it();
    void is_over(BootEnd end, std::string detail);

    const Hardware& hardware_;
    HardwareKit kit_;
    std::filesystem::path share_;
    Desk desk_;
    std::unique_ptr<BoardShell> shell_;
    std::optional<MirrorWriter> mirror_;
    std::optional<BootOutcome> told_; // the board is off, or as good as
    BoardIdentity identity_;
    std::string boot_; // the id of the last boot that answered: the next one has another
    bool deployed_ = false, used_ = false, stopped_ = false, interrupted_ = false;
    bool switched_ = false;   // its power was, for this boot
    bool unchanged_ = false;  // what answered was the boot before
    std::size_t session_ = 0; // where the console was when it began
    std::optional<Clock::time_point> panic_;
    std::size_t panic_size_ = 0;
    Clock::time_point last_word_, next_question_;
    std::optional<Clock::time_point> gone_; // since when no question is answered
    Clock::time_point on_;                  // when it was switched on, or told to boot
    // From then until its console showed a boot: this one, and the slowest of all.
    std::optional<Clock::duration> shown_, shows_after_;
};

} // namespace dmarace::vm
