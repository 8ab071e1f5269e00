# SPDX-License-Identifier: GPL-2.0-or-later
"""Core files: what xm dump-core and on_crash write is read back as crash(8) would, down to the
guest's own words through its own page tables."""

import array
import glob
import json
import os
import socket
import struct
import subprocess

import pytest

from conftest import MACHINE
from test_resources import exists, shell, wait_for  # noqa: F401, pylint: disable=unused-import

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm itself")
PAGE = 4096
CONTEXT = 5168  # vcpu_guest_context
PRESENT = 1


class Core:
    """An ELF core of Xen's dump-core."""

    def __init__(self, path):
        self.file = open(path, "rb")  # pylint: disable=consider-using-with
        header = self.read(0, 64)
        assert header[:7] == b"\x7fELF\x02\x01\x01"
        self.type, self.machine = struct.unpack_from("<HH", header, 16)
        start, = struct.unpack_from("<Q", header, 40)
        size, count, names = struct.unpack_from("<HHH", header, 58)
        heads = [struct.unpack_from("<IIQQQQIIQQ", self.read(start + i * size, size))
                 for i in range(count)]
        text = self.read(heads[names][4], heads[names][5])
        self.sections = {text[h[0]:text.index(0, h[0])].decode(): h for h in heads}
        self.frames = {}
        p2m = self.section(".xen_p2m")
        for i in range(len(p2m) // 16):
            _, mfn = struct.unpack_from("<QQ", p2m, i * 16)
            self.frames[mfn] = i

    def read(self, at, size):
        self.file.seek(at)
        return self.file.read(size)

    def section(self, name):
        head = self.sections[name]
        return self.read(head[4], head[5])

    def notes(self):
        data, at, found = self.section(".note.Xen"), 0, {}
        while at < len(data):
            names, size, kind = struct.unpack_from("<III", data, at)
            assert data[at + 12:at + 12 + names] == b"Xen\0"
            found[kind] = data[at + 16:at + 16 + size]
            at += 16 + size
        return found

    def page(self, mfn):
        return self.read(self.sections[".xen_pages"][4] + self.frames[mfn] * PAGE, PAGE)

    def context(self, number):
        return self.section(".xen_prstatus")[number * CONTEXT:][:CONTEXT]

    def vcpu(self, number):
        """flags, rip, rsp, cr3 of a vCPU."""
        data = self.context(number)
        return (struct.unpack_from("<Q", data, 0x200)[0],
                struct.unpack_from("<Q", data, 0x208 + 128)[0],
                struct.unpack_from("<Q", data, 0x208 + 152)[0],
                struct.unpack_from("<Q", data, 0x1378 + 24)[0])

    def virtual(self, cr3, address, size):
        """Bytes within one page, by the guest's page tables."""
        mfn = cr3 // PAGE
        for shift in (39, 30, 21, 12):
            entry, = struct.unpack_from("<Q", self.page(mfn), (address >> shift & 511) * 8)
            assert entry & PRESENT, f"{address:#x} is not mapped"
            mfn = entry >> 12 & 0xffffffffff
        return self.page(mfn)[address % PAGE:address % PAGE + size]


def check(path, vcpus, pages, banner):
    core = Core(path)
    assert (core.type, core.machine) == (4, 62)
    assert list(core.sections) == ["", ".shstrtab", ".note.Xen", ".xen_prstatus",
                                   ".xen_shared_info", ".xen_p2m", ".xen_pages"]
    notes = core.notes()
    assert notes[0x2000000] == b""
    assert struct.unpack("<QQQQ", notes[0x2000001]) == (0xf00febed, vcpus, pages, PAGE)
    assert struct.unpack_from("<QQ16s", notes[0x2000002])[:2] == (4, 17)
    assert struct.unpack("<Q", notes[0x2000003]) == (1,)
    assert len(core.section(".xen_prstatus")) == vcpus * CONTEXT
    assert len(core.frames) == pages
    for number in range(vcpus):
        flags, rip, rsp, cr3 = core.vcpu(number)
        if flags & 4:  # in the kernel
            assert rip > 1 << 63 and rsp > 1 << 63
        assert core.virtual(cr3, banner, 14) == b"Linux version "
    return core


def banner_of(guest):
    return int(guest.do("grep ' [rRdD] linux_banner$' /proc/kallsyms").split()[0], 16)


def has_text(path, text):
    with open(path, "rb") as stream:
        return text.encode() in stream.read()


@pytest.mark.parametrize("vcpus", [1, 2])
def test_dump_core(shell, tmp_path, vcpus):  # noqa: F811
    guest = shell(vcpus=vcpus)
    path = str(tmp_path / "core")
    guest.do("echo token-$((7654321 * 2)) >/tmp/token; (while :; do :; done) & true")
    banner = banner_of(guest)
    assert guest.xm_call("dump-core", path) == f"Dumping core of domain: {guest.name} ...\n"
    check(path, vcpus, 128 * 256, banner)
    assert has_text(path, "token-15308642")
    assert os.stat(path).st_blocks * 512 < 100 << 20  # what is empty takes no room
    assert guest.info()["state"] in ("r-----", "-b----")
    guest.xm_call("dump-core", "--live", path)
    check(path, vcpus, 128 * 256, banner)
    assert guest.do("echo $((6 * 7))") == "42"
    # A paused domain stays so.
    guest.xm_call("pause")
    guest.xm_call("dump-core", path)
    assert guest.info()["state"] == "--p---"
    guest.xm_call("unpause")
    readelf = subprocess.run(["readelf", "-hS", path], capture_output=True, text=True, check=True)
    assert not readelf.stderr
    # In its place nothing is left of a file that cannot be written.
    assert "cannot write" in guest.xm_call("dump-core", "/nowhere/core", status=1)
    guest.xm_call("dump-core", "-C", path)
    check(path, vcpus, 128 * 256, banner)
    wait_for(lambda: not exists(guest))


def test_ballooned(shell, tmp_path):  # noqa: F811
    guest = shell(memory=256)
    banner = banner_of(guest)
    guest.xm_call("mem-set", "160")
    wait_for(lambda: guest.info()["memory"] == 160)
    check_path = str(tmp_path / "core")
    guest.xm_call("dump-core", check_path)
    check(check_path, 1, 160 * 256, banner)


def test_dump_and_reset(shell, tmp_path):  # noqa: F811
    guest = shell()
    banner = banner_of(guest)
    assert "-C and -R" in guest.xm_call("dump-core", "-C", "-R", status=1)
    guest.xm_call("dump-core", "-R", str(tmp_path / "core"))
    check(str(tmp_path / "core"), 1, 128 * 256, banner)
    guest.ready()
    assert guest.info()["restarts"] == 1


def dump_files(guest, run_dir):
    return glob.glob(os.path.join(run_dir, "state", "dump", f"*-{guest.name}.*.core"))


@pytest.mark.parametrize("vcpus,action", [(1, "destroy"), (2, "restart")])
def test_on_crash(shell, tmp_path, monkeypatch, vcpus, action):  # noqa: F811
    monkeypatch.setenv("XENOLITH_STATE_DIR", str(tmp_path / "state"))
    guest = shell(vcpus=vcpus, config=f"on_crash = 'coredump-{action}'\n")
    banner = banner_of(guest)
    guest.child.sendline("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger")
    if action == "restart":
        guest.ready()
    else:
        wait_for(lambda: not exists(guest))
    cores = dump_files(guest, str(tmp_path))
    assert len(cores) == 1
    core = check(cores[0], vcpus, 128 * 256, banner)
    assert has_text(cores[0], "sysrq: Trigger a crash")
    assert any(core.vcpu(number)[0] & 32 for number in range(vcpus))  # online: who crashed
    # One of them asked to shut down: rdi is SCHEDOP_shutdown.
    assert 2 in [struct.unpack_from("<Q", core.context(number), 0x208 + 112)[0]
                 for number in range(vcpus)]


def test_only_files(shell):  # noqa: F811
    """The control socket takes no pipe to write to, and no request without a descriptor."""
    guest = shell()
    directory = f"/proc/{guest.info()['pid']}/fd"
    locks = [os.readlink(os.path.join(directory, name)) for name in os.listdir(directory)]
    path = [lock for lock in locks if lock.endswith(".lock")][0].replace(".lock", ".sock")
    request = json.dumps({"verb": "dump-core"}).encode() + b"\n"
    ends = os.pipe()
    for descriptors, text in (([], "a file has to come"), ([ends[1]], "a regular file"),
                              ([ends[0], ends[1]], "a file has to come")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(path)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            peer.sendmsg([request], rights if descriptors else [])
            answer = json.loads(peer.makefile().readline())
        assert answer["ok"] is False and text in answer["error"]
    os.close(ends[0])
    os.close(ends[1])
    assert guest.do("echo $((6 * 7))") == "42"
