# SPDX-License-Identifier: GPL-2.0-or-later
"""Display and keyboard: Debian's xen-fbfront and xen-kbdfront, seen and used by a VNC viewer."""

import contextlib
import glob
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import time
import zlib

import pytest

import rfb
from guestkit.machine import Machine
from conftest import MACHINE

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about Xen's framebuffer")

WIDTH, HEIGHT = 800, 600
# Else the display becomes the console.
CONSOLE = "console=hvc0"
# A shell for the test on it.
COMMAND = r"""
stty sane -echo
modprobe evdev 2>/dev/null
echo 0 >/sys/class/graphics/fbcon/cursor_blink
echo ready.
while read -r line; do eval "$line"; echo "done-$?."; done
"""


def call(*words, **options):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False, **options)


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def picture(seed):
    """Some pixels, and not a few bytes that compress."""
    generator = random.Random(seed)
    return b"".join(struct.pack("<I", generator.getrandbits(24)) for _ in range(WIDTH * HEIGHT))


class Guest:
    """A running domain with a display, and a shell in it."""

    def __init__(self, xm, machine, files=(), extra_args=()):
        self.xm, self.name, self.machine = xm, machine.name, machine
        machine.prepare(COMMAND, files=files, modules=("evdev",), tty=True)
        done = call(*[word for word in machine.arguments() if word not in ("-c", "-q")],
                    *extra_args)
        assert done.returncode == 0, done.stderr
        self.console = subprocess.Popen([xm, "console", "-q", self.name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.expect("ready\\.")

    def close(self):
        self.console.kill()
        self.console.wait()
        self.console.stdin.close()
        self.console.stdout.close()

    def expect(self, pattern):
        """Console output up to a match."""
        text, deadline = b"", time.monotonic() + 60
        while not re.search(pattern.encode() + rb"\r?\n", text):
            left = max(0, deadline - time.monotonic())
            assert select.select([self.console.stdout], [], [], left)[0], text[-500:]
            data = os.read(self.console.stdout.fileno(), 65536)
            assert data, f"the console has ended: {text[-500:]}"
            text += data
        return text.decode("utf-8", "replace").replace("\r\n", "\n")

    def send(self, line):
        self.console.stdin.write(line.encode() + b"\n")
        self.console.stdin.flush()

    def run(self, line):
        self.send(line)
        text = self.expect(r"done-\d+\.")
        assert "done-0." in text, text
        return text[:text.index("done-0.")]

    def port(self):
        """Where viewers connect, as anybody would find out."""
        done = call(self.xm, "vncviewer", self.name, env={**os.environ, "PATH": "/nowhere"})
        assert "tigervnc-viewer" in done.stderr, done.stderr
        return 5900 + int(re.search(r"127\.0\.0\.1:(\d+)", done.stderr)[1])

    def viewer(self, **options):
        return rfb.Viewer(self.port(), **options)

    def vnc_pid(self):
        """xenolith-vnc of this domain: a descendant that shares its log."""
        found = []
        for path in glob.glob("/proc/[0-9]*"):
            try:
                if (os.path.basename(os.readlink(path + "/exe")) == "xenolith-vnc"
                        and os.readlink(path + "/fd/2").endswith(f"/{self.name}.log")):
                    found.append(int(os.path.basename(path)))
            except OSError:
                continue
        return found[0] if found else None


@contextlib.contextmanager
def make_guest(xm, kernels, config, files=(), **options):
    with Machine("xm", kernels(), memory=192, extra=CONSOLE, config=config, **options) as machine:
        guest = Guest(xm, machine, files)
        try:
            yield guest
        finally:
            guest.close()


@pytest.fixture(scope="module")
def guest(xm, kernels, tmp_path_factory):
    """One guest for the tests that leave it as it was."""
    files = []
    for seed in (1, 2):
        path = tmp_path_factory.mktemp("pictures") / f"picture{seed}"
        path.write_bytes(picture(seed))
        files.append((str(path), f"/root/picture{seed}"))
    with make_guest(xm, kernels, "vfb = ['type=vnc,keymap=en-us']\n", files) as made:
        yield made


def read_png(path):
    """Width, height and pixels of a PNG file of 8-bit RGB."""
    with open(path, "rb") as stream:
        data = stream.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, body, header = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            header = struct.unpack(">IIBB", data[at + 8:at + 18])
        elif kind == b"IDAT":
            body += data[at + 8:at + 8 + size]
        at += size + 12
    width, height, bits, colour = header
    assert (bits, colour) == (8, 2)
    raw, line, pixels = zlib.decompress(body), bytearray(3 * width), bytearray()
    for y in range(height):
        method = raw[y * (3 * width + 1)]
        old, line = line, bytearray(raw[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        for i, value in enumerate(line):
            left = line[i - 3] if i >= 3 else 0
            corner = old[i - 3] if i >= 3 else 0
            if method == 1:
                line[i] = (value + left) & 255
            elif method == 2:
                line[i] = (value + old[i]) & 255
            elif method == 3:
                line[i] = (value + (left + old[i]) // 2) & 255
            elif method == 4:
                estimate = left + old[i] - corner
                best = min((abs(estimate - left), 0, left), (abs(estimate - old[i]), 1, old[i]),
                           (abs(estimate - corner), 2, corner))
                line[i] = (value + best[2]) & 255
        pixels += line
    return width, height, bytes(pixels)


def test_picture(guest, tmp_path):
    """Each pixel that the guest writes is what viewers and screenshots have."""
    with guest.viewer() as one, guest.viewer() as two:
        assert (one.width, one.height, one.name) == (WIDTH, HEIGHT, guest.name)
        for seed in (1, 2):
            guest.run(f"cat /root/picture{seed} >/dev/fb0")
            want = picture(seed)
            for viewer in (one, two):
                viewer.wait_for(lambda v, w=want: v.pixels == w, f"picture {seed}")
        # A part of it changes.
        guest.run(f"dd if=/root/picture1 of=/dev/fb0 bs={4 * WIDTH} skip=100 seek=100 count=3 "
                  "conv=notrunc 2>/dev/null")
        at, end = 4 * WIDTH * 100, 4 * WIDTH * 103
        want = picture(2)[:at] + picture(1)[at:end] + picture(2)[end:]
        one.wait_for(lambda v: v.pixels == want, "part of a picture")
    path = tmp_path / "shot.png"
    done = call(guest.xm, "screenshot", guest.name, str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    width, height, pixels = read_png(path)
    assert (width, height) == (WIDTH, HEIGHT)
    assert pixels == b"".join(want[i + 2:i + 3] + want[i + 1:i + 2] + want[i:i + 1]
                              for i in range(0, len(want), 4))


@contextlib.contextmanager
def typing(guest, command):
    """A program on the display's own terminal, whose output comes to hvc0."""
    guest.run(f"(setsid sh -c 'exec {command}' </dev/tty1 >/tmp/typed 2>&1; "
              "echo typed-ends.) & sleep 0.3")
    yield


def test_all_characters(guest):
    """Characters as programs send them, without modifiers, and as a keyboard does, with them."""
    text = "".join(chr(c) for c in range(33, 127)) + "\n"
    with typing(guest, "head -n 2"), guest.viewer() as viewer:
        viewer.type(text)
        shifted = set('~!@#$%^&*()_+{}|:"<>?') | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for char in text:
            keysym = rfb.RETURN if char == "\n" else ord(char)
            viewer.press(*([rfb.SHIFT] if char in shifted else []), keysym)
        guest.expect("typed-ends\\.")
    assert guest.run("cat /tmp/typed") == 2 * text


def test_control_key_and_caps_lock(guest):
    with typing(guest, "cat"), guest.viewer() as viewer:
        viewer.press(0xffe5)  # Caps Lock
        viewer.type("aBc\n")
        viewer.press(0xffe5)
        viewer.type("aBc\n")
        viewer.press(rfb.CONTROL, ord("d"))
        guest.expect("typed-ends\\.")
    assert guest.run("cat /tmp/typed") == "aBc\naBc\n"


def input_events(guest, name, seconds=0.5):
    """What a device has delivered: list of (type, code, value), from a reader started before."""
    time.sleep(seconds)
    text = guest.run(f"kill $reader; wait $reader; od -An -v -tx1 /tmp/{name}")
    data = bytes.fromhex("".join(line.strip() for line in text.splitlines()
                                 if re.fullmatch(r"[ 0-9a-f]+", line)).replace(" ", ""))
    events = [struct.unpack("<HHi", data[i + 16:i + 24]) for i in range(0, len(data), 24)]
    return [event for event in events if event[0] != 0]


def watch_input(guest, name, device):
    guest.run(f"for i in /sys/class/input/event*; do "
              f"grep -q '{device}' $i/device/name && d=/dev/input/${{i##*/}}; done; "
              f"cat $d >/tmp/{name} & reader=$!; sleep 0.3")


def test_pointer(guest):
    watch_input(guest, "pointer", "Xen Virtual Pointer")
    with guest.viewer() as viewer:
        viewer.pointer(100, 200)
        viewer.pointer(799, 599, 1)
        viewer.pointer(799, 599, 0)
        viewer.pointer(10, 20, 4)
        viewer.pointer(10, 20, 0)
        viewer.pointer(10, 20, 8)  # wheel
        viewer.pointer(10, 20, 0)
        viewer.pointer(10, 20, 16)
        viewer.pointer(0xffff, 0, 0)  # beyond the picture
        events = input_events(guest, "pointer")
    positions, keys, wheel = [], [], []
    for kind, code, value in events:
        if kind == 3:
            positions.append((code, value))
        elif kind == 1:
            keys.append((code, value))
        elif (kind, code) == (2, 8):
            wheel.append(value)
    assert positions == [(0, 100), (1, 200), (0, 799), (1, 599), (0, 10), (1, 20), (0, 799), (1, 0)]
    assert keys == [(0x110, 1), (0x110, 0), (0x111, 1), (0x111, 0)]
    assert wheel == [1, -1]


def test_keys_are_let_go(guest):
    """A viewer that goes while it holds a key down does not leave it down."""
    watch_input(guest, "keys", "Xen Virtual Keyboard")
    with guest.viewer() as viewer:
        viewer.key(rfb.SHIFT, True)
        viewer.key(0xffbe, True)  # F1
        time.sleep(0.3)
    events = input_events(guest, "keys")
    assert [event for event in events if event[0] == 1 and event[2] != 2] == [
        (1, 42, 1), (1, 59, 1), (1, 42, 0), (1, 59, 0)]


def test_viewers_that_misbehave(guest):
    """Garbage, half messages, no reading, too many of them: others are served on."""
    port = guest.port()
    generator = random.Random(5)
    with contextlib.ExitStack() as stack:
        good = stack.enter_context(guest.viewer())
        for _ in range(20):
            bad = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            with contextlib.suppress(OSError):
                bad.sendall(generator.randbytes(generator.randrange(1, 2000)))
        good.update()
        half = stack.enter_context(guest.viewer())
        half.sock.sendall(b"\x06\0\0\0\x7f\xff\xff\xff")  # 2 GB of clipboard
        lazy = stack.enter_context(guest.viewer())
        for _ in range(100):
            lazy.request(incremental=False)
        for _ in range(5):
            good.update()
    with guest.viewer() as viewer:
        viewer.update()
    assert guest.run("echo alive") == "alive\n"


def test_jail(guest):
    """No files, no rights; nobody, if root started it."""
    with open(f"/proc/{guest.vnc_pid()}/status", encoding="ascii") as stream:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
    if status["Seccomp"] == "0":
        pytest.skip("built with a sanitizer: no jail")
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert status["CapEff"] == "0000000000000000"
    assert status["Uid"].split("\t")[0] == str(os.geteuid() or 65534)
    opened = {os.readlink(fd) for fd in glob.glob(f"/proc/{guest.vnc_pid()}/fd/*")}
    assert not any(path.startswith("/memfd:ram") for path in opened), opened


def test_started_again(guest):
    """Should a viewer find a bug that ends xenolith-vnc, there is a new one on the same port."""
    port, pid = guest.port(), guest.vnc_pid()
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        born = int(stream.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime", encoding="ascii") as stream:
        age = float(stream.read().split()[0]) - born / os.sysconf("SC_CLK_TCK")
    time.sleep(max(0, 6 - age))
    with guest.viewer():
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: guest.vnc_pid() not in (None, pid), "it is not started again")
    guest.run("cat /root/picture1 >/dev/fb0")
    assert guest.port() == port
    with rfb.Viewer(port) as viewer:
        viewer.wait_for(lambda v: v.pixels == picture(1), "the picture")


def test_password_and_reboot(xm, kernels):
    """Who does not know it is not let in; viewers stay over a reboot."""
    config = "vfb = ['vnc=1, vncpasswd=secret12, keymap=de']\non_reboot = 'restart'\n"
    with Machine("xm", kernels(), memory=192, extra=CONSOLE) as machine:
        machine.prepare(COMMAND, modules=("evdev",), tty=True)
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        with open(words[-1], "a", encoding="utf-8") as stream:
            stream.write(config)
        done = call(*words)
        assert done.returncode == 0, done.stderr
        console = subprocess.Popen([xm, "console", "-q", machine.name], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        guest = Guest.__new__(Guest)
        guest.xm, guest.name, guest.console = xm, machine.name, console
        try:
            guest.expect("ready\\.")
            for password in (None, "secret1", "Secret12", "secret"):
                with pytest.raises(rfb.Refused):
                    guest.viewer(password=password)
            with guest.viewer(password="secret12") as viewer:
                with typing(guest, "head -n 1"):
                    viewer.type("zyZY-_/\n")
                    guest.expect("typed-ends\\.")
                # The guest's layout is American: it shows which keys were pressed.
                assert guest.run("cat /tmp/typed") == "yzYZ/?&\n"
                guest.run("cat /dev/zero >/dev/fb0 2>/dev/null; true")
                viewer.wait_for(lambda v: not any(v.pixels), "an empty picture")
                guest.send("reboot -f")
                guest.expect("ready\\.")
                guest.run("echo hello >/dev/tty1")
                viewer.wait_for(lambda v: any(v.pixels), "the next life's picture")
                with typing(guest, "head -n 1"):
                    viewer.type("x\n")
                    guest.expect("typed-ends\\.")
            store = call("grep", "-c", "secret12", os.path.join(
                os.environ.get("XENOLITH_LOG_DIR", "/nowhere"), f"{machine.name}.log"))
            assert store.stdout.strip() in ("0", "")
        finally:
            guest.close()


def test_ports(xm, kernels):
    """vncdisplay is a hint with vncunused, else an order."""
    with socket.socket() as taken:
        for display in range(700, 800):
            with contextlib.suppress(OSError):
                taken.bind(("127.0.0.1", 5900 + display))
                break
        taken.listen()
        with Machine("xm", kernels(), memory=128, config="vnc = 1\nvncdisplay = "
                     f"{display}\nvncunused = 0\n") as machine:
            machine.prepare("sleep 1000")
            words = [word for word in machine.arguments() if word not in ("-c", "-q")]
            done = call(*words)
            assert done.returncode == 1
            assert f"cannot listen on 127.0.0.1, port {5900 + display}" in done.stderr
        with Machine("xm", kernels(), memory=128,
                     config=f"vnc = 1\nvncdisplay = {display}\n") as machine:
            machine.prepare("sleep 1000")
            words = [word for word in machine.arguments() if word not in ("-c", "-q")]
            assert call(*words).returncode == 0
            done = call(xm, "vncviewer", machine.name, env={**os.environ, "PATH": "/nowhere"})
            assert int(re.search(r"127\.0\.0\.1:(\d+)", done.stderr)[1]) > display
            with rfb.Viewer(5900 + int(re.search(r"127\.0\.0\.1:(\d+)", done.stderr)[1])) as viewer:
                viewer.update()


def test_viewer_is_started(xm, kernels, tmp_path):
    """By xm vncviewer, xm create --vncviewer and the config's vncviewer."""
    viewer = tmp_path / "vncviewer"
    viewer.write_text(f"#!/bin/sh\necho $1 >>{tmp_path}/started\n")
    viewer.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for config, option in (("vncviewer = 1\n", ()), ("", ("--vncviewer",))):
        with Machine("xm", kernels(), memory=128, config="vfb = ['']\n" + config) as machine:
            machine.prepare("sleep 1000")
            words = [word for word in machine.arguments() if word not in ("-c", "-q")]
            done = call(*words, *option, env=env)
            assert (done.returncode, done.stderr) == (0, "")
            assert call(xm, "vncviewer", machine.name, env=env).returncode == 0
            wait_until(lambda: len((tmp_path / "started").read_text().split()) == 2, "two viewers")
            first, second = (tmp_path / "started").read_text().split()
            assert first == second and first.startswith("127.0.0.1:")
            (tmp_path / "started").unlink()
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("sleep 1000")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        done = call(*words, "--vncviewer", env=env)
        assert done.returncode == 0 and "has no display" in done.stderr


def test_refusals(xm, kernels, tmp_path):
    with Machine("xm", kernels(), memory=128, config="vfb = ['keymap=xx-yy']\n") as machine:
        machine.prepare("sleep 1000")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        done = call(*words)
        assert done.returncode == 1 and "keymap 'xx-yy' is unknown" in done.stderr
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("sleep 1000")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        assert call(*words).returncode == 0
        for verb in (("screenshot", machine.name, str(tmp_path / "x.png")),
                     ("vncviewer", machine.name)):
            done = call(xm, *verb)
            assert done.returncode == 1 and "has no display" in done.stderr
        assert not (tmp_path / "x.png").exists()
    assert call(xm, "screenshot", "no-such-domain", "x.png").returncode == 3
