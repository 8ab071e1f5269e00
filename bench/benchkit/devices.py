# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk and a network for the rows that measure them: one file and one server on the host, which
the host itself and all guests use by turns.

Guests get the file as their disk and reach the server through the network that needs no root:
passt under ours, QEMU's own under TCG. Or (--tap) through a tap device on a bridge, in a network
namespace in which the whole benchmark runs.
"""

import os
import re
import subprocess
import sys
import tempfile

from guestkit import CACHE, GuestkitError

DISK_MIB = 256
# What a machine needs to see the devices: modules, name of the disk, and how it finds the host.
KINDS = {
    "xm": (("xen-blkfront", "xen-netfront"), "/dev/xvda", ""),
    "qemu": (("virtio_pci", "virtio_blk", "virtio_net"), "/dev/vda", "10.0.2.2"),
    "hvm": (("virtio_pci", "virtio_blk", "virtio_net"), "/dev/vda", ""),
}
TAP_HOST, TAP_GUEST = "10.9.9.1", "10.9.9.2"
# Set in the namespace that enter_namespace() has made.
IN_NAMESPACE = "BENCH_IN_NAMESPACE"
SETUP_DISK = r"""
for module in @MODULES@; do modprobe $module; done 2>/dev/null
n=0; while [ ! -b @DISK@ ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
export BENCH_DISK=@DISK@ BENCH_NET=@HOST@:@PORT@
"""
SETUP_TAP = r"""
ip addr add @GUEST@/24 dev eth0; ip link set eth0 up
n=0; until ping -c 1 -W 1 @HOST@ >/dev/null 2>&1 || [ $n = 20 ]; do n=$((n + 1)); done
"""
SETUP_USER = r"""
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
[ -n "@HOST@" ] || export BENCH_NET=$(cat /tmp/gateway):@PORT@
"""


def wanted(rows):
    return any(row.startswith(("disk-", "net-")) for row in rows)


def enter_namespace():
    """Go on as the same program in a network namespace with a bridge."""
    if IN_NAMESPACE in os.environ:
        return
    words = ["sh", "-ec", f"ip link set lo up; ip link add br0 type bridge; ip link set br0 up; "
             f"ip addr add {TAP_HOST}/24 dev br0; exec \"$@\"", "sh", sys.executable, *sys.argv]
    os.execvpe("unshare", ["unshare", "--net", *words], {**os.environ, IN_NAMESPACE: "1"})


class Devices:
    """Nothing unless `rows` need it; ends with its `with` block."""

    def __init__(self, program, rows, tap=False):
        self._program, self._rows, self._tap = program, rows, tap
        self._host = TAP_HOST if tap else "127.0.0.1"
        self._server = self._directory = None
        self.disk = self.port = None

    def __enter__(self):
        if wanted(self._rows):
            os.makedirs(CACHE, exist_ok=True)
            self._directory = tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-")
            self.disk = os.path.join(self._directory.name, "disk.img")
            with open(self.disk, "wb") as stream:
                for _ in range(DISK_MIB):
                    stream.write(os.urandom(1 << 20))
            self._server = subprocess.Popen([self._program, "--serve", self._host],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            text=True)
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
        if not self.disk:
            return {}
        return {"BENCH_DISK": self.disk, "BENCH_NET": f"{self._host}:{self.port}"}

    def machine(self, kind):
        """Options of a Machine that is to have the devices."""
        if not self.disk:
            return {}
        if self._tap and kind != "xm":
            raise GuestkitError("--tap is for our own paravirtualized guest")
        if kind == "xm":
            vif = "" if self._tap else "type=user"
            return {"config": f"disk = ['file:{self.disk},xvda,w']\nvif = ['{vif}']\n"}
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
        words = {"MODULES": " ".join(modules), "DISK": disk, "PORT": str(self.port),
                 "HOST": TAP_HOST if self._tap else host, "GUEST": TAP_GUEST}
        return re.sub("@([A-Z]+)@", lambda found: words[found.group(1)],
                      SETUP_DISK + (SETUP_TAP if self._tap else SETUP_USER))
