// SPDX-License-Identifier: GPL-2.0-or-later
// Process 1 of a virtual board: mounts, loads the board's modules, runs one
// program with its output in the directory shared with the host, tells the
// host how it ended, and powers off. Linked statically, started by nobody's
// shell, so all it needs is in the initramfs.
//
// With --service it does the same for a board whose process 1 is systemd: the
// modules are udev's business there, argv and environ are in the channel, and a
// SIGTERM (the board reboots) ends it without an exit code.
//
// With --mirror DIR it is a guest of a board that is none of ours: it does the same below
// DIR, and shows the directory on its stdout (frames.hpp), whose other two ways in are
// --identify and --receive FILE.
//
// With --second-stage SCRIPT [ARGUMENT..] it is that program itself, and finishes a root
// file system where its programs run: finds the disk that debootstrap has unpacked it to,
// and runs the script in there. Its exit code is the script's; 125: no such disk.
#include "run/files.hpp"
#include "vm/image/guest/frames.hpp"
#include "vm/image/guest/words.hpp"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace dmarace::guest;

[[noreturn]] void power_off() {
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

// Nobody can be told through the share yet: the console is all there is.
[[noreturn]] void cannot_start(const std::string& why) {
    const std::string line = kCannotStart + why + "\n";
    if (getpid() != 1) { // somebody is there to hear it
        std::fputs(line.c_str(), stderr);
        std::exit(1);
    }
    for (const char* path : {"/dev/console", "/dev/kmsg"}) {
        const int fd = open(path, O_WRONLY);
        if (fd >= 0 && write(fd, line.data(), line.size()) > 0) {
            close(fd);
            break;
        }
    }
    sleep(1);
    power_off();
}

void mount_or_stop(const char* type, const char* target, const char* source, const char* options) {
    mkdir(target, 0755);
    if (mount(source, target, type, 0, options) != 0)
        cannot_start(std::string("mount ") + type + " on " + target + ": " + std::strerror(errno));
}

void mount_kernel_views() {
    mount_or_stop("proc", "/proc", "proc", nullptr);
    mount_or_stop("sysfs", "/sys", "sysfs", nullptr);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, nullptr) != 0 && errno != EBUSY)
        cannot_start(std::string("mount devtmpfs: ") + std::strerror(errno));
    mount_or_stop("tmpfs", "/run", "tmpfs", "mode=0755");
    mount_or_stop("tmpfs", "/tmp", "tmpfs", "mode=1777");
    // Kernels without these still run; who needs them says so.
    mount("debugfs", "/sys/kernel/debug", "debugfs", 0, nullptr);
    mount("securityfs", "/sys/kernel/security", "securityfs", 0, nullptr);
    mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr);
}

std::string in_etc(const char* name) { return std::string(kEtc) + "/" + name; }

std::vector<std::string> read_list(const std::string& path, char separator) {
    std::ifstream in(path, std::ios::binary);
    std::vector<std::string> words;
    std::string word;
    while (std::getline(in, word, separator))
        words.push_back(word);
    return words;
}

void load_modules(const std::string& list) {
    for (const std::string& line : read_list(list, '\n')) {
        const auto space = std::min(line.find(' '), line.size());
        const std::string path = line.substr(0, space);
        const std::string parameters = line.substr(std::min(space + 1, line.size()));
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            cannot_start(path + ": " + std::strerror(errno));
        if (syscall(SYS_finit_module, fd, parameters.c_str(), 0) != 0 && errno != EEXIST)
            cannot_start("load " + path + ": " + std::strerror(errno));
        close(fd);
    }
}

// The 9p device sits outside the IOMMU under test, and may be probed a little
// after its driver is there.
void mount_share() {
    mkdir(kShare, 0755);
    int error = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
        if (mount("out", kShare, "9p", 0, "trans=virtio,version=9p2000.L,cache=none,msize=65536") ==
            0)
            return;
        error = errno;
        if (error == ENODEV)
            cannot_start("this kernel cannot mount the shared directory: it needs CONFIG_9P_FS "
                         "and CONFIG_NET_9P_VIRTIO");
        usleep(100000);
    }
    cannot_start(std::string("mount of the shared directory: ") + std::strerror(error) +
                 " (it needs CONFIG_NET_9P_VIRTIO, and CONFIG_VIRTIO_MMIO or, on a PC, "
                 "CONFIG_VIRTIO_PCI)");
}

// What a power cut leaves unfinished the file system's journal puts right here.
void mount_data() {
    const auto device = read_list(in_etc(kDevice), '\n');
    if (device.empty())
        return;
    mkdir(kData, 0755);
    for (int attempt = 0; access(device[0].c_str(), F_OK) != 0; ++attempt) {
        if (attempt == 100)
            cannot_start(device[0] + " does not appear");
        usleep(100000);
    }
    mount_or_stop("ext4", kData, device[0].c_str(), nullptr);
}

std::string share = kShare;

std::string channel() { return share + "/" + kChannel; }

std::string channel(const char* name) { return channel() + "/" + name; }

void write_channel(const char* name, const std::string& text) {
    const int fd = open(channel(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return;
    if (write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()))
        fsync(fd);
    close(fd);
}

void redirect(const char* name, int target) {
    const int fd = open(channel(name).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0)
        dup2(fd, target);
    close(fd);
}

// Here the host may keep the guest, and here another life of it may begin: nothing is held
// of the host, neither the share nor a file in it.
void stand() {
    termios plain{};
    if (tcgetattr(STDIN_FILENO, &plain) == 0) {
        plain.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &plain);
    }
    const std::string line = std::string(kStands) + "\n";
    pollfd word{STDIN_FILENO, POLLIN, 0};
    do { // the kernel may have written into the line
        if (write(STDOUT_FILENO, line.data(), line.size()) < 0)
            cannot_start(std::string("console: ") + std::strerror(errno));
    } while (poll(&word, 1, 1000) <= 0);
    tcflush(STDIN_FILENO, TCIFLUSH);
}

// Without it every life would draw from the pool what the one before it drew.
void add_entropy(const std::string& hex) {
    std::vector<unsigned char> bytes;
    for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
        bytes.push_back(
            static_cast<unsigned char>(std::strtoul(hex.substr(at, 2).c_str(), nullptr, 16)));
    // The kernel's rand_pool_info: two numbers, and the bytes behind them.
    const int counts[2] = {static_cast<int>(8 * bytes.size()), static_cast<int>(bytes.size())};
    const auto* head = reinterpret_cast<const unsigned char*>(counts);
    bytes.insert(bytes.begin(), head, head + sizeof(counts));
    const int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, RNDADDENTROPY, bytes.data()) != 0)
        cannot_start(std::string("entropy of a life of its own: ") + std::strerror(errno));
    ioctl(fd, RNDRESEEDCRNG); // kernels that have it would draw from the old one for minutes
    close(fd);
}

void begin_life() {
    const auto life = read_list(channel(kLife), '\n');
    if (life.size() < 2)
        cannot_start("the host does not tell the time");
    constexpr long long kSecond = 1'000'000'000;
    const long long now = std::strtoll(life[0].c_str(), nullptr, 10);
    const timespec time{static_cast<time_t>(now / kSecond), static_cast<long>(now % kSecond)};
    clock_settime(CLOCK_REALTIME, &time);
    add_entropy(life[1]);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> list;
    for (std::string& word : words)
        list.push_back(word.data());
    list.push_back(nullptr);
    return list;
}

// more: one more word of its environment, or "".
pid_t start_program(const std::string& where, const std::string& more = "") {
    auto argv_words = read_list(where + "/" + kArgv, '\0');
    auto environ_words = read_list(where + "/" + kEnviron, '\0');
    if (!more.empty())
        environ_words.push_back(more);
    if (argv_words.empty())
        cannot_start("no program named");
    const pid_t pid = fork();
    if (pid != 0)
        return pid;
    setsid();
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    redirect(kStdout, STDOUT_FILENO);
    redirect(kStderr, STDERR_FILENO);
    if (chdir("/tmp") != 0)
        _exit(126);
    execve(argv_words[0].c_str(), pointers(argv_words).data(), pointers(environ_words).data());
    dprintf(STDERR_FILENO, "%s: %s\n", argv_words[0].c_str(), std::strerror(errno));
    _exit(127);
}

constexpr const char* kEarly = "/run/early"; // what is said before there is a share

// The program of a guest that may be kept: on, up to where it stands.
class StandingProgram {
public:
    StandingProgram() {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
            cannot_start(std::string("socketpair: ") + std::strerror(errno));
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        mkdir(kEarly, 0755);
        share = kEarly;
        mkdir(channel().c_str(), 0755);
        pid_ =
            start_program(kEtc, std::string(dmarace::run::kStand) + "=" + std::to_string(ends[1]));
        share = kShare;
        close(ends[1]);
        line_ = ends[0];
        char stands = 0; // or the end of one that does not come so far
        while (read(line_, &stands, 1) < 0 && errno == EINTR) {
        }
    }

    // What it has said, and may know from now on.
    pid_t begin() const {
        std::string life = read_whole(channel(kEnviron));
        for (const auto& [name, key] : {std::pair{kStdout, dmarace::run::kStdout},
                                        std::pair{kStderr, dmarace::run::kStderr}}) {
            write_channel(name, read_whole(std::string(kEarly) + "/" + kChannel + "/" + name));
            life += std::string(key) + "=" + channel(name) + '\0';
        }
        send(line_, life.data(), life.size(), MSG_NOSIGNAL);
        close(line_);
        return pid_;
    }

private:
    static std::string read_whole(const std::string& file) {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    pid_t pid_ = -1;
    int line_ = -1;
};

volatile sig_atomic_t told_to_end = 0;

void note_end(int) { told_to_end = 1; }

// Beats once a second until the program ends, passes an interrupt on, and
// reaps what is orphaned. Returns the program's exit code, or -1 when we were
// told to end before it did.
int supervise(pid_t program) {
    bool interrupted = false;
    timespec last{};
    for (unsigned beat = 0;;) {
        if (told_to_end != 0)
            return -1;
        int status = 0;
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == program)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec != last.tv_sec) {
            last = now;
            write_channel(kBeat, std::to_string(++beat) + "\n");
            if (!interrupted && access(channel(kInterrupt).c_str(), F_OK) == 0) {
                interrupted = true;
                kill(program, SIGINT);
            }
        }
        usleep(5000);
    }
}

double now_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The status and how many seconds the program took.
void tell_end(int status, double start) {
    write_channel(kExit,
                  std::to_string(status) + " " + std::to_string(now_seconds() - start) + "\n");
}

int serve() {
    signal(SIGTERM, note_end);
    mount_share();
    write_channel(kBeat, "0\n");
    const double start = now_seconds();
    const pid_t program = start_program(channel());
    const int status = program < 0 ? 126 : supervise(program);
    if (status < 0)
        return 0;
    sync(); // the host counts the seconds from the telling on
    tell_end(status, start);
    power_off();
}

// The program's supervisor, apart from who shows what it does: on a slow console that one
// may wait. Ends with it, and not before the program has.
[[noreturn]] void supervise_apart(int witness) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGTERM, note_end);
    setsid();
    load_modules(channel(kModules));
    write_channel(kBeat, "0\n");
    const double start = now_seconds();
    const pid_t program = start_program(channel(), std::string(dmarace::run::kWitness) + "=" +
                                                       std::to_string(witness));
    close(witness);
    const int status = program < 0 ? 126 : supervise(program);
    if (status < 0) { // nobody listens any more: it is to restore
        kill(program, SIGINT);
        waitpid(program, nullptr, 0);
        _exit(1);
    }
    sync();
    tell_end(status, start);
    _exit(0);
}

int show(const std::string& directory) {
    share = directory;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        cannot_start(std::string("socketpair: ") + std::strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        close(STDOUT_FILENO);
        open("/dev/null", O_WRONLY);
        supervise_apart(ends[1]);
    }
    close(ends[1]);
    return mirror(directory, child, ends[0]);
}

constexpr const char* kRoot = "/tmp/root";
constexpr int kNoDisk = 125;

bool is_ours(const char* disk) {
    if (mount(disk, kRoot, "ext4", 0, nullptr) != 0)
        return false;
    if (access((std::string(kRoot) + "/debootstrap/debootstrap").c_str(), X_OK) == 0)
        return true;
    umount(kRoot);
    return false;
}

bool find_and_mount() {
    mkdir(kRoot, 0755);
    for (int attempt = 0; attempt < 300; ++attempt) {
        glob_t disks{};
        glob("/dev/nvme*n1", 0, nullptr, &disks);
        glob("/dev/vd?", GLOB_APPEND, nullptr, &disks);
        for (std::size_t i = 0; i < disks.gl_pathc; ++i)
            if (is_ours(disks.gl_pathv[i]))
                return true;
        globfree(&disks);
        usleep(100000);
    }
    return false;
}

bool enter() {
    for (const auto& [type, place] :
         {std::pair{"proc", "/proc"}, std::pair{"sysfs", "/sys"}, std::pair{"devtmpfs", "/dev"}})
        if (mount(type, (std::string(kRoot) + place).c_str(), type, 0, nullptr) != 0)
            return false;
    return chroot(kRoot) == 0 && chdir("/") == 0;
}

int second_stage(char** script) {
    if (!find_and_mount()) {
        std::fputs("no disk of the board holds what debootstrap unpacked\n", stderr);
        return kNoDisk;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        if (enter())
            execv(script[0], script);
        std::fprintf(stderr, "%s: %s\n", script[0], std::strerror(errno));
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return kNoDisk;
    for (const char* place : {"/proc", "/sys", "/dev", ""})
        umount2((std::string(kRoot) + place).c_str(), MNT_DETACH);
    sync();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 2 && std::strcmp(argv[1], "--second-stage") == 0)
        return second_stage(argv + 2);
    if (argc == 2 && std::strcmp(argv[1], "--service") == 0)
        return serve();
    if (argc == 2 && std::strcmp(argv[1], "--identify") == 0)
        return identify();
    if (argc == 3 && std::strcmp(argv[1], "--receive") == 0)
        return receive(argv[2]);
    if (argc == 3 && std::strcmp(argv[1], "--mirror") == 0)
        return show(argv[2]);
    if (getpid() != 1) {
        std::fputs("dmarace-vm-init is process 1 of a virtual board; dmarace-vm starts it\n",
                   stderr);
        return 2;
    }
    mount_kernel_views();
    load_modules(in_etc(kTransport));
    const bool warm = access(in_etc(kWarm).c_str(), F_OK) == 0;
    if (!warm)
        mount_share();
    load_modules(in_etc(kModules)); // belongs to the boot: no beat before it
    mount_data();
    mount("pstore", "/sys/fs/pstore", "pstore", 0, nullptr); // once its backend is there
    std::optional<StandingProgram> standing;
    if (access(in_etc(kStanding).c_str(), F_OK) == 0)
        standing.emplace();
    if (warm) {
        stand();
        mount_share();
        begin_life();
    }
    mkdir(channel().c_str(), 0755);
    write_channel(kBeat, "0\n");
    const double start = now_seconds();
    const pid_t program = standing ? standing->begin() : start_program(warm ? channel() : kEtc);
    if (program < 0)
        cannot_start(std::string("fork: ") + std::strerror(errno));
    const int status = supervise(program);
    tell_end(status, start);
    power_off();
}
