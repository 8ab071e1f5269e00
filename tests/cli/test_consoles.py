# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to a domain's console: several xm console, the socket, the terminal, the log."""

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time

import pexpect
import pytest

from guestkit.machine import Machine

# Answers lines that are typed.
COMMAND = r"""
stty sane -echo
echo ready-$((40 + 2))
while read word rest; do
    case $word in
    say) echo "said: $rest." ;;
    print) i=0; while [ $i -lt $rest ]; do echo "line $i ......................"; i=$((i + 1)); done
        echo printed-$rest. ;;
    end) exit 0 ;;
    esac
done
"""


def call(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False,
                          **{"stdin": subprocess.DEVNULL, **options})


def start(machine):
    machine.prepare(COMMAND, tty=True)
    words = [word for word in machine.arguments() if word not in ("-c", "-q")]
    done = call(*words)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def domain(xm, kernels):
    """A domain for all tests here that do not end it: name, id, document of xm list."""
    with Machine("xm", kernels(), memory=128, config="console_log_size = 1\n"
                 "console_log_files = 2\n") as machine:
        start(machine)
        yield json.loads(call(xm, "list", "--json", machine.name).stdout)[0]


class Reader:
    """A descriptor that console output comes from."""

    def __init__(self, fd):
        self.fd, self.text = fd, b""

    def wait_for(self, pattern, seconds=30):
        """Read until it matches; what was read up to there is forgotten."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], self.text[-500:]
            data = os.read(self.fd, 65536)
            assert data, "the console has ended: " + repr(self.text[-500:])
            self.text += data
        self.text = self.text[found.end():]
        return found


@contextlib.contextmanager
def xm_console(xm, name, *options):
    """An xm console behind pipes; yields its process and reader."""
    with subprocess.Popen([xm, "console", *options, name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        yield process, Reader(process.stdout.fileno())
        process.kill()


def run_dir():
    return os.environ.get("XENOLITH_RUN_DIR") or (
        "/run/xenolith" if os.geteuid() == 0 else
        os.environ["XDG_RUNTIME_DIR"] + "/xenolith" if "XDG_RUNTIME_DIR" in os.environ else
        os.path.expanduser("~/.local/state/xenolith/run"))


def tty_of(domain):
    """The terminal's path, from xenstore."""
    node = f"/local/domain/{domain['domid']}/console/tty"
    try:
        done = call("xenstore-read", node,
                    env={**os.environ, "XENSTORED_PATH": f"{run_dir()}/xenstored.sock"})
    except FileNotFoundError:
        pytest.skip("xenstore-utils is not installed")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_at_once(xm, domain):
    """Two xm console, the socket and the terminal: each can type, all see everything."""
    with contextlib.ExitStack() as stack:
        readers, writers = [], []
        for _ in range(2):
            process, reader = stack.enter_context(xm_console(xm, domain["name"]))
            readers.append(reader)
            writers.append(process.stdin.fileno())
        raw = stack.enter_context(socket.socket(socket.AF_UNIX))
        raw.connect(f"{run_dir()}/{domain['domid']}.console")
        tty = os.open(tty_of(domain), os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, tty)
        for fd in (raw.fileno(), tty):
            readers.append(Reader(fd))
            writers.append(fd)
        for reader in readers:  # of the backlog
            reader.wait_for(rb"ready-42\r\n")
        for number, fd in enumerate(writers):
            os.write(fd, b"say from %d\n" % number)
            for reader in readers:
                reader.wait_for(rb"said: from %d\.\r\n" % number)


def test_terminal_comes_and_goes(xm, domain):
    """Who opens it next gets the backlog, once, though the one before left it unread."""
    with xm_console(xm, domain["name"]) as (process, reader):
        mark = f"mark-{time.monotonic()}".encode()
        for number in range(3):
            tty = os.open(tty_of(domain), os.O_RDWR | os.O_NOCTTY)
            process.stdin.write(b"say %s %d\n" % (mark, number))
            process.stdin.flush()
            reader.wait_for(rb"said: %s %d\." % (mark, number))
            if number == 2:
                mine = Reader(tty)
                mine.wait_for(rb"said: %s 2\.\r\n" % mark)
            os.close(tty)
            time.sleep(0.1)
        tty = os.open(tty_of(domain), os.O_RDWR | os.O_NOCTTY)
        mine = Reader(tty)
        text = mine.wait_for(rb"(?s).*said: %s 2\." % mark).group()
        os.close(tty)
    for number in range(3):
        assert text.count(b"said: %s %d." % (mark, number)) == 1


def test_log_is_rotated(xm, domain):
    log = domain["console_log"] if "console_log" in domain else None
    if log is None:
        log = os.path.join(os.environ.get("XENOLITH_LOG_DIR") or (
            "/var/log/xenolith" if os.geteuid() == 0 else
            os.path.expanduser("~/.local/state/xenolith/log")), f"console-{domain['name']}.log")
    with xm_console(xm, domain["name"]) as (process, reader):
        for _ in range(4):
            process.stdin.write(b"print 30000\n")
            process.stdin.flush()
            reader.wait_for(rb"printed-30000\.", seconds=120)
    sizes = [os.path.getsize(path) for path in (log, log + ".1", log + ".2")]
    assert max(sizes) <= 1 << 20 and min(sizes[1:]) > (1 << 20) - 4096, sizes
    assert not os.path.exists(log + ".3")
    with open(log + ".1", "rb") as older, open(log, "rb") as newer:
        joint = older.read()[-200:] + newer.read(200)
    numbers = [int(n) for n in re.findall(rb"line (\d+) \.+\r\n", joint)]
    assert len(numbers) > 5 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for path in (log, log + ".1", log + ".2"):
        os.unlink(path)


def test_escape(xm, domain):
    """Ctrl-] or another character leaves, also from a pipe; the domain goes on."""
    for options, escape in ((), b"\x1d"), (("-e", "^A"), b"\x01"), (("-e", "x"), b"x"):
        done = subprocess.run([xm, "console", *options, domain["name"]], input=b"say hi\n" + escape,
                              capture_output=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
    child = pexpect.spawn(xm, ["console", "-e", "^a", domain["name"]], timeout=20,
                          encoding="utf-8", codec_errors="replace")
    child.logfile_read = sys.stdout
    child.expect("Console of .*; Ctrl-A leaves it, the domain goes on.")
    child.sendline("say \x1d back")
    child.expect("said: \x1d back")
    child.send("\x01")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    assert call(xm, "domid", domain["name"]).returncode == 0


def test_usage(xm, domain):
    done = call(xm, "console", "no-such-domain")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "Error: Domain 'no-such-domain' does not exist.\n"
    done = call(xm, "console", "-q", "no-such-domain")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert "no domain given" in call(xm, "console", "-q").stderr
    assert "one character" in call(xm, "console", "-e", "ab", domain["name"]).stderr
    assert "only console 0" in call(xm, "console", "-n", "1", domain["name"]).stderr
    assert "pv or serial" in call(xm, "console", "-t", "vuart", domain["name"]).stderr


def test_too_many(xm, domain):
    """One reader too many is told so; the others stay."""
    path = f"{run_dir()}/{domain['domid']}.console"
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        deadline = time.monotonic() + 10
        while True:  # the last connections may still be on their way
            done = call(xm, "console", domain["name"], input="\x1d", stdin=None)
            if done.returncode == 1 or time.monotonic() > deadline:
                break
        assert "as many readers as it can have" in done.stderr
    with xm_console(xm, domain["name"]) as (process, reader):
        process.stdin.write(b"say still here\n")
        process.stdin.flush()
        reader.wait_for(rb"said: still here\.")


def test_end_of_input_is_no_end(xm, domain):
    """A piped command's answer comes, though its input has ended."""
    with subprocess.Popen([xm, "console", domain["name"]], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdin.write(b"say piped\n")
        process.stdin.close()
        Reader(process.stdout.fileno()).wait_for(rb"said: piped\.")
        process.kill()


def test_end_of_domain(xm, kernels):
    """Everybody sees the last words and the end; the socket's file goes."""
    with Machine("xm", kernels(), memory=128) as machine:
        start(machine)
        document = json.loads(call(xm, "list", "--json", machine.name).stdout)[0]
        path = f"{run_dir()}/{document['domid']}.console"
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(path)
            with xm_console(xm, machine.name) as (process, reader):
                reader.wait_for(rb"ready-42")
                raw.sendall(b"say last\nend\n")
                output, _ = process.communicate(timeout=30)
                assert process.returncode == 0
            assert b"said: last." in reader.text + output
            text = b""
            raw.settimeout(30)
            while data := raw.recv(65536):
                text += data
            assert b"said: last." in text
        deadline = time.monotonic() + 10
        while os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not os.path.exists(path)
