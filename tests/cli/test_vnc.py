# SPDX-License-Identifier: GPL-2.0-or-later
"""xenolith-vnc by itself: the test plays the domain process (src/backend/fb/fb_msg.h) and viewers,
good ones and others."""

import json
import os
import random
import socket
import struct
import subprocess
import time

import pytest

import rfb

READY, FAILED, SHOW, SHOWN, KEY, POINTER = range(6)
PICTURE_BYTES = 4 * 4096 * 4096


class Server:
    """A running xenolith-vnc; `picture` is what both have mapped."""

    def __init__(self, build, prefix=(), **config):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(20)
        self.picture = os.memfd_create("picture")
        os.truncate(self.picture, PICTURE_BYTES)
        words = os.memfd_create("config")
        os.write(words, json.dumps({"listen": "127.0.0.1", "display": 800, "unused": True,
                                    "password": "", "keymap": "en-us", "title": "test",
                                    **config}).encode())
        high = [os.dup(fd) for fd in (theirs.fileno(), self.picture, words)]

        def place():
            spare = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
            for i, fd in enumerate(spare):
                os.dup2(fd, 3 + i)

        self.log = os.memfd_create("log")
        self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            [*prefix, os.path.join(build, "xenolith-vnc")], preexec_fn=place, pass_fds=(3, 4, 5),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        theirs.close()
        for fd in (words, *high):
            os.close(fd)

    def __enter__(self):
        self.port = self.expect(READY)[0]
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.ours.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            os.close(self.picture)

    def text(self):
        os.lseek(self.log, 0, os.SEEK_SET)
        return os.read(self.log, 1 << 20).decode("utf-8", "replace")

    def receive(self):
        data = self.ours.recv(1024)
        assert len(data) == 256, f"it has ended: {self.text()[-2000:]}"
        kind, *arguments = struct.unpack("<I6i", data[:28])
        return kind, arguments, data[28:].rstrip(b"\0").decode()

    def expect(self, kind):
        got = self.receive()
        assert got[0] == kind, got
        return got[1]

    def show(self, pixels, width, height, rect=None):
        os.pwrite(self.picture, pixels, 0)
        self.send(SHOW, width, height, *(rect or (0, 0, width, height)))
        while self.receive()[0] != SHOWN:
            pass

    def send(self, kind, *arguments):
        self.ours.send(struct.pack("<I6i", kind, *arguments).ljust(256, b"\0"))

    def viewer(self, **options):
        return rfb.Viewer(self.port, **options)

    def is_alive(self):
        """Serves viewers, and the domain process."""
        with self.viewer() as viewer:
            viewer.update()
        self.show(b"", 16, 16)


@pytest.fixture
def server(build_dir):
    with Server(build_dir) as made:
        yield made


def pixels(seed, width, height):
    generator = random.Random(seed)
    return b"".join(struct.pack("<I", generator.getrandbits(24)) for _ in range(width * height))


def test_sizes(server):
    """The picture changes its size under a viewer, to the smallest and to a large one."""
    with server.viewer() as viewer:
        for seed, (width, height) in enumerate([(64, 48), (1, 1), (300, 200), (4096, 8)]):
            want = pixels(seed, width, height)
            server.show(want, width, height)
            viewer.wait_for(lambda v, w=want: v.pixels == w, f"{width}x{height}")
            assert (viewer.width, viewer.height) == (width, height)


def test_only_the_rectangle(server):
    before, after = pixels(1, 64, 48), pixels(2, 64, 48)
    with server.viewer() as viewer:
        server.show(before, 64, 48)
        server.show(after, 64, 48, (60, 47, 100, 100))  # is cut
        want = before[:-16] + after[-16:]
        viewer.wait_for(lambda v: v.pixels == want, "a corner")
        server.show(before, 64, 48, (-5, -5, 2147483647, 2147483647))
        server.send(77, 1, 2, 3, 4, 5, 6)  # no message that it knows
        for width, height in ((0, 5), (5, 4097), (-1, 5)):
            server.send(SHOW, width, height, 0, 0, 1, 1)
        viewer.wait_for(lambda v: v.pixels == before, "all of it")


def test_input(server):
    server.show(pixels(1, 64, 48), 64, 48)
    with server.viewer() as viewer:
        viewer.press(ord("A"))
        viewer.pointer(10, 20, 1)
    events = []
    while len(events) < 7:
        kind, arguments, _ = server.receive()
        events.append((kind, *arguments[:3]))
    assert events[:4] == [(KEY, 42, 1, 0), (KEY, 30, 1, 0), (KEY, 42, 0, 0), (KEY, 30, 0, 0)]
    assert events[4:6] == [(POINTER, 10, 20, 0), (KEY, 0x110, 1, 0)]
    assert events[6] == (KEY, 0x110, 0, 0)  # it went and held the button


def test_guessing(build_dir):
    """After five wrong passwords nobody is let in for a while."""
    with Server(build_dir, password="right") as server:
        for _ in range(5):
            with pytest.raises(rfb.Refused):
                server.viewer(password="wrong")
        with pytest.raises((rfb.Refused, OSError)):
            server.viewer(password="right")
        time.sleep(10.5)
        server.viewer(password="right").sock.close()
        assert "wrong password" in server.text() and "right" not in server.text()


def test_one_too_many(server):
    viewers = [server.viewer() for _ in range(16)]
    with pytest.raises((rfb.Refused, OSError)):
        server.viewer()
    viewers[0].update()
    for viewer in viewers:
        viewer.sock.close()
    server.show(b"", 16, 16)
    server.is_alive()


def hostile_message(generator):
    """A message that a viewer may send, or nearly."""
    kind = generator.choice((0, 2, 3, 4, 5, 6, 6, 7, 8, 9, 11, 248, 250, 251, 252, 253, 255,
                             generator.randrange(256)))
    size = generator.choice((0, 1, 3, 7, 9, 19, generator.randrange(200)))
    body = generator.choice((generator.randbytes(size), b"\xff" * size, b"\0" * size))
    if kind == 2:  # many encodings, all there are
        count = generator.randrange(100)
        body = struct.pack(">BH", 0, count) + b"".join(
            struct.pack(">i", generator.choice((generator.randrange(-800, 30),
                                                generator.getrandbits(31)))) for _ in range(count))
    elif kind == 3:
        body = struct.pack(">BHHHH", 0, *(generator.choice((0, 1, 640, 65535)) for _ in range(4)))
    elif kind == 0:
        body = struct.pack(">xxxBBBBHHHBBBxxx", generator.choice((8, 16, 32, 24, 0, 255)),
                           generator.randrange(40), generator.randrange(2), 1,
                           *(generator.choice((0, 7, 31, 255, 65535)) for _ in range(3)),
                           *(generator.randrange(40) for _ in range(3)))
    return bytes([kind]) + body


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_hostile_viewers(server, first):
    """Random messages after a proper start. What it lives through it serves others after."""
    for seed in range(first, first + 10):
        generator = random.Random(seed)
        with server.viewer(timeout=5) as viewer:
            viewer.sock.setblocking(False)
            try:
                for _ in range(generator.randrange(1, 30)):
                    viewer.sock.send(hostile_message(generator))
                    viewer.sock.recv(1 << 16)
            except OSError:
                pass
    server.is_alive()


def test_root_of_a_namespace(build_dir):
    """Who cannot become nobody serves nevertheless."""
    prefix = ("unshare", "--user", "--map-root-user")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    with Server(build_dir, prefix) as server:
        server.is_alive()


def test_refusals(build_dir):
    server = Server(build_dir, keymap="../../etc/passwd")
    kind, _, text = server.receive()
    assert (kind, text) == (FAILED, "keymap '../../etc/passwd' is unknown")
    server.close()
    assert server.process.returncode == 1
    server = Server(build_dir, listen="192.0.2.1")
    kind, _, text = server.receive()
    assert kind == FAILED and "cannot listen on 192.0.2.1" in text
    server.close()
