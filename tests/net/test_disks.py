# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that scripts make: block-NAME of the administrator's own, and our block."""

import os
import shutil
import subprocess

import pytest

from netlab import guests, host  # noqa: F401 # pylint: disable=unused-import

# pylint: disable=redefined-outer-name

OWN = """#!/bin/sh
dir=DIR
. "$dir/xen-hotplug-common.sh"
findCommand "$@"
params=$(xenstore_read "$XENBUS_PATH/params")
echo "$command $XENBUS_PATH $XENBUS_TYPE $(xenstore-read $XENBUS_PATH/type) $params" \\
    "$(xenstore-read $XENBUS_PATH/mode) $(xenstore_read_default $XENBUS_PATH/node none)" >>RECORD
case $command:$params in
add:*:good*)
    cp "${params%%:*}" "${params%%:*}.made"
    xenstore_write "$XENBUS_PATH/node" "${params%%:*}.made"
    success
    ;;
add:*:silent) success ;;
add:*:gone) xenstore_write "$XENBUS_PATH/node" /nowhere ;;
add:*) ebusy "$params is in use" ;;
remove:*) rm -f "$(xenstore_read "$XENBUS_PATH/node")" ;;
esac
"""


@pytest.fixture
def own(host, tmp_path, build_dir):
    """Installs block-own; the file with what it was told."""
    record = tmp_path / "record"
    text = OWN.replace("DIR", os.path.join(os.path.abspath(build_dir), "hotplug"))
    host.script("block-own", text.replace("RECORD", str(record)))
    return record


def test_own_script(host, guests, own, tmp_path):
    """Its prefix, what it is told, what it made, and its end after kill -9."""
    image = tmp_path / "image"
    image.write_bytes(b"from the script" + bytes(1048561))
    guest, = guests(None, config=f"disk = ['own:{image}:good:1,xvda,w']\n")
    guest.run("modprobe xen-blkfront; for i in $(seq 50); do [ -b /dev/xvda ] && break; sleep 0.1; done")
    assert "from the script" in guest.run("head -c 15 /dev/xvda")[1]
    path = f"backend/vbd/{guest.domid()}/51712"
    assert own.read_text() == f"add {path} vbd own {image}:good:1 w none\n"
    host.kill("xenolith-domain")
    host.wait_clean()
    assert own.read_text().splitlines()[1] == \
        f"remove {path} vbd own {image}:good:1 w {image}.made"
    assert not os.path.exists(f"{image}.made")


@pytest.mark.parametrize("what, sentence", [
    ("bad", "is in use"),
    ("silent", "The script block-own did not say what it made."),
    ("gone", "/nowhere: No such file or directory"),
])
def test_sentences(host, kernels, own, tmp_path, what, sentence):
    config = tmp_path / "guest.cfg"
    config.write_text(f"name='x'\nkernel='{kernels()}/vmlinuz'\nmemory=128\n"
                      f"disk=['own:/x:{what},xvdb,w']\n")
    done = host.xm("create", str(config), check=False)
    assert done.returncode == 1
    assert "Error: Device 51728 (vbd) could not be connected. " in done.stdout
    assert sentence in done.stdout
    assert [line.split()[0] for line in own.read_text().splitlines()] == ["add", "remove"]
    assert host.traces() == []


@pytest.mark.skipif(not shutil.which("losetup"), reason="losetup (mount) is not installed")
def test_block(host, guests, tmp_path):
    """script= of xl: our own block, which sets up a loop device."""
    image = tmp_path / "image"
    image.write_bytes(b"in a loop" + bytes(1048567))
    probe = subprocess.run(["losetup", "--find", "--show", str(image)], check=False, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if probe.returncode:
        pytest.skip(f"no loop devices here: {probe.stdout.strip()}")
    subprocess.run(["losetup", "-d", probe.stdout.strip()], check=True)
    guest, = guests(None, config=f"disk = ['script=block,vdev=xvda,access=rw,target={image}']\n")
    guest.run("modprobe xen-blkfront; for i in $(seq 50); do [ -b /dev/xvda ] && break; sleep 0.1; done")
    assert "in a loop" in guest.run("head -c 9 /dev/xvda")[1]
    guest.run("printf 'from inside' | dd of=/dev/xvda conv=fsync")
    assert str(image) in subprocess.run(["losetup", "-a"], check=True, text=True,
                                        stdout=subprocess.PIPE).stdout
    host.kill("xenolith-domain")
    host.wait_clean()
    assert str(image) not in subprocess.run(["losetup", "-a"], check=True, text=True,
                                            stdout=subprocess.PIPE).stdout
    assert image.read_bytes().startswith(b"from inside")


def test_attach_and_detach(host, guests, own, tmp_path):
    """One that comes to a running guest, and goes; one that its script refuses."""
    image = tmp_path / "image"
    image.write_bytes(b"from the script" + bytes(1048561))
    guest, = guests(None)
    path = f"backend/vbd/{guest.domid()}/51728"
    done = host.xm("block-attach", guest.name, "own:/x:bad", "xvdb", "w", check=False)
    assert done.returncode == 1
    assert "Error: Device 51728 (vbd) could not be connected. /x:bad is in use" in done.stdout
    own.write_text("")
    host.xm("block-attach", guest.name, f"own:{image}:good", "xvdb", "w")
    guest.run("modprobe xen-blkfront; for i in $(seq 50); do [ -b /dev/xvdb ] && break; sleep 0.1; done")
    assert "from the script" in guest.run("head -c 15 /dev/xvdb")[1]
    host.xm("block-detach", guest.name, "xvdb")
    assert own.read_text() == (f"add {path} vbd own {image}:good w none\n"
                               f"remove {path} vbd own {image}:good w {image}.made\n")
    assert host.traces() == []
