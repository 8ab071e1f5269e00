# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk and a network for the rows that measure them: one file and one server on the host, which
the host itself and all guests use by turns.

Guests get the file as their disk and reach the server through the network that needs no root:
passt under ours, QEMU's own under TCG.
"""

import os
import re
import subprocess
import tempfile

from guestkit import CACHE, GuestkitError

DISK_MIB = 256
# What a machine needs to see the devices: modules, name of the disk, and how it finds the host.
KINDS = {
    "xm": (("xen-blkfront", "xen-netfront"), "/dev/xvda", ""),
    "qemu": (("virtio_pci", "virtio_blk", "virtio_net"), "/dev/vda", "10.0.2.2"),
    "hvm": (("virtio_pci", "virtio_blk", "virtio_net"), "/dev/vda", ""),
}
SETUP = r"""
for module in @MODULES@; do modprobe $module; done 2>/dev/null
n=0; while [ ! -b @DISK@ ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
cat >/tmp/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${mask:-24} dev $interface
ip route add default via $router
[ -z "$mtu" ] || ip link set $interface mtu $mtu
echo $router >/tmp/gateway
END
chmod +x /tmp/lease
ip link set eth0 up
udhcpc -i eth0 -n -q -t 10 -O mtu -s /tmp/lease >/dev/null 2>&1
host=@HOST@; [ -n "$host" ] || host=$(cat /tmp/gateway)
export BENCH_DISK=@DISK@ BENCH_NET=$host:@PORT@
"""


def wanted(rows):
    return any(row.startswith(("disk-", "net-")) for row in rows)


class Devices:
    """Nothing unless `rows` need it; ends with its `with` block."""

    def __init__(self, program, rows):
        self._program, self._rows = program, rows
        self._server = self._directory = None
        self.disk = self.port = None

    def __enter__(self):
        if wanted(self._rows):
            self._directory = tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-")
            self.disk = os.path.join(self._directory.name, "disk.img")
            with open(self.disk, "wb") as stream:
                for _ in range(DISK_MIB):
                    stream.write(os.urandom(1 << 20))
            self._server = subprocess.Popen([self._program, "--serve"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, text=True)
            self.port = int(self._server.stdout.readline())
        return self

    def __exit__(self, *unused):
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server.stdout.close()
            self._directory.cleanup()

    def forget(self):
        """What one peer has read or written shall not be in memory for the next."""
        if not self.disk:
            return
        with open(self.disk, "r+b") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def environment(self):
        """For the program on the host."""
        return {"BENCH_DISK": self.disk, "BENCH_NET": f"127.0.0.1:{self.port}"} if self.disk else {}

    def machine(self, kind):
        """Options of a Machine that is to have the devices."""
        if not self.disk:
            return {}
        if kind == "xm":
            return {"config": f"disk = ['file:{self.disk},xvda,w']\nvif = ['type=user']\n"}
        if kind == "hvm":
            return {"config": f"disk = ['file:{self.disk},xvde,w']\n"
                              "vif = ['type=user, model=virtio']\n"}
        return {"qemu_args": ["-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback",
                              "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"]}

    def modules(self, kind):
        return KINDS[kind][0] if self.disk else ()

    def setup(self, kind, kernel_dir):
        """Shell text before the program in a guest."""
        if not self.disk:
            return ""
        if not kernel_dir:
            raise GuestkitError("rows of disk and network need a kernel series, not an image")
        modules, disk, host = KINDS[kind]
        words = {"MODULES": " ".join(modules), "DISK": disk, "HOST": host, "PORT": str(self.port)}
        return re.sub("@([A-Z]+)@", lambda found: words[found.group(1)], SETUP)
