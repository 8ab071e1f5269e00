# SPDX-License-Identifier: GPL-2.0-or-later
"""Time limits of tests are for programs as they are shipped, on a machine that is not busy.
XENOLITH_PATIENCE=N makes them N times as long: what a test gives to subprocess, pexpect and sockets,
and what it keeps itself by time.monotonic(), which goes slower. tests/sanitize sets it."""

import os
import socket
import subprocess
import time

PATIENCE = float(os.environ.get("XENOLITH_PATIENCE", "1"))


def _longer(function):
    """`function`, a method, with its argument `timeout` made longer."""
    def call(self, timeout=-1):
        return function(self, timeout * PATIENCE if timeout and timeout > 0 else timeout)
    return call


def stretch_limits():
    """For the rest of this process."""
    if PATIENCE == 1:
        return
    clock = time.monotonic
    time.monotonic = subprocess._time = lambda: clock() / PATIENCE  # pylint: disable=protected-access
    socket.socket.settimeout = _longer(socket.socket.settimeout)
    try:
        from pexpect.expect import Expecter  # pylint: disable=import-outside-toplevel
    except ImportError:
        return
    Expecter.expect_loop = _longer(Expecter.expect_loop)
