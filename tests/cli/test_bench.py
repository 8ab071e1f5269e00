# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/run's own parts. That its programs work is Meson's test `bench`."""

import os
import socket
import sys

from guestkit import BUILD, TOP

sys.path.append(os.path.join(TOP, "bench"))
# pylint: disable=wrong-import-position
from benchkit import devices


def test_devices_without_a_cache(tmp_path, monkeypatch):
    """In a fresh clone nothing has been downloaded, so the directory for that is not there."""
    monkeypatch.setattr(devices, "CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(devices, "DISK_MIB", 1)
    program = os.path.join(BUILD, "bench", "bench-guest")
    with devices.Devices(program, ["disk-read", "net-echo"]) as made:
        assert os.path.getsize(made.disk) == 1 << 20
        socket.create_connection(("127.0.0.1", made.port)).close()
    assert not os.path.exists(made.disk)
