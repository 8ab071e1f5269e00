# SPDX-License-Identifier: GPL-2.0-or-later
"""xm migrate: a guest goes on in another instance, or in its own; whatever fails on the way, there is one
that goes on, and never two."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from guestkit import TOP
from guestkit.debian.guest import free_port
from test_xend import Instance, call, instance  # noqa: F401  pylint: disable=unused-import

SETTINGS = "(xend-relocation-server yes)\n(xend-relocation-address 127.0.0.1)\n"


class Host(Instance):
    """An instance with a relocation server: another host, as far as the sender can see."""

    def __init__(self, directory, build, xm, settings=""):
        directory.mkdir()
        super().__init__(directory, build, xm)
        self.port = str(free_port())
        config = directory / "xend-config.sxp"
        config.write_text(f"{SETTINGS}(xend-relocation-port {self.port})\n{settings}")
        self.log.mkdir()
        self.environment = dict(os.environ, XENOLITH_RUN_DIR=str(self.run),
                                XENOLITH_LOG_DIR=str(self.log), XEND_CONFIG=str(config))

    def do(self, *words):
        return call(*words, env=self.environment)

    def xend(self, *words, **options):
        return self.do(self.program, *words)

    def names(self):
        return [line.split()[0] for line in self.do(self.xm, "list").stdout.splitlines()[2:]]

    def end(self):
        for name in self.names():
            self.do(self.xm, "destroy", name)
        self.xend("stop")


@pytest.fixture
def host(tmp_path, build_dir, xm):
    """Function: a host with more settings in its xend-config.sxp, its xend running."""
    hosts = []

    def start(settings=""):
        it = Host(tmp_path / f"host{len(hosts)}", build_dir, xm, settings)
        hosts.append(it)
        assert it.xend("start").returncode == 0
        return it
    yield start
    for it in hosts:
        it.end()


def lines(where, name="one"):
    """What it has printed there."""
    path = where.log / f"console-{name}.log"
    return path.read_text().splitlines() if path.exists() else []


def count(where, name="one"):
    numbers = [int(line.split()[-1]) for line in lines(where, name) if line.startswith("count ")]
    return numbers[-1] if numbers else 0


def begin(instance, *words):
    """A guest that counts, and has been at it for a while."""
    instance.create("one", "create", "extra=suspend", *words)
    instance.wait_until(lambda: count(instance) >= 20, "it does not count")
    return count(instance)


def check_goes_on(where, before):
    where.wait_until(lambda: count(where) > before, "it does not go on")


def migrate(instance, port, *words, program=None):
    return call(program or instance.xm, "migrate", *(("-p", str(port)) if port else ()), *words, "one",
                "localhost")


def left_files(instance):
    """What `xm migrate` keeps while it does not know."""
    directory = instance.run / "state" / "migration"
    return sorted(os.listdir(directory)) if directory.exists() else []


def test_to_another_xend(instance, host):
    other, before = host(), begin(instance)
    done = migrate(instance, other.port)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not instance.domains() and not left_files(instance) and other.names() == ["one"]
    check_goes_on(other, before)
    assert re.fullmatch(r"resumed at \d+", lines(other)[0])
    log = (other.log / "xend.log").read_text()
    assert "domain 'one' came from 127.0.0.1" in log and "looking after domain 'one'" in log
    # It is a domain as any; nothing of the connection is left with it.
    pid = re.search(r'"pid": (\d+)', other.do(other.xm, "list", "--json", "one").stdout).group(1)
    files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in ("0", "1")]
    assert not [name for name in files if name.startswith("socket:")], files


def test_to_itself(instance, monkeypatch):
    """`xm migrate D localhost`, as administrators try it first."""
    port = free_port()
    with open(os.environ["XEND_CONFIG"], "w", encoding="utf-8") as stream:
        stream.write(f"{SETTINGS}(xend-relocation-port {port})\n")
    assert "xend-relocation-server lets whoever connects" in instance.xend("start").stderr
    before, first = begin(instance, "uuid=00000000-0000-4000-8000-00000000000c"), instance.domains()["one"]
    done = migrate(instance, None, "--live", f"--port={port}")
    assert (done.returncode, done.stderr) == (0, "Note: the guest stands still until it is there.\n")
    after = instance.domains()["one"]
    assert after["domid"] != first["domid"] and after["uuid"] == first["uuid"]
    check_goes_on(instance, before)
    assert not left_files(instance)


def test_managed_ones(instance, host):
    """It stays defined here. There it is managed if it was defined before."""
    other = host()
    uuid = "uuid=00000000-0000-4000-8000-00000000000d"
    instance.create("one", "new", "extra=suspend", uuid)
    assert call(instance.xm, "start", "one").returncode == 0
    assert other.do(other.xm, "new", "-q", other.config, "name=one", uuid).returncode == 0
    instance.wait_until(lambda: count(instance) >= 20, "it does not count")
    assert migrate(instance, other.port).returncode == 0
    assert call(instance.xm, "domstate", "one").stdout == "shutoff\n"
    assert other.do(other.xm, "destroy", "one").returncode == 0
    assert other.do(other.xm, "domstate", "one").stdout == "shutoff\n"


def test_through_a_program(instance, host, tmp_path):
    """xl's way: ssh, or what -s says; -p leaves it paused there."""
    other, before = host(), begin(instance)
    xl, fake = tmp_path / "xl", tmp_path / "ssh"
    xl.symlink_to(instance.xm)
    words = " ".join(f"{key}={other.environment[key]}" for key in ("XENOLITH_RUN_DIR",
                                                                   "XENOLITH_LOG_DIR"))
    fake.write_text(f"#!/bin/sh\nshift\nPATH={tmp_path}:$PATH {words} exec env \"$@\"\n")
    fake.chmod(0o755)
    done = migrate(instance, None, "-p", "-s", str(fake), program=str(xl))
    assert (done.returncode, done.stderr) == (0, "")
    assert not instance.domains() and not left_files(instance)
    assert "--p---" in other.do(other.xm, "list", "one").stdout
    assert other.do(other.xm, "unpause", "one").returncode == 0
    check_goes_on(other, before)


def test_refusals(instance, host):
    """The guest goes on here, and the sentence says why."""
    before = begin(instance)
    assert "cannot connect to localhost" in migrate(instance, free_port()).stderr
    # One that cannot start it there: it had ended here already.
    error = migrate(instance, host("(dom0-min-mem 1000000)\n").port).stderr
    assert "dom0_min_mem" in error and "(from localhost)" in error, error
    assert "Domain 'one' goes on here." in error
    strict = host("(xend-relocation-hosts-allow '^192\\\\.0\\\\.2\\\\.')\n")
    error = migrate(instance, strict.port).stderr
    assert "127.0.0.1 is not among xend-relocation-hosts-allow (from localhost)" in error, error
    taken = host()
    assert taken.do(taken.xm, "create", "-q", taken.config, "name=one", "extra=wait").returncode == 0
    done = migrate(instance, taken.port)
    assert done.returncode == 1
    assert done.stderr == "Error: VM name 'one' already exists as domain 1 (from localhost)\n"
    assert "there is no TLS" in migrate(instance, None, "-s").stderr
    assert "privileged" in call(instance.xm, "migrate", "0", "localhost").stderr
    assert not left_files(instance)
    check_goes_on(instance, before)


def test_nomigrate(instance, host):
    begin(instance, "nomigrate=1")
    done = migrate(instance, host().port)
    assert done.returncode == 1 and "Migration not permitted" in done.stderr


class Peer:
    """The other end of one connection, which says what it is told to and then closes."""

    def __init__(self, *answers):
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.listener.getsockname()[1])
        self.heard = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb") as stream:
            for answer in self.answers:
                line = stream.readline()
                self.heard += line
                if line.startswith(b"(image (size "):
                    stream.read(int(line.split()[2].rstrip(b")\n")))
                stream.write(answer)
                stream.flush()
        self.listener.close()


READY = b"(ready receive)\n"


@pytest.mark.parametrize("answers", [(), (b"nonsense\n",), (READY,), (READY, b"what?\n"),
                                     (b"\x1b[2Jnonsense\n",),
                                     (READY, b"(err (type XendError) (value 'no, thank you'))\n"),
                                     (READY, b"(err (value '\x1b[2Jno, \\x1b[31mthank you'))\n")])
def test_a_peer_that_goes(instance, answers):
    """Before it was told to go on with the guest: that goes on here."""
    before, peer = begin(instance), Peer(*answers)
    done = migrate(instance, peer.port)
    assert done.returncode == 1 and done.stderr.startswith("Error: "), done.stderr
    assert "\x1b" not in done.stderr
    assert b"go\n" not in peer.heard and not left_files(instance)
    check_goes_on(instance, before)


def test_nobody_knows(instance):
    """The connection is lost when the other side may have started it: nothing goes on by itself."""
    before, peer = begin(instance), Peer(READY, b"(ready start)\n", b"")
    done = migrate(instance, peer.port)
    assert done.returncode == 1 and "It is not known whether" in done.stderr
    assert peer.heard.endswith(b"go\n")
    assert not instance.domains() and left_files(instance) == ["one"]
    file = re.search(r"'xm restore (.*)'", done.stderr).group(1)
    assert call(instance.xm, "restore", file).returncode == 0
    check_goes_on(instance, before)


def test_a_sender_that_makes_no_sense(host):
    """The server answers, starts nothing, and takes the next one."""
    other = host()
    for words, answer in ((b"help\n", b"(err "), (b"receive\n(image (size 99))\n" + b"x" * 99,
                                                  b"not a valid guest state file"),
                          (b"receive\nwhat\n", b"a saved domain was expected"),
                          (b"x" * 5000, b""), (b"", b"")):
        with socket.create_connection(("127.0.0.1", int(other.port)), timeout=30) as connection:
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            heard = b""
            try:
                while piece := connection.recv(4096):
                    heard += piece
            except ConnectionResetError:  # it has not read all of it
                pass
        assert answer in heard, (words[:20], heard)
    assert not other.names() and other.xend("status").returncode == 0


def test_the_sender_is_killed(instance, host):
    """At some moments: the guest is here or there, and in one place only."""
    other = host()
    before = begin(instance)
    here = instance
    for ms in (0, 20, 50, 100, 200, 400, 800):
        sender = subprocess.Popen([instance.xm, "migrate", "-p", other.port, "one", "localhost"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(ms / 1000)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        time.sleep(0.5)
        if not instance.domains() and not other.names():
            # It had ended here, and was told to nobody yet.
            assert left_files(instance) == ["one"]
            assert call(instance.xm, "restore", instance.run / "state/migration/one").returncode == 0
        assert len(instance.domains()) + len(other.names()) == 1
        here = instance if instance.domains() else other
        check_goes_on(here, before)
        before = count(here)
        if here is other:
            return


def test_the_receiver_is_killed(instance, host):
    """With its xend, at some moments: one goes on, or who called is told that it is not known."""
    other = host()
    before = begin(instance)
    for ms in (20, 60, 120, 250, 400):
        with subprocess.Popen([instance.xm, "migrate", "-p", other.port, "one", "localhost"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as sender:
            time.sleep(ms / 1000)
            os.kill(int(re.search(r"process (\d+)", other.xend("status").stdout).group(1)), signal.SIGKILL)
            error = sender.communicate(timeout=60)[1]
        assert other.xend("start").returncode == 0
        # One whose creator was killed too early is there for a moment before it ends.
        other.wait_until(lambda: not other.names() or count(other) > before, "it neither ends nor goes on")
        if not instance.domains() and not other.names():
            assert "It is not known" in error and left_files(instance) == ["one"], error
            assert call(instance.xm, "restore", instance.run / "state/migration/one").returncode == 0
            (instance.run / "state/migration/one").unlink()
        assert len(instance.domains()) + len(other.names()) == 1
        if other.names():
            other.wait_until(lambda: "'one'" in (other.log / "xend.log").read_text(), "it is not known")
            check_goes_on(other, before)
            return
        assert sender.returncode == 1 or "not known" in error
        check_goes_on(instance, before)
        before = count(instance)


def test_xendomains(instance, host, tmp_path, monkeypatch):
    """At the host's end: who can goes to another one, who cannot is saved."""
    other, before = host(), begin(instance)
    instance.create("two", "create", "extra=suspend", "nomigrate=1")
    options, saved = tmp_path / "options", tmp_path / "save"
    options.write_text(f"XENDOMAINS_MIGRATE='localhost -p {other.port}'\nXENDOMAINS_SAVE={saved}\n"
                       f"XENDOMAINS_AUTO={tmp_path}/auto\nXENDOMAINS_SHUTDOWN=\n"
                       "XENDOMAINS_SHUTDOWN_ALL=\nXENDOMAINS_STOP_MAXWAIT=60\n")
    monkeypatch.setenv("XENDOMAINS_CONFIG", str(options))
    monkeypatch.setenv("XM", instance.xm)
    done = call(os.path.join(TOP, "packaging", "xendomains"), "stop")
    assert done.stdout == "Shutting down Xen domains: one(migrate) two(migrate)(save)\n", done.stdout
    assert "nomigrate" in done.stderr and set(instance.domains()) == {"two"}
    assert other.names() == ["one"]
    check_goes_on(other, before)


def test_save_and_leave_it_paused(instance, tmp_path):
    """`save -p`: it has done nothing since; `-c`: it goes on."""
    begin(instance)
    assert call(instance.xm, "save", "-p", "one", str(tmp_path / "saved")).returncode == 0
    assert instance.domains()["one"]["state"] == "--p---"
    seen = len(lines(instance))
    time.sleep(0.5)
    assert len(lines(instance)) == seen and not lines(instance)[-1].startswith("cancelled")
    assert call(instance.xm, "unpause", "one").returncode == 0
    instance.wait_until(lambda: any(line.startswith("cancelled at ") for line in lines(instance)),
                        "it does not go on")
    before = count(instance)
    assert call(instance.xm, "save", "-c", "one", str(tmp_path / "saved")).returncode == 0
    check_goes_on(instance, before)
    assert call(instance.xm, "destroy", "one").returncode == 0
    assert call(instance.xm, "restore", str(tmp_path / "saved")).returncode == 0
    check_goes_on(instance, before)


def test_restore_with_another_config(instance, tmp_path):
    """xl's: the disks of another place, say; the domain stays the one that it is."""
    (tmp_path / "xl").symlink_to(instance.xm)
    before = begin(instance, "uuid=00000000-0000-4000-8000-00000000000f")
    assert call(instance.xm, "save", "one", str(tmp_path / "saved")).returncode == 0
    with open(instance.config, encoding="utf-8") as stream:
        (tmp_path / "other").write_text(stream.read() + "name = 'one'\ncpu_weight = 128\n")
    words = ("restore", str(tmp_path / "other"), str(tmp_path / "saved"))
    assert call(instance.xm, *words).returncode == 1
    done = call(str(tmp_path / "xl"), *words)
    assert done.returncode == 0, done.stderr
    check_goes_on(instance, before)
    text = call(instance.xm, "list", "-l", "one").stdout
    assert "(cpu_weight 128)" in text and "(uuid 00000000-0000-4000-8000-00000000000f)" in text
