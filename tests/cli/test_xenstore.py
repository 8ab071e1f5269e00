# SPDX-License-Identifier: GPL-2.0-or-later
"""xenstored with the clients that Xen's own packages have (xenstore-utils), alone and with a
running domain."""

import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from guestkit.machine import Machine

DAEMON = "xenolith-xenstored"
DOMAIN = "xenolith-domain"


class Instance:
    """A run directory of its own, and who lives in it."""

    def __init__(self, directory, build):
        self.directory = str(directory)
        self.build = build

    def call(self, *words, check=True, timeout=60):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def start(self, *arguments):
        self.call(os.path.join(self.build, DAEMON), *arguments)

    def pids(self, program):
        """Processes of that name whose run directory is ours."""
        found = []
        mark = f"XENOLITH_RUN_DIR={self.directory}".encode()
        for entry in os.listdir("/proc"):
            try:
                name = os.readlink(f"/proc/{entry}/exe")
                with open(f"/proc/{entry}/environ", "rb") as stream:
                    environment = stream.read().split(b"\0")
            except OSError:
                continue
            if os.path.basename(name) == program and mark in environment:
                found.append(int(entry))
        return found

    def wait_until(self, condition, what, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    def kill(self, program):
        for pid in self.pids(program):
            os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: not self.pids(program), f"{program} lives on")

    def end(self):
        """A domain that is left behind is a fault of its own; the daemon need not wait."""
        try:
            self.wait_until(lambda: not self.pids(DOMAIN), "a domain is left behind")
        finally:
            self.kill(DOMAIN)
            self.kill(DAEMON)


@pytest.fixture
def instance(tmp_path, build_dir, monkeypatch):
    monkeypatch.setenv("XENOLITH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.setenv("XENSTORED_PATH", str(tmp_path / "run" / "xenstored.sock"))
    it = Instance(tmp_path / "run", build_dir)
    yield it
    it.end()


@pytest.fixture
def store(instance):
    """An instance with a daemon and xenstore-utils."""
    if not shutil.which("xenstore-ls"):
        pytest.skip("xenstore-utils is not installed")
    instance.start("--on-demand")
    return instance


@pytest.fixture
def domain(store, xm, kernels):
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("while :; do cat /proc/uptime; sleep 1; done")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        done = store.call(*words)
        machine.domid = int(re.search(r"\(id=(\d+)\)", done.stdout).group(1))
        yield machine
        store.call(xm, "destroy", machine.name, check=False)


def listing(store):
    """{path: (value, permissions)} of all nodes. One that goes while they are listed has neither."""
    for _ in range(50):
        lines = store.call("xenstore-ls", "-fp").stdout.splitlines()
        matches = [re.fullmatch(r'(/\S*) = "(.*)"\s+\((.*)\)', line) for line in lines]
        if all(matches):
            return {match[1]: (match[2], match[3]) for match in matches}
        time.sleep(0.05)
    return pytest.fail(f"xenstore-ls: {lines}")


# --- the daemon and the clients of xenstore-utils -------------------------------------------

def test_write_read(store):
    store.call("xenstore-write", "/test/a", "one", "/test/b", "two words")
    assert store.call("xenstore-read", "/test/a", "/test/b").stdout == "one\ntwo words\n"
    assert store.call("xenstore-list", "/test").stdout == "a\nb\n"
    assert store.call("xenstore-exists", "/test/a").returncode == 0
    assert store.call("xenstore-exists", "/test/c", check=False).returncode == 1
    assert store.call("xenstore-read", "/test/c", check=False).returncode == 1
    store.call("xenstore-rm", "/test/a")
    assert store.call("xenstore-list", "/test").stdout == "b\n"
    store.call("xenstore-rm", "-t", "/test/b")  # and what is empty above it
    assert store.call("xenstore-exists", "/test", check=False).returncode == 1


def test_ls(store):
    store.call("xenstore-write", "/test/a/b", "x")
    assert 'test = ""\n a = ""\n  b = "x"\n' in store.call("xenstore-ls").stdout
    assert listing(store)["/test/a/b"] == ("x", "n0")


def test_chmod(store):
    store.call("xenstore-write", "/test/a", "x")
    store.call("xenstore-chmod", "/test/a", "n5", "r3", "b4")
    assert listing(store)["/test/a"] == ("x", "n5,r3,b4")


def test_big_directory(store):
    """More names than a message holds."""
    names = [f"a-name-of-some-length-{i:03}" for i in range(500)]
    store.call("xenstore-write", *(word for name in names for word in (f"/big/{name}", "")))
    assert store.call("xenstore-list", "/big").stdout.split() == names


def test_watch(store):
    process = subprocess.Popen(["xenstore-watch", "-n", "3", "/test"], stdout=subprocess.PIPE,
                               text=True)
    try:
        assert process.stdout.readline() == "/test\n"
        store.call("xenstore-write", "/test/a", "1")
        assert process.stdout.readline() == "/test/a\n"
        store.call("xenstore-rm", "/test")
        assert process.stdout.readline() == "/test\n"
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_one_daemon(instance):
    """A second one finds that there is one, and a daemon outlives what started it."""
    instance.start()
    first = instance.pids(DAEMON)
    assert len(first) == 1
    instance.start()
    instance.start("--on-demand")
    assert instance.pids(DAEMON) == first
    time.sleep(2.5)  # not on demand: it stays
    assert instance.pids(DAEMON) == first
    os.kill(first[0], signal.SIGTERM)
    instance.wait_until(lambda: not instance.pids(DAEMON), "SIGTERM does not end it")
    assert not os.path.exists(os.path.join(instance.directory, "xenstored.sock"))


def test_jail(instance, tmp_path):
    """Before its first client it has given up all but sockets and memory."""
    instance.start()
    pid, = instance.pids(DAEMON)
    log, status = tmp_path / "log" / "xenstored.log", Path(f"/proc/{pid}/status")
    instance.wait_until(lambda: "Seccomp:\t2\n" in status.read_text() or "no jail" in log.read_text(),
                        "it is not jailed")
    if "no jail" in log.read_text():
        pytest.skip("built with a sanitizer: no jail")
    assert "NoNewPrivs:\t1\n" in status.read_text()


def test_on_demand(instance):
    """It ends by itself when nobody has come for two seconds."""
    instance.start("--on-demand")
    time.sleep(1)
    assert instance.pids(DAEMON)
    instance.wait_until(lambda: not instance.pids(DAEMON), "it does not end")


def test_killed_daemon_leaves_nothing_in_the_way(instance):
    instance.start()
    instance.kill(DAEMON)
    instance.start("--on-demand")
    assert len(instance.pids(DAEMON)) == 1


# --- with a domain --------------------------------------------------------------------------

def test_layout(store, domain):
    """What a toolstack and a guest expect to find (and the guest's kernel has been there)."""
    home = f"/local/domain/{domain.domid}"
    guest = f"n{domain.domid}"
    host = f"n0,r{domain.domid}"
    store.wait_until(lambda: listing(store)[f"{home}/control/feature-poweroff"][0] == "1",
                     "the guest's kernel does not speak to the store", 60)
    nodes = listing(store)
    vm = nodes[f"{home}/vm"][0]
    assert re.fullmatch(r"/vm/[0-9a-f-]{36}", vm)
    assert nodes[f"{vm}/uuid"] == (vm[4:], host)
    assert nodes[f"{vm}/name"] == (domain.name, host)
    assert nodes[home] == ("", host)
    for path, value in {
            "name": domain.name, "domid": str(domain.domid), "cpu/0/availability": "online",
            "memory/target": "131072", "memory/static-max": "131072", "store/port": "1",
            "console/port": "2", "console/type": "xenconsoled", "console/limit": "1048576",
            "control/platform-feature-xs_reset_watches": "1"}.items():
        assert nodes[f"{home}/{path}"] == (value, host)
    for path in ("control/shutdown", "data", "drivers", "attr", "guest", "hvmpv", "error",
                 "feature", "device/suspend/event-channel"):
        assert nodes[f"{home}/{path}"] == ("", guest)


def gone(store, domain):
    return f"/local/domain/{domain.domid}" not in listing(store)


def test_release(store, domain, xm):
    """A domain that ends takes its nodes along, and those who watch for it are told."""
    before = listing(store)
    process = subprocess.Popen(["xenstore-watch", "-n", "2", "@releaseDomain"],
                               stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "@releaseDomain\n"
        store.call(xm, "destroy", domain.name)
        assert process.stdout.readline() == "@releaseDomain\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    after = listing(store)
    mine = f"/local/domain/{domain.domid}"
    vm = before[f"{mine}/vm"][0]
    backends = f"/local/domain/0/backend/console/{domain.domid}"
    assert {path for path in before if not path.startswith((mine, vm, backends))} == set(after)
    store.wait_until(lambda: not store.pids(DAEMON), "the daemon does not go")


def test_killed_domain(store, domain):
    store.kill(DOMAIN)
    store.wait_until(lambda: gone(store, domain), "its nodes stay")


def uptimes(machine, xm, count):
    """Read the domain's console until that many lines came; within a time."""
    with subprocess.Popen([xm, "console", machine.name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            seen = b""
            deadline = time.monotonic() + 30
            while len(re.findall(rb"\d+\.\d+ \d+\.\d+", seen)) < count:
                ready, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
                assert ready, "the guest prints nothing more"
                more = os.read(process.stdout.fileno(), 4096)
                assert more, "the console was closed"
                seen += more
        finally:
            process.kill()
    return seen


def test_killed_daemon(store, domain, xm, kernels):
    """The guest runs on, and the next domain gets a new daemon."""
    uptimes(domain, xm, 1)
    store.kill(DAEMON)
    uptimes(domain, xm, 5)  # the backlog, and what comes now
    with Machine("xm", kernels(), memory=128) as other:
        assert other.run("cat /sys/hypervisor/type").text() == "xen\n"
    assert domain.name in store.call(xm, "list").stdout
    store.call(xm, "destroy", domain.name)
