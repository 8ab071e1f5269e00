# SPDX-License-Identifier: GPL-2.0-or-later
"""The domain process D is in its jail while a guest runs, and can do in there what it must."""

import array
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from guestkit.machine import Machine


def open_files(pid):
    """What a process has open, but what comes and goes meanwhile."""
    found = set()
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue
    return found


def processes_of(name):
    """pids of what has the domain's console log open: D alone."""
    return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc"))
            if any(path.endswith(f"/console-{name}.log") for path in open_files(pid))]


def status_of(path):
    with open(path, encoding="ascii") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


@pytest.fixture
def domain(xm, kernels):
    """A running domain: its name, D's pid and D's log."""
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("echo ready; while :; do sleep 1; done")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=60)
        pid, = processes_of(machine.name)
        log, = {path for path in open_files(pid) if path.endswith(f"/{machine.name}.log")}
        yield machine.name, pid, log


def test_every_thread_is_jailed(domain):
    _, pid, log = domain
    with open(log, encoding="utf-8") as stream:
        if "no jail" in stream.read():
            pytest.skip("built with a sanitizer: no jail")
    threads = glob.glob(f"/proc/{pid}/task/*/status")
    assert len(threads) >= 2, "main loop and vCPU"
    for path in threads:
        status = status_of(path)
        assert status["Seccomp"] == "2" and status["Seccomp_filters"] == "2", status
        assert status["NoNewPrivs"] == "1", status


def text_of(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def family_of(pid):
    """A process and all that descend from it."""
    children = text_of(f"/proc/{pid}/task/{pid}/children").split()
    return [pid] + [one for child in children for one in family_of(int(child))]


def test_it_is_nobody(domain):
    """Root's domains are no user's, others stay their user's; none has a capability or, where the host
    allows that, sees the host's files and networks."""
    _, pid, log = domain
    if "no jail" in text_of(log):
        pytest.skip("built with a sanitizer: no jail")
    status = status_of(f"/proc/{pid}/status")
    assert status["CapEff"] == status["CapPrm"] == "0" * 16
    uids = set(status["Uid"].split())
    words, = re.findall("runs as (.*)", text_of(log))
    if os.getuid() == 0:
        uid, = uids
        assert words.startswith(f"user {uid}") and uid != "0"
        assert int(uid) in (65534, 0x70000000 + pid)
        owners = {status_of(f"/proc/{one}/status")["Uid"].split()[0]: status_of(
            f"/proc/{one}/status")["Name"] for one in family_of(pid)}
        assert set(owners) == {"0", uid} and owners["0"] == "xenolith-launch"
    else:
        assert uids == {str(os.getuid())} and words.startswith("the user who started it")
    if "alone in its namespaces" in words:
        for kind in ("net", "mnt", "ipc"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
        assert os.listdir(f"/proc/{pid}/root/") == []
    else:
        assert "in the host's namespaces" in words


def test_nothing_outlives_it(domain):
    """Also what is another user's: the launcher, which the kernel may not end with it."""
    _, pid, _ = domain
    family = family_of(pid)
    assert len(family) > 3
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{one}") and status_of(f"/proc/{one}/status")["State"][0] != "Z"
              for one in family):
        assert time.monotonic() < until, [one for one in family if os.path.exists(f"/proc/{one}")]
        time.sleep(0.05)


def test_log_names_who_ended_it(xm, domain):
    name, pid, log = domain
    with subprocess.Popen([xm, "console", name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as console:
        os.kill(pid, signal.SIGTERM)
        console.communicate(timeout=60)
    with open(log, encoding="utf-8") as stream:
        text = stream.read()
    assert f"SIGTERM from process {os.getpid()} of user {os.getuid()}" in text
    assert "jail refused" not in text


def control_socket(pid):
    """Of the domain whose process that is: beside the lock that it holds."""
    lock, = {path for path in open_files(pid) if re.search(r"/[0-9]+[.]lock$", path)}
    return lock.removesuffix("lock") + "sock"


def request(pid, descriptor=None, **members):
    """Ask the domain process, perhaps with a descriptor: its answer."""
    line = json.dumps(members).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(control_socket(pid))
        if descriptor is None:
            sock.sendall(line)
        else:
            sock.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   array.array("i", [descriptor]))])
        return json.loads(sock.makefile().readline())


def test_images_come_with_the_request(domain, tmp_path):
    """It opens none itself, and takes none that allows less or more than the config says."""
    _, pid, log = domain
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))

    def attach(name, descriptor=None, mode="w", path=image):
        disk = {"name": name, "devid": 51712 + 16 * (ord(name[-1]) - ord("a")), "path": str(path),
                "mode": mode, "cdrom": path == ""}
        return request(pid, descriptor, verb="block-attach", disk=disk)
    answer = attach("xvdb")
    assert not answer["ok"] and answer["error"] == (
        f"disk xvdb: {image} is opened by who asks for it: its descriptor has to come with the request")
    with open(image, "rb") as readable, open(image, "r+b") as writable:
        for stream, mode in ((readable, "w"), (writable, "r")):
            answer = attach("xvdb", stream.fileno(), mode)
            assert not answer["ok"] and "is not opened as mode" in answer["error"]
        assert attach("xvdb", writable.fileno()) == {"ok": True}
        answer = attach("xvdb", writable.fileno())
        assert answer["error"] == "Device 51728 (vbd) is already connected."
    assert attach("xvdc", path="") == {"ok": True}
    medium = {"name": "xvdc", "devid": 51744, "path": str(image), "mode": "r", "cdrom": True}
    answer = request(pid, verb="block-configure", disk=medium)
    assert not answer["ok"] and "has to come with the request" in answer["error"]
    with open(log, encoding="utf-8") as stream:
        assert "jail refused" not in stream.read()


def test_devices_come_and_go_in_it(xm, domain, tmp_path):
    """Whether the network can be had depends on the host; D lives on in any case."""
    name, pid, log = domain
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    done = subprocess.run([xm, "block-attach", name, f"file:{image}", "xvdb", "w"], check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    subprocess.run([xm, "network-attach", name, "type=user"], check=False, capture_output=True,
                   timeout=60)
    with open(log, encoding="utf-8") as stream:
        assert "jail refused" not in stream.read()
    assert processes_of(name) == [pid]


def test_interfaces_come_open(xm, domain):
    """D opens nothing for an interface that is plugged in: it has to come with the request, and to
    be what the interface needs."""
    name, pid, log = domain
    vif = {"devid": 0, "mac": "00:16:3e:00:99:02"}
    ours, theirs = socket.socketpair()
    with ours, theirs, open("/dev/null", "wb") as null:
        for kind, fd, words in (("user", None, "has to come with the request"),
                                ("tap", None, "has to come with the request"),
                                ("user", null, "is no stream socket"),
                                ("tap", null, "is no tap device's"),
                                ("tap", theirs, "is no tap device's")):
            vif["type"] = kind
            answer = request(pid, fd.fileno() if fd else None, verb="network-attach", vif=vif)
            assert not answer["ok"] and words in answer["error"], answer
            assert subprocess.run([xm, "network-list", name], check=True,
                                  stdout=subprocess.PIPE).stdout == b""
        vif["type"] = "user"
        assert request(pid, theirs.fileno(), verb="network-attach", vif=vif) == {"ok": True}
        theirs.close()
        assert b"00:16:3e:00:99:02" in subprocess.run(
            [xm, "network-list", name], check=True, stdout=subprocess.PIPE).stdout
        subprocess.run([xm, "network-detach", name, "0", "-f"], check=True, timeout=60)
        ours.settimeout(60)
        assert ours.recv(1) == b"", "the other end is closed"
    with open(log, encoding="utf-8") as stream:
        assert "jail refused" not in stream.read()
    assert processes_of(name) == [pid]


def passts_with(word):
    """pids of passt processes that have the word in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                words = stream.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]).startswith(b"passt") and word.encode() in words:
            found.append(int(pid))
    return found


@pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")
def test_passt_lives_with_its_interface(xm, domain):
    """xm starts it, and it ends when the interface goes, and when the domain does."""
    name, _, _ = domain
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def wait_gone():
        deadline = time.monotonic() + 60
        while passts_with(f"127.0.0.1/{port}:22"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    for end in (["network-detach", name, "0", "-f"], ["destroy", name]):
        subprocess.run([xm, "network-attach", name, "type=user", f"hostfwd=127.0.0.1:{port}:22"],
                       check=True, timeout=60)
        assert len(passts_with(f"127.0.0.1/{port}:22")) == 1
        # Another one cannot have the port: what xm says is what passt says.
        done = subprocess.run([xm, "network-attach", name, "type=user",
                               f"hostfwd=127.0.0.1:{port}:22"], check=False, timeout=60,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and str(port) in done.stderr, done.stderr
        subprocess.run([xm, *end], check=True, timeout=60)
        wait_gone()
