# SPDX-License-Identifier: GPL-2.0-or-later
"""type=user: names by the host's resolver, wherever that is, and both families of addresses. The
host has an outside, and an /etc/resolv.conf of its own."""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from netlab import HOST, LEASE, guests, host, outside  # noqa: F401 # pylint: disable=unused-import
from services import BOX, BOX_SIX

# pylint: disable=redefined-outer-name

pytestmark = [
    pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed"),
    pytest.mark.skipif(not os.path.exists("/etc/resolv.conf"),
                       reason="this host has no /etc/resolv.conf that another could be put over"),
]
needs_six = pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"),
                               reason="this host's kernel has no IPv6")

HOST_SIX, ROUTER_SIX = "2001:db8::fe", "fe80::1"


@pytest.fixture
def serve():
    """Function: services.py on these addresses of a machine."""
    path = os.path.join(os.path.dirname(__file__), "services.py")
    with contextlib.ExitStack() as stack:
        def start(machine, *addresses):
            process = stack.enter_context(subprocess.Popen(
                [*machine.prefix, "/usr/bin/python3", path, *addresses], stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout.readline() == b"ready\n"
        yield start


def resolve_by(host, address):
    """What is started on the host from now on finds this name server in /etc/resolv.conf."""
    path = host.path / "resolv.conf"
    path.write_text(f"nameserver {address}\n")
    host.prefix += ["unshare", "--mount", "sh", "-ec",
                    f"mount --bind {path} /etc/resolv.conf; exec \"$@\"", "sh"]


def add_six(host, outside):
    host.sh(f"ip addr add {HOST_SIX}/64 dev eth0 nodad\n"
            f"ip -6 route add default via {ROUTER_SIX} dev eth0")
    outside.sh(f"ip addr add {ROUTER_SIX}/64 dev wire nodad; ip addr add {BOX_SIX}/128 dev lo nodad\n"
               f"ip -6 route add {HOST_SIX} dev wire")


def visit(machine, address, port=80):
    """What a web server says to a machine or a guest, or nothing if there is none."""
    command = f"echo [$(timeout 60 busybox wget -q -O - http://{address}:{port}/ 2>/dev/null)]"
    text = machine.sh(command) if hasattr(machine, "sh") else machine.run(command)[1]
    return re.search(r"\[(.*)\]", text).group(1)


@pytest.mark.parametrize("address", ["127.0.0.53", "127.0.0.1", BOX])
def test_names(host, outside, guests, serve, address):
    """The guest's name server is the host's, also one that only the host's loopback leads to."""
    outside.sh(f"ip addr add {BOX}/32 dev lo")
    serve(outside, BOX)
    if address != BOX:
        serve(host, address)
    resolve_by(host, address)
    guest, = guests("type=user")
    status, text = guest.run(LEASE)
    assert status == 0, text
    status, text = guest.run("cat /etc/resolv.conf; nslookup box.test")
    assert status == 0 and f"Address: {BOX}\n" in text and f"Address: {BOX_SIX}\n" in text, text
    assert "NXDOMAIN" in guest.run("nslookup nowhere.test")[1]
    assert visit(guest, "box.test") == HOST


def test_names_without_a_route(host, guests, serve):
    """The host's own resolver knows names that need no network."""
    serve(host, "127.0.0.53")
    resolve_by(host, "127.0.0.53")
    guest, = guests("type=user")
    assert guest.run(LEASE)[0] == 0
    text = guest.run("cat /etc/resolv.conf; nslookup box.test")[1]
    assert "nameserver 10.0.2.2\n" in text and f"Address: {BOX}\n" in text, text


@needs_six
def test_both_families(host, outside, guests, serve):
    """The guest has an address of each, reaches the outside (TCP, UDP, ping) and the host's
    loopback by both, is told where no server is, and is reached by forwarded ports of both."""
    add_six(host, outside)
    outside.sh(f"ip addr add {BOX}/32 dev lo")
    serve(outside, BOX, BOX_SIX)
    serve(host, "127.0.0.1", "::1")
    host.sh("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range")  # as systemd sets it
    guest, = guests("type=user, hostfwd=[::1]:8001:80 8002:80 *:8003:80")
    assert guest.run(LEASE)[0] == 0
    status, text = guest.run(
        "for i in $(seq 100); do ip -6 addr show dev eth0 scope global | grep -v tentative | "
        "grep inet6 && break; sleep 0.1; done; ip -6 route")
    assert status == 0 and "inet6 2001:db8::" in text and f"default via {ROUTER_SIX} " in text, text

    assert visit(guest, BOX) == HOST and visit(guest, f"[{BOX_SIX}]") == HOST_SIX
    assert visit(guest, "192.0.2.1") == "127.0.0.1" and visit(guest, f"[{ROUTER_SIX}%eth0]") == "::1"
    assert f"Address: {BOX}\n" in guest.run(f"nslookup box.test {BOX_SIX}")[1]
    assert guest.pings(BOX) and guest.pings(BOX_SIX)
    for address in BOX, BOX_SIX:
        assert "refused" in guest.run(f"timeout 50 nc {address} 81 </dev/null")[1]

    guest.run("mkdir /tmp/www; echo from the guest >/tmp/www/index.html; httpd -p 80 -h /tmp/www")
    for machine, address, port in ((host, "[::1]", 8001), (host, "127.0.0.1", 8002),
                                   (host, "[::1]", 8003), (host, "127.0.0.1", 8003),
                                   (outside, f"[{HOST_SIX}]", 8003), (outside, HOST, 8003)):
        assert visit(machine, address, port) == "from the guest", (address, port)
    assert visit(host, "127.0.0.1", 8001) == visit(outside, f"[{HOST_SIX}]", 8001) == ""


def test_host_without_six(host, outside, guests, serve):
    """IPv4 is as ever; a port of an IPv6 address cannot be forwarded, which is said."""
    outside.sh(f"ip addr add {BOX}/32 dev lo")
    serve(outside, BOX)
    guest, = guests("type=user, hostfwd=*:8003:80")
    assert guest.run(LEASE)[0] == 0
    assert visit(guest, BOX) == HOST
    assert "default" not in guest.run("ip -6 route")[1]
    guest.run("mkdir /tmp/www; echo from the guest >/tmp/www/index.html; httpd -p 80 -h /tmp/www")
    assert visit(host, "127.0.0.1", 8003) == visit(outside, HOST, 8003) == "from the guest"
    done = host.xm("network-attach", guest.name, "type=user", "hostfwd=[::1]:8001:80", check=False)
    assert done.returncode == 1
    assert "::1/8001:80" in done.stdout and "no default route for such an address" in done.stdout
