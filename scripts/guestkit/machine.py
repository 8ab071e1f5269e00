# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests as a script sees them: prepare the files, start a machine, run one command in it.

Two kinds of machine boot the same kernel and initramfs: "xm" is this project, "qemu" is
QEMU's own translator on an emulated PC (the peer of the bench and of the tests' tests).
"""

import fcntl
import glob
import os
import re
import secrets
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import SCRIPTS, XM, GuestkitError, initramfs

MARK = b"\x1e"
PREFIX = "xenolith-run-"  # of directories of temporary files
YOUNG = 60  # seconds; such a directory may not be locked yet


def fetch_kernel(series="6.1", flavour="amd64"):
    """Directory of an unpacked kernel; fetched when the cache has none."""
    done = subprocess.run([os.path.join(SCRIPTS, "fetch-kernel"), series, flavour],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise GuestkitError(f"could not get a {series} {flavour} kernel (see above)")
    return done.stdout.strip()


def make_directory():
    """For temporary files, and the descriptor of a lock in it that is held while we live."""
    path = tempfile.mkdtemp(prefix=PREFIX)
    lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def _is_dead(path):
    """Is this a directory of ours whose maker has gone without a word?"""
    try:
        state = os.lstat(path)
        if state.st_uid != os.getuid() or time.time() - state.st_mtime < YOUNG:
            return False
        lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def remove_leftovers():
    """Guests and files of scripts that were killed before they could end them."""
    for path in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        if not _is_dead(path):
            continue
        try:
            with open(os.path.join(path, "guest.cfg"), encoding="utf-8") as stream:
                _destroy(re.match(r"name = '(.*)'\n", stream.read()).group(1))
        except (OSError, AttributeError, UnicodeError):
            pass  # it had not come to that
        shutil.rmtree(path, ignore_errors=True)


def _destroy(name, prefix=()):
    subprocess.run([*prefix, *shlex.split(XM), "destroy", name], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


class Result:
    """What became of one command in a guest."""

    def __init__(self):
        self.status = None  # exit status of the command; None: it never ended
        self.output = b""
        self.console = b""  # everything, boot messages and markers too
        self.machine_status = None  # of xm or qemu
        self.kernel_seconds = None  # guest uptime when init reached the command
        self.seconds = None  # host time from start to the command
        self.total_seconds = None
        self.timed_out = False

    def text(self):
        return self.output.decode("utf-8", "replace")

    def console_text(self):
        return self.console.decode("utf-8", "replace")


class Machine:
    """One guest to be started. Its temporary files go with close()."""

    def __init__(self, kind="xm", kernel_dir=None, kernel=None, memory=512, vcpus=1, extra="",
                 image=None, name=None, prefix=(), config="", xm_args=(), directory=None,
                 qemu_args=()):
        self.kind = kind
        self.kernel_dir = kernel_dir
        self.kernel = kernel or os.path.join(kernel_dir or fetch_kernel(), "vmlinuz")
        self.memory, self.vcpus, self.extra = memory, vcpus, extra
        self.image = image
        self.name = name or f"run-{os.getpid()}-{secrets.token_hex(2)}"
        self.prefix = list(prefix)
        self.config, self.xm_args, self.qemu_args = config, list(xm_args), list(qemu_args)
        self._lock = None
        if directory is None:
            directory, self._lock = make_directory()
        self.directory = directory
        self.ramdisk = os.path.join(self.directory, "initramfs")
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.stop()
        self.destroy_domain()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def command_line(self, quiet):
        words = [self.extra]
        if quiet and "loglevel" not in self.extra:
            words.insert(0, "quiet loglevel=1")
        if self.kind == "qemu":
            words.insert(0, "console=ttyS0 panic=-1")
        return " ".join(word for word in words if word)

    def arguments(self, quiet=True):
        """The host command that starts the machine with its console on stdin and stdout."""
        line = self.command_line(quiet)
        if self.kind == "qemu":
            return self.prefix + [
                "qemu-system-x86_64", "-accel", "tcg", "-m", str(self.memory), "-smp",
                str(self.vcpus), "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
                "-kernel", self.kernel, "-initrd", self.ramdisk, "-append", line,
                *self.qemu_args]
        path = os.path.join(self.directory, "guest.cfg")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(f"name = {self.name!r}\nkernel = {self.kernel!r}\n"
                         f"memory = {self.memory}\nvcpus = {self.vcpus}\nextra = {line!r}\n"
                         "on_poweroff = 'destroy'\non_reboot = 'destroy'\non_crash = 'destroy'\n")
            if os.path.exists(self.ramdisk):
                stream.write(f"ramdisk = {self.ramdisk!r}\n")
            stream.write(self.config)
        return self.prefix + shlex.split(XM) + ["create", "-q", "-c", *self.xm_args, path]

    def prepare(self, command=None, files=(), modules=(), tty=False):
        """Write the initramfs; returns the nonce of the marker lines."""
        nonce = secrets.token_hex(8)
        named = (self.kernel_dir, modules) if modules else None
        extra = initramfs.overlay(command, nonce, files, named, tty)
        try:
            initramfs.write(self.ramdisk, self.image or initramfs.base(), extra)
        except OSError as error:  # of a full file system, it does not say where
            raise GuestkitError(f"{error.filename or self.ramdisk}: {error.strerror}") from error
        return nonce

    def destroy_domain(self):
        """A guest outlives its console: end it by name, if it is still there."""
        if self.kind == "xm":
            _destroy(self.name, self.prefix)

    def stop(self):
        """End a machine that is still there, with all of its process group."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def run(self, command, files=(), modules=(), timeout=300, sink=None, tty=False):
        """Boot, run shell text `command`, wait for the end. `sink` gets the command's output
        as it comes."""
        nonce = self.prepare(command, files, modules, tty)
        return self.run_prepared(nonce, timeout, sink)

    def run_prepared(self, nonce, timeout=300, sink=None):
        """The same when the initramfs of prepare() is there already, or where the guest looks."""
        return self._complete(_MarkerReader(nonce.encode(), sink), timeout)

    def boot(self, timeout=60):
        """Boot a kernel that needs no initramfs and ends by itself; only the console counts."""
        return self._complete(_MarkerReader(b"none", None), timeout)

    def _complete(self, reader, timeout):
        result = Result()
        started = time.monotonic()
        self._start()
        try:
            self._pump(reader, result, started, timeout)
        finally:
            self.stop()
            self.process.stdout.close()
        reader.finish(result)
        result.machine_status = self.process.returncode
        result.total_seconds = time.monotonic() - started
        return result

    def _start(self):
        self.process = subprocess.Popen(
            self.arguments(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    def _pump(self, reader, result, started, timeout):
        stream = self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                left = started + timeout - time.monotonic()
                if left <= 0:
                    result.timed_out = True
                    return
                if not selector.select(left):
                    continue
                data = os.read(stream.fileno(), 65536)
                if not data:
                    break
                reader.feed(data)
                if reader.uptime is not None and result.seconds is None:
                    result.seconds = time.monotonic() - started
        try:
            self.process.wait(max(1.0, started + timeout - time.monotonic()))
        except subprocess.TimeoutExpired:
            result.timed_out = True


class _MarkerReader:
    """Cuts the command's output out of the console stream."""

    def __init__(self, nonce, sink):
        self._begin = re.compile(MARK + b"xenolith-begin " + nonce + rb" ([0-9.]+)\r?\n")
        self._end = re.compile(MARK + b"xenolith-end " + nonce + rb" ([0-9]+)\r?\n")
        self._sink = sink
        self._console = bytearray()
        self._pending = b""
        self._output = bytearray()
        self.uptime = None
        self.status = None

    def feed(self, data):
        self._console += data
        if self.status is not None:
            return
        self._pending += data
        if self.uptime is None:
            found = self._begin.search(self._pending)
            if not found:
                return
            self.uptime = float(found.group(1))
            self._pending = self._pending[found.end():]
        found = self._end.search(self._pending)
        if found:
            self._emit(self._pending[:found.start()])
            self.status = int(found.group(1))
            self._pending = b""
            return
        # Hold back what may be the head of the end marker.
        mark = self._pending.rfind(MARK, max(0, len(self._pending) - 64))
        keep = mark if mark >= 0 else len(self._pending)
        self._emit(self._pending[:keep])
        self._pending = self._pending[keep:]

    def _emit(self, data):
        self._output += data
        if self._sink and data:
            self._sink(data)

    def finish(self, result):
        if self.uptime is not None and self.status is None:
            self._emit(self._pending)
        result.status = self.status
        result.output = bytes(self._output)
        result.console = bytes(self._console)
        result.kernel_seconds = self.uptime


def explain(result, kind):
    """One sentence for a run whose command did not end by itself; None if it did."""
    if result.status is not None:
        return None
    tail = "\n".join(result.console_text().splitlines()[-15:])
    if result.timed_out:
        what = "the guest was still running when the time was up"
    else:
        what = f"the guest ended before its command did ({kind} exited with {result.machine_status})"
    return f"{what}; the last lines of its console:\n{tail}"


def write_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
