# SPDX-License-Identifier: GPL-2.0-or-later
"""What is changed of a managed domain is in its config: it is so at its next start, too."""

import json
import os
import re

import pytest

from test_managed import call, machine  # noqa: F401  pylint: disable=unused-import

MAC = "00:16:3e:01:02:03"


class Managed:
    """A managed domain with more than the defaults, and what is known of it."""

    def __init__(self, xm, config, disk):
        self.xm = xm
        self.do("new", "-q", config, "name=kept", "memory=128", "maxmem=256", "vcpus=1",
                "maxvcpus=4", f"disk=file:{disk},xvda,w", "vif=type=user")

    def do(self, *words):
        done = call(self.xm, *words)
        assert done.returncode == 0 and not done.stderr, (words, done.stdout, done.stderr)
        return done.stdout

    def fails(self, *words):
        done = call(self.xm, *words)
        assert done.returncode != 0, (words, done.stdout)
        return done.stderr

    def listed(self, name="kept"):
        """As xm list -l shows it, in one line."""
        return re.sub(r"\s+", " ", self.do("list", "-l", name)).replace(" )", ")")

    def end(self):
        call(self.xm, "destroy", "kept")


@pytest.fixture
def kept(xm, machine, tmp_path):
    for name in ("one.img", "two.img", "three.img"):
        with open(tmp_path / name, "wb") as stream:
            stream.truncate(1 << 20)
    it = Managed(xm, machine.config_file, tmp_path / "one.img")
    yield it
    it.end()


def change_all(kept, path):
    kept.do("mem-set", "kept", "112")
    kept.do("sched-credit", "-d", "kept", "-w", "512")
    kept.do("block-attach", "kept", f"file:{path}/two.img", "xvdb", "w")
    kept.do("block-attach", "kept", f"file:{path}/three.img", "xvdc", "r")
    kept.do("network-attach", "kept", "type=user", f"mac={MAC}")
    kept.do("block-detach", "kept", "xvdb")


def check_all(text, path):
    for words in ("(cpu_weight 512)", f"(uname file:{path}/one.img)", f"(uname file:{path}/three.img)", f"(mac {MAC})"):
        assert words in text, (words, text)
    assert "two.img" not in text
    assert text.count("(device (vif") == 2


def check_complaints(kept, path):
    """In Xen's words, whether it runs or not."""
    assert kept.fails("block-attach", "kept", f"file:{path}/two.img", "xvda", "w") == (
        "Error: Device 51712 (vbd) is already connected.\n")
    assert kept.fails("block-detach", "kept", "xvdd") == "Error: Device xvdd not connected\n"
    assert kept.fails("network-detach", "kept", "7") == "Error: Cannot find device 7\n"


def test_of_a_running_one(kept, tmp_path):
    kept.do("start", "-q", "kept")
    change_all(kept, tmp_path)
    check_complaints(kept, tmp_path)
    kept.do("vcpu-set", "kept", "2")
    check_all(kept.listed(), tmp_path)
    assert "(vcpu_avail 3)" in kept.listed() and "(maxmem 256)" in kept.listed()
    kept.do("mem-max", "kept", "192")
    kept.do("vcpu-pin", "kept", "1", "0")
    kept.end()
    text = kept.listed()
    check_all(text, tmp_path)
    assert "(memory 112)" in text and "(maxmem 192)" in text
    assert "(vcpu_avail 3)" in text and "(vcpus 4)" in text
    assert re.search(r"\(cpus \((\S+) 0 \1 \1\)\)", text), text

    kept.do("start", "-q", "kept")  # it is what it was
    info = json.loads(kept.do("list", "--json", "kept"))[0]
    assert (info["memory"], info["maxmem"]) == (112, 192)
    assert re.search(r"^kept +\d+ +512 +0$", kept.do("sched-credit", "-d", "kept"), re.M)
    assert {line.split()[0] for line in kept.do("block-list", "kept").splitlines()[1:]} == {
        "51712", "51744"}
    assert MAC in kept.do("network-list", "kept")
    assert re.search(r"^kept +\d+ +1 .* 0$", kept.do("vcpu-list", "kept"), re.M)


def test_of_one_that_does_not_run(kept, tmp_path):
    change_all(kept, tmp_path)
    kept.do("vcpu-set", "kept", "2")
    kept.do("sched-credit", "-d", "kept", "-c", "50")
    text = kept.listed()
    check_all(text, tmp_path)
    assert "(memory 112)" in text and "(maxmem 256)" in text and "(cpu_cap 50)" in text
    assert "(vcpus 2)" in text and "vcpu_avail" not in text
    kept.do("network-detach", "kept", MAC)
    kept.do("network-detach", "kept", "0")
    assert "vif" not in kept.listed()
    assert "are more than it may have, which is 256 MiB" in kept.fails("mem-set", "kept", "300")
    assert "Zero or less VCPUs is invalid" in kept.fails("vcpu-set", "kept", "0")
    check_complaints(kept, tmp_path)
    assert "two.img" not in kept.listed()
    kept.do("sched-credit", "-d", "kept", "-c", "0")  # a cap takes control groups
    kept.do("start", "-q", "kept")


def test_of_one_that_is_not_managed(xm, kept, machine, tmp_path):
    """Its own config, which the list shows, changes; no managed one comes into being."""
    kept.do("create", "-q", machine.config_file, "name=other", "maxmem=256")
    try:
        kept.do("mem-set", "other", "112")
        kept.do("block-attach", "other", f"file:{tmp_path}/two.img", "xvdb", "w")
        assert "two.img" in kept.listed("other")
        kept.do("rename", "other", "another")
        assert "(name another)" in kept.listed("another")
    finally:
        call(xm, "destroy", "other")
        call(xm, "destroy", "another")
    assert "another" not in kept.do("list")
    assert "two.img" not in kept.listed()


def test_relative_names_of_images(kept, tmp_path, monkeypatch):
    """Who starts it later stands in another directory."""
    monkeypatch.chdir(tmp_path)
    kept.do("block-attach", "kept", "file:two.img", "xvdb", "w")
    assert f"(uname file:{tmp_path}/two.img)" in kept.listed()
    monkeypatch.chdir(os.path.sep)
    kept.do("start", "-q", "kept")


def test_media(kept, tmp_path):
    kept.do("block-attach", "kept", "", "xvdd:cdrom", "r")
    kept.do("start", "-q", "kept")
    kept.do("cd-insert", "kept", "xvdd", f"file:{tmp_path}/two.img")
    kept.end()
    assert "two.img" in kept.listed() and kept.listed().count("xvdd:cdrom") == 1
    kept.do("cd-eject", "kept", "xvdd")
    assert "two.img" not in kept.listed() and "xvdd:cdrom" in kept.listed()
    kept.do("start", "-q", "kept")
