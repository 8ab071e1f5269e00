# SPDX-License-Identifier: GPL-2.0-or-later
"""vif-bridge and network-bridge: guests on a bridge of the host."""

import json
import os
import re
import shutil
import subprocess

import pytest

from guestkit import BUILD
from netlab import guests, host  # noqa: F401 # pylint: disable=unused-import

# pylint: disable=redefined-outer-name

MAC = ["00:16:3e:00:99:01", "00:16:3e:00:99:02"]


@pytest.fixture
def bridge(host):
    host.sh("ip link add br0 type bridge forward_delay 0; ip addr add 10.9.9.254/24 dev br0\n"
            "ip -6 addr add fd09::254/64 dev br0 nodad; ip link set br0 up")
    return host


def test_two_guests_and_the_host(bridge, guests):
    """They reach each other and the host. When one ends nothing is left of it, and the other
    goes on; nor is there of that one after kill -9 of its domain process."""
    one, two = guests(f"mac={MAC[0]}", "bridge=br0, vifname=vifsecond")
    one.address("10.9.9.1/24")
    two.address("10.9.9.2/24")
    assert one.pings("10.9.9.2") and two.pings("10.9.9.254")
    assert "10.9.9.1" in two.run("ping -c 1 10.9.9.1; arp -n")[1]
    name = f"vif{one.domid()}.0"
    assert {name, "vifsecond"} <= set(bridge.links())
    rules = bridge.sh("iptables -S FORWARD")
    assert f"--physdev-in {name} --physdev-is-bridged -j ACCEPT" in rules
    assert f"--physdev-out {name} --physdev-is-bridged -j ACCEPT" in rules
    assert "fe:ff:ff:ff:ff:ff" in bridge.sh(f"ip link show {name}")

    bridge.xm("destroy", one.name)
    for _ in range(100):
        if not any(name in trace for trace in bridge.traces()):
            break
        bridge.sh("sleep 0.1")
    assert not any(name in trace for trace in bridge.traces())
    assert two.pings("10.9.9.254")

    bridge.kill("xenolith-domain")
    bridge.wait_clean()
    assert bridge.processes("xenolith-undo") == []


def test_large_packets(bridge, guests):
    """mtu= is the tap's, and the bridge follows: whole IPv6 packets of 9000 bytes cross."""
    pair = guests("bridge=br0, mtu=9000", "bridge=br0, mtu=9000")
    for number, guest in enumerate(pair, 1):
        guest.address(f"10.9.9.{number}/24", f"ip addr add fd09::{number}/64 dev eth0; "
                      "ip link set eth0 mtu 9000")
        assert " mtu 9000 " in bridge.sh(f"ip link show vif{guest.domid()}.0")
    assert " mtu 9000 " in bridge.sh("ip link show br0")
    for to in ("10.9.9.1", "fd09::1", "10.9.9.254", "fd09::254"):
        assert pair[1].pings(to, "-s 8900"), to


def with_libraries(program):
    """Pairs for a guest's files: a program of the host and what it is linked to."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    paths = [program, *re.findall(r"(/\S+) \(0x", listed)]
    return [(os.path.realpath(path), path) for path in paths]


@pytest.mark.slow
def test_iperf3_from_guest_to_guest(bridge, guests):
    """TCP both ways, both at once and in eight streams, and UDP; how fast is bench's business."""
    iperf3 = shutil.which("iperf3")
    if not iperf3:
        pytest.skip("iperf3 is not installed (Debian package iperf3)")
    one, two = guests("bridge=br0", "bridge=br0", files=with_libraries(iperf3))
    for number, guest in enumerate((one, two), 1):
        guest.address(f"10.9.9.{number}/24")
        guest.run("ip link set lo up")
    status, text = one.run("mkdir -p /tmp; iperf3 -s --forceflush >/tmp/server 2>&1 & sleep 2; "
                           "cat /tmp/server; grep -q listening /tmp/server")
    assert status == 0, text
    for options in ("", "-R", "-P 8", "--bidir", "-u -b 10M"):
        status, text = two.run(f"iperf3 -c 10.9.9.1 -t 5 -J {options}", 120)
        assert status == 0, text
        end = json.loads(text[text.index("{"):])["end"]
        rates = {name: end[name]["bits_per_second"] / 1e9 for name in end
                 if name.startswith("sum") and "bits_per_second" in end[name]}
        print(f"iperf3 {options}: " +
              ", ".join(f"{name} {rate:.2f} Gbit/s" for name, rate in rates.items()))
        assert min(rates.values()) > 0, rates


def test_nobody_waited_for_the_end(bridge, guests):
    """Domain process and waiting process killed: the next sweep undoes."""
    guests("")
    pid, = bridge.processes("xenolith-undo")
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as stream:
        assert "xenolith-domain" not in stream.read()
    bridge.kill("xenolith-undo")
    bridge.hotplug("sweep")
    assert bridge.traces() != []  # it lives
    bridge.kill("xenolith-domain")
    bridge.hotplug("sweep")
    bridge.wait_clean()  # where a xend runs it may have been faster, and not be done yet


def test_forged_packets(bridge, guests):
    """A guest with ip= sends from its own addresses only; one without may do what it likes,
    which shows that the forged packets would get through."""
    limited, free = guests(f"mac={MAC[0]}, ip=10.9.9.1 fd09::1", f"mac={MAC[1]}")
    limited.address("10.9.9.1/24").address("fd09::1/64")
    free.address("10.9.9.2/24")
    for forger, other, mac, passes in ((limited, "10.9.9.2", MAC[0], False),
                                       (free, "10.9.9.1", MAC[1], True)):
        assert forger.pings("10.9.9.254")
        # Another's IPv4 address, to the host and to the other guest.
        forger.address("10.9.9.77/24")
        assert forger.pings("10.9.9.254", "-I 10.9.9.77") == passes
        assert forger.pings(other, "-I 10.9.9.77") == passes
        # Another's address in ARP: the host would send others' packets here.
        bridge.sh("ip neigh flush dev br0")
        forger.run("arping -c 2 -w 2 -I eth0 -s 10.9.9.77 10.9.9.254")
        assert ("10.9.9.77" in bridge.sh("ip neigh show dev br0")) == passes
        # IPv6.
        forger.address("fd09::77/64")
        assert forger.pings("fd09::254", "-I fd09::77") == passes
        # Another's MAC address.
        forger.run("ip addr del 10.9.9.77/24 dev eth0")
        change = "ip link set eth0 down; ip link set eth0 address {}; ip link set eth0 up"
        forger.run(change.format("00:16:3e:12:34:56"))
        bridge.sh("ip neigh flush dev br0")
        assert forger.pings("10.9.9.254") == passes
        forger.run(change.format(mac))
        assert forger.pings("10.9.9.254")


@pytest.mark.parametrize("addresses, want", [
    ("10.9.9.0/24 10.8.0.1", ["ip saddr != { 10.8.0.1, 10.9.9.0/24 }"]),
    ("fd09::/32 2001:db8:1::7", ["ether type ip counter", "@th,64,32 0xfd090000 accept",
                                 "@th,64,128 0x20010db8000100000000000000000007 accept"]),
])
def test_limits_as_rules(bridge, addresses, want):
    """Networks, one family alone, addresses in short form: what nftables makes of them. By the
    script alone, once more, and undone."""
    bridge.sh(f"{BUILD}/xenolith-xenstored --on-demand; ip tuntap add mode tap name vif1.0\n"
              f"{BUILD}/xenstore-write backend/vif/1/0/ip '{addresses}' backend/vif/1/0/mac {MAC[0]}")
    script = (f"PATH=$PATH:{BUILD} XENSTORED_PATH={bridge.run_dir}/xenstored.sock vif=vif1.0 "
              f"XENBUS_PATH=backend/vif/1/0 {BUILD}/hotplug/vif-bridge ")
    bridge.sh(script + "online")
    bridge.sh(script + "online")
    rules = bridge.sh("nft list table netdev xen")
    for text in want:
        assert rules.count(text) == 1, rules
    bridge.sh(script + "offline; ip link del vif1.0")
    assert bridge.traces() == []


def test_dropping_bridge(host, guests):
    """network-bridge antispoof=yes: the host forwards between ports what vifs' rules allow,
    and no guest uses another's MAC address."""
    host.sh("ip link add eth0 type veth peer name wire; ip link set wire up; ip addr add 10.9.9.254/24 dev eth0; ip link set eth0 up\n"
            "ip route add default via 10.9.9.253")
    host.configure("(network-script 'network-bridge antispoof=yes')\n")
    one, two = guests("ip=10.9.9.1", f"mac={MAC[1]}")
    one.address("10.9.9.1/24")
    two.address("10.9.9.2/24")
    assert "-P FORWARD DROP" in host.sh("iptables -S FORWARD")
    assert "peth0" in host.links() and "10.9.9.254/24" in host.sh("ip addr show eth0")
    assert "default via 10.9.9.253 dev eth0" in host.sh("ip route")
    assert one.pings("10.9.9.2") and two.pings("10.9.9.254")
    # Xen's rules say who may forward: without them, nobody.
    host.sh("iptables -F FORWARD; ip neigh flush dev eth0")
    assert not one.pings("10.9.9.2") and one.pings("10.9.9.254")
    two.run("ip link set eth0 down; ip link set eth0 address 00:16:3e:12:34:56; ip link set eth0 up")
    assert not two.pings("10.9.9.254")
    host.kill("xenolith-domain")
    host.wait_clean()
    host.hotplug("network", "stop")
    assert "peth0" not in host.links()
    assert "10.9.9.254/24" in host.sh("ip addr show eth0")
    assert "default via 10.9.9.253 dev eth0" in host.sh("ip route")
    assert "-P FORWARD ACCEPT" in host.sh("iptables -S FORWARD")


def test_guests_own_bridge(host, guests):
    """xenbr0 of an old config, where there is none: made for the guests, and gone after them."""
    one, two = guests("bridge=xenbr0", "bridge=xenbr0")
    one.address("10.9.9.1/24")
    two.address("10.9.9.2/24")
    assert one.pings("10.9.9.2")
    assert host.sh("cat /proc/sys/net/ipv6/conf/xenbr0/accept_ra").strip() == "0"
    host.xm("destroy", one.name)
    assert two.run("true")[0] == 0 and "xenbr0" in host.links()
    host.xm("destroy", two.name)
    host.wait_clean()
    assert "xenbr0" not in host.links()


def test_network_bridge(host):
    """The script by itself: addresses and routes move to the bridge and back, for a bridge of
    the interface's name and for one of another."""
    script = os.path.join(BUILD, "hotplug", "network-bridge")
    host.sh("ip link add eth0 type veth peer name wire; ip link set wire up; ip addr add 10.9.9.3/24 brd + dev eth0\n"
            "ip addr add 10.9.10.3/24 dev eth0; ip -6 addr add fd09::3/64 dev eth0 nodad\n"
            "ip link set eth0 up mtu 1400; ip route add default via 10.9.9.1\n"
            "ip route add 10.7.0.0/16 via 10.9.10.1 metric 5")

    def addresses(device):
        text = host.sh(f"ip -o addr show dev {device} scope global | awk '{{ print $3, $4 }}' | sort")
        return text + host.sh(f"ip route show dev {device} | sed 's/ linkdown//; s/ *$//' | sort")

    before = addresses("eth0")
    assert before.count("\n") >= 6
    mac = host.sh("ip -o link show eth0 | grep -o 'link/ether [^ ]*'")
    for word, port in (("", "peth0"), ("bridge=xenbr0 netdev=eth0", "eth0")):
        host.sh(f"{script} start {word}")
        bridge = "xenbr0" if word else "eth0"
        assert addresses(bridge) == before
        assert f"master {bridge}" in host.sh(f"ip link show {port}")
        assert host.sh(f"ip -o link show {bridge} | grep -o 'link/ether [^ ]*'") == mac
        host.sh(f"{script} start {word}")  # once more is nothing
        assert addresses(bridge) == before
        host.sh(f"{script} stop {word}")
        assert addresses("eth0") == before
        assert not {"peth0", "xenbr0"} & set(host.links())


@pytest.mark.parametrize("vif, sentence", [
    ("bridge=nowhere", "Could not find bridge device nowhere"),
    ("", "Could not find bridge, and none was specified"),
    ("script=vif-none", "there is no script vif-none"),
    ("ip=10.9.9.1; }", "ip=10.9.9.1; }: only addresses"),
])
def test_sentences(host, kernels, tmp_path, vif, sentence):
    """What a script says reaches who starts the domain, and nothing is left."""
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=64\nvif=['{vif}']\n")
    done = host.xm("create", str(config), check=False)
    assert done.returncode == 1
    assert f"Error: Device 0 (vif) could not be connected. {sentence}" in done.stdout
    assert host.traces() == []
    assert "x " not in host.xm("list").stdout


def test_slow_script(host, kernels, tmp_path):
    """A script that does not end is ended, and what it started."""
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=64\nvif=['']\n")
    host.configure("(vif-script vif-slow)\n(device-create-timeout 1)\n")
    host.script("vif-slow", "#!/bin/sh\n[ $1 = offline ] || sleep 77\n")
    done = host.xm("create", str(config), check=False)
    assert done.returncode == 1
    assert "could not be connected. " in done.stdout and "within 1 seconds" in done.stdout
    assert host.processes("sleep") == []
    assert host.traces() == []


def test_killed_half_way(bridge, kernels, tmp_path):
    """What runs the script is killed: the next sweep undoes what had been done."""
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=128\nvif=['']\n")
    bridge.configure("(vif-script vif-killer)\n")
    dir_ = os.path.join(BUILD, "hotplug")
    bridge.script("vif-killer", f"#!/bin/sh\n[ $1 = offline ] || {dir_}/vif-bridge $*\n"
                                "[ $1 = offline ] || kill -9 $PPID\n"
                                f"{dir_}/vif-bridge $*\n")
    done = bridge.xm("create", str(config), check=False)
    assert done.returncode == 1 and "died while it started" in done.stdout
    bridge.hotplug("sweep")
    bridge.wait_clean()


def test_domain_that_does_not_start(bridge, kernels, tmp_path):
    """Its networks were ready already."""
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=20\nvif=['']\n")
    done = bridge.xm("create", str(config), check=False)
    assert done.returncode == 1 and "set memory to more" in done.stdout
    assert "vif-bridge online" in bridge.log()
    bridge.wait_clean()


def test_reboot(bridge, guests):
    """The guest comes back on the same interface; no script runs for that."""
    guest, = guests("", config="on_reboot = 'restart'\n")
    guest.address("10.9.9.1/24")
    assert guest.pings("10.9.9.254")
    said = bridge.log()
    guest.child.sendline("reboot -f")
    guest.ready().address("10.9.9.1/24")
    assert guest.pings("10.9.9.254")
    assert bridge.log() == said


OWN = """#!/bin/bash
dir=BUILD/hotplug
. "$dir/vif-common.sh"
echo "$command $vif $XENBUS_PATH $XENBUS_TYPE $mode $netdev $(xenstore-read $XENBUS_PATH/mac)" >>RECORD
xenstore-read "$XENBUS_PATH/domain" "$XENBUS_PATH/frontend-id" >>RECORD
case $command in
online)
    add_to_bridge br0 "$dev"
    [ "$mode" != bad ] || fatal "This script does not like $vif"
    success
    ;;
esac
"""


def test_own_script(bridge, guests, kernels, tmp_path):
    """An administrator's script that sources Xen's files gets what Xen's got: arguments,
    environment, keys. Its own sentence is what xm says."""
    record = tmp_path / "record"
    text = OWN.replace("BUILD", os.path.abspath(BUILD))
    bridge.script("vif-own", text.replace("RECORD", str(record)))
    bridge.configure("(vif-script 'vif-own mode=good')\n")
    guest, = guests(f"mac={MAC[0]}, gatewaydev=br0")
    guest.address("10.9.9.1/24")
    assert guest.pings("10.9.9.254")
    domid = guest.domid()
    keys = bridge.sh(f"XENSTORED_PATH={bridge.run_dir}/xenstored.sock xenstore-read "
                     f"backend/vif/{domid}/0/hotplug-status")
    assert keys == "connected\n"
    bridge.xm("destroy", guest.name)
    bridge.wait_clean()
    line = f"vif{domid}.0 backend/vif/{domid}/0 vif good br0 {MAC[0]}\n{guest.name}\n{domid}\n"
    assert record.read_text() == f"online {line}offline {line}"

    bridge.configure("(vif-script 'vif-own mode=bad')\n")
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=64\nvif=['']\n")
    done = bridge.xm("create", str(config), check=False)
    assert f"Error: Device 0 (vif) could not be connected. This script does not like vif{domid + 1}.0" \
        in done.stdout
    assert bridge.traces() == []
