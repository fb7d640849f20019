// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/hardware_board.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "run/run_dir.hpp"
#include "vm/board/qemu.hpp"
#include "vm/image/guest/frames.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using std::chrono::seconds;

constexpr seconds kShort{30}, kLong{300};
constexpr int kTickMs = 20;
constexpr seconds kTrace{2};    // from a panic to the end of what it says
constexpr seconds kQuestion{8}; // without a word: is it still the same boot? Or half of 'silence'
constexpr seconds kAgain{3};
constexpr seconds kAlive{15};
constexpr int kSlower = 3; // a boot may be, than those before it
constexpr const char* kAskBoot = "cat /proc/sys/kernel/random/boot_id";
constexpr int kTries = 3;    // what the kernel says on the console may garble an answer
const fs::path kOut = "out"; // below our place there: the run's directory

bool is_boot_id(std::string_view word) {
    constexpr std::size_t kLength = 36;
    return word.size() == kLength &&
           word.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

} // namespace

BoardIdentity read_identity(std::string_view text) {
    BoardIdentity identity;
    const std::array<std::pair<std::string_view, std::string*>, 5> fields{
        {{"release", &identity.release},
         {"machine", &identity.machine},
         {"kernel", &identity.kernel},
         {"boot", &identity.boot},
         {"stamp", &identity.stamp}}};
    for (const std::string& line : lines_in(text)) {
        const auto words = words_in(line);
        for (const auto& [name, into] : fields)
            if (words.size() == 2 && words[0] == name)
                *into = words[1];
        if (words.size() == 3 && words[0] == "module")
            identity.modules[words[1]] = words[2];
    }
    return identity;
}

std::optional<std::string> is_other_kernel(const BoardIdentity& identity, const HardwareKit& kit) {
    if (!kit.kernel_ids.empty() && !kit.kernel_ids.contains(identity.kernel))
        return fmt::format("the board runs {} with build id {}, which is not the kernel that was "
                           "deployed",
                           identity.release, identity.kernel.empty() ? "unknown" : identity.kernel);
    if (!kit.stamp.empty() && kit.stamp != identity.stamp)
        return fmt::format("the modules of {} on the board are {}, not those that were deployed",
                           identity.release,
                           identity.stamp.empty() ? "without our stamp" : "of another deployment");
    if (!kit.release.empty() && kit.release != identity.release)
        return fmt::format("the board runs {}, and {} was deployed", identity.release, kit.release);
    return std::nullopt;
}

std::optional<std::string> MirrorWriter::take(std::string_view line) {
    const auto part = guest::read_part(line);
    if (!part)
        return std::nullopt;
    if (part->number == have_ + 1 && write(part->name, part->offset, part->bytes))
        have_ = part->number;
    return fmt::format("{} {}\n", guest::kGot, have_);
}

// What comes from the board stays below our directory.
bool MirrorWriter::write(const std::string& name, std::uint64_t offset, std::string_view bytes) {
    const fs::path below(name);
    if (below.is_absolute() || name.empty())
        return true;
    for (const fs::path& part : below)
        if (part == "..")
            return true;
    const fs::path file = share_ / below;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    const UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    return fd && ftruncate(fd.get(), static_cast<off_t>(offset)) == 0 &&
           lseek(fd.get(), 0, SEEK_END) >= 0 &&
           write_all(fd.get(), bytes, file.string()).has_value();
}

HardwareBoard::HardwareBoard(const Board& board, HardwareKit kit, const fs::path& share,
                             const fs::path& scratch)
    : hardware_(*board.hardware), kit_(std::move(kit)), share_(share),
      desk_(hardware_, share / kConsoleLog, scratch),
      shell_(hardware_.ssh.empty() ? console_shell(desk_) : ssh_shell(desk_)) {}

void HardwareBoard::is_over(BootEnd end, std::string detail) {
    if (!told_)
        told_ = BootOutcome{end, 0, std::move(detail), {}};
}

Status HardwareBoard::start(const Boot& boot) {
    told_.reset();
    panic_.reset();
    shown_.reset();
    stopped_ = interrupted_ = switched_ = false;
    mirror_.emplace(share_);
    TRY(open_channel(channel(), boot.files));
    TRY(desk_.open_console());
    desk_.listen(0);
    desk_.console().begin();
    bool up = false;
    if (!used_ && kit_.deploy.empty()) {
        TRY_AS(up, find_alive());
    }
    if (!up) {
        TRY(bring_up());
        TRY_AS(up, await_shell(hardware_.boot_timeout));
        shows_after_ = shown_
                           ? std::optional(std::max(*shown_, shows_after_.value_or(kShort.zero())))
                           : std::nullopt;
    }
    used_ = true;
    if (!up) {
        is_over(BootEnd::hang,
                fmt::format("no shell within {} s of its boot{}", hardware_.boot_timeout.count(),
                            unchanged_ ? ": what answers is the boot before" : why_silent()));
        return {};
    }
    auto in = come_in();
    if (!in && in.error().os_error == EINTR)
        return in;
    if (!in) // it took us in and then went away, or has no room for us
        is_over(BootEnd::lost, in.error().message);
    return {};
}

// One that is up already needs no boot.
Result<bool> HardwareBoard::find_alive() {
    if (!hardware_.console.empty())
        TRY(desk_.type("\n"));
    return await_shell(kAlive);
}

Status HardwareBoard::bring_up() {
    if (!kit_.deploy.empty() && !deployed_) {
        if (hardware_.deploy_alive) {
            TRY_AS(const auto alive, find_alive());
            if (!alive) {
                TRY(switch_on());
                TRY_AS(const auto up, await_shell(hardware_.boot_timeout));
                if (!up)
                    return fail(Fault::environment, "the board does not come up for 'deploy'");
            }
        }
        say("deploying");
        TRY(desk_.must(kit_.deploy, "deploy"));
        deployed_ = true;
    }
    return switch_on();
}

Status HardwareBoard::switch_on() {
    on_ = Clock::now();
    if (hardware_.power_cycle.empty() && hardware_.power_on.empty())
        return reboot_by_shell();
    switched_ = true;
    if (!hardware_.power_cycle.empty()) {
        TRY(desk_.must(hardware_.power_cycle, "power_cycle"));
        desk_.console().begin();
        return {};
    }
    TRY(desk_.must(hardware_.power_off, "power_off"));
    for (int i = 0; i < 50; ++i)
        desk_.listen(kTickMs);
    desk_.console().begin();
    return desk_.must(hardware_.power_on, "power_on");
}

// Without a switch a dead board has to come back by itself: panic=, a watchdog.
Status HardwareBoard::reboot_by_shell() {
    TRY_AS(const auto alive, shell_->answers());
    if (!alive) {
        say("the board does not answer{}; no power_cycle is given: waiting until it is back",
            why_silent());
        return {};
    }
    std::string boot;
    for (int i = 0; boot.empty() && i < kTries; ++i)
        boot = ask_boot();
    if (boot.empty())
        return fail(Fault::environment,
                    fmt::format("the board does not say in which boot it is ({})", kAskBoot));
    boot_ = boot;
    // In braces, for a shell may read on behind it.
    TRY(shell_->run(
        "sync; { (sleep 1; reboot -f || echo b >/proc/sysrq-trigger) >/dev/null 2>&1 & }", kShort));
    desk_.console().begin();
    return {};
}

// The id of the boot that answers; "" when none does, or the answer came garbled.
std::string HardwareBoard::ask_boot() {
    const auto ran = shell_->run(kAskBoot, kShort);
    if (ran && ran->status == 0)
        for (const std::string& line : lines_in(ran->output))
            if (is_boot_id(line))
                return line;
    return {};
}

// False when the time is over, or the kernel has panicked meanwhile. A board that answers
// again after a silence may not have booted at all.
Result<bool> HardwareBoard::await_shell(seconds limit) {
    const auto end = Clock::now() + limit;
    unchanged_ = false;
    while (Clock::now() < end && !has_panicked()) {
        TRY_AS(const bool answers, shell_->answers());
        if (!shown_ && shows_boot(desk_.console().text()))
            shown_ = Clock::now() - on_;
        const std::string boot = answers ? ask_boot() : "";
        unchanged_ = !boot.empty() && boot == boot_;
        if (!boot.empty() && boot != boot_) {
            boot_ = boot;
            if (!switched_) // how the last boot went down is no word of this one
                desk_.console().begin();
            return true;
        }
        shell_->listen(kTickMs);
        TRY(unless_interrupted());
    }
    return false;
}

std::string HardwareBoard::why_silent() const {
    const std::string why = shell_->why_not();
    return why.empty() ? "" : ": " + why;
}

// What is to be there, in one archive: the run so far, and the kit where it is not yet.
Status HardwareBoard::pack_for_board(const fs::path& file, bool kit) const {
    TRY_AS(auto archive, Archive::create(file, Archive::Format::tar));
    if (kit) {
        archive.copy("agent", kit_.agent, true);
        archive.copy("kit.tgz", kit_.kit);
    }
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(share_, error)) {
        const fs::path below = entry.path().lexically_relative(share_);
        if (entry.is_regular_file() && below != kConsoleLog && below != kVmJson)
            archive.copy((kOut / below).string(), entry.path());
    }
    return archive.close();
}

Status HardwareBoard::come_in() {
    const std::string& place = hardware_.place;
    const fs::path file = desk_.scratch() / "board.tgz";
    TRY_AS(const auto there,
           shell_->run(fmt::format("if [ \"$(cat {0}/key 2>/dev/null)\" = {1} ]; then echo same; "
                                   "else rm -rf {0}; mkdir -p {0} && echo new; fi",
                                   place, kit_.key),
                       kShort));
    const bool same = there.output.find("same") != std::string::npos;
    if (!same && there.output.find("new") == std::string::npos)
        return fail(Fault::environment, "cannot make " + place + " on the board: " + there.output);
    TRY(pack_for_board(file, !same));
    TRY(shell_->bring(file, place + "/board.tgz", kit_.agent));
    TRY_AS(const auto unpacked,
           shell_->run(fmt::format("cd {0} && rm -rf out && gzip -dc board.tgz | tar xf - && rm "
                                   "board.tgz && if [ -f kit.tgz ]; then mkdir -p kit && gzip -dc "
                                   "kit.tgz | tar xf - -C kit && rm kit.tgz && echo {1} >key; fi",
                                   place, kit_.key),
                       kLong));
    if (unpacked.status != 0)
        return fail(Fault::environment,
                    fmt::format("unpacking in {} on the board failed ({}): it takes tar, gzip and "
                                "room. {}",
                                place, unpacked.status, unpacked.output));
    TRY_AS(identity_, identify());
    if (const auto other = is_other_kernel(identity_, kit_)) {
        is_over(BootEnd::other_kernel, *other);
        return {};
    }
    return begin_session();
}

Result<BoardIdentity> HardwareBoard::identify() {
    std::string said;
    for (int i = 0; i < kTries; ++i) {
        std::optional<guest::FilePart> part;
        // Over a console its line is a part like any.
        desk_.console().set_parts([&](std::string_view line) { part = guest::read_part(line); });
        const auto ran = shell_->run(agent_there(hardware_) + " --identify", kShort);
        desk_.console().set_parts({});
        if (!ran)
            return std::unexpected(ran.error());
        for (const std::string& line : lines_in(ran->output))
            if (const auto found = guest::read_part(line))
                part = found;
        if (part)
            return read_identity(part->bytes);
        said = ran->output;
    }
    return fail(Fault::environment,
                "the agent does not run on the board: is 'arch' right? " + said);
}

Status HardwareBoard::begin_session() {
    session_ = desk_.console().end();
    last_word_ = next_question_ = Clock::now();
    gone_.reset();
    return shell_->begin(
        fmt::format("{} --mirror {}/{}", agent_there(hardware_), hardware_.place, kOut.string()),
        [this](std::string_view line) { hear(line); });
}

void HardwareBoard::hear(std::string_view line) {
    const auto answer = mirror_->take(line);
    if (!answer)
        return;
    last_word_ = Clock::now();
    if (auto sent = shell_->send(*answer); !sent)
        say("{}", sent.error().message);
}

std::optional<int> HardwareBoard::wait(int timeout_ms) {
    if (told_ || stopped_)
        return 0;
    shell_->listen(timeout_ms);
    if (!interrupted_ && fs::exists(channel() / guest::kInterrupt)) {
        interrupted_ = true;
        (void)shell_->send(std::string(guest::kStop) + "\n");
    }
    if (has_panicked() || shows_boot(desk_.console().since(session_)))
        is_over(BootEnd::died, "the board reset itself: its console shows another boot");
    else
        ask_after_it();
    return told_ ? std::optional(0) : std::nullopt;
}

// Over when its trace is out, too.
bool HardwareBoard::has_panicked() {
    const std::string& text = desk_.console().text();
    if (!panic_ && catalogue::hinted(catalogue::LogHint::panic, text).empty())
        return false;
    const auto now = Clock::now();
    if (!panic_ || text.size() != panic_size_)
        panic_ = now;
    panic_size_ = text.size();
    return now - *panic_ > kTrace;
}

bool HardwareBoard::shows_boot(std::string_view text) const {
    return std::ranges::any_of(hardware_.boots_with, [&](const std::string& sign) {
        return text.find(sign) != std::string_view::npos;
    });
}

// What the agent said when it could not begin; "" when it did not say so.
std::string HardwareBoard::why_not_started(bool closed) const {
    if (mirror_->heard() || (!closed && !hardware_.ssh.empty()))
        return {};
    const std::string said = closed ? complaint() : std::string(desk_.console().since(session_));
    const auto at = said.find(guest::kCannotStart);
    return at == std::string::npos ? ""
                                   : first_line(said.substr(at + std::strlen(guest::kCannotStart)));
}

// A board that is silent, or whose connection was closed, may have begun another boot without
// a word on its console. One that is silent in the same boot is left to who counts its beats.
void HardwareBoard::ask_after_it() {
    const auto now = Clock::now();
    const bool closed = shell_->closed().has_value();
    if (fs::exists(channel() / guest::kExit))
        return;
    if (const std::string why = why_not_started(closed); !why.empty())
        return is_over(BootEnd::no_start, why);
    const auto patience = std::min<Clock::duration>(kQuestion, hardware_.silence / 2);
    const bool by_console = hardware_.ssh.empty(); // which can be asked once the agent is gone
    if (now < next_question_ || (!closed && (by_console || now - last_word_ < patience)))
        return;
    const auto there = by_console ? shell_->answers() : Result<bool>(true);
    const std::string boot = there.value_or(false) ? ask_boot() : "";
    next_question_ = Clock::now() + kAgain;
    if (!boot.empty())
        gone_.reset();
    else if (!gone_ && unless_interrupted()) // after ctrl-c nothing is asked
        gone_ = now;
    if (!boot.empty() && boot != boot_)
        return is_over(BootEnd::died, "the board reset itself: it is in another boot");
    if (!boot.empty() && closed)
        is_over(BootEnd::lost, by_console ? "the agent on the board is gone, and the board lives"
                                          : "the connection to the board was lost, and the board "
                                            "lives: " +
                                                complaint());
}

// A console that showed the boots before would show this one, in its time.
bool HardwareBoard::may_be_booting() const {
    const auto since = hardware_.ssh.empty() ? std::optional(last_word_) : gone_;
    const Clock::duration longest = hardware_.boot_timeout;
    return since && Clock::now() - *since <
                        (shows_after_ ? std::min(longest, kSlower * *shows_after_) : longest);
}

void HardwareBoard::stop() {
    stopped_ = true;
    shell_->end();
}

std::string HardwareBoard::complaint() const {
    return first_line(read_text(desk_.scratch() / "connection").value_or(""));
}

} // namespace dmarace::vm
