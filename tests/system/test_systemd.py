# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of packaging/ under a real systemd, as an administrator installs and uses them."""

import json
import os
import re
import shutil
import subprocess

import pytest

import systemdkit
from guestkit.machine import Machine
from systemdkit import GUEST, Host

REASON = systemdkit.missing()
needs_systemd = pytest.mark.skipif(REASON is not None, reason=str(REASON))

UNITS = "xend.socket xend.service xendomains.service"
CONSOLE = "/var/log/xenolith/console-{}.log"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("installed")
    systemdkit.install(directory)
    return directory


@pytest.fixture
def machine(xm, kernels):
    with Machine("xm", kernels(), memory=128) as it:
        it.prepare(GUEST)
        yield it


@pytest.fixture
def host(installed, machine, tmp_path):
    """With a config /etc/xen/web; not booted yet."""
    with Host(installed, tmp_path) as it:
        it.put_guest(machine)
        it.put("etc/default/xendomains", "XENDOMAINS_CREATE_USLEEP=0\nXENDOMAINS_SAVE=\n")
        it.put_config("web")
        yield it


def domain(host, name):
    """What xm tells of a running one."""
    return json.loads(host.sh(f"xm list --json {name}"))[0]


def property_of(host, unit, name):
    return host.sh(f"systemctl show --value -p {name} {unit}").strip()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("manager", ["system", "user"])
def test_units_are_in_order(installed, manager, tmp_path):
    """Without a running systemd: it reads them, knows each word, and finds their programs."""
    units = []
    for source in sorted((installed / "usr/local/lib/systemd" / manager).iterdir()):
        text = source.read_text().replace("=/usr/local/", f"={installed}/usr/local/")
        (tmp_path / source.name).write_text(text)
        units.append(str(tmp_path / source.name))
    assert [os.path.basename(unit) for unit in units] == sorted(UNITS.split())
    done = subprocess.run(["systemd-analyze", f"--{manager}", "--man=no", "verify", *units],
                          check=False, capture_output=True, text=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    words = [line for line in done.stderr.splitlines() if "xen" in line]
    assert done.returncode == 0 and not words, done.stderr


def test_what_is_in_etc_xen(build_dir, tmp_path):
    """All that an administrator looks for; an edited file is left alone by the next installation."""
    systemdkit.install(tmp_path)
    xen = tmp_path / "etc" / "xen"
    assert sorted(os.listdir(xen)) == ["auto", "scripts", "xend-config.sxp"]
    text = (xen / "xend-config.sxp").read_text()
    (xen / "xend-config.sxp").write_text(re.sub("^#[(]", "(", text, flags=re.M))
    assert text.count("\n#(") > 10
    done = subprocess.run([os.path.join(build_dir, "xend"), "reload"], check=False, text=True,
                          capture_output=True,
                          env={**os.environ, "XEND_CONFIG": str(xen / "xend-config.sxp"),
                               "XENOLITH_RUN_DIR": str(tmp_path / "run")})
    assert (done.returncode, done.stdout + done.stderr) == (3, "")  # in order, and nobody runs
    systemdkit.install(tmp_path)
    assert "\n#(" not in (xen / "xend-config.sxp").read_text()


@needs_systemd
def test_guests_come_and_go_with_the_host(host):
    host.link("etc/xen/auto/web", "../web")
    host.boot(f"systemctl --quiet enable {UNITS}")
    assert host.sh("systemctl is-failed 'xen*' || true").split() == ["active"] * 3
    assert "web" in host.sh("xm list")
    host.wait_until("grep -q 'up and running' " + CONSOLE.format("web"))
    assert "Starting auto Xen domains: web" in host.sh("journalctl -u xendomains -o cat")
    assert host.run("xm list --state=running | grep -q '^web '").returncode == 0
    text = host.power_off()
    # Each in its turn: the guests while xend still writes down what becomes of them.
    order = [text.index(f"Stopped {unit}.service") for unit in ("xendomains", "xend")]
    assert order == sorted(order)
    assert "going down" in host.log("xenolith/console-web.log")
    assert "domain 'web' (1) ended: poweroff: the guest powered off" in host.log("xen/xend.log")


@needs_systemd
@pytest.mark.slow
def test_guests_of_a_login_session(host):
    """Not ended with the session, and asked to go down when the host does."""
    host.boot(f"systemctl --quiet enable {UNITS}")
    host.sh("systemd-run --quiet --scope --slice=user-0.slice --unit=session-77 xm create -q web")
    scope = host.sh(f"cat /proc/{domain(host, 'web')['pid']}/cgroup")
    assert re.search(r"0::/machine\.slice/xenolith-\d+\.scope$", scope), scope
    host.run("systemctl stop session-77.scope")
    assert re.search("^web ", host.sh("xm list --state=running"), re.M)
    host.wait_until("grep -q 'up and running' " + CONSOLE.format("web"))
    host.sh("systemctl start xendomains && xm list")
    host.power_off()
    assert "going down" in host.log("xenolith/console-web.log")


@needs_systemd
@pytest.mark.slow
def test_a_request_starts_xend(host):
    """Only its socket is enabled: the first xm that wants it gets it, and it stays."""
    host.boot("systemctl --quiet enable xend.socket")
    assert host.run("systemctl is-active xend.service").stdout == "inactive\n"
    assert host.run("xend status").returncode == 3
    host.sh("xm list")  # asks nobody
    host.sh("xm create -q web")
    host.wait_until("systemctl is-active --quiet xend.service")
    assert property_of(host, "xend.service", "StatusText") == "looking after domains"
    pid = property_of(host, "xend.service", "MainPID")
    assert host.sh("xend status") == f"xend is running (process {pid})\n"
    host.wait_until("grep -q looking.after.domain /var/log/xen/xend.log")
    host.sh("xm destroy web")
    # One that xm starts itself would end now.
    host.sh("sleep 4; systemctl is-active xend.service")


@needs_systemd
@pytest.mark.slow
def test_domains_do_not_notice_what_happens_to_xend(host):
    host.boot(f"systemctl --quiet enable {UNITS}")
    host.sh("xm new -q web && xm start -q web")
    before = domain(host, "web")

    def is_adopted(pid="0"):
        host.wait_until("p=$(systemctl show --value -p MainPID xend); "
                        f"test $p != 0 && test $p != {pid}")
        now = property_of(host, "xend.service", "MainPID")
        host.wait_until(f"grep -q ' {now}. INFO .xend. looking after domain .web.' /var/log/xen/xend.log")
        after = domain(host, "web")
        assert {key: after[key] for key in ("pid", "domid", "uuid")} == {
            key: before[key] for key in ("pid", "domid", "uuid")}
        return now

    first = is_adopted()
    host.sh("systemctl stop xend.socket xend.service")
    assert domain(host, "web")["pid"] == before["pid"]
    host.sh("systemctl start xend")
    second = is_adopted(first)
    host.sh("systemctl restart xend")
    third = is_adopted(second)
    host.sh(f"kill -9 {third}")  # systemd starts another one
    fourth = is_adopted(third)
    host.sh("systemctl reload xend")
    host.wait_until("grep -q 'read its configuration again' /var/log/xen/xend.log")
    assert property_of(host, "xend.service", "MainPID") == fourth
    host.sh("systemctl restart xendomains")
    assert host.run("xm list --state=running | grep '^web '").returncode == 1


@needs_systemd
@pytest.mark.slow
def test_units_of_a_user(host):
    """The same for somebody who is not root, whose services start with the host (linger)."""
    host.put("var/config/xendomains", "XENDOMAINS_CREATE_USLEEP=0\nXENDOMAINS_SAVE=\n")
    host.put_config("var/config/auto/mine")
    host.boot(
        "useradd --create-home alice\n"
        "mkdir -p /var/lib/systemd/linger && touch /var/lib/systemd/linger/alice\n"
        "install -d -o alice ~alice/.config && cp -a /srv/var/config ~alice/.config/xenolith\n"
        "chown -R alice ~alice/.config && chmod 755 /srv\n")
    uid = host.sh("id -u alice").strip()
    alice = f"export HOME=/home/alice XDG_RUNTIME_DIR=/run/user/{uid}; "
    host.wait_until(f"test -S /run/user/{uid}/systemd/private")
    host.sh(alice + f"systemctl --user --quiet enable --now {UNITS}", "alice")
    assert re.search("^mine ", host.sh(alice + "xm list", "alice"), re.M)
    assert "mine" not in host.sh("xm list")
    log = host.sh("ls /home/alice/.local/state/xenolith/log/console-mine.log").strip()
    host.wait_until(f"grep -q 'up and running' {log}")
    host.sh(alice + "systemctl --user stop xendomains", "alice")
    assert "going down" in host.sh(f"cat {log}")
    assert "mine" not in host.sh(alice + "xm list", "alice")
