# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts, the boot tests and the bench share: kernels, initramfs images, machines."""

import os
import signal
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(TOP, "scripts")
CACHE = os.environ.get("XENOLITH_CACHE", os.path.join(TOP, ".cache"))
BUILD = os.environ.get("XENOLITH_BUILD", os.path.join(TOP, "build"))
XM = os.environ.get("XM", os.path.join(BUILD, "xm"))


def end_by_signals():
    """A terminal that is closed, and a polite kill, end a script as Ctrl-C does: its guests and
    temporary files go with it."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda got, _: sys.exit(128 + got))


def qemu_form(form):
    """qemu-img's word for a format of disk images that has another one in configs."""
    return {"vhd": "vpc"}.get(form, form)


class GuestkitError(Exception):
    """A failure whose text is meant for the person at the terminal."""
