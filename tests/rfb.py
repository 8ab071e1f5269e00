# SPDX-License-Identifier: GPL-2.0-or-later
"""A small VNC viewer for tests: RFB 3.8, raw pixels."""

import ctypes
import select
import socket
import struct
import time

DES, ECB = 302, 1  # numbers of libgcrypt, which libvncserver brings along

RETURN, SHIFT, CONTROL, ALT = 0xff0d, 0xffe1, 0xffe3, 0xffe9


def encrypt_challenge(password, challenge):
    """VNC's answer: DES with the password as key, whose bytes are mirrored."""
    gcrypt = ctypes.CDLL("libgcrypt.so.20")
    gcrypt.gcry_check_version(None)
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
    handle = ctypes.c_void_p()
    assert gcrypt.gcry_cipher_open(ctypes.byref(handle), DES, ECB, 0) == 0
    assert gcrypt.gcry_cipher_setkey(handle, key, ctypes.c_size_t(len(key))) == 0
    out = ctypes.create_string_buffer(len(challenge))
    assert gcrypt.gcry_cipher_encrypt(handle, out, ctypes.c_size_t(len(challenge)), challenge,
                                      ctypes.c_size_t(len(challenge))) == 0
    gcrypt.gcry_cipher_close(handle)
    return out.raw


class Refused(Exception):
    """The server does not let us in."""


class Viewer:
    """A connection that has logged in. `pixels` is the picture, 4 bytes each: B G R 0."""

    def __init__(self, port, host="127.0.0.1", password=None, timeout=20):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        try:
            self._log_in(password)
            self._begin()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def _read(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise Refused("connection closed")
            data += part
        return data

    def _log_in(self, password):
        assert self._read(12).startswith(b"RFB 003.")
        self.sock.sendall(b"RFB 003.008\n")
        kinds = self._read(self._read(1)[0])
        if not kinds:
            raise Refused(self._read(struct.unpack(">I", self._read(4))[0]).decode())
        kind = 2 if password is not None else 1
        if kind not in kinds:
            raise Refused(f"offers {list(kinds)}")
        self.sock.sendall(bytes([kind]))
        if kind == 2:
            self.sock.sendall(encrypt_challenge(password, self._read(16)))
        if struct.unpack(">I", self._read(4))[0] != 0:
            raise Refused("wrong password")

    def _begin(self):
        self.sock.sendall(b"\1")  # shared
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.name = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        self.pixels = bytearray(4 * self.width * self.height)
        # 32 bits, depth 24, little endian, true colour; raw and DesktopSize.
        self.sock.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8,
                                      0))
        self.sock.sendall(struct.pack(">BxHii", 2, 2, 0, -223))

    def request(self, incremental=True):
        self.sock.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def receive(self):
        """One update."""
        while (kind := self._read(1)[0]) != 0:
            if kind == 3:  # clipboard
                self._read(3)
                self._read(struct.unpack(">I", self._read(4))[0])
            else:
                assert kind == 2, kind  # bell
        for _ in range(struct.unpack(">xH", self._read(3))[0]):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self._read(12))
            if encoding == -223:
                self.width, self.height = width, height
                self.pixels = bytearray(4 * width * height)
                continue
            assert encoding == 0, encoding
            data = self._read(4 * width * height)
            for row in range(height):
                at = 4 * ((y + row) * self.width + x)
                self.pixels[at:at + 4 * width] = data[4 * width * row:4 * width * (row + 1)]

    def update(self):
        """All of the picture."""
        self.request(incremental=False)
        self.receive()

    def wait_for(self, condition, what, seconds=30):
        """Take updates until the picture is as it should be."""
        deadline = time.monotonic() + seconds
        self.update()
        while not condition(self):
            assert time.monotonic() < deadline, what
            self.request()
            if select.select([self.sock], [], [], 1)[0]:
                self.receive()

    def key(self, keysym, pressed):
        self.sock.sendall(struct.pack(">BBxxI", 4, pressed, keysym))

    def press(self, *keysyms):
        """All of them down in this order, up in the reverse."""
        for keysym in keysyms:
            self.key(keysym, True)
        for keysym in reversed(keysyms):
            self.key(keysym, False)

    def type(self, text):
        """Characters without modifiers, as programs send them."""
        for char in text:
            self.press(RETURN if char == "\n" else ord(char))

    def pointer(self, x, y, buttons=0):
        self.sock.sendall(struct.pack(">BBHH", 5, buttons, x, y))
