# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on a network: by passt without privilege, and by tap devices on a bridge of a private
network namespace. Debian's own xen-netfront is the frontend."""

import hashlib
import http.server
import os
import random
import secrets
import select
import shutil
import socket
import subprocess
import threading
import time

import pytest

from guestkit.machine import Machine, explain
from conftest import MACHINE

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm's own network")

# What udhcpc calls with the lease; the gateway's address goes to a file.
DHCP = r"""
cat >/tmp/lease <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${mask:-24} dev $interface
ip route add default via $router
[ -z "$mtu" ] || ip link set $interface mtu $mtu
echo $router >/tmp/gateway
END
chmod +x /tmp/lease
modprobe xen-netfront
lease() { ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 -O mtu -s /tmp/lease 2>&1; }
"""


needs_passt = pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")


@pytest.fixture
def web(tmp_path):
    """A server on the host's loopback: its port, and the hash of the file /data on it."""
    content = random.Random(1).randbytes(6_000_000)
    (tmp_path / "data").write_bytes(content)

    class Handler(http.server.SimpleHTTPRequestHandler):
        """Serves tmp_path and says nothing."""

        def __init__(self, *args, **options):
            super().__init__(*args, directory=str(tmp_path), **options)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], hashlib.sha256(content).hexdigest()
    server.shutdown()
    server.server_close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@needs_passt
@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_user_network(guest, web, series):
    """An address by DHCP, a page of the host through the gateway; and once more after the
    driver was unloaded and loaded again."""
    port, digest = web
    fetch = f"wget -q -O - http://$(cat /tmp/gateway):{port}/data | sha256sum\n"
    result = guest(DHCP + "lease >/dev/null\n" + fetch +
                   "cd /sys/bus/xen/drivers/vif; echo vif-0 >unbind; rmmod xen-netfront\n"
                   "modprobe xen-netfront\nlease >/dev/null\n" + fetch + "cat /sys/class/net/eth0/address\n"
                   "dmesg | grep -E 'BUG:|WARNING: CPU|g.e. 0x'\n", series=series,
                   config="vif = ['type=user, mac=00:16:3e:77:00:01']\n", modules=["xen-netfront"])
    lines = result.text().splitlines()
    assert lines[0].split()[0] == digest, result.text()
    assert lines[1].split()[0] == digest, result.text()
    assert lines[2:] == ["00:16:3e:77:00:01"]


@needs_passt
def test_forwarded_port(kernels):
    """What connects to the host's port reaches the guest's."""
    port = free_port()
    word = secrets.token_hex(8)
    command = DHCP + ("lease >/dev/null\n"
                      "echo 'read -r word; echo guest says $word; touch /tmp/done' >/tmp/answer\n"
                      "for i in $(seq 200); do [ -f /tmp/done ] && break\n"
                      "timeout 5 nc -l -p 7777 -e sh /tmp/answer; done\n")
    got = b""
    with Machine("xm", kernels(), config=f"vif = ['type=user, hostfwd={port}:7777']\n") as machine:
        results = []
        runner = threading.Thread(target=lambda: results.append(
            machine.run(command, modules=["xen-netfront"], timeout=100)))
        runner.start()
        while not got and runner.is_alive():
            try:
                with socket.create_connection(("127.0.0.1", port), 2) as stream:
                    stream.settimeout(3)
                    stream.sendall(word.encode() + b"\n")
                    got = stream.recv(100)
            except OSError:
                pass
            time.sleep(0.2)
        runner.join()
    assert explain(results[0], "xm") is None
    assert got == b"guest says " + word.encode() + b"\n"


@needs_passt
def test_port_in_use(guest):
    """A port that is taken ends the start with a sentence about it."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        result = guest("true", config=f"vif = ['type=user, hostfwd={port}:22']\n", may_die=True)
    assert result.machine_status not in (0, None)
    assert str(port) in result.console_text()


def wait_for(machine, text):
    """Read a console until it shows the text; fails the test when that takes too long."""
    seen = b""
    while text not in seen:
        ready = select.select([machine.stdout], [], [], 60)[0]
        data = os.read(machine.stdout.fileno(), 65536) if ready else b""
        assert data, seen.decode(errors="replace")
        seen += data


@needs_passt
def test_plugged_in_and_out(xm, kernels, web):
    """An interface comes to a running guest, works, and goes again. The domain process, which
    starts passt for it, is in its jail by then."""
    port, digest = web
    command = DHCP + (
        "echo is-up\n"
        "for i in $(seq 300); do [ -d /sys/class/net/eth0 ] && break; sleep 0.1; done\n"
        f"lease; wget -q -O - http://$(cat /tmp/gateway):{port}/data | sha256sum\n"
        "for i in $(seq 300); do [ -d /sys/class/net/eth0 ] || break; sleep 0.1; done\n"
        "[ -d /sys/class/net/eth0 ] || echo has-gone\n")
    with Machine("xm", kernels()) as machine:
        machine.prepare(command, modules=["xen-netfront"])
        with subprocess.Popen(machine.arguments(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            wait_for(process, b"is-up")
            subprocess.run([xm, "network-attach", machine.name, "type=user"], check=True,
                           timeout=60)
            wait_for(process, digest.encode())
            subprocess.run([xm, "network-detach", machine.name, "0"], check=True, timeout=60)
            wait_for(process, b"has-gone")
            process.communicate(timeout=60)


def no_tap():
    """Why no bridge with taps can be made here, or None."""
    if os.geteuid() != 0:
        return "making tap devices takes root"
    if not os.path.exists("/dev/net/tun"):
        return "this host has no /dev/net/tun"
    if not shutil.which("ip"):
        return "ip (iproute2) is not installed"
    probe = subprocess.run(["unshare", "--net", "ip", "link", "add", "br0", "type", "bridge"],
                           check=False, capture_output=True)
    return None if probe.returncode == 0 else "no network namespace with a bridge can be made"


@pytest.fixture
def namespace():
    """A network namespace with a bridge br0; a prefix of commands to be run in it."""
    reason = no_tap()
    if reason:
        pytest.skip(reason)
    with subprocess.Popen(["unshare", "--net", "sh", "-c",
                           "ip link set lo up && ip link add br0 type bridge && "
                           "ip link set br0 up && echo ready; "
                           "exec sleep 600"], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"ready\n"
            yield ["nsenter", "--net", "--target", str(holder.pid)]
        finally:
            holder.kill()


@needs_passt
def test_host_without_a_route(kernels, namespace, tmp_path):
    """Then the guest's network ends at the host: an address, and the host's loopback."""
    (tmp_path / "data").write_text("as far as this\n")
    command = DHCP + "lease >/dev/null; wget -q -O - http://$(cat /tmp/gateway):8088/data; ip addr"
    with subprocess.Popen([*namespace, "busybox", "httpd", "-f", "-p", "127.0.0.1:8088", "-h",
                           str(tmp_path)]) as server:
        with Machine("xm", kernels(), config="vif = ['type=user']\n",
                     prefix=namespace) as machine:
            result = machine.run(command, modules=["xen-netfront"], timeout=100)
        server.kill()
    assert explain(result, "xm") is None, explain(result, "xm")
    assert result.text().startswith("as far as this\n"), result.text()
    assert "10.0.2.15/" in result.text()


SERVER = r"""
modprobe xen-netfront
ip addr add 10.9.9.1/24 dev eth0; ip link set eth0 up
head -c 40000000 /dev/urandom >/tmp/data; sha256sum </tmp/data
ls -d /sys/class/net/eth0/queues/rx-* | wc -l
cd /tmp; httpd -f -p 80 &
for i in $(seq 600); do [ -f /tmp/stop ] && break; timeout 2 nc -l -p 99 -e touch /tmp/stop; done
"""

CLIENT = r"""
modprobe xen-netfront
ip addr add 10.9.9.2/24 dev eth0; ip link set eth0 up
for i in $(seq 100); do ping -c 1 -W 1 10.9.9.1 >/dev/null 2>&1 && break; done
ping -c 3 -q 10.9.9.1 | grep -o '[0-9]* packets received'
for i in $(seq 60); do wget -q -O /tmp/got http://10.9.9.1/data 2>/dev/null && break; sleep 1; done
sha256sum </tmp/got
awk '/eth0/ { print int($2 / $3) }' /proc/net/dev
dmesg | grep -E 'BUG:|WARNING: CPU|g.e. 0x'
for i in $(seq 10); do echo | nc -w 1 10.9.9.1 99 2>/dev/null && break; done
"""


def test_two_guests_on_a_bridge(kernels, namespace):
    """They reach each other, bytes arrive as they were sent, and TCP data crosses in pieces far
    larger than a packet: segmentation is offloaded in both directions. The one with two vCPUs has
    two queues."""
    results = [None, None]
    kernel = kernels()

    def run(i, command):
        config = f"vif = ['mac=00:16:3e:00:99:0{i}']\n"
        with Machine("xm", kernel, memory=384, vcpus=2 - i, config=config,
                     prefix=namespace) as machine:
            results[i] = machine.run(command, modules=["xen-netfront"], timeout=150)

    threads = [threading.Thread(target=run, args=(i, command))
               for i, command in enumerate([SERVER, CLIENT])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert explain(result, "xm") is None, explain(result, "xm")
    lines = results[1].text().splitlines()
    assert lines[0] == "3 packets received", results[1].text()
    assert lines[1] == results[0].text().splitlines()[0]
    assert results[0].text().splitlines()[1] == "2"
    assert int(lines[2]) > 3000
    assert lines[3:] == []
