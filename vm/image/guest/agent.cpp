// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/files.hpp"
#include "vm/image/guest/frames.hpp"
#include "vm/image/guest/words.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace dmarace::guest {
namespace {

constexpr std::size_t kWindow = 12;  // lines the host has not confirmed
constexpr std::size_t kBytes = 1500; // of a file in one line
constexpr long kAgainMs = 1500;      // a line got lost: from the first one on again
constexpr int kTickMs = 20;
constexpr std::size_t kMostInput = 8192; // of a line of the host's that has no end

long now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

bool write_all(std::string_view text) {
    while (!text.empty()) {
        const ssize_t done = write(STDOUT_FILENO, text.data(), text.size());
        if (done > 0)
            text.remove_prefix(static_cast<std::size_t>(done));
        else if (errno != EINTR && errno != EAGAIN)
            return false;
    }
    return true;
}

std::string read_whole(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// A terminal that changes nothing and echoes nothing; as it was before, at the end.
class RawTerminal {
public:
    RawTerminal() : is_one_(tcgetattr(STDIN_FILENO, &before_) == 0) {
        termios raw = before_;
        cfmakeraw(&raw);
        raw.c_oflag |= OPOST | ONLCR;
        if (is_one_)
            tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    ~RawTerminal() {
        if (is_one_)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    termios before_{};
    bool is_one_;
};

// What of a file is on its way already.
struct Sent {
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    bool operator==(const Sent& other) const {
        return inode == other.inode && size == other.size &&
               changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
    }
};

class Mirror {
public:
    Mirror(std::string directory, int witness) : top_(std::move(directory)), witness_(witness) {
        scan("", [&](const std::string& name, const Sent& found) {
            if (!name.starts_with(kChannel)) // the host gave it
                sent_[name] = found;
        });
    }

    // False when the host has gone away.
    bool run(pid_t child) {
        while (alive_ && !(ended_ && told_all())) {
            listen();
            if (!ended_ && waitpid(child, nullptr, WNOHANG) == child)
                ended_ = true;
            send_news();
            send_again();
            answer_witness();
        }
        if (!ended_) { // what runs on alone is nobody's
            kill(child, SIGTERM);
            waitpid(child, nullptr, 0);
        }
        return alive_;
    }

private:
    template <class Each>
    void scan(const std::string& below, const Each& each) {
        DIR* open = opendir((top_ + "/" + below).c_str());
        if (open == nullptr)
            return;
        std::vector<std::string> names;
        while (const dirent* entry = readdir(open))
            names.emplace_back(entry->d_name);
        closedir(open);
        for (const std::string& name : names) {
            const std::string path = below.empty() ? name : below + "/" + name;
            struct stat found {};
            if (name == "." || name == ".." || lstat((top_ + "/" + path).c_str(), &found) != 0)
                continue;
            if (S_ISDIR(found.st_mode))
                scan(path, each);
            else if (S_ISREG(found.st_mode))
                each(path, Sent{found.st_ino, found.st_size, found.st_mtim});
        }
    }

    // What the run cannot do without goes first, and the exit code last.
    static int rank(const std::string& name) {
        if (name == channel_file(kExit))
            return 3;
        if (name.ends_with(run::files::kJournal))
            return 0;
        return name.starts_with(kChannel) ? 1 : 2;
    }

    static std::string channel_file(const char* name) { return std::string(kChannel) + "/" + name; }

    // Ours alone, or of no use to the host.
    static bool is_private(const std::string& name) {
        return name == channel_file(kArgv) || name == channel_file(kEnviron) ||
               name == channel_file(kModules) || name == channel_file(kInterrupt) ||
               name.ends_with(run::files::kReserve) || name.contains(' ');
    }

    void send_news() {
        std::map<std::pair<int, std::string>, Sent> news;
        scan("", [&](const std::string& name, const Sent& found) {
            const auto sent = sent_.find(name);
            if (!is_private(name) && (sent == sent_.end() || !(sent->second == found)))
                news[{rank(name), name}] = found;
        });
        for (const auto& [key, found] : news)
            if (!(key.first == 3 && (news.size() > 1 || !ended_)))
                send_file(key.second, found);
        all_on_its_way_ = news.empty() || std::all_of(news.begin(), news.end(), [&](auto& one) {
                              return sent_[one.first.second] == one.second;
                          });
    }

    // An appended file goes on where it was; any other one begins anew.
    void send_file(const std::string& name, const Sent& found) {
        Sent& sent = sent_[name];
        const bool small =
            rank(name) == 1 && name != channel_file(kStdout) && name != channel_file(kStderr);
        if (sent.inode != found.inode || found.size <= sent.size || small)
            sent = {found.inode, 0, {}};
        const int fd = open((top_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        std::string buffer(kBytes, '\0');
        while (waiting_.size() < kWindow) {
            const auto most = std::min<off_t>(found.size - sent.size, kBytes);
            const ssize_t got = pread(fd, buffer.data(), static_cast<std::size_t>(most), sent.size);
            if (got < 0 || (got == 0 && most > 0))
                break;
            send({++number_, name, static_cast<std::uint64_t>(sent.size),
                  buffer.substr(0, static_cast<std::size_t>(got))});
            sent.size += got;
            if (sent.size < found.size)
                continue;
            sent.changed = found.changed;
            break;
        }
        close(fd);
    }

    void send(const FilePart& part) {
        waiting_.push_back(to_line(part));
        alive_ = alive_ && write_all(waiting_.back());
        last_sent_ = now_ms();
    }

    void send_again() {
        if (waiting_.empty() || now_ms() - last_sent_ < kAgainMs)
            return;
        last_sent_ = now_ms();
        for (const std::string& line : waiting_)
            alive_ = alive_ && write_all("\n" + line); // what garbled the last one ends here
    }

    void listen() {
        pollfd waits[2]{{STDIN_FILENO, POLLIN, 0}, {witness_, POLLIN, 0}};
        if (poll(waits, witness_ < 0 ? 1 : 2, kTickMs) <= 0)
            return;
        if (waits[1].revents != 0)
            hear_program();
        if (waits[0].revents == 0)
            return;
        char buffer[1024];
        const ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            alive_ = false;
        for (ssize_t i = 0; i < got; ++i) {
            if (buffer[i] == '\n' || buffer[i] == '\r')
                hear(std::exchange(input_, {}));
            else if (input_.size() < kMostInput)
                input_ += buffer[i];
        }
    }

    void hear(const std::string& line) {
        std::istringstream words(line);
        std::string word;
        std::uint64_t number = 0;
        words >> word;
        if (word == kStop)
            close(open((top_ + "/" + channel_file(kInterrupt)).c_str(),
                       O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        if (word != kGot || !(words >> number) || number > number_)
            return;
        while (confirmed_ < number && !waiting_.empty()) {
            ++confirmed_;
            waiting_.pop_front();
        }
    }

    void hear_program() {
        char byte = 0;
        if (read(witness_, &byte, 1) <= 0) {
            witness_ = -1;
            return;
        }
        asked_ = true;
        asked_for_ = 0;
    }

    // All that was written before it asked is with the host.
    void answer_witness() {
        if (!asked_ || witness_ < 0)
            return;
        if (asked_for_ == 0 && all_on_its_way_)
            asked_for_ = number_;
        if (asked_for_ == 0 || confirmed_ < asked_for_)
            return;
        asked_ = false;
        if (write(witness_, "y", 1) < 0)
            witness_ = -1;
    }

    bool told_all() const { return all_on_its_way_ && waiting_.empty(); }

    std::string top_, input_;
    int witness_;
    bool alive_ = true, ended_ = false, all_on_its_way_ = false, asked_ = false;
    std::uint64_t number_ = 0, confirmed_ = 0, asked_for_ = 0;
    std::deque<std::string> waiting_;
    std::map<std::string, Sent> sent_;
    long last_sent_ = 0;
};

// The build id in the notes of a kernel or of a module, as digits; "" if there is none.
std::string build_id(const std::string& notes) {
    constexpr std::size_t kHeader = 12, kName = 4;
    std::uint32_t header[3];
    for (std::size_t at = 0; at + kHeader + kName <= notes.size();) {
        std::memcpy(header, notes.data() + at, kHeader);
        const std::size_t name = (header[0] + 3U) & ~3U, text = at + kHeader + name;
        if (header[2] == 3 && header[0] == kName && notes.compare(at + kHeader, 3, "GNU") == 0 &&
            text + header[1] <= notes.size()) {
            std::string digits;
            for (std::size_t i = text; i < text + header[1]; ++i)
                for (const unsigned half : {static_cast<unsigned char>(notes[i]) / 16U,
                                            static_cast<unsigned char>(notes[i]) % 16U})
                    digits += "0123456789abcdef"[half];
            return digits;
        }
        at = text + ((header[1] + 3U) & ~3U);
    }
    return {};
}

std::string module_ids() {
    std::string text;
    glob_t found{};
    if (glob("/sys/module/*/notes/.note.gnu.build-id", 0, nullptr, &found) == 0)
        for (std::size_t i = 0; i < found.gl_pathc; ++i) {
            std::string name = std::string(found.gl_pathv[i]).substr(std::strlen("/sys/module/"));
            name.resize(name.find('/'));
            text += "module " + name + " " + build_id(read_whole(found.gl_pathv[i])) + "\n";
        }
    globfree(&found);
    return text;
}

} // namespace

int mirror(const std::string& directory, pid_t child, int witness) {
    signal(SIGPIPE, SIG_IGN);
    const RawTerminal terminal;
    return Mirror(directory, witness).run(child) ? 0 : 1;
}

int identify() {
    utsname names{};
    uname(&names);
    std::string text = std::string("release ") + names.release + "\nmachine " + names.machine +
                       "\nkernel " + build_id(read_whole("/sys/kernel/notes")) + "\nboot " +
                       read_whole("/proc/sys/kernel/random/boot_id");
    const std::string stamp =
        read_whole(std::string("/lib/modules/") + names.release + "/" + kStamp);
    if (!stamp.empty())
        text += "stamp " + stamp;
    text += module_ids();
    return write_all("\n" + to_line({1, kIdentity, 0, text})) ? 0 : 1;
}

int receive(const std::string& file) {
    const RawTerminal terminal;
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    std::string line;
    std::uint64_t have = 0;
    char buffer[4096];
    for (ssize_t got; fd >= 0 && (got = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0;)
        for (ssize_t i = 0; i < got; ++i) {
            if (buffer[i] != '\n') {
                line += buffer[i];
                continue;
            }
            const auto part = read_part(std::exchange(line, {}));
            if (part && part->number == have + 1) {
                if (part->bytes.empty())
                    return close(fd) == 0 && write_all(std::string("\n") + kGot + " end\n") ? 0 : 1;
                const auto size = part->bytes.size();
                if (pwrite(fd, part->bytes.data(), size, static_cast<off_t>(part->offset)) !=
                    static_cast<ssize_t>(size))
                    return 1;
                have = part->number;
            }
            write_all(std::string("\n") + kGot + " " + std::to_string(have) + "\n");
        }
    return 1;
}

} // namespace dmarace::guest
