# SPDX-License-Identifier: GPL-2.0-or-later
"""The same program by the name xl: its tables, words and letters where they are not xm's."""

import json
import os
import re
import time

import pytest

from test_lifecycle import create, row
from test_xend import call, instance  # noqa: F401  pylint: disable=unused-import


@pytest.fixture
def xl(instance, tmp_path):
    path = str(tmp_path / "xl")
    os.symlink(instance.xm, path)
    return path


def test_list(xl, instance):
    create(instance, "one", "wait")
    heading, _, line = call(xl, "list").stdout.splitlines()
    assert heading == "Name                                        ID   Mem VCPUs\tState\tTime(s)"
    assert re.fullmatch(r"one {37} +\d+     8     1     [rb-]{6}  +\d+\.\d", line)
    assert call(xl, "vm-list").stdout.startswith("UUID                                  ID    name\n")


def test_list_as_json(xl, instance, tmp_path):
    image = tmp_path / "image"
    image.write_bytes(b"\0" * 1048576)
    create(instance, "one", "wait", disk=f"file:{image},xvda,w",
           vif="mac=00:16:3e:00:00:01,type=user", on_reboot="preserve")
    document = json.loads(call(xl, "-v", "list", "-l").stdout)
    assert [entry["domid"] for entry in document][0] == 0
    config = document[1]["config"]
    assert config["c_info"]["name"] == "one" and config["c_info"]["type"] == "pv"
    assert config["b_info"]["kernel"].endswith("guest-for-cli")
    assert config["b_info"]["max_memkb"] == config["b_info"]["target_memkb"] == 8192
    assert config["disks"] == [{"pdev_path": str(image), "vdev": "xvda", "format": "raw",
                                "readwrite": 1, "is_cdrom": 0}]
    assert config["nics"] == [{"devid": 0, "mac": "00:16:3e:00:00:01"}]
    assert (config["on_reboot"], config["on_crash"]) == ("preserve", "destroy")


def test_tables(xl, instance, tmp_path):
    image = tmp_path / "image"
    image.write_bytes(b"\0" * 1048576)
    create(instance, "one", "wait", disk=f"file:{image},xvda,w", vif="mac=00:16:3e:00:00:01,type=user")
    heading, *lines = call(xl, "vcpu-list").stdout.splitlines()
    assert heading.endswith("Time(s) Affinity (Hard / Soft)")
    assert lines and all(line.endswith(" all / all") for line in lines)
    assert call(xl, "sched-credit").stdout.splitlines()[:2] == [
        "Cpupool Pool-0: tslice=30ms ratelimit=1000us migration-delay=0us",
        "%-33s %4s %6s %4s" % ("Name", "ID", "Weight", "Cap")]
    number = int(call(xl, "domid", "one").stdout)
    assert call(xl, "sched-credit", "-d", "one").stdout.splitlines()[1] == "%-33s %4d %6d %4d" % (
        "one", number, 256, 0)
    back = f"/local/domain/0/backend/vbd/{number}/51712"
    assert call(xl, "block-list", "one").stdout.splitlines() == [
        "%-5s %-3s %-6s %-5s %-6s %-8s %-30s" % ("Vdev", "BE", "handle", "state", "evt-ch",
                                                 "ring-ref", "BE-path"),
        "%-5d %-3d %-6d %-5d %-6d %-8d %-30s" % (51712, 0, 0, 1, -1, -1, back)]
    back = f"/local/domain/0/backend/vif/{number}/0"
    assert call(xl, "network-list", "one").stdout.splitlines() == [
        "%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s" % (
            "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path"),
        "%-3d %-2d %s %6d %5d %6d %5d/%-11d %-30s" % (
            0, 0, "00:16:3e:00:00:01", 0, 1, -1, -1, -1, back)]


def test_info(xl, instance):
    names = [line[:23].strip() for line in call(xl, "info").stdout.splitlines()]
    for first, second in (("nr_cpus", "max_cpu_id"), ("free_memory", "sharing_freed_memory"),
                          ("sharing_used_memory", "outstanding_claims"),
                          ("xen_extra", "xen_version"), ("cc_compile_date", "build_id")):
        assert names.index(second) == names.index(first) + 1, names


def test_errors(xl, instance):
    done = call(xl, "destroy", "nobody")
    assert (done.returncode, done.stderr) == (1, "nobody is an invalid domain identifier (rc=-6)\n")
    done = call(xl, "list", "nobody")
    assert (done.returncode, done.stderr) == (1, "Error: Domain 'nobody' does not exist.\n")
    done = call(xl, "frobnicate")
    assert (done.returncode, done.stderr) == (1, "command not implemented\n")


def test_dry_run(xl, instance):
    done = call(xl, "-N", "create", instance.config, "memory=16;", 'name = "one"')
    assert done.returncode == 0, done.stderr
    assert "    (name one)" in done.stdout.splitlines()
    assert "    (memory 16)" in done.stdout.splitlines()
    assert not instance.domains()
    done = call(xl, "-N", "destroy", "one")
    assert (done.returncode, done.stderr) == (1, "command does not implement -N (dryrun) option\n")


def test_in_the_foreground(xl, instance):
    """-F ends with the domain; -e is as without it."""
    done = call(xl, "create", "-e", "-F", instance.config, "name=one", "extra=poweroff")
    assert done.returncode == 0, done.stderr
    assert row(instance, "one") is None
    for _ in range(8):  # the end may come before anybody can ask for it
        done = call(xl, "create", "-F", instance.config, "name=two", "extra=crash")
        assert done.returncode == 1 and "domain two crashed" in done.stderr


def test_a_crash_destroys(xl, instance, tmp_path):
    """Unless told otherwise."""
    with open(tmp_path / "crashing", "w", encoding="utf-8") as stream:
        with open(instance.config, encoding="utf-8") as source:
            stream.write(source.read().replace("on_crash = 'destroy'\n", "extra = 'crash'\n"))
    assert call(xl, "create", "-q", str(tmp_path / "crashing")).returncode == 0
    time.sleep(0.5)
    instance.wait_until(lambda: row(instance, "crashing") is None, "it was started again")


def test_letters_of_other_commands(xl, instance):
    create(instance, "one", "wait")
    assert call(xl, "shutdown", "-F", "one").returncode == 0
    done = call(xl, "console", "-t", "vuart", "one")
    assert done.returncode == 1 and "pv or serial" in done.stderr
    assert call(instance.xm, "shutdown", "-F", "one").returncode == 1
