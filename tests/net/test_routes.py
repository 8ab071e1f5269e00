# SPDX-License-Identifier: GPL-2.0-or-later
"""vif-route and vif-nat: guests behind the host, which is connected to an outside."""

import os
import re
import shutil
import subprocess
import time

import pytest

from netlab import HOST, LEASE, OUTSIDE, guests, host, outside  # noqa: F401 # pylint: disable=unused-import

# pylint: disable=redefined-outer-name


def reaches(machine, address):
    return "1 received" in machine.sh(f"for i in 1 2 3; do ping -c 1 -W 1 {address} && break; done",
                                      check=False) or \
        "1 packets received" in machine.sh(f"busybox ping -c 1 -W 1 {address}", check=False)


def test_routed(host, outside, guests):
    """Guests with addresses of the outside's network reach each other, the host and the outside,
    and are reached; with another's address they are not. All routes go with them."""
    host.configure("(network-script network-route)\n(vif-script vif-route)\n")
    one, two = guests("ip=192.0.2.7", "ip=192.0.2.8 198.51.100.0/28")
    one.address("192.0.2.7/24", f"ip route add default via {HOST}")
    two.address("192.0.2.8/24", f"ip route add default via {HOST}; ip addr add 198.51.100.3/28 dev lo")
    assert one.pings("192.0.2.8") and two.pings(HOST) and one.pings(OUTSIDE)
    assert one.pings("198.51.100.3")
    assert reaches(outside, "192.0.2.7")
    name = f"vif{one.domid()}.0"
    assert f"192.0.2.7 dev {name}" in host.sh("ip route")
    assert f"inet {HOST}/32" in host.sh(f"ip addr show {name}")
    assert host.sh(f"cat /proc/sys/net/ipv6/conf/{name}/accept_ra").strip() == "0"
    one.run("ip addr add 192.0.2.9/24 dev eth0")
    assert not one.pings(HOST, "-I 192.0.2.9") and one.pings(HOST)
    host.kill("xenolith-domain")
    host.wait_clean()
    assert not reaches(outside, "192.0.2.7")


def test_routed_six(host, outside, guests):
    """The same with IPv6: the outside asks the host for the guest's address; a network that is
    routed to the host reaches a guest, too."""
    host.configure("(network-script network-route)\n(vif-script vif-route)\n")
    host.sh("ip addr add 2001:db8::fe/64 dev eth0 nodad; ip -6 route add default via 2001:db8::1")
    outside.sh("ip addr add 2001:db8::1/64 dev wire nodad; ip route add 2001:db8:7::/64 via 2001:db8::fe")
    (one,) = guests("ip=192.0.2.7 2001:db8::7 2001:db8:7::/64")
    one.address("192.0.2.7/24", f"ip route add default via {HOST}; "
                "ip addr add 2001:db8::7/128 dev eth0; ip addr add 2001:db8:7::1/64 dev eth0; "
                "ip -6 route add default via fe80::1 dev eth0")
    name = f"vif{one.domid()}.0"
    assert f"2001:db8::7 dev {name}" in host.sh("ip -6 route")
    assert "2001:db8::7 dev eth0 proxy" in host.sh("ip -6 neigh show proxy")
    for source, target in ((outside, "2001:db8::7"), (outside, "2001:db8:7::1"), (host, "2001:db8::7")):
        assert reaches(source, target), target + host.log()
    assert one.pings("2001:db8::1", "-6 -I 2001:db8::7")
    one.run("ip addr add 2001:db8::8/128 dev eth0")
    assert not one.pings("2001:db8::1", "-6 -I 2001:db8::8")
    assert host.sh("cat /proc/sys/net/ipv6/conf/eth0/accept_ra").strip() == "2"
    host.kill("xenolith-domain")
    host.wait_clean()
    assert host.sh("ip -6 neigh show proxy") == ""
    assert not reaches(outside, "2001:db8::7")


PEER = """
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 99))
server.listen()
print("listening", flush=True)
print(server.accept()[1][0], flush=True)
"""


FETCH = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as stream:
        sys.stdout.write(stream.makefile().read())
except OSError:
    pass
"""


def fetch(machine, address, port, tries=20):
    """What a server says, or nothing. The guest's is not there between two callers."""
    text = ""
    for _ in range(tries):
        text = subprocess.run([*machine.prefix, "/usr/bin/python3", "-c", FETCH, address, str(port)],
                              check=True, text=True, stdout=subprocess.PIPE).stdout
        if text:
            break
        time.sleep(0.2)
    return text


@pytest.mark.skipif(not shutil.which("dnsmasq"), reason="dnsmasq (dnsmasq-base) is not installed")
def test_nat(host, outside, guests):
    """Addresses by DHCP; each other, the host, and the outside, which sees the host's address.
    Forwarded ports lead in. Nothing of all that is left at the end, dnsmasq neither."""
    host.configure("(network-script network-nat)\n(vif-script 'vif-nat pool=10.77.0.0/16')\n")
    one, two = guests("hostfwd=*:8080:80 2222:22", "")
    for guest in (one, two):
        status, text = guest.run(LEASE)
        assert status == 0, text + host.log()
        text = guest.run("ip addr show eth0; ip route")[1]
        assert f"10.77.{guest.domid()}.1/16" in text and f"via 10.77.{guest.domid()}.128" in text
    assert one.pings(f"10.77.{two.domid()}.1") and two.pings(HOST) and one.pings(OUTSIDE)
    with subprocess.Popen([*outside.prefix, "/usr/bin/python3", "-c", PEER], text=True,
                          stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == "listening\n"
        two.run(f"echo | nc -w 5 {OUTSIDE} 99")
        assert server.stdout.readline() == HOST + "\n"
    one.run("echo from the guest >/tmp/page; "
            "for port in 80 22; do while nc -l -p $port -e cat /tmp/page; do :; done >/dev/null 2>&1 & done")
    assert fetch(outside, HOST, 8080) == fetch(host, "127.0.0.1", 8080) == "from the guest\n"
    assert fetch(host, HOST, 8080) == fetch(host, "127.0.0.1", 2222) == "from the guest\n"
    assert fetch(outside, HOST, 2222, tries=3) == ""
    assert host.processes("dnsmasq") != []
    assert "no default route" not in host.xm("log").stdout
    host.kill("xenolith-domain")
    host.wait_clean()
    assert host.processes("dnsmasq") == []
    assert not [name for name in os.listdir(host.run_dir + "/hotplug") if name.startswith("nat-")]
    host.hotplug("network", "stop")
    assert "MASQUERADE" not in host.sh("iptables -t nat -S")


def test_nat_without_a_way_out(host, guests):
    """It works as far as it can; the log tells what is missing."""
    host.configure("(vif-script 'vif-nat dhcp=no')\n")
    (one,) = guests("")
    domid = one.domid()
    done = host.xm("network-attach", one.name, "script=vif-nat dhcp=no")
    assert done.stdout == ("Warning: this host has no default route: "
                           f"vif{domid}.1 reaches the host and its own networks, nothing beyond\n")
    assert host.xm("network-detach", one.name, "1", "-f").returncode == 0
    one.address(f"10.0.{domid}.1/16")
    assert one.pings(f"10.0.{domid}.128")
    assert re.search(r"WARNING .*vif-nat: warning: this host has no default route: "
                     rf"vif{domid}\.0 reaches the host", host.xm("log").stdout)
