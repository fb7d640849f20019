// SPDX-License-Identifier: GPL-2.0-or-later
// What is on the desk around a board: programs that are talked to, its console, commands that
// are run while the console is listened to, and a shell on the board. Nothing here waits without
// a limit.
#pragma once

#include "base/process.hpp"
#include "vm/board/hardware.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dmarace::vm {

// A program with a terminal or a socket of ours as stdin and stdout.
class Talk {
public:
    enum class By { terminal, socket };
    // Its stderr is appended to 'errors', where that is a file; else it is where stdout is.
    static Result<Talk> start(const Words& words, By by, const std::filesystem::path& errors = {});

    int fd() const { return ours_.get(); }
    // What it has said since the last time.
    std::string take();
    Status send(std::string_view text);
    // Its exit code, once it has ended and all it said was taken.
    std::optional<int> ended();

private:
    Talk(UniqueFd ours, Process process, std::string name)
        : ours_(std::move(ours)), process_(std::move(process)), name_(std::move(name)) {}

    UniqueFd ours_;
    Process process_;
    std::string name_;
    bool silent_ = false; // nobody has the other end any more
};

// What comes from a console: kept in a file, and as text since the board was switched on.
// Lines that are parts of files go to whoever wants them, and are in neither.
class ConsoleText {
public:
    // Of a boot's text at most so many bytes are kept, from a point on the last half of them.
    explicit ConsoleText(std::filesystem::path log, std::size_t most = std::size_t{16} << 20)
        : log_(std::move(log)), most_(most) {}

    void add(std::string_view bytes);
    // From here on it is another boot.
    void begin() { drop(text_.size()); }
    const std::string& text() const { return text_; }
    // Where it ends now: a position that stays what it is, whatever is dropped before it.
    std::size_t end() const { return dropped_ + text_.size(); }
    // What was said behind a position, as far as it is kept.
    std::string_view since(std::size_t position) const {
        return std::string_view(text_).substr(
            std::min(std::max(position, dropped_) - dropped_, text_.size()));
    }
    // Also what of the last line is there.
    std::string tail(std::size_t most) const;
    void set_parts(std::function<void(std::string_view line)> parts) { parts_ = std::move(parts); }

private:
    void keep(std::string_view bytes);
    void drop(std::size_t bytes) {
        text_.erase(0, bytes);
        dropped_ += bytes;
    }

    std::filesystem::path log_;
    std::size_t most_, dropped_ = 0;
    std::string text_, line_;
    std::function<void(std::string_view)> parts_;
};

class Desk {
public:
    // log: where the console goes; scratch: a directory of ours.
    Desk(const Hardware& board, const std::filesystem::path& log, std::filesystem::path scratch)
        : board_(board), console_(log), scratch_(std::move(scratch)) {}

    // The console's program is started, or again when it has ended.
    Status open_console();
    // Listens so long to the console, and to one more descriptor if there is one.
    void listen(int timeout_ms, int other = -1);
    Status type(std::string_view text);
    ConsoleText& console() { return console_; }
    const ConsoleText& console() const { return console_; }

    struct Ended {
        int status = 0;
        std::string output;
    };
    // Runs a command of this host to its end. in: a file for its stdin, or "".
    // Fault::environment after the limit, os_error EINTR after ctrl-c.
    Result<Ended> run(const Words& words, std::chrono::seconds limit, const std::string& what,
                      const std::filesystem::path& in = {});
    // The same; what fails is an error.
    Status must(const Words& words, const std::string& what);

    const Hardware& board() const { return board_; }
    const std::filesystem::path& scratch() const { return scratch_; }

private:
    const Hardware& board_;
    ConsoleText console_;
    std::filesystem::path scratch_;
    std::optional<Talk> talk_;
    bool told_ = false; // that its program ends by itself
};

// Ctrl-C, as an error; nothing otherwise.
Status unless_interrupted();

// A shell on a board, over ssh or over its console alone: commands, files, and the agent that
// shows us what a run writes there.
class BoardShell {
public:
    virtual ~BoardShell() = default;

    // Whether one answers, within a few seconds. It may have to log in.
    virtual Result<bool> answers() = 0;
    // Why it did not answer the last time, where that was said; else "".
    virtual std::string why_not() const { return {}; }
    // One command of sh: what it printed, and its status. Fault::environment when the board
    // does not answer.
    virtual Result<Desk::Ended> run(const std::string& command, std::chrono::seconds limit) = 0;
    // A file of this host to the agent's directory; agent is the program there.
    virtual Status bring(const std::filesystem::path& file, const std::string& place,
                         const std::filesystem::path& agent) = 0;
    // A command that goes on; line is called with each line it prints while anybody listens.
    virtual Status begin(const std::string& command,
                         std::function<void(std::string_view line)> line) = 0;
    virtual Status send(std::string_view text) = 0;
    virtual void listen(int timeout_ms) = 0;
    // The status of what began, once the connection is closed; over a console, that there is a
    // prompt in its place.
    virtual std::optional<int> closed() = 0;
    virtual void end() = 0;
};

// Both live on the desk.
std::unique_ptr<BoardShell> ssh_shell(Desk& desk);
std::unique_ptr<BoardShell> console_shell(Desk& desk);

// The agent's place on the board.
std::string agent_there(const Hardware& board);

} // namespace dmarace::vm
