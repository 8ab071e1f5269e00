# SPDX-License-Identifier: GPL-2.0-or-later
"""Fully virtualized guests for tests: a disk with a boot sector of our own, the domain around
it, its control socket, and a VNC client that can read a text screen."""

import collections
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
FONT_FILES = ("/usr/share/seabios/vgabios-cirrus.bin", "/usr/share/seabios/vgabios-stdvga.bin")
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


# For pytestmark of those that need a device model.
NEEDS_QEMU = {"condition": not shutil.which("qemu-system-x86_64"),
              "reason": "qemu-system-x86_64 is not installed (Debian package qemu-system-x86)"}


def run_dir():
    return os.environ.get("XENOLITH_RUN_DIR") or (
        "/run/xenolith" if os.geteuid() == 0 else
        os.environ.get("XDG_RUNTIME_DIR", os.path.expanduser("~/.local/state/xenolith/run"))
        + "/xenolith")


def call(*words, timeout=180, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False,
                          **{"stdin": subprocess.DEVNULL, **options})


def read_log(name):
    """The log of a domain."""
    directory = os.environ.get("XENOLITH_LOG_DIR") or (
        "/var/log/xenolith" if os.geteuid() == 0 else
        os.path.expanduser("~/.local/state/xenolith/log"))
    with open(f"{directory}/{name}.log", encoding="utf-8", errors="replace") as stream:
        return stream.read()


def boot_sector(directory):
    """The 512 bytes that boot.S makes."""
    made, code = os.path.join(directory, "boot.o"), os.path.join(directory, "boot.bin")
    subprocess.run(["gcc", "-m32", "-c", "-o", made, os.path.join(HERE, "boot.S")], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat=binary", "-o", code, made],
                   check=True)
    with open(code, "rb") as stream:
        return stream.read()


def write_disk(path, sector, text, size=1 << 20):
    """An image with the boot sector, and a text in its second sector."""
    with open(path, "wb") as stream:
        stream.write(sector + (text.encode() + b"\r\n\0").ljust(512, b"\0"))
        stream.truncate(size)


class Patience:
    """A time limit for a machine that a busy host does not shorten: the time for which its threads
    waited for a CPU of the host is not counted, but for a tenth of all."""

    def __init__(self, domain, seconds):
        self.domain, self.seconds = domain, seconds
        self.start, self.waited = time.monotonic(), 0
        self.pid, self.before = None, {}
        self.look()

    def look(self):
        """Count what was waited since the last look."""
        now = read_waits(self.pid)
        if not now:
            self.pid, self.before = self.domain.model_pid(), {}
            now = read_waits(self.pid)
            self.before = now
        self.waited += sum(ns - self.before.get(thread, 0) for thread, ns in now.items())
        self.before = now

    def is_over(self):
        spent = time.monotonic() - self.start
        if spent < self.seconds:
            return False
        self.look()
        return max(spent - self.waited / 1e9, spent / 10) > self.seconds


def read_waits(pid):
    """By thread, nanoseconds that it could have run and there was no CPU for it."""
    waits = {}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as stream:
                waits[thread] = int(stream.read().split()[1])
    except OSError:
        pass  # it has ended, or this kernel does not count
    return waits


class Domain:
    """A running domain; gone at the end of a `with`."""

    def __init__(self, xm, directory, config, name=None, args=()):
        self.xm = xm
        self.name = name or f"hvm-{os.getpid()}-{secrets.token_hex(2)}"
        self.path = os.path.join(str(directory), self.name + ".cfg")
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(f"name = {self.name!r}\nbuilder = 'hvm'\nhvm_emulation = 'always'\n"
                         f"memory = 32\n{config}\n")
        self.created = call(xm, "create", "-q", *args, self.path)
        assert self.created.returncode == 0, self.created.stderr
        self.console = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        call(self.xm, "destroy", self.name)
        if self.console:
            self.console.close()

    def info(self):
        """xm list's document, None when there is no such domain."""
        while True:
            done = call(self.xm, "list", "--json", self.name)
            if done.returncode == 0:
                return json.loads(done.stdout)[0]
            if "does not exist" in done.stderr:
                return None
            time.sleep(0.5)  # a busy host: it has not answered in time

    def log(self):
        return read_log(self.name)

    def control(self, verb, timeout=60, **members):
        """Ask the domain process something; its answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(f"{run_dir()}/{self.info()['domid']}.sock")
            sock.sendall(json.dumps({"verb": verb, **members}).encode() + b"\n")
            return json.loads(sock.makefile().readline())

    def attach(self):
        """Its console: what was printed before comes, too."""
        self.console = Console(self, f"{run_dir()}/{self.info()['domid']}.console")
        return self.console

    def wait_until(self, condition, seconds=60, explain=None):
        """Until the function says yes; what `explain` says is shown if it does not."""
        patience = Patience(self, seconds)
        while not condition():
            assert not patience.is_over(), (explain or self.log)()
            time.sleep(0.05)

    def wait_gone(self, seconds=60):
        self.wait_until(lambda: self.info() is None, seconds)

    def wait_log(self, words, seconds=60):
        self.wait_until(lambda: words in self.log(), seconds)

    def model_pid(self):
        """The process of the device model."""
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    words = stream.read().split(b"\0")
            except OSError:
                continue
            if words[0] == b"qemu-system-x86_64" and self.name.encode() in words:
                return int(entry)
        return None

    def wait_model_gone(self, pid, seconds=60):
        self.wait_until(lambda: not os.path.exists(f"/proc/{pid}/exe"), seconds)

    def connect(self, port):
        """To a port of the host it runs on."""
        return socket.create_connection(("127.0.0.1", port), timeout=180)

    def vnc(self, password=None):
        found = [line for line in self.log().splitlines() if "VNC on" in line][-1].split()
        return Vnc(self, int(found[found.index("port") + 1].rstrip(",")), password)


class Console:
    """A domain's console socket."""

    def __init__(self, domain, path):
        self.domain = domain
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.text = b""

    def wait_for(self, words, seconds=60):
        """Read until the words come; what came before them is forgotten."""
        self.wait_match(re.escape(words.encode()), seconds)

    def wait_match(self, pattern, seconds=60):
        """Likewise, until a regular expression of bytes matches."""
        patience = Patience(self.domain, seconds)
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            assert not patience.is_over(), self.text
            if not select.select([self.sock], [], [], 1)[0]:
                continue
            data = self.sock.recv(65536)
            assert data, f"the console has ended: {self.text}"
            self.text += data
        self.text = self.text[found.end():]
        return found

    def listen(self, seconds):
        """What comes within the time, and what came before."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.sock], [], [], left)[0]:
                self.text += self.sock.recv(65536)
        return self.text

    def send(self, text):
        self.sock.sendall(text.encode())

    def close(self):
        self.sock.close()


class Vnc:
    """RFB 3.8 with raw pixels of 4 bytes; .size and .pixels after update()."""

    def __init__(self, domain, port, password=None):
        self.domain, self.port = domain, port
        self.sock = domain.connect(port)
        self.read(12)
        self.sock.sendall(b"RFB 003.008\n")
        kinds = self.read(self.read(1)[0])
        if password is None:
            assert 1 in kinds, kinds
            self.sock.sendall(b"\x01")
        else:
            assert 2 in kinds and 1 not in kinds, kinds
            self.sock.sendall(b"\x02")
            self.sock.sendall(answer_challenge(password, self.read(16)))
        self.accepted = self.read(4) == b"\0\0\0\0"
        if self.accepted:
            self.start()

    def start(self):
        self.sock.sendall(b"\x01")
        self.size = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(struct.unpack(">I", self.read(4))[0])
        # 32 bits, little endian, red in bits 16 to 23.
        self.sock.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255,
                                      16, 8, 0))
        self.sock.sendall(struct.pack(">BxHii", 2, 2, 0, -223))  # raw, size of the desktop
        self.pixels = bytearray(self.size[0] * self.size[1] * 4)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            assert more, "the VNC server has closed the connection"
            data += more
        return data

    def update(self):
        """The whole screen as it is now."""
        self.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, *self.size))
        while True:
            kind = self.read(1)[0]
            if kind == 2:  # bell
                continue
            if kind == 3:  # clipboard
                self.read(struct.unpack(">3xI", self.read(7))[0])
                continue
            assert kind == 0, kind
            resized = self.rectangles(struct.unpack(">xH", self.read(3))[0])
            if not resized:
                return
            self.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, *self.size))

    def rectangles(self, count):
        resized = False
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
            if encoding == -223:
                self.size = (width, height)
                self.pixels = bytearray(width * height * 4)
                resized = True
                continue
            assert encoding == 0, encoding
            data = self.read(width * height * 4)
            for row in range(height):
                start = ((y + row) * self.size[0] + x) * 4
                self.pixels[start:start + width * 4] = data[row * width * 4:(row + 1) * width * 4]
        return resized

    def rgb(self):
        """The pixels as a PNG has them."""
        out = bytearray(self.size[0] * self.size[1] * 3)
        out[0::3], out[1::3], out[2::3] = (self.pixels[2::4], self.pixels[1::4], self.pixels[0::4])
        return bytes(out)

    def key(self, symbol):
        """Press and release a key, by its X11 number."""
        for down in (1, 0):
            self.sock.sendall(struct.pack(">BBxxI", 4, down, symbol))

    def text(self):
        """The characters of a text screen, as lines: cells of 9x16 in the mode that PCs start in,
        of 8x16 on framebuffers."""
        self.update()
        font = load_font()
        cell = 9 if self.size[0] == 720 else 8
        lines = []
        for row in range(self.size[1] // 16):
            line = ""
            for column in range(self.size[0] // cell):
                line += font.get(self.glyph(column * cell, row * 16), "?")
            lines.append(line.rstrip())
        return "\n".join(lines)

    def glyph(self, left, top):
        """Bits of a cell; what most of it has is the background."""
        rows = []
        for y in range(top, top + 16):
            at = (y * self.size[0] + left) * 4
            rows.append([bytes(self.pixels[at + x:at + x + 3]) for x in range(0, 32, 4)])
        colours = collections.Counter(colour for row in rows for colour in row)
        background = colours.most_common(1)[0][0]
        return bytes(sum(0x80 >> x for x in range(8) if row[x] != background) for row in rows)

    def wait_for(self, words, seconds=60):
        patience = Patience(self.domain, seconds)
        while words not in (text := self.text()):
            assert not patience.is_over(), text
            time.sleep(0.5)


def load_font():
    """The BIOS's letters: what 16 rows of 8 pixels mean. The cursor fills the lowest rows of a
    blank cell."""
    for path in FONT_FILES:
        with open(path, "rb") as stream:
            rom = stream.read()
        at = rom.find(LETTER_A) - 65 * 16
        if at >= 0:
            font = {rom[at + code * 16:at + code * 16 + 16]: chr(code)
                    for code in range(126, 31, -1)}
            for rows in (b"\0" * 14 + b"\xff\xff", b"\0" * 13 + b"\xff\xff\0"):
                font[rows] = " "
            return font
    raise AssertionError("no font in " + " ".join(FONT_FILES))


def answer_challenge(password, challenge):
    """VNC's: DES with the password's bytes, each backwards, as key."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0")[:8])
    # Three times the same key is DES, which OpenSSL hides by itself.
    done = subprocess.run(["openssl", "enc", "-des-ede3", "-nopad", "-K", (key * 3).hex()],
                          input=challenge, stdout=subprocess.PIPE, check=True)
    return done.stdout


def read_png(path):
    """Size and RGB bytes of a PNG of 8-bit RGB or RGBA without interlacing."""
    with open(path, "rb") as stream:
        data = stream.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and colour in (2, 6) and not interlaced
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    channels = 3 if colour == 2 else 4
    rgb = unfilter(zlib.decompress(packed), width * channels, height, channels)
    if channels == 4:
        out = bytearray(width * height * 3)
        out[0::3], out[1::3], out[2::3] = rgb[0::4], rgb[1::4], rgb[2::4]
        rgb = bytes(out)
    return (width, height), rgb


def unfilter(raw, stride, height, channels):
    """Undo PNG's five predictions."""
    out, above = bytearray(), bytearray(stride)
    for row in range(height):
        at = row * (stride + 1)
        kind, line = raw[at], bytearray(raw[at + 1:at + 1 + stride])
        for i in range(stride) if kind else ():
            left = line[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            line[i] = (line[i] + predict(kind, left, above[i], corner)) & 255
        out += line
        above = line
    return bytes(out)


def predict(kind, left, above, corner):
    if kind == 1:
        return left
    if kind == 2:
        return above
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    return min((abs(guess - left), 0, left), (abs(guess - above), 1, above),
               (abs(guess - corner), 2, corner))[2]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
