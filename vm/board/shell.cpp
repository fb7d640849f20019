// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "base/text.hpp"
#include "vm/board/desk.hpp"
#include "vm/image/guest/frames.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <cctype>

namespace dmarace::vm {
namespace fs = std::filesystem;

std::string agent_there(const Hardware& board) { return board.place + "/agent"; }

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kAnswer{10};
constexpr seconds kLong{300};
constexpr int kTickMs = 20;
constexpr int kNoConnection = 255; // of ssh

class SshShell final : public BoardShell {
public:
    explicit SshShell(Desk& desk) : desk_(desk) {}

    Result<bool> answers() override {
        const auto ran = desk_.run(words("true"), kAnswer, "ssh");
        if (!ran && ran.error().os_error == EINTR)
            return std::unexpected(ran.error());
        const bool answered = ran && ran->status == 0;
        why_not_ = answered ? "" : first_line(read_text(desk_.scratch() / "errors").value_or(""));
        return answered;
    }
    std::string why_not() const override { return why_not_; }

    Result<Desk::Ended> run(const std::string& command, seconds limit) override {
        return over(command, limit, {});
    }

    Status bring(const fs::path& file, const std::string& place, const fs::path& agent) override {
        (void)agent;
        TRY_AS(const auto ran, over("cat >" + place, kLong, file));
        return ran.status == 0 ? Status{}
                               : fail(Fault::environment,
                                      fmt::format("the board does not take {}: is there room for "
                                                  "it in {}?",
                                                  file.filename().string(), place));
    }

    Status begin(const std::string& command,
                 std::function<void(std::string_view line)> line) override {
        rest_.clear();
        line_ = std::move(line);
        auto talk = Talk::start(words("exec " + command), Talk::By::socket, errors());
        if (!talk)
            return std::unexpected(talk.error());
        talk_.emplace(*std::move(talk));
        return {};
    }

    Status send(std::string_view text) override { return talk_ ? talk_->send(text) : Status{}; }

    void listen(int timeout_ms) override {
        desk_.listen(timeout_ms, talk_ ? talk_->fd() : -1);
        if (!talk_)
            return;
        rest_ += talk_->take();
        for (std::size_t end; (end = rest_.find('\n')) != std::string::npos;) {
            line_(rest_.substr(0, end));
            rest_.erase(0, end + 1);
        }
    }

    std::optional<int> closed() override { return talk_ ? talk_->ended() : std::nullopt; }
    void end() override { talk_.reset(); }

private:
    // No question can be answered here, so none is asked; a board that went away is noticed.
    Words words(const std::string& command) const {
        Words all{"ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"};
        const Words& own = desk_.board().ssh;
        all.insert(all.end(), own.begin(), own.end());
        all.push_back(command);
        return all;
    }

    Result<Desk::Ended> over(const std::string& command, seconds limit, const fs::path& in) {
        TRY_AS(auto ran, desk_.run(words(command), limit, "ssh", in));
        if (ran.status == kNoConnection)
            return fail(Fault::environment,
                        "ssh: " + first_line(read_text(desk_.scratch() / "errors").value_or("")));
        return ran;
    }

    fs::path errors() const { return desk_.scratch() / "connection"; }

    Desk& desk_;
    std::optional<Talk> talk_;
    std::string rest_, why_not_;
    std::function<void(std::string_view)> line_;
};

// Without what a terminal is told: colours, a title, to say where its cursor is.
std::string without_escapes(std::string_view line) {
    std::string text;
    while (!line.empty()) {
        if (!line.starts_with("\033[") && !line.starts_with("\033]")) {
            text += line.front();
            line.remove_prefix(1);
            continue;
        }
        const bool title = line[1] == ']';
        line.remove_prefix(2);
        const auto end = std::ranges::find_if(line, [&](char letter) {
            return title ? letter == '\a' : letter >= '@' && letter <= '~';
        });
        line.remove_prefix(std::min<std::size_t>(line.size(), end - line.begin() + 1));
    }
    return text;
}

// Whether a line looks as a shell's that waits: "# ", "root@board:~$ ".
bool is_prompt(std::string_view line, const std::string& prompt) {
    if (!prompt.empty())
        return line.find(prompt) != std::string_view::npos;
    return (line.ends_with("# ") || line.ends_with("$ ")) && line.size() < 80 &&
           line.find("##") == std::string_view::npos;
}

class ConsoleShell final : public BoardShell {
public:
    explicit ConsoleShell(Desk& desk) : desk_(desk) {}

    // Nothing is typed before there is a prompt: a boot loader would take it for itself.
    Result<bool> answers() override {
        const Hardware& board = desk_.board();
        TRY(watch(kTickMs * 5));
        const std::string line = last_line();
        if (is_login(line) && !board.login.empty()) {
            TRY(answer(board.login));
            return false;
        }
        if (line.find("assword: ") != std::string::npos) {
            TRY(answer(board.password));
            return false;
        }
        if (desk_.console().end() + line.size() != seen_) {
            seen_ = desk_.console().end() + line.size();
            quiet_since_ = Clock::now();
        }
        if (!is_prompt(line, board.prompt)) {
            // What the kernel says may have come after it.
            if (Clock::now() - quiet_since_ < kQuiet)
                return false;
            quiet_since_ = Clock::now();
            TRY(desk_.type("\n"));
            return false;
        }
        const auto ran = run("stty -echo 2>/dev/null; true", kAnswer);
        if (!ran && ran.error().os_error == EINTR)
            return std::unexpected(ran.error());
        return ran && ran->status == 0;
    }

    // Between two marks; what the kernel says meanwhile is left out.
    Result<Desk::Ended> run(const std::string& command, seconds limit) override {
        const std::string mark = fmt::format("{}", ++marks_);
        const std::size_t from = desk_.console().end();
        TRY(desk_.type(fmt::format("echo '#begin'-{0}; {1}; echo '#end'-{0} $?\n", mark, command)));
        const std::string begin = "#begin-" + mark, end = "#end-" + mark + " ";
        const auto until = Clock::now() + limit;
        for (;;) {
            const std::string_view text = desk_.console().since(from);
            if (const auto over = text.rfind(end); over != std::string_view::npos)
                return answer_in(text, begin, over, end.size());
            if (Clock::now() > until)
                return fail(Fault::environment, "the console does not answer: " + command);
            TRY(watch(kTickMs));
        }
    }

    Status bring(const fs::path& file, const std::string& place, const fs::path& agent) override {
        const std::string there = agent_there(desk_.board());
        TRY_AS(const auto has, run("test -x " + there, kAnswer));
        if (has.status != 0)
            TRY(bring_by_shell(agent, there));
        return bring_by_agent(file, place);
    }

    Status begin(const std::string& command,
                 std::function<void(std::string_view line)> line) override {
        heard_ = false;
        desk_.console().set_parts([this, line = std::move(line)](std::string_view part) {
            heard_ = true;
            line(part);
        });
        return desk_.type(command + "\n");
    }

    Status send(std::string_view text) override { return desk_.type(text); }
    void listen(int timeout_ms) override { desk_.listen(timeout_ms); }
    // The prompt before it is there until it is heard of.
    std::optional<int> closed() override {
        const std::string line = last_line();
        return heard_ && (is_login(line) || is_prompt(line, desk_.board().prompt))
                   ? std::optional(0)
                   : std::nullopt;
    }
    void end() override {
        desk_.console().set_parts({});
        (void)desk_.type("stty echo\n");
    }

private:
    static constexpr seconds kQuiet{15}, kPatience{3}, kStuck{120};
    static constexpr std::size_t kLine = 700; // less than a terminal's line takes
    static constexpr std::size_t kPart = 1500, kWindow = 4;

    std::string last_line() const {
        const std::string tail = desk_.console().tail(400);
        return without_escapes(tail.substr(tail.find_last_of("\r\n") + 1));
    }
    static bool is_login(std::string_view line) { return line.find("ogin: ") != line.npos; }

    Status watch(int timeout_ms) {
        desk_.listen(timeout_ms);
        return unless_interrupted();
    }

    // What is asked again is answered once.
    Status answer(const std::string& text) {
        TRY(desk_.type(text + "\n"));
        for (int i = 0; i < 50; ++i)
            TRY(watch(kTickMs));
        return {};
    }

    static Result<Desk::Ended> answer_in(std::string_view text, const std::string& begin,
                                         std::size_t over, std::size_t length) {
        const auto start = text.find(begin);
        Desk::Ended ran;
        if (start != std::string_view::npos && start < over)
            for (const std::string& line :
                 lines_in(text.substr(start + begin.size(), over - start - begin.size())))
                if (!line.starts_with('[') && line.find("echo '#end'") == std::string::npos)
                    ran.output += line.substr(0, line.find('\r')) + "\n";
        ran.output.erase(0, ran.output.find_first_not_of('\n'));
        const std::string digits(text.substr(over + length, 3));
        if (digits.empty() || std::isdigit(static_cast<unsigned char>(digits[0])) == 0)
            return fail(Fault::environment, "the console's answer is garbled");
        ran.status = std::atoi(digits.c_str());
        return ran;
    }

    // All that is asked of the board is sh, base64 and gzip.
    Status bring_by_shell(const fs::path& file, const std::string& place) {
        const fs::path packed = desk_.scratch() / "packed.gz";
        TRY_AS(const auto gzip, run_checked({.argv = {"gzip", "-9", "-c", file}}, "gzip"));
        const std::string text = guest::to_base64(gzip);
        const std::string there = place + ".b64";
        TRY_AS(const auto begun,
               run("mkdir -p " + desk_.board().place + " && : >" + there, kAnswer));
        say("bringing {} KB over the console", text.size() / 1024);
        for (std::size_t at = 0; at < text.size() && begun.status == 0; at += kLine) {
            const std::string command = fmt::format("echo {} >>{}", text.substr(at, kLine), there);
            TRY_AS(const auto ran, run(command, kAnswer));
            if (ran.status != 0)
                return fail(Fault::environment, "no room on the board in " + place);
        }
        TRY_AS(const auto done,
               run(fmt::format("base64 -d {0} | gzip -dc >{1}.new && chmod +x {1}.new && mv "
                               "{1}.new {1} && rm {0}",
                               there, place),
                   seconds(60)));
        return done.status == 0 ? Status{}
                                : fail(Fault::environment,
                                       "what went over the console came out garbled, or the board "
                                       "has no base64 or gzip");
    }

    Status bring_by_agent(const fs::path& file, const std::string& place) {
        TRY_AS(const auto bytes, read_text(file));
        std::uint64_t have = 0, sent = 0;
        const std::uint64_t all = (bytes.size() + kPart - 1) / kPart + 1;
        bool ended = false;
        std::size_t heard = desk_.console().end();
        TRY(desk_.type(agent_there(desk_.board()) + " --receive " + place + "\n"));
        for (int i = 0; i < 10; ++i) // until its terminal is raw
            TRY(watch(kTickMs));
        // A slow board must not get it again and again: what is sent twice keeps it longer.
        auto patience = kPatience;
        for (auto moved = Clock::now(), answered = moved; !ended;) {
            if (sent < std::min(all, have + kWindow)) {
                const std::size_t at = sent * kPart;
                TRY(desk_.type(guest::to_line(
                    {++sent, "x", at, bytes.substr(std::min(at, bytes.size()), kPart)})));
                continue;
            }
            TRY(watch(kTickMs));
            const std::string_view text = desk_.console().since(heard); // whole lines
            for (const std::string& line : lines_in(text)) {
                const auto words = words_in(line);
                if (words.size() < 2 || words[0] != guest::kGot)
                    continue;
                ended = ended || words[1] == "end";
                answered = Clock::now();
                if (is_digits(words[1]) && std::stoull(words[1]) > have) {
                    have = std::stoull(words[1]);
                    moved = Clock::now();
                }
            }
            heard = desk_.console().end();
            if (Clock::now() - answered > patience && sent > have) {
                sent = have; // a line was garbled: again from there
                answered = Clock::now();
                patience *= 2;
            }
            if (Clock::now() - moved > kStuck)
                return fail(Fault::environment, "the board stopped taking files");
        }
        return {};
    }

    Desk& desk_;
    unsigned marks_ = 0;
    bool heard_ = false; // what was begun
    std::size_t seen_ = 0;
    Clock::time_point quiet_since_ = Clock::now();
};

} // namespace

std::unique_ptr<BoardShell> ssh_shell(Desk& desk) { return std::make_unique<SshShell>(desk); }
std::unique_ptr<BoardShell> console_shell(Desk& desk) {
    return std::make_unique<ConsoleShell>(desk);
}

} // namespace dmarace::vm
