# SPDX-License-Identifier: GPL-2.0-or-later
"""Fully virtualized guests, the short set: a guest of one sector (boot.S) shows the firmware,
disks, serial port, screen, keyboard and each way in which a machine's life can end."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from hvmkit import (NEEDS_QEMU, Domain, boot_sector, call, kill, read_log, read_png, run_dir,
                    write_disk)

pytestmark = pytest.mark.skipif(**NEEDS_QEMU)
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
HELLO = "Boot sector here."


def store():
    """The environment in which the programs of xenstore find ours."""
    return {**os.environ, "XENSTORED_PATH": f"{run_dir()}/xenstored.sock"}


@pytest.fixture(scope="module")
def sector(tmp_path_factory):
    return boot_sector(str(tmp_path_factory.mktemp("boot")))


@pytest.fixture
def disk(sector, tmp_path):
    """Path of a disk whose text is "This is disk one."."""
    path = tmp_path / "disk.img"
    write_disk(path, sector, "This is disk one.")
    return path


@pytest.fixture
def start(xm, tmp_path, disk):
    """Function: a domain that boots the disk, with this added to its config."""
    domains = []

    def run(config="", disks=None, **options):
        disks = [f"file:{disk},hda,w"] if disks is None else disks
        domains.append(Domain(xm, tmp_path, f"disk = {disks!r}\n{config}", **options))
        return domains[-1]
    yield run
    for domain in domains:
        domain.__exit__()


def test_boots_and_powers_off(start):
    domain = start()
    console = domain.attach()
    console.wait_for(HELLO)
    console.wait_for("This is disk one.")
    info = domain.info()
    assert (info["memory"], info["vcpus"]) == (32, 1)
    console.send("abq")
    console.wait_for("<a>\r\n<b>\r\n<q>")
    domain.wait_gone()
    assert "powered off: the guest switched its machine off" in domain.log()
    assert "CPU: emulated" in domain.log()


def test_create_with_console(xm, tmp_path, disk):
    """xm create -c shows all of it, and ends with the domain."""
    config = tmp_path / "one"
    config.write_text(f"builder = 'hvm'\nhvm_emulation = 'always'\nmemory = 32\n"
                      f"disk = ['file:{disk},hda,w']\n")
    with subprocess.Popen([xm, "create", "-q", "-c", config], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        seen = b""
        while b"disk one" not in seen:
            data = process.stdout.read1(4096)
            assert data, (seen, process.stderr.read())
            seen += data
        process.stdin.write(b"q")
        process.stdin.flush()
        assert process.wait(30) == 0
        assert b"the guest's CPU is emulated" in process.stderr.read()


def test_reset_is_a_reboot(start):
    """The guest starts again under its id, its console stays."""
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    before = domain.info()
    console.send("r")
    console.wait_for("<r>")
    console.wait_for(HELLO)
    after = domain.info()
    assert (after["domid"], after["restarts"]) == (before["domid"], before["restarts"] + 1)


def test_reset_with_on_reboot_destroy(start):
    domain = start("on_reboot = 'destroy'")
    console = domain.attach()
    console.wait_for("disk one")
    console.send("r")
    domain.wait_gone()
    assert "reboots: the guest reset its machine" in domain.log()


def test_triple_fault_is_a_crash(start):
    domain = start("on_crash = 'preserve'\non_reboot = 'destroy'")
    console = domain.attach()
    console.wait_for("disk one")
    console.send("t")
    domain.wait_log("triple fault")
    assert domain.info()["state"][4] == "c"
    assert domain.model_pid() is None


def test_shutdown_presses_the_power_button(xm, start):
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    assert call(xm, "shutdown", "-w", domain.name).returncode == 0
    console.wait_for("Power button.")
    assert domain.info() is None


def test_reboot_presses_it_and_starts_again(xm, start):
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    assert call(xm, "reboot", domain.name).returncode == 0
    console.wait_for("Power button.")
    console.wait_for(HELLO)
    assert domain.info()["restarts"] == 1


def test_end_of_the_device_model_is_a_crash(start):
    domain = start("on_crash = 'destroy'")
    domain.attach().wait_for("disk one")
    kill(domain.model_pid())
    domain.wait_gone()
    assert "crashed: the device model ended unexpectedly" in domain.log()


def test_no_device_model_without_domain_process(start):
    domain = start()
    domain.attach().wait_for("disk one")
    pid = domain.model_pid()
    kill(domain.info()["pid"])
    domain.wait_model_gone(pid)
    assert domain.info() is None


def test_destroy(xm, start):
    domain = start()
    domain.attach().wait_for("disk one")
    pid = domain.model_pid()
    assert call(xm, "destroy", domain.name).returncode == 0
    domain.wait_gone()
    domain.wait_model_gone(pid)


def test_the_device_model_has_no_rights(start):
    """A user's of its own, who can gain nothing, and it has only what it needs open."""
    domain = start()
    domain.attach().wait_for("disk one")
    pid = domain.model_pid()
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        status = dict(line.split(":\t", 1) for line in stream.read().splitlines())
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(0x70000000 + pid)}
        assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    files = [name for name in names if name.startswith("/") and name != "/dev/null"]
    assert len(files) <= 2 and all(name.endswith("disk.img") for name in files), names


def test_pause(start):
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    assert domain.control("pause")["ok"]
    assert domain.info()["state"][2] == "p"
    console.send("a")
    assert b"<a>" not in console.listen(1)
    assert domain.control("unpause")["ok"]
    console.wait_for("<a>")
    assert domain.info()["state"][2] == "-"


def test_created_paused(start):
    domain = start(args=("-p",))
    console = domain.attach()
    assert domain.info()["state"][2] == "p"
    assert console.listen(1) == b""
    assert domain.control("unpause")["ok"]
    console.wait_for(HELLO)


def test_screen_and_keyboard(xm, start, tmp_path):
    """What VNC shows can be read, is what a screenshot holds, and typed keys arrive."""
    domain = start("vnc = 1\nvncdisplay = 30")
    console = domain.attach()
    console.wait_for("disk one")
    with domain.vnc() as vnc:
        vnc.wait_for("Boot sector here.\nHard disks: 1\nThis is disk one.\n")
        vnc.key(ord("k"))
        console.wait_for("<k>")
        vnc.wait_for("This is disk one.\n<k>\n")
        assert domain.control("pause")["ok"]
        vnc.update()
        path = tmp_path / "screen.png"
        done = call(xm, "screenshot", domain.name, path)
        assert done.returncode == 0, done.stderr
        assert read_png(path) == (vnc.size, vnc.rgb())
        assert domain.control("display")["port"] == vnc.port
        assert domain.control("unpause")["ok"]


def test_vnc_displays_and_passwords(start):
    """The first free display from vncdisplay up; the one and no other with vncunused=0."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed, which knows VNC's cipher")
    one = start("vnc = 1\nvncdisplay = 40\nvncpasswd = 'geheim'")
    other = start("vnc = 1\nvncdisplay = 40", disks=[])
    assert "VNC on 127.0.0.1 port 5940, with a password" in one.log()
    assert "VNC on 127.0.0.1 port 5941\n" in other.log()
    with one.vnc("geheim") as vnc:
        assert vnc.accepted
    with one.vnc("falsch") as vnc:
        assert not vnc.accepted
    with pytest.raises(AssertionError, match="the device model does not start: -vnc 127.0.0.1:40: "):
        start("vnc = 1\nvncdisplay = 40\nvncunused = 0", disks=[])


def test_disks(xm, start, tmp_path, disk, sector):
    """The firmware boots the drive that boot= asks for; formats are read by others."""
    write_disk(tmp_path / "two.raw", sector, "This is disk two.", 4 << 20)
    done = call("qemu-img", "convert", "-O", "qcow2", tmp_path / "two.raw", tmp_path / "two.qcow2")
    assert done.returncode == 0, done.stderr
    domain = start("boot = 'c'", [f"tap:qcow2:{tmp_path}/two.qcow2,hda,w", f"file:{disk},sdb,r",
                                  ",hdd:cdrom,r"])
    domain.attach().wait_for("This is disk two.")
    disks = domain.control("block-list")["disks"]
    assert [(d["name"], d["mode"], d["cdrom"], d["path"]) for d in disks] == [
        ("hda", "w", False, f"{tmp_path}/two.qcow2"), ("sdb", "r", False, str(disk)),
        ("hdd", "r", True, "")]
    rows = call(xm, "block-list", domain.name).stdout.splitlines()
    assert rows[0].split() == ["Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path"]
    assert rows[1].split() == ["768", "0", "0", "4", "-1", "-1", f"{tmp_path}/two.qcow2"]
    assert len(rows) == 4
    assert f"(path {disk})" in call(xm, "block-list", "-l", domain.name).stdout


def test_cds(xm, start, tmp_path, disk):
    """Media are put in and taken out, of either format; locks follow."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.iso").write_bytes(b"\0" * 65536)
    done = call("qemu-img", "convert", "-O", "qcow2", tmp_path / "two.iso", tmp_path / "two.qcow2")
    assert done.returncode == 0, done.stderr
    domain = start(disks=[f"file:{disk},hda,w", ",hdc:cdrom,r"])
    domain.attach().wait_for("disk one")

    def medium():
        return domain.control("block-list")["disks"][1]["path"]
    assert medium() == ""
    for image in (f"file:{tmp_path}/one.iso", f"tap:qcow2:{tmp_path}/two.qcow2"):
        done = call(xm, "cd-insert", domain.name, "hdc", image)
        assert done.returncode == 0, done.stderr
        assert medium() == image.split(":")[-1]
    done = call(xm, "cd-insert", domain.name, "hda", f"file:{tmp_path}/one.iso")
    assert done.returncode == 1 and "hda is no CD drive" in done.stderr
    assert call(xm, "cd-eject", domain.name, "hdc").returncode == 0
    assert medium() == ""
    assert call(xm, "cd-eject", domain.name, "hdc").returncode == 0
    done = call(xm, "block-attach", domain.name, f"file:{tmp_path}/one.iso", "xvdf", "w")
    assert done.returncode == 1 and "stay as they are" in done.stderr


def test_requests_for_other_guests(start):
    """What only a paravirtualized guest has is refused, whatever it is called."""
    domain = start()
    domain.attach().wait_for("disk one")
    for verb in ("network-attach", "no-such-verb"):
        answer = domain.control(verb, vif={}, device="0")
        assert not answer["ok"] and "not available for a fully virtualized" in answer["error"]
    assert not domain.control("trigger", event="init")["ok"]
    assert domain.control("trigger", event="nmi")["ok"]


def test_trigger_reset(xm, start):
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    assert call(xm, "trigger", domain.name, "reset").returncode == 0
    console.wait_for(HELLO)
    assert domain.info()["restarts"] == 1


def test_trigger_power(xm, start):
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    assert call(xm, "trigger", domain.name, "power").returncode == 0
    console.wait_for("Power button.")
    domain.wait_gone()
    assert "pressed the power button" in domain.log()


def test_no_acpi_no_power_button(xm, start):
    """Who wants to shut it down is told, and so is who writes to the store by hand."""
    domain = start("acpi = 0")
    domain.attach().wait_for("disk one")
    for words in (["shutdown"], ["shutdown", "-w"], ["reboot"]):
        done = call(xm, *words, domain.name)
        assert done.returncode == 1 and done.stderr == (
            f"Error: domain {domain.name} cannot be asked to shut down: nothing in it would listen "
            "(a machine with acpi = 0 has no power button); shut it down from inside\n")
    done = call(xm, "trigger", domain.name, "power")
    assert done.returncode == 1 and "its power button does nothing" in done.stderr
    node = f"/local/domain/{domain.info()['domid']}/control/shutdown"
    assert call("xenstore-write", node, "poweroff", env=store()).returncode == 0
    domain.wait_log("its power button does nothing")
    assert domain.info() is not None


def test_clock_is_kept_over_a_reboot(start):
    """What the guest sets its clock to is the next life's."""
    domain = start("rtc_timeoffset = -315360000")
    console = domain.attach()
    console.wait_for("disk one")
    console.send("y")
    year = time.gmtime(time.time() - 315360000).tm_year
    console.wait_for(f"<y>\r\n{year % 100}.")
    console.send("dy")
    console.wait_for("<y>\r\n42.")
    console.send("r")
    console.wait_for("disk one")
    assert domain.info()["restarts"] == 1
    console.send("y")
    console.wait_for("<y>\r\n42.")


def test_adopted_by_a_new_xend(xm, build_dir, start):
    """xend goes, however, and the next one looks after the machine again."""
    domain = start()
    console = domain.attach()
    console.wait_for("disk one")
    model, xend = domain.model_pid(), os.path.join(build_dir, "xend")

    def pid():
        found = re.search(r"process (\d+)", call(xend, "status").stdout)
        return int(found.group(1)) if found else None

    def adopted():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{run_dir()}/xend.sock")
            sock.sendall(b'{"verb": "status"}\n')
            return [entry["name"] for entry in json.loads(sock.makefile().readline())["domains"]]
    assert call(xend, "start").returncode == 0
    try:
        for _ in range(2):
            domain.wait_until(lambda: domain.name in adopted())
            kill(pid())
            domain.wait_until(lambda: pid() is None)
            assert call(xend, "start").returncode == 0
        domain.wait_until(lambda: domain.name in adopted())
        assert domain.model_pid() == model
        console.send("a")
        console.wait_for("<a>")
        assert call(xm, "shutdown", "-w", domain.name).returncode == 0
        domain.wait_until(lambda: domain.name not in adopted())
    finally:
        call(xend, "stop")


def test_dump_core(xm, start, tmp_path):
    domain = start()
    domain.attach().wait_for("disk one")
    path = tmp_path / "core"
    done = call(xm, "dump-core", domain.name, path)
    assert done.returncode == 0, done.stderr
    with open(path, "rb") as stream:
        core = stream.read()
    assert core[:4] == b"\x7fELF" and core[16] == 4 and HELLO.encode() in core


def test_dump_core_while_others_are_served(xm, start, tmp_path):
    """With the device model stopped in the middle of a core, everything else of the domain goes on;
    there is one core at a time, and who asked has an answer if the machine goes."""
    domain = start("memory = 768")
    domain.attach().wait_for("disk one")
    model = domain.model_pid()
    path, partial = tmp_path / "core", tmp_path / "core-incomplete"
    with subprocess.Popen([xm, "dump-core", domain.name, path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as dump:
        domain.wait_until(lambda: partial.exists() and partial.stat().st_size > 0)
        assert domain.control("info")["ok"]  # behind the answer that it has begun
        os.kill(model, signal.SIGSTOP)
        assert partial.exists()
        assert domain.control("info", timeout=10)["ok"]
        done = call(xm, "dump-core", domain.name, tmp_path / "other")
        assert done.returncode == 1 and "is being written already" in done.stderr
        assert domain.control("destroy", timeout=10)["ok"]
        assert dump.wait(30) == 1
        assert "the machine has gone before its core was written" in dump.stderr.read()
    assert not path.exists()
    domain.wait_gone()


def test_vcpus_in_their_places(xm, start):
    """vCPUs are threads of the device model that run where cpus= and vcpu-pin say; one that is
    plugged in, too."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this host has one CPU only")
    low, high = sorted(os.sched_getaffinity(0))[:2]
    domain = start(f"vcpus = 1\nmaxvcpus = 2\ncpus = '{low}'")
    domain.attach().wait_for("disk one")

    def places():
        """Of the threads of the device model that may not run everywhere."""
        task = f"/proc/{domain.model_pid()}/task"
        sets = [os.sched_getaffinity(int(thread)) for thread in os.listdir(task)]
        return sorted(sorted(cpus) for cpus in sets if cpus != os.sched_getaffinity(0))
    assert places() == [[low]]
    assert call(xm, "vcpu-set", domain.name, "2").returncode == 0
    domain.wait_until(lambda: places() == [[low], [low]], explain=places)
    assert call(xm, "vcpu-pin", domain.name, "1", str(high)).returncode == 0
    assert places() == [[low], [high]]
    rows = call(xm, "vcpu-list", domain.name).stdout.splitlines()[1:]
    assert [row.split()[-1] for row in rows] == [str(low), str(high)]
    assert call(xm, "vcpu-pin", domain.name, "all", "all").returncode == 0
    assert places() == []
    done = call(xm, "vcpu-pin", domain.name, "0", "900")
    assert done.returncode == 1 and "has none of these CPUs" in done.stderr


def test_vcpus(xm, start):
    """CPUs are listed with what they used, and plugged in."""
    domain = start("vcpus = 1\nmaxvcpus = 3")
    domain.attach().wait_for("disk one")
    rows = [line.split() for line in call(xm, "vcpu-list", domain.name).stdout.splitlines()[1:]]
    assert [(row[2], row[4]) for row in rows] == [("0", "r--"), ("1", "--p"), ("2", "--p")]
    assert float(rows[0][5]) > 0
    assert call(xm, "vcpu-set", domain.name, "3").returncode == 0
    domain.wait_until(lambda: domain.info()["online_vcpus"] == 3)
    assert call(xm, "vcpu-list", domain.name).stdout.count(" r-- ") == 3
    assert call(xm, "vcpu-set", domain.name, "4").returncode == 1


def test_core_of_a_crash(start, tmp_path):
    """on_crash = coredump-destroy: what a triple fault leaves."""
    domain = start("on_crash = 'coredump-destroy'")
    console = domain.attach()
    console.wait_for("disk one")
    console.send("t")
    domain.wait_gone()
    lines = [line for line in domain.log().splitlines() if "core written: " in line]
    path = lines[-1].split("core written: ")[1]
    try:
        with open(path, "rb") as stream:
            core = stream.read()
        assert core[:4] == b"\x7fELF" and HELLO.encode() in core
    finally:
        os.unlink(path)


def test_memory_target(xm, start):
    """The balloon's target: a guest without the driver does not move."""
    domain = start("maxmem = 48")
    domain.attach().wait_for("disk one")
    assert call(xm, "mem-set", domain.name, "40").returncode == 0
    done = call("xenstore-read", f"/local/domain/{domain.info()['domid']}/memory/target",
                env=store())
    assert done.stdout.strip() == str(40 * 1024)
    assert domain.info()["memory"] == 40
    assert call(xm, "mem-set", domain.name, "64").returncode == 1
    assert domain.control("mem-max", kib=64 << 10) == {"ok": True, "later": True}
    done = call(xm, "mem-set", domain.name, "64")
    assert done.returncode == 1 and "may have, which is 48 MiB" in done.stderr
    assert domain.control("mem-max", kib=44 << 10) == {"ok": True, "later": False}
    assert call(xm, "mem-set", domain.name, "45").returncode == 1
    assert call(xm, "mem-set", domain.name, "44").returncode == 0


def test_read_only_ide(start, disk):
    """QEMU's IDE disks are always writable: better refused than written to."""
    with pytest.raises(AssertionError, match="disk hda: an IDE disk cannot be read-only"):
        start(disks=[f"file:{disk},hda,r"])


def test_scsi_and_floppy(start, tmp_path, disk, sector):
    domain = start(disks=[f"file:{disk},sda,w"])
    domain.attach().wait_for("This is disk one.")
    write_disk(tmp_path / "floppy", sector, "This is a floppy disk.", 1440 * 1024)
    domain = start(f"fda = '{tmp_path}/floppy'\nboot = 'a'", disks=[])
    domain.attach().wait_for("This is a floppy disk.")


def test_disk_in_use(start, disk):
    """Locks hold between guests of both kinds, since the domain process takes them."""
    domain = start()
    domain.attach().wait_for("disk one")
    with pytest.raises(AssertionError, match="disk.img is in use by another domain"):
        start()


def test_serial_file(start, tmp_path):
    """A port that goes to a file, opened with the rights of who starts the domain."""
    domain = start(f"serial = 'file:{tmp_path}/com1'")
    domain.wait_until(lambda: (tmp_path / "com1").exists()
                      and "disk one" in (tmp_path / "com1").read_text())
    assert domain.info() is not None


def test_no_emulation(start):
    """hvm_emulation='never' refuses where there is no hardware to do it."""
    with open("/proc/cpuinfo", encoding="ascii") as stream:
        flags = stream.read().split()
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and ("vmx" in flags or "svm" in flags):
        pytest.skip("this host has hardware virtualization")
    with pytest.raises(AssertionError, match="hvm_emulation = 'never' forbids"):
        start("hvm_emulation = 'never'")


def pretend(words, commands):
    """Run a command in a mount namespace in which other commands were run first."""
    script = " && ".join([*commands, 'exec "$@"'])
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return call("unshare", *users, "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                *words)


def is_kvm(path):
    """The device, which may be used, and not what lies over it (tests/without-kvm)."""
    return os.access(path, os.R_OK | os.W_OK) and os.stat(path).st_rdev == os.makedev(10, 232)


def test_choice_of_the_cpu(xm, tmp_path, disk):
    """The host's CPU where it shows VT-x or AMD-V and /dev/kvm answers: either alone is not enough."""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu vmx sse\n")
    shows = f"mount --bind {tmp_path}/cpuinfo /proc/cpuinfo"
    if pretend(["true"], [shows]).returncode:
        pytest.skip("this host allows no mount namespaces")
    (tmp_path / "nothing").write_text("processor\t: 0\nflags\t\t: fpu sse\n")
    shows_none = f"mount --bind {tmp_path}/nothing /proc/cpuinfo"
    no_kvm = "mount --bind /dev/null /dev/kvm" if os.path.exists("/dev/kvm") else "true"
    config = tmp_path / "one"
    config.write_text("builder = 'hvm'\nhvm_emulation = 'never'\nmemory = 32\n"
                      f"disk = ['file:{disk},hda,w']\non_crash = 'destroy'\n")
    for commands in ([shows, no_kvm], [shows_none]):
        assert "virt_caps              : \n" in pretend([xm, "info"], commands).stdout
        done = pretend([xm, "create", "-q", config], commands)
        assert done.returncode == 1 and "hvm_emulation = 'never' forbids" in done.stderr
    if is_kvm("/dev/kvm"):
        assert "virt_caps              : hvm\n" in pretend([xm, "info"], [shows]).stdout
        done = pretend([xm, "create", "-q", config], [shows])
        call(xm, "destroy", "one")
        # The device model is told to use it, whether or not it can behind a CPU that lies.
        assert "CPU: the host's (KVM)" in read_log("one")


def test_store(start):
    domain = start("vnc = 1\nvncdisplay = 50")
    domain.attach().wait_for("disk one")
    home = f"/local/domain/{domain.info()['domid']}"

    def read(node):
        return call("xenstore-read", f"{home}/{node}", env=store()).stdout.strip()
    assert read("name") == domain.name
    assert read("console/vnc-port") == "5950"
    assert read("serial/0/tty").startswith("/dev/pts/")
    assert read("console/tty") == read("serial/0/tty")
    assert read("memory/target") == str(32 * 1024)


def test_reset_and_managed(xm, start, disk):
    """What a domain was started from is kept with all that makes its machine."""
    domain = start("vga = 'stdvga'\nnx = 0", [f"file:{disk},hda,w", ",hdc:cdrom,r"])
    domain.attach().wait_for("disk one")
    before = domain.info()["domid"]
    done = call(xm, "reset", domain.name)
    assert done.returncode == 0, done.stderr
    domain.attach().wait_for(HELLO)
    assert domain.info()["domid"] != before
    with open(f"/proc/{domain.model_pid()}/cmdline", encoding="utf-8") as stream:
        words = stream.read().split("\0")
    assert "VGA,vgamem_mb=16" in words and any(
        ",popcnt=on,nx=off," in word for word in words)
    assert any("accel=tcg" in word for word in words)
    assert domain.control("block-list")["disks"][1]["cdrom"]


@pytest.mark.parametrize("name", ["hvm-cd", "hvm-disk", "hvm-network"])
def test_examples(xm, name):
    """They can be read; what they need of the host is theirs to say."""
    done = call(xm, "create", "-q", "-n", os.path.join(EXAMPLES, name))
    assert done.returncode == 0, done.stderr
    assert f"(name {name})" in done.stdout and "(hvm" in done.stdout
