// SPDX-License-Identifier: GPL-2.0-or-later
// This file kills 'dmarace run' while the kernel holds one of its actors, and
// looks at what is left a second later:  killed_run DMARACE JOB
// Exit 0: no held task, no open gate, no rule, 'dmarace restore' puts the board
// back, and rmmod works; 1: else.
#include "client.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace kmod_test {
namespace {

constexpr int kBoundMs = 1000;

pid_t start(const char* program, const char* job) {
    return spawn([=] {
        ::execl(program, program, "run", job, "-n", "1", static_cast<char*>(nullptr));
        return 127;
    });
}

// 0 when everything that the killed run changed is as before.
int restore(const char* program) {
    return reap(spawn([=] {
                    ::execl(program, program, "restore", static_cast<char*>(nullptr));
                    return 127;
                }),
                120000);
}

// The control device is there once dmarace has loaded the module.
void wait_for_device(pid_t run) {
    const auto start = now_ms();
    while (::access("/dev/dmarace", F_OK) != 0) {
        expect(now_ms() - start < 60000, "no control device in a minute");
        expect(reap(run, 0) == -1, "dmarace ended before it loaded the module");
        sleep_ms(20);
    }
}

long long idle_after(Control& watch, std::uint64_t since) {
    for (;;) {
        watch.must("status");
        const auto status = watch.await("reply", {{"re", "status"}});
        if (!status.number("held") && status.get("gate") == "closed" && !status.number("rules"))
            return static_cast<long long>(now_ms() - since);
        expect(now_ms() - since < kBoundMs, "still after a second: " + status.text);
        sleep_ms(5);
    }
}

void killed_while_held(const char* program, const char* job) {
    const pid_t run = start(program, job);
    wait_for_device(run);
    {
        Control watch;
        watch.await("held", {}, 60000);
        const auto since = now_ms();
        ::kill(run, SIGKILL);
        // 'released' by the owner's end, or 'killed': an actor dies with its parent.
        const auto end = watch.await("end", {{"rule", "held"}}, kBoundMs);
        const auto took = idle_after(watch, since);
        std::printf("idle %lld ms after SIGKILL, the held task %s\n", took, end.get("how").c_str());
        expect(end.get("how") == "released" || end.get("how") == "killed", end.text);
        reap(run);
    }
    expect_equal(restore(program), 0, "dmarace restore");
    expect_equal(restore(program), 0, "dmarace restore, again");
    const auto since = now_ms();
    int error = unload_module("dmarace");
    for (; error != 0 && now_ms() - since < kBoundMs; sleep_ms(20))
        error = unload_module("dmarace");
    expect_equal(error, 0, "rmmod");
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: killed_run DMARACE JOB\n");
        return 2;
    }
    try {
        kmod_test::killed_while_held(argv[1], argv[2]);
    } catch (const std::exception& e) {
        std::printf("FAILED: %s\n", e.what());
        return 1;
    }
    return 0;
}
