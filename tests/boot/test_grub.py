# SPDX-License-Identifier: GPL-2.0-or-later
"""GRUB as a PV guest (Debian's grub-xen-bin): a kernel at low addresses, which polls."""

import os
import sys

import pexpect
import pytest

GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin"


@pytest.mark.skipif(not os.path.exists(GRUB), reason="grub-xen-host is not installed")
def test_grub_shell(xm):
    child = pexpect.spawn(xm, ["create", "-c", "/dev/null", f"name=grub-{os.getpid()}",
                               f"kernel={GRUB}", "memory=128"],
                          timeout=60, encoding="utf-8", codec_errors="replace")
    child.logfile_read = sys.stdout
    child.expect("grub> ")
    child.send("echo this is ${grub_cpu}-${grub_platform}\r")
    child.expect("this is x86_64-xen")
    child.expect("grub> ")
    child.send("halt\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
