// SPDX-License-Identifier: GPL-2.0-or-later
// Finishes a root file system inside a guest, where arm64 programs run: finds
// the disk that debootstrap has unpacked it to, and runs a script in there.
//   dmarace-vm-second-stage SCRIPT [ARGUMENT..]
// Its exit code is the script's; 125: no such disk. Linked statically.
#include <glob.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

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

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: dmarace-vm-second-stage SCRIPT [ARGUMENT..]\n", stderr);
        return 2;
    }
    if (!find_and_mount()) {
        std::fputs("no disk of the board holds what debootstrap unpacked\n", stderr);
        return kNoDisk;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        if (enter())
            execv(argv[1], argv + 1);
        std::fprintf(stderr, "%s: %s\n", argv[1], std::strerror(errno));
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
