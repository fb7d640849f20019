// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "vm/board/qemu.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
constexpr std::chrono::seconds kAnswer{10}, kKept{30}, kComesBack{20};
constexpr std::chrono::milliseconds kAgain{500};
constexpr int kTickMs = 2;
constexpr std::size_t kEntropy = 64;
// As fast as the host can: the default is a network's.
constexpr const char* kBandwidth = R"({"max-bandwidth":1000000000000})";

// For the shell that QEMU starts.
std::string quoted(const fs::path& file) {
    std::string text;
    for (const char letter : file.string())
        text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    return "'" + text + "'";
}

fs::path socket_in(const fs::path& scratch) { return scratch / "console"; }

// The console's other end; none while QEMU is not there yet.
UniqueFd dial(const fs::path& socket_file) {
    UniqueFd line(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = socket_file.string();
    if (name.size() >= sizeof(address.sun_path))
        return {};
    std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    if (connect(line.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return {};
    return line;
}

std::string entropy() {
    std::array<char, kEntropy> bytes{};
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

} // namespace

std::optional<Result<std::string>> monitor_answer(std::string_view line, unsigned number) {
    const auto json = Json::parse(line, nullptr, false);
    if (!json.is_object() || json.value("id", 0U) != number)
        return std::nullopt;
    if (json.contains("error"))
        return fail(Fault::environment, json["error"].value("desc", "QEMU does not say why"));
    if (!json.contains("return"))
        return std::nullopt;
    return json["return"].dump();
}

std::string life_text(std::chrono::system_clock::time_point now, std::string_view bytes) {
    const auto since =
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    std::string text = std::to_string(since) + "\n";
    for (const char byte : bytes)
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text + "\n";
}

WarmGuest::WarmGuest(const fs::path& scratch, std::uintmax_t room)
    : state_(scratch / "snapshot"), socket_(socket_in(scratch)), room_(room) {}

WarmGuest WarmGuest::another() const {
    WarmGuest out(state_.parent_path(), room_);
    if (socket_ == out.socket_)
        out.socket_ = state_.parent_path() / "spare"; // as long a name
    out.kept_ = kept_;
    out.booted_ = booted_;
    return out;
}

std::string WarmGuest::why_not(const fs::path& scratch) {
    const std::string name = socket_in(scratch).string();
    return name.size() < sizeof(sockaddr_un::sun_path)
               ? ""
               : name + " is too long for a socket's name; a shorter TMPDIR mends that";
}

void WarmGuest::give_up(const std::string& why) {
    kept_ = false;
    hopeless_ = true;
    why_ = why;
    std::error_code error;
    fs::remove(state_, error);
}

std::string WarmGuest::why_none() { return std::exchange(why_, ""); }

std::string WarmGuest::console(const fs::path& log) const {
    return fmt::format("socket,id=console,server=on,wait=off,path={},logappend=on,logfile={}",
                       escape_commas(socket_.string()), escape_commas(log.string()));
}

std::vector<std::string> WarmGuest::arguments() const {
    std::vector<std::string> words{"-chardev", "stdio,id=monitor,signal=off", "-mon",
                                   "chardev=monitor,mode=control"};
    if (kept_)
        words.insert(words.end(), {"-incoming", "exec:cat " + quoted(state_)});
    return words;
}

Result<int> WarmGuest::connect() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("socketpair");
    ours_.reset(ends[0]);
    theirs_.reset(ends[1]);
    line_.reset();
    fcntl(ours_.get(), F_SETFL, O_NONBLOCK);
    heard_.clear();
    returns_ = kept_;
    at_ = returns_ ? At::comes_back : At::boots;
    since_ = Clock::now();
    static constexpr std::string_view kCapabilities = R"({"execute":"qmp_capabilities"})"
                                                      "\n";
    if (write(ours_.get(), kCapabilities.data(), kCapabilities.size()) < 0)
        return fail_errno("QEMU's monitor");
    return theirs_.get();
}

bool WarmGuest::lost(bool off, const fs::path& channel) const {
    const auto late = std::max<Clock::duration>(kComesBack, booted_);
    return returns_ && at_ != At::runs && (off || Clock::now() - since_ > late) &&
           !fs::exists(channel / guest::kBeat);
}

Result<std::string> WarmGuest::ask(const std::string& command, const std::string& arguments) {
    const std::string text =
        fmt::format(R"({{"execute":"{}","id":{}{}}})"
                    "\n",
                    command, ++number_, arguments.empty() ? "" : ",\"arguments\":" + arguments);
    if (write(ours_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno("QEMU's monitor");
    for (const auto until = Clock::now() + kAnswer; Clock::now() < until;) {
        std::array<char, 4096> buffer{};
        const ssize_t got = read(ours_.get(), buffer.data(), buffer.size());
        if (got == 0)
            break;
        if (got > 0)
            heard_.append(buffer.data(), static_cast<std::size_t>(got));
        for (auto end = heard_.find('\n'); end != std::string::npos; end = heard_.find('\n')) {
            const auto answer = monitor_answer(heard_.substr(0, end), number_);
            heard_.erase(0, end + 1);
            if (answer)
                return *answer;
        }
        pollfd more{ours_.get(), POLLIN, 0};
        poll(&more, 1, kTickMs);
    }
    return fail(Fault::environment, "QEMU's monitor does not answer " + command);
}

bool WarmGuest::is_back() {
    const auto answer = ask("query-status");
    return answer && answer->find("\"inmigrate\"") == std::string::npos;
}

// Stopped meanwhile: one pass over its memory is enough.
Status WarmGuest::keep() {
    TRY(ask("stop"));
    TRY(ask("migrate-set-parameters", kBandwidth));
    TRY(ask("migrate", Json{{"uri", "exec:cat >" + quoted(state_)}}.dump()));
    std::error_code none;
    for (const auto until = Clock::now() + kKept;
         Clock::now() < until && InterruptCount::count() == 0;) {
        if (fs::space(state_.parent_path(), none).available < room_)
            return fail(Fault::environment,
                        "its state would fill the disk of " + state_.parent_path().string());
        TRY_AS(const auto answer, ask("query-migrate"));
        const auto json = Json::parse(answer, nullptr, false);
        const std::string status = json.value("status", "");
        if (status == "completed")
            return {};
        if (status == "failed" || status == "cancelled")
            return fail(Fault::environment,
                        json.value("error-desc", "QEMU could not write its state"));
        poll(nullptr, 0, kTickMs);
    }
    return fail(Fault::environment, "QEMU did not come to the end of its state");
}

void WarmGuest::begin(const fs::path& channel) {
    (void)write_text(channel / guest::kLife,
                     life_text(std::chrono::system_clock::now(), entropy()));
    at_ = At::begins;
    wake();
}

// A line on its console; what is lost is said again. The connection is held until the guest
// has it.
void WarmGuest::wake() {
    if (!line_)
        line_ = dial(socket_);
    woken_ = Clock::now();
    if (line_ && write(line_.get(), "\n", 1) < 0)
        line_.reset();
}

void WarmGuest::look(const std::string& console, const fs::path& channel) {
    switch (at_) {
    case At::boots:
        if (console.find(guest::kStands) == std::string::npos)
            return;
        booted_ = Clock::now() - since_;
        if (!hopeless_) {
            const auto done = keep();
            kept_ = done.has_value();
            if (!kept_) { // nor does QEMU go on writing it
                (void)ask("migrate_cancel");
                give_up(done.error().message);
            }
            (void)ask("cont");
        }
        return begin(channel);
    case At::comes_back:
        // It was stopped when it was kept, and is so when it is there again.
        if (is_back() && ask("cont"))
            begin(channel);
        return;
    case At::begins:
        if (fs::exists(channel / guest::kBeat)) {
            line_.reset();
            at_ = At::runs;
        } else if (Clock::now() - woken_ > kAgain) {
            // A state that was given up stops the guest once more when QEMU ends it.
            (void)ask("cont");
            wake();
        }
        return;
    case At::runs:
        return;
    }
}

} // namespace dmarace::vm
