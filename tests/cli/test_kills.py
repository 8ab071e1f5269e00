# SPDX-License-Identifier: GPL-2.0-or-later
"""xend is killed at some moments of every operation: what was asked for happens, or does not, and the
next xend finds every domain with its name, uuid, devices and console."""

import os
import re
import signal
import subprocess
import time

import pytest

from test_xend import call, instance  # noqa: F401  pylint: disable=unused-import

UUID = "00000000-0000-4000-8000-00000000000e"
MOMENTS = (0, 0.03)  # seconds after its begin
# What is done, and what makes it undone; {} is a directory.
OPERATIONS = {
    "pause": (["pause", "one"], ["unpause", "one"]),
    "unpause": (["unpause", "one"], []),
    "save": (["save", "one", "{}/saved"], ["restore", "{}/saved"]),
    "checkpoint": (["save", "-c", "one", "{}/saved"], []),
    "suspend": (["suspend", "one"], ["resume", "one"]),
    "reset": (["reset", "one"], []),
    "trigger": (["trigger", "one", "reset"], []),
    "rename": (["rename", "one", "other"], ["rename", "other", "one"]),
    "mem-set": (["mem-set", "one", "8"], []),
    "mem-max": (["mem-max", "one", "8"], []),
    "vcpu-set": (["vcpu-set", "one", "1"], ["vcpu-set", "one", "2"]),
    "vcpu-pin": (["vcpu-pin", "one", "0", "0"], ["vcpu-pin", "one", "0", "all"]),
    "sched-credit": (["sched-credit", "-d", "one", "-w", "128"], []),
    "block-attach": (["block-attach", "one", "file:{}/more", "xvdb", "w"],
                     ["block-detach", "one", "xvdb", "-f"]),
    "network-attach": (["network-attach", "one", "type=user"], ["network-detach", "one", "1", "-f"]),
    "destroy": (["destroy", "one"], ["start", "one"]),
}


@pytest.fixture
def guest(instance, tmp_path):
    """A managed domain with a disk and an interface, which lets itself be saved, and counts."""
    for name in ("image", "more"):
        (tmp_path / name).write_bytes(b"\0" * 1048576)
    instance.create("one", "new", f"uuid={UUID}", "extra=suspend", "vcpus=2", "vif=type=user",
                    f"disk=file:{tmp_path}/image,xvda,w")
    assert call(instance.xm, "start", "one").returncode == 0
    instance.create("witness", "create", "extra=wait")
    assert instance.xend("start").returncode == 0
    return instance


def kill_during(instance, words, seconds):
    """Run xm WORDS; meanwhile xend is killed, and the next one started. xm's exit status."""
    pid = instance.pid()
    with subprocess.Popen([instance.xm, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        instance.wait_until(lambda: instance.pid() != pid, "a killed xend lives on")
        assert instance.xend("start").returncode == 0
        return process.wait(timeout=60)


def has_devices(instance, name):
    return all(f"/local/domain/0/backend/{kind}/" in call(instance.xm, verb, name).stdout
               for kind, verb in (("vbd", "block-list"), ("vif", "network-list")))


def check_adopted(instance):
    """All that run are known to xend, by name and uuid, with the same process as before."""
    instance.wait_until(lambda: {name: entry["uuid"] for name, entry in instance.adopted().items()}
                        == {name: entry["uuid"] for name, entry in instance.domains().items()},
                        "not all domains were adopted", 20)


def check_console(instance, name):
    with subprocess.Popen([instance.xm, "console", name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as console:
        seen = b""
        deadline = time.monotonic() + 20
        while b"count" not in seen:
            assert time.monotonic() < deadline, seen
            seen += os.read(console.stdout.fileno(), 4096)
        console.kill()


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(guest, tmp_path, name):
    instance = guest
    words, undo = ([word.replace("{}", str(tmp_path)) for word in list_] for list_ in OPERATIONS[name])
    witness = instance.domains()["witness"]
    for seconds in MOMENTS:
        assert kill_during(instance, words, seconds) == 0
        check_adopted(instance)
        if undo:
            done = call(instance.xm, *undo)
            assert done.returncode == 0, done.stderr
        check_adopted(instance)
        found = instance.domains()
        assert set(found) == {"one", "witness"} and found["one"]["uuid"] == UUID
        assert {key: found["witness"][key] for key in ("domid", "uuid", "pid")} == {
            key: witness[key] for key in ("domid", "uuid", "pid")}
        instance.wait_until(lambda: has_devices(instance, "one"), "it has lost its devices")
        check_console(instance, "one")


def test_create_and_shutdown(instance):
    """What begins and ends while xend is killed is known to the next one, and written down."""
    assert instance.xend("start").returncode == 0
    for n, seconds in enumerate(MOMENTS):
        name = f"short-{n}"
        words = ["create", "-q", instance.config, f"name={name}", "extra=poweroff"]
        assert kill_during(instance, words, seconds) == 0
        instance.wait_until(lambda: not instance.domains(), "it does not end")
        instance.create("long", "create", "extra=wait")
        check_adopted(instance)
        assert kill_during(instance, ["destroy", "long"], seconds) == 0
        assert not instance.domains()
        instance.wait_until(lambda: not instance.adopted(), "xend knows one that has gone")
        assert re.search(rf"domain '{name}' started as ", (instance.log / "xend.log").read_text())
