# SPDX-License-Identifier: GPL-2.0-or-later
"""A board that is freshly booted for each test, and dmarace's jobs on it."""
import re

import pytest
from pexpect import TIMEOUT


class BoardDied(Exception):
    """The board did not live to the end of the run; what it had told by then."""


class Race(AssertionError):
    """An iteration was not ok."""


class Board:
    PANIC = r"Kernel panic - not syncing[^\r\n]*"
    END = r"dmarace ended (\d+)\r\n"

    def __init__(self, console, prompt):
        self.console, self.prompt = console, prompt

    def run(self, job, *options, timeout=600, silence=180):
        """Runs a job, reads its KTAP as iterations end, and returns its test lines."""
        self.console.sendline(
            " ".join(["dmarace run", job, *options, "--ktap --timeout", f"{timeout}s;"])
            + " echo dmarace ended $?"
        )
        said, result = [], re.compile(r"(not )?ok \d+ ")
        while True:
            try:
                index, before, match, after = self.console.expect(
                    [self.PANIC, self.END, "\r\n"], timeout=silence
                )
            except TIMEOUT:
                index, after = 0, f"nothing was said for {silence} s".encode()
            if index == 2:
                said.append(before.decode(errors="replace"))
                continue
            tests = [line for line in said if result.match(line)]
            if index == 1:  # what is left unread would be read of the next boot
                self.console.expect(self.prompt)
            if index == 0:
                raise BoardDied("\n".join([after.decode(errors="replace"), "told by then:", *tests]))
            if int(match.group(1)) in (2, 3):
                raise RuntimeError("\n".join(said))
            if not tests or any(line.startswith("not ok") for line in tests):
                raise Race("\n".join(said))
            return tests


@pytest.fixture
def board(target):
    console = target.get_driver("QEMUDriver")
    console.on()
    shell = target.get_driver("ShellDriver")
    yield Board(console, shell.prompt)
    console.settle(1)  # QEMU waits for whoever reads its console, and would not hear of its end
    console.off()
    target.deactivate(console)
