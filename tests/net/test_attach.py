# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces that come to a running guest, and who may have interfaces of the host at all."""

import os
import shutil
import subprocess

import pytest

from guestkit import BUILD
from netlab import guests, host  # noqa: F401 # pylint: disable=unused-import

# pylint: disable=redefined-outer-name


@pytest.fixture
def bridge(host):
    host.sh("ip link add br0 type bridge forward_delay 0; ip addr add 10.9.9.254/24 dev br0; "
            "ip link set br0 up")
    return host


def test_attach_and_detach(bridge, guests):
    """An interface comes, with its script, works, and goes with it; one more is left to the
    domain's end."""
    guest, = guests(None)
    name = f"vif{guest.domid()}"
    bridge.xm("network-attach", guest.name, "ip=10.9.9.1", "bridge=br0")
    guest.run("for i in $(seq 50); do [ -d /sys/class/net/eth0 ] && break; sleep 0.1; done")
    guest.address("10.9.9.1/24")
    assert guest.pings("10.9.9.254")
    assert "master br0" in bridge.sh(f"ip link show {name}.0")
    done = bridge.xm("network-attach", guest.name, "bridge=nowhere", check=False)
    assert done.returncode == 1
    assert "Error: Device 1 (vif) could not be connected. Could not find bridge device nowhere" \
        in done.stdout
    assert f"{name}.1" not in bridge.links()
    bridge.xm("network-detach", guest.name, "0")
    assert f"{name}.0" not in bridge.links() and bridge.traces() == []

    # One waits for the end, however often they come and go; and a new one if that was killed.
    for _ in range(2):
        bridge.xm("network-attach", guest.name)
        assert len(bridge.processes("xenolith-undo")) == 1
        bridge.kill("xenolith-undo")
    bridge.xm("network-attach", guest.name)
    assert len(bridge.processes("xenolith-undo")) == 1
    assert {f"{name}.{i}" for i in range(3)} <= set(bridge.links())
    bridge.kill("xenolith-domain")
    bridge.wait_clean()


def test_interface_of_another(bridge, guests, kernels, tmp_path):
    """vifname cannot be an interface that a guest has, or one that is no tap; that stays as it
    is. The same name again right after the domain's end is fine."""
    guest, = guests("vifname=vifmine")
    guest.address("10.9.9.1/24")
    before = bridge.traces()
    for name, why in (("vifmine", f"vifmine is an interface of domain {guest.domid()}"),
                      ("br0", "br0 exists and is no tap device")):
        done = bridge.xm("network-attach", guest.name, f"vifname={name}", check=False)
        assert done.returncode == 1
        assert f"Error: Device 1 (vif) could not be connected. {why}" in done.stdout
        assert bridge.traces() == before and guest.pings("10.9.9.254")
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=128\nextra='panic=0'\n"
                      "vif=['vifname=vifmine, script=vif-slow']\n")
    bridge.script("vif-slow", "#!/bin/sh\n[ $1 = online ] || sleep 1\n")
    bridge.xm("destroy", guest.name)
    for _ in range(2):
        bridge.xm("create", str(config))
        assert "vifmine" in bridge.links()
        bridge.xm("destroy", "x")
    bridge.wait_clean()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
@pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (util-linux) is not installed")
def test_without_root(kernels, tmp_path):
    """The user-mode network, and a sentence that says so."""
    subprocess.run(["cp", "-a", "--", *(os.path.join(BUILD, name) for name in (
        "xm", "xenolith-domain", "xenolith-xenstored")), str(tmp_path)], check=True)
    shutil.copy(os.path.join(kernels(), "vmlinuz"), tmp_path / "vmlinuz")
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{tmp_path}/vmlinuz'\nmemory=128\n"
                      "vif=['bridge=xenbr0, mac=00:16:3e:00:99:01']\nextra='panic=1'\n"
                      "on_crash='preserve'\n")
    for path in [tmp_path, *tmp_path.parents][:3]:
        path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    shutil.chown(home, 65534, 65534)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--",
            "env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin", str(tmp_path / "xm")]
    try:
        done = subprocess.run([*user, "create", str(config)], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        assert "vif 'bridge=xenbr0, mac=00:16:3e:00:99:01': without root" in done.stdout
        assert "user-mode network instead" in done.stdout
        listed = subprocess.run([*user, "network-list", "x"], check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        assert "00:16:3e:00:99:01" in listed
    finally:
        subprocess.run([*user, "destroy", "x"], check=False, capture_output=True)
