# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts without a guest: our own xenstore clients, and block."""

import glob
import os
import shutil
import subprocess

import pytest

from guestkit import BUILD, TOP


@pytest.fixture
def call(xm, tmp_path, monkeypatch):
    """Function: run one of the build directory's programs on a xenstored of its own."""
    monkeypatch.setenv("XENOLITH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("XENSTORED_PATH", raising=False)
    subprocess.run([os.path.join(BUILD, "xenolith-xenstored"), "--on-demand"], check=True)

    def run(program, *words, status=0, **environment):
        done = subprocess.run([os.path.join(BUILD, program), *words], check=False, text=True,
                              env={**os.environ, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert done.returncode == status, done.stdout
        return done.stdout
    return run


def test_store_clients(call):
    """For hosts without Xen's: what scripts use of them."""
    call("xenstore-write", "backend/vif/1/0/ip", "10.0.0.1 10.0.0.2", "/a/b", "c")
    assert call("xenstore-read", "/local/domain/0/backend/vif/1/0/ip", "/a/b") == \
        "10.0.0.1 10.0.0.2\nc\n"
    assert call("xenstore-list", "backend/vif/1/0", "/a") == "ip\nb\n"
    call("xenstore-exists", "/a/b", "backend")
    call("xenstore-exists", "/a/b", "/a/x", status=1)
    call("xenstore-rm", "/a")
    assert "/a/b: No such file or directory" in call("xenstore-read", "/a/b", status=1)
    call("xenstore-write", "/a", status=1)
    assert "Usage" in call("xenstore-read", status=1)
    assert "cannot" in call("xenstore-read", "/", status=1,
                                    XENSTORED_PATH="/nowhere/xenstored.sock")


def test_nothing_of_others_is_needed():
    """The scripts call no brctl, ifconfig or route, which new systems do not have."""
    for path in glob.glob(os.path.join(TOP, "hotplug", "*")):
        with open(path, encoding="utf-8") as stream:
            words = [line.split()[0] for line in stream if line.split() and line.split()[0][0] != "#"]
        assert not {"brctl", "ifconfig", "route", "ifup", "ifdown"} & set(words), path


def block(call, command, status=0):
    tools = os.pathsep.join([BUILD, os.environ["PATH"]])
    return call("hotplug/block", command, status=status, XENBUS_PATH="backend/vbd/1/51712", PATH=tools)


def test_block(call, tmp_path):
    """phy: the number of the device; an image: a loop device; and what cannot be."""
    def read(key):
        return call("xenstore-read", "backend/vbd/1/51712/" + key).rstrip()

    def device(kind, params):
        call("xenstore-write", "backend/vbd", "")
        call("xenstore-rm", "backend/vbd")
        call("xenstore-write", "backend/vbd/1/51712/type", kind, "backend/vbd/1/51712/params",
             str(params), "backend/vbd/1/51712/mode", "r")

    device("phy", tmp_path)
    block(call, "add", status=1)
    assert read("hotplug-status") == "error"
    assert read("hotplug-error") == f"{tmp_path} is not a block device."
    device("nonsense", "x")
    block(call, "add", status=1)
    assert read("hotplug-error") == "There is no script block-nonsense"
    if os.geteuid() != 0 or not shutil.which("losetup"):
        pytest.skip("loop devices take root and losetup")
    image = tmp_path / "image"
    image.write_bytes(b"x" * 65536)
    probe = subprocess.run(["losetup", "--find", "--show", str(image)], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if probe.returncode:
        pytest.skip(f"no loop devices here: {probe.stdout.strip()}")
    loop = probe.stdout.strip()
    try:
        device("phy", loop)
        block(call, "add")
        number = os.stat(loop).st_rdev
        assert read("physical-device") == f"{os.major(number):x}:{os.minor(number):x}"
        assert read("hotplug-status") == "connected"
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)
    device("file", image)
    block(call, "add")
    node = read("node")
    assert str(image) in subprocess.run(["losetup", node], check=True, text=True,
                                        stdout=subprocess.PIPE).stdout
    block(call, "remove")
    assert subprocess.run(["losetup", node], check=False, capture_output=True).returncode != 0
