# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a domain at its end, its names, and what xm tells about all of them."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pexpect
import pytest

from test_xend import call, instance  # noqa: F401  pylint: disable=unused-import


def row(instance, name):
    for line in call(instance.xm, "list").stdout.splitlines():
        if line.split()[0] == name:
            return line.split()
    return None


def create(instance, name, extra, **options):
    words = [f"{key}={value}" for key, value in options.items()]
    done = call(instance.xm, "create", "-q", instance.config, f"name={name}", f"extra={extra}", *words)
    assert done.returncode == 0, done.stderr


def restarts(instance, name):
    document = json.loads(call(instance.xm, "list", "--json", name).stdout)
    return document[0].get("restarts", 0)


@pytest.mark.parametrize("extra,option", [("poweroff", "on_poweroff"), ("reboot", "on_reboot"),
                                          ("crash", "on_crash")])
def test_destroy_and_restart(instance, extra, option):
    create(instance, "one", extra, **{option: "destroy"})
    instance.wait_until(lambda: row(instance, "one") is None, "it does not go")
    create(instance, "two", extra, **{option: "restart"})
    instance.wait_until(lambda: restarts(instance, "two") >= 1, "it was not started again")
    assert row(instance, "two")
    assert call(instance.xm, "destroy", "two").returncode == 0


@pytest.mark.parametrize("extra,option,state", [("poweroff", "on_poweroff", "---s--"),
                                                ("crash", "on_crash", "---sc-")])
def test_preserve(instance, extra, option, state):
    """It stays listed until it is destroyed, and its name is taken until then."""
    create(instance, "one", extra, **{option: "preserve"})
    instance.wait_until(lambda: row(instance, "one")[4] == state, "it is not preserved")
    done = call(instance.xm, "create", "-q", instance.config, "name=one")
    assert done.returncode == 1 and "VM name 'one' already exists as domain" in done.stderr
    assert call(instance.xm, "destroy", "one").returncode == 0
    assert row(instance, "one") is None


def test_enable_dump(instance, tmp_path, monkeypatch):
    """xend-config.sxp asks for a dump of what crashes."""
    with open(os.environ["XEND_CONFIG"], "w", encoding="utf-8") as stream:
        stream.write("(enable-dump yes)\n")
    done = call(instance.xm, "create", "-n", "--json", "-q", instance.config, "name=one")
    assert json.loads(done.stdout)["on_crash"] == "destroy"  # the config's own word
    create(instance, "one", "crash", on_crash="destroy")
    instance.wait_until(lambda: row(instance, "one") is None, "it does not go")
    log = (instance.log / "one.log").read_text()
    assert "dump" in log, log


ENDS = {"poweroff": "---s--", "reboot": "---s--", "crash": "---sc-"}


@pytest.mark.parametrize("action", ["destroy", "restart", "preserve", "rename-restart",
                                    "coredump-destroy", "coredump-restart"])
@pytest.mark.parametrize("end", ENDS)
def test_every_action(instance, end, action, tmp_path, monkeypatch):
    """After every end of a life."""
    monkeypatch.setenv("XENOLITH_STATE_DIR", str(tmp_path / "state"))
    create(instance, "one", end, **{f"on_{end}": action})
    log = instance.log / "one.log"
    if action in ("restart", "coredump-restart"):
        instance.wait_until(lambda: restarts(instance, "one") >= 1, "it was not started again")
    elif action == "preserve":
        instance.wait_until(lambda: row(instance, "one")[4] == ENDS[end], "it is not preserved")
        assert restarts(instance, "one") == 0
    elif action == "rename-restart":
        instance.wait_until(lambda: len(renamed(instance)) >= 2, "nothing was started again")
        assert instance.domains()[renamed(instance)[0]]["state"] == ENDS[end]
    else:
        instance.wait_until(lambda: row(instance, "one") is None, "it does not go")
    cores = re.findall(r"core written: (\S+)", log.read_text())
    assert bool(cores) == action.startswith("coredump-"), log.read_text()
    for core in cores:
        if os.path.exists(core):
            os.unlink(core)


def renamed(instance):
    return [name for name in instance.domains() if re.fullmatch(r"Domain-[0-9a-f-]{36}", name)]


def test_rename_restart(instance):
    """The old one steps aside under another name, a new one has its name and uuid. One that ends
    at once is not started for ever."""
    create(instance, "one", "crash", on_crash="rename-restart",
           uuid="00000000-0000-4000-8000-00000000000a")
    instance.wait_until(lambda: len(renamed(instance)) >= 2, "nothing was started again")
    first = instance.domains()[renamed(instance)[0]]
    assert first["state"] == "---sc-"
    assert first["uuid"] == renamed(instance)[0][len("Domain-"):]
    log = (instance.log / "xend.log").read_text()
    started = re.findall(r"domain 'one' started as \d+, uuid (\S+)", log)
    assert len(started) >= 2 and set(started) == {"00000000-0000-4000-8000-00000000000a"}


def test_rename_restart_is_seen_to_by_the_next_xend(instance):
    """A domain that steps aside while xend is not there to see it."""
    assert instance.xend("start").returncode == 0
    first = instance.pid()
    os.kill(first, signal.SIGSTOP)
    create(instance, "one", "crash", on_crash="rename-restart")
    instance.wait_until(lambda: len(renamed(instance)) == 1, "it does not step aside")
    assert row(instance, "one") is None
    os.kill(first, signal.SIGKILL)
    instance.wait_until(lambda: not instance.pid(), "xend lives on")
    assert instance.xend("start").returncode == 0
    instance.wait_until(lambda: len(renamed(instance)) >= 2, "nothing was started again")


def test_rename_restart_with_a_xend_that_is_killed(instance):
    """At some moments of it: there is a successor for each that stepped aside."""
    for ms in (0, 5, 20, 50, 100):
        assert instance.xend("start").returncode == 0
        first = instance.pid()
        create(instance, "one", "crash", on_crash="rename-restart")
        time.sleep(ms / 1000)
        os.kill(first, signal.SIGKILL)
        instance.wait_until(lambda p=first: instance.pid() != p, "xend lives on")
        assert instance.xend("start").returncode == 0
        instance.wait_until(lambda: len(renamed(instance)) >= 2, "nothing was started again")
        # What the first one began may start one on demand just now.
        while pid := instance.pid():
            os.kill(pid, signal.SIGKILL)
            instance.wait_until(lambda p=pid: instance.pid() != p, "xend lives on")
        while left := instance.domains():
            for name in left:
                call(instance.xm, "destroy", name)


def test_rename(instance):
    create(instance, "one", "wait")
    create(instance, "other", "wait")
    done = call(instance.xm, "rename", "one", "other")
    assert done.returncode == 1 and "already exists" in done.stderr
    assert call(instance.xm, "rename", "one", "a name").returncode == 1
    assert call(instance.xm, "rename", "nobody", "x").returncode == 3
    domid = instance.domains()["one"]["domid"]
    assert call(instance.xm, "rename", "one", "new.name").returncode == 0
    assert row(instance, "one") is None
    assert row(instance, "new.name")[1] == str(domid)
    done = call("xenstore-read", f"/local/domain/{domid}/name",
                env={**os.environ, "XENSTORED_PATH": str(instance.run / "xenstored.sock")})
    assert done.stdout == "new.name\n"
    create(instance, "one", "wait")  # the old name is free
    instance.create("kept", "new")
    assert call(instance.xm, "rename", "kept", "other").returncode == 1
    assert call(instance.xm, "rename", "kept", "keeper").returncode == 0
    assert row(instance, "keeper") and not row(instance, "kept")


def test_reset(instance):
    create(instance, "one", "wait")
    before = instance.domains()["one"]
    assert call(instance.xm, "rename", "one", "two").returncode == 0
    assert call(instance.xm, "reset", "two").returncode == 0
    after = instance.domains()["two"]
    assert after["domid"] != before["domid"] and after["uuid"] == before["uuid"]
    done = call(instance.xm, "reset", "0")
    assert (done.returncode, done.stderr) == (1, "Error: Cannot reset privileged domain 0\n")


def test_list_l_goes_back_into_create(instance, tmp_path):
    """`xm create -F` takes what `xm list -l` prints."""
    create(instance, "one", "wait", on_poweroff="preserve", cpu_weight="512")
    text = call(instance.xm, "list", "-l", "one").stdout
    for line in ("(domain", "    (name one)", "    (on_poweroff preserve)", "    (cpu_weight 512)",
                 "    (status 2)", "    (cpus (()))", "            (protocol vt100)"):
        assert line in text.splitlines(), text
    assert re.search(r"^    \(state .{6}\)\n    \(store_mfn \d+\)\n    \(console_mfn \d+\)$", text,
                     re.MULTILINE), text
    assert re.search(r"^    \(start_time \d{10}\)$", text, re.MULTILINE)
    assert call(instance.xm, "destroy", "one").returncode == 0
    (tmp_path / "sxp").write_text(text)
    done = call(instance.xm, "create", "-q", "-F", str(tmp_path / "sxp"))
    assert done.returncode == 0, done.stderr
    assert "    (cpu_weight 512)" in call(instance.xm, "list", "-l", "one").stdout.splitlines()


def test_list_by_name(instance):
    for name in ("zebra", "ant"):
        create(instance, name, "wait")
    names = [line.split()[0] for line in call(instance.xm, "list").stdout.splitlines()[1:]]
    assert names == sorted(names)


def test_info(instance):
    lines = call(instance.xm, "info").stdout.splitlines()
    names = [line[:23].rstrip() for line in lines]
    assert all(line[23:25] == ": " for line in lines)
    assert names == [
        "host", "release", "version", "machine", "nr_cpus", "nr_nodes", "cores_per_socket",
        "threads_per_core", "cpu_mhz", "hw_caps", "virt_caps", "total_memory", "free_memory",
        "free_cpus", "xen_major", "xen_minor", "xen_extra", "xen_caps", "xen_scheduler",
        "xen_pagesize", "platform_params", "xen_changeset", "xen_commandline", "cc_compiler",
        "cc_compile_by", "cc_compile_domain", "cc_compile_date", "xend_config_format"]
    values = dict(zip(names, (line[25:] for line in lines)))
    assert re.fullmatch(r"([0-9a-f]{8}:){7}[0-9a-f]{8}", values["hw_caps"])
    create(instance, "one", "wait")
    after = dict(line.split(":", 1) for line in call(instance.xm, "info").stdout.splitlines()
                 if line.startswith("free_memory"))
    assert int(list(after.values())[0]) == int(values["free_memory"]) - 8
    assert any(line.split() == ["dom0-min-mem", ":", "0"]
               for line in call(instance.xm, "info", "-c").stdout.splitlines())


def test_top(instance):
    create(instance, "one", "wait")
    done = call(instance.xm, "top", "-b", "-i", "2", "-d", "1")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:4] for line in lines if line[0] == "NAME"] == [
        ["NAME", "STATE", "CPU(sec)", "CPU(%)"]] * 2
    assert len([line for line in lines if line[0] == "one" and line[4] == "8192"]) == 2
    assert call(instance.xm, "top").returncode == 1  # no terminal


def test_top_on_a_terminal(instance):
    create(instance, "one", "wait")
    top = pexpect.spawn(instance.xm, ["top", "-d", "1"], dimensions=(24, 180), timeout=20,
                        env={**os.environ, "TERM": "xterm"})
    top.expect("domains: ")
    top.expect("NAME  STATE")
    top.expect("one ")
    top.send("n")
    top.expect("Quit")
    top.send("q")
    top.expect(pexpect.EOF)
    top.close()
    assert top.exitstatus == 0


def test_disk_in_use(instance, tmp_path):
    """One writer for a disk; who comes second leaves nothing behind."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1048576))
    create(instance, "one", "wait", disk=f"file:{image},xvda,w")
    def files():
        return sorted(entry.name for entry in instance.run.iterdir() if entry.name[0].isdigit())

    before = files()
    done = call(instance.xm, "create", "-q", instance.config, "name=two",
                f"disk=file:{image},xvda,w")
    assert done.returncode == 1
    assert str(image) in done.stderr and "in use by another domain" in done.stderr
    assert row(instance, "two") is None
    assert files() == before
    create(instance, "three", "wait", disk=f"file:{image},xvda,w!")


def test_log_and_domstate(instance):
    create(instance, "one", "wait")
    assert "domain 'one' started as 1" in call(instance.xm, "log").stdout
    assert call(instance.xm, "domstate", "one").stdout in ("idle\n", "running\n")
    instance.create("kept", "new")
    assert call(instance.xm, "domstate", "kept").stdout == "shutoff\n"
    assert call(instance.xm, "domstate", "nobody").returncode == 3


def test_what_is_not_there_says_why(instance):
    done = call(instance.xm, "remus", "one", "elsewhere")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'xm remus' is not supported: ")
    done = call(instance.xm, "frobnicate")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Subcommand frobnicate not found!\nUsage: xm <subcommand>")


def test_labels_and_pools(instance):
    """There are no labels, and one pool."""
    create(instance, "one", "wait")
    heading, first = call(instance.xm, "list", "--label", "one").stdout.splitlines()
    assert heading.endswith(" Time(s) %-10s" % "Label") and first.endswith(" %-10s" % "INACTIVE")
    assert call(instance.xm, "list", "--pool=Pool-0").stdout.splitlines()[2].startswith("one ")
    assert call(instance.xm, "list", "--pool=Pool-0", "one").returncode == 1
    assert call(instance.xm, "list", "--pool=other").returncode == 1
    done = call(instance.xm, "pool-list")
    assert done.stderr.startswith("Command pool-list is deprecated. Please use xm cpupool-list "
                                  "instead.\nError: 'xm cpupool-list' is not supported: ")


def test_shell(instance):
    """Words in quotes; one that fails does not end it; the status is the last one's."""
    create(instance, "one", "wait")
    number = call(instance.xm, "domid", "one").stdout
    done = subprocess.run([instance.xm, "shell"], input='domid "one"\n\ndomid nobody\nexit\ndomid one\n',
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"xm> {number}xm> xm> xm> " and done.returncode == 3
    assert done.stderr == "Error: Domain 'nobody' does not exist.\n"
    done = subprocess.run([instance.xm, "shell"], input="domname 0", capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("xm> Domain-0\nxm> \n", 0)


def nodes(instance, root):
    """{path below root: value} of xenstore."""
    done = call("xenstore-ls", "-f", root, env=dict(os.environ, XENSTORED_PATH=str(instance.run / "xenstored.sock")))
    assert done.returncode == 0, done.stderr
    found = dict(re.fullmatch(r"(\S+) = \"(.*)\"", line).groups() for line in done.stdout.splitlines())
    return {path[len(root) + 1:]: value for path, value in found.items()}


@pytest.mark.skipif(not shutil.which("xenstore-ls"), reason="no xenstore-utils")
def test_what_xenstore_has_of_a_config(instance):
    """Below /vm/UUID, as xend had it; the next life tells of the one before."""
    uuid = "00000000-0000-4000-8000-00000000000b"
    create(instance, "one", "wait now", uuid=uuid, on_reboot="restart", on_poweroff="preserve",
           description="words", vcpus="2", vif="type=user")
    vm = nodes(instance, f"/vm/{uuid}")
    assert re.fullmatch(r"\d{10}", vm.pop("start_time"))
    assert vm.pop("image/kernel").endswith("/guest-for-cli")
    assert vm == {
        "uuid": uuid, "name": "one", "memory": "8", "maxmem": "8", "vcpus": "2", "vcpu_avail": "3",
        "shadow_memory": "0", "on_poweroff": "preserve", "on_reboot": "restart",
        "on_crash": "destroy", "on_xend_start": "ignore", "on_xend_stop": "ignore",
        "pool_name": "Pool-0", "description": "words", "image": "", "image/ostype": "linux",
        "image/cmdline": "wait now", "xend": "", "xend/restart_count": "0"}
    number = call(instance.xm, "domid", "one").stdout.strip()
    assert nodes(instance, f"/local/domain/{number}")["description"] == "words"
    assert nodes(instance, f"/local/domain/0/backend/vif/{number}/0")["domain"] == "one"
    assert nodes(instance, f"/local/domain/0/backend/console/{number}/0") == {
        "domain": "one", "frontend": f"/local/domain/{number}/console", "frontend-id": number,
        "online": "1", "state": "4", "protocol": "vt100"}
    assert nodes(instance, "/tool/xenstored")["domid"] == "0"
    assert call(instance.xm, "trigger", "one", "reset").returncode == 0
    instance.wait_until(lambda: restarts(instance, "one") == 1, "it was not started again")
    vm = nodes(instance, f"/vm/{uuid}")
    assert (vm["xend/restart_count"], vm["xend/last_shutdown_reason"]) == ("1", "reboot")
