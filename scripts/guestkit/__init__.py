# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts, the boot tests and the bench share: kernels, initramfs images, machines."""

import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(TOP, "scripts")
CACHE = os.environ.get("XENOLITH_CACHE", os.path.join(TOP, ".cache"))
BUILD = os.environ.get("XENOLITH_BUILD", os.path.join(TOP, "build"))
XM = os.environ.get("XM", os.path.join(BUILD, "xm"))


class GuestkitError(Exception):
    """A failure whose text is meant for the person at the terminal."""
