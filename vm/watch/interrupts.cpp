// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/interrupts.hpp"

#include <signal.h>

namespace dmarace::vm {
namespace {

volatile sig_atomic_t asked = 0;

void on_signal(int) {
    asked = asked + 1;
}

void handle(void (*handler)(int), void (*pipe_handler)(int)) {
    struct sigaction action {};
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = pipe_handler;
    sigaction(SIGPIPE, &action, nullptr);
}

} // namespace

Interrupts::Interrupts() {
    asked = 0;
    handle(on_signal, SIG_IGN);
}

Interrupts::~Interrupts() {
    handle(SIG_DFL, SIG_DFL);
}

int Interrupts::count() {
    return asked;
}

} // namespace dmarace::vm
