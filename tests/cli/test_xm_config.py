# SPDX-License-Identifier: GPL-2.0-or-later
"""xm create and config files: lookup, dry run, S-expressions, errors, hostile files. Nothing
is started here."""

import json
import os
import re
import subprocess
import time

import pytest

# Two files of the field as they stand, and one as a web page printed it.
PV = """# Automatically generated xen config file
name = "pvguest"
memory = "512"
disk = [ 'tap:aio:/images/master.img,xvda,w', 'tap:aio:/images/slave.img,xvdb,w', ]
vif = [ 'mac=00:16:3e:11:b6:ec, bridge=xenbr0', ]
uuid = "734f2dbb-934e-ba83-d45d-ef656ecfbefc"
bootloader="/usr/bin/pygrub"
vcpus=1
on_reboot = 'restart'
on_crash = 'restart'
"""
HVM = """import os, re
arch = os.uname()[4]
if re.search('64', arch):
    arch_libdir = 'lib64'
else:
    arch_libdir = 'lib'
name = "hvmguest"
builder = "hvm"
memory = "1024"
disk = [ 'file:/images/disk1.img,hda,w', 'file:/iso/x.iso,hdd:cdrom,r', ]
vif = [ 'type=ioemu, mac=00:16:3e:40:16:60, bridge=xenbr0', ]
uuid = "25a47c57-294d-0a5d-6a1e-cedb09570b33"
device_model = "/usr/lib/xen/bin/qemu-dm"
kernel = "/usr/lib/xen/boot/hvmloader"
vnc=1
vnclisten='0.0.0.0'
acpi=0
serial = "pty" # enable serial console
"""
PV_SXP = """(vm
    (name pvguest)
    (memory 512)
    (on_poweroff destroy)
    (on_reboot restart)
    (on_crash restart)
    (vcpus 1)
    (uuid 734f2dbb-934e-ba83-d45d-ef656ecfbefc)
    (bootloader /usr/bin/pygrub)
    (bootloader_args -q)
    (image (linux ))
    (s3_integrity 1)
    (device (tap (uname tap:aio:/images/master.img) (dev xvda) (mode w)))
    (device (tap (uname tap:aio:/images/slave.img) (dev xvdb) (mode w)))
    (device (vif (mac 00:16:3e:11:b6:ec) (bridge xenbr0)))
)
"""


@pytest.fixture
def create(xm, tmp_path):
    """Function: xm create with these words in a directory of our own."""
    def run(*words, **options):
        return subprocess.run([xm, "create", *words], stdin=subprocess.DEVNULL, cwd=tmp_path,
                              capture_output=True, text=True, timeout=60, check=False, **options)
    return run


def test_dry_run_prints_sxp(create, tmp_path):
    (tmp_path / "pvguest").write_text(PV)
    done = create("--dryrun", "pvguest")
    assert done.stderr == ""
    assert done.stdout == 'Using config file "./pvguest".\n' + PV_SXP
    assert done.returncode == 0


def test_name_as_xendomains_takes_it(create, tmp_path):
    """The service script's own expression."""
    (tmp_path / "pvguest").write_text(PV)
    done = create("--quiet", "--dryrun", "--defconfig", "pvguest")
    names = re.findall(r"^.*\(name (.*)\)$", done.stdout, re.MULTILINE)
    assert names == ["pvguest"]
    assert done.stdout == PV_SXP


def test_hvm_parses(create, tmp_path):
    (tmp_path / "hvm").write_text(HVM)
    done = create("-qn", "hvm")
    assert done.stderr == "" and done.returncode == 0
    for line in ("(name hvmguest)", "(kernel /usr/lib/xen/boot/hvmloader)", "(serial pty)",
                 "(acpi 0)", "(vnclisten 0.0.0.0)", "(boot c)"):
        assert f"    {line}\n" in done.stdout
    assert "(device (vbd (uname file:/iso/x.iso) (dev hdd:cdrom) (mode r)))" in done.stdout
    done = create("-q", "hvm")
    assert done.returncode == 1
    assert "Disk image does not exist: /images/disk1.img" in done.stderr


def test_lost_indentation(create, tmp_path):
    (tmp_path / "hvm").write_text(re.sub("^    ", "", HVM, flags=re.MULTILINE))
    done = create("-qn", "hvm")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("Error: ./hvm:4: expected an indented block after 'if'; put blanks "
                           "before this line\n")


def test_sxp_is_read_again(create, tmp_path):
    (tmp_path / "x.sxp").write_text(PV_SXP)
    done = create("-n", "-F", "x.sxp")
    assert done.stderr == "" and done.stdout == PV_SXP
    done = create("-n", "-F", "x.sxp", "memory=64", "name=other")
    assert "(name other)" in done.stdout and "(memory 64)" in done.stdout
    done = create("-n", "x.sxp")
    assert done.returncode == 1 and "create -F ./x.sxp" in done.stderr


def test_overrides(create, tmp_path):
    (tmp_path / "pvguest").write_text(PV)
    done = create("-qn", "pvguest", "memory=64", "disk=phy:/dev/x,xvda,w", "disk=phy:/dev/y,xvdb,r",
                  'vif=["bridge=a", "bridge=b"]', 'cpus="0-3"; description="it\'s"')
    assert done.stderr == ""
    assert "(memory 64)" in done.stdout and "master.img" not in done.stdout
    assert done.stdout.count("(device (vbd ") == 2 and done.stdout.count("(device (vif ") == 2
    assert "(cpus 0-3)" in done.stdout and "(description 'it\\'s')" in done.stdout


def test_file_is_looked_for(create, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "guest").write_text("memory = 99\n")
    done = create("-n", "--path=a:b", "guest")
    assert 'Using config file "b/guest".' in done.stdout
    assert "(name guest)" in done.stdout and "(memory 99)" in done.stdout
    (tmp_path / "guest").write_text("memory = 77\n")
    done = create("-n", "--path=a:b", "guest")  # the name itself goes before the path
    assert "(memory 77)" in done.stdout
    done = create("-n")
    assert "Unable to open config file: xmdefconfig" in done.stderr


def test_warnings_do_not_stop(create, tmp_path):
    (tmp_path / "f").write_text("memroy = 5\nprint 'hello', 1\nxyzzy = 2\n")
    done = create("-qn", "f")
    assert done.returncode == 0 and "(memory 128)" in done.stdout
    assert done.stderr == ("hello 1\n"
                           "Warning: ./f:1: unknown option 'memroy' is ignored; did you mean "
                           "'memory'?\n"
                           "Warning: ./f:3: unknown option 'xyzzy' is ignored\n")


def test_dry_run_json(create, tmp_path):
    """What the domain process would be told; here the kernel must be there."""
    (tmp_path / "f").write_text("kernel = '/proc/self/exe'\nmemory = '64'\n")
    done = create("-qn", "--json", "f")
    document = json.loads(done.stdout)
    assert document["memory"] == 64 and document["name"] == "f"
    done = create("-qn", "--json", "f", "kernel=/nowhere")
    assert done.returncode == 1 and "Kernel image does not exist: /nowhere" in done.stderr


def test_clocks(create, tmp_path, monkeypatch):
    """The offset of a guest's clock: local time, and what is chosen besides."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    (tmp_path / "vmlinuz").write_text("kernel")

    def offset(*words):
        done = create("-qn", "--json", "/dev/null", "name=one", "kernel=vmlinuz", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout).get("time_offset")
    assert offset() is None
    assert offset("localtime=1") == 19800
    assert offset("localtime=1", "rtc_timeoffset=-3600") == 16200
    assert offset("rtc_timeoffset=60") == 60
    done = create("-qn", "--json", "/dev/null", "kernel=vmlinuz", "rtc_timeoffset=9999999999")
    assert done.returncode == 1 and "200 years" in done.stderr


def test_help_config(create):
    done = create("--help_config")
    assert done.returncode == 0
    assert "memory=INT\n    Memory at start, MiB. Default: 128.\n" in done.stdout
    assert re.search(r"^acpi=0\|1\n.* For HVM guests\.$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("line,words", [
    ("disk = ['file:/x,xvda,q']", "mode 'q' is none of r, w, w!"),
    ("disk = ['file:/x,xvda,w,0,foo,bar']", "there are too many commas"),
    ("disk = ['file:/x,xvda,w', 'file:/y,xvda,w']", "xvda is already defined"),
    ("disk = ['file:/x,xvda,w', 'file:/x,xvdb,w']", "/x is already used by xvda"),
    ("disk = ['file:/x,nonsense,w']", "'nonsense' is no name of a virtual disk"),
    ("vif = ['colour=red']", "Invalid vif option: colour"),
    ("vif = ['mac=1']", "six pairs of hexadecimal digits are needed"),
    ("vif = ['rate=fast']", "rate=fast"),
    ("vfb = ['colour=red']", "'colour' is no key of a vfb"),
    ("vfb = ['vnc=1', 'vnc=1']", "one framebuffer at most"),
])
def test_devices_are_checked(create, tmp_path, line, words):
    """In a dry run, too, with nothing of the host looked at."""
    (tmp_path / "f").write_text(f"kernel = '/nonexistent'\n{line}\n")
    done = create("-qn", "f")
    assert done.returncode == 1 and words in done.stderr and "/f:2: " in done.stderr, done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1


def test_devices_need_not_be_there(create, tmp_path):
    (tmp_path / "f").write_text("kernel = '/nonexistent'\nvif = ['']\n"
                                "disk = ['phy:sda1,sda1,w', 'drbd:r0,xvdb,w', ',hdc:cdrom,r']\n")
    done = create("-qn", "f")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    (device (vbd (uname drbd:r0) (dev xvdb) (mode w)))" in done.stdout.splitlines()


HOSTILE = {
    "loop": "while 1: pass\n",
    "string": "a = 'x'\nwhile 1: a += a\n",
    "strings": "a = 'x' * 900000\nwhile 1: b = a + a[1:]\n",
    "list": "l = [0]\nwhile 1: l.append(l)\n",
    "recursion": "def f(x): return f(x + 1)\nf(0)\n",
    "brackets": "a = " + "(" * 100000,
    "blocks": "".join(" " * n + "if 1:\n" for n in range(1000)),
    "chain": "a = " + "1 + " * 200000 + "1\n",
    "statements": "a;" * 500000,
    "names": "".join(f"x{n}=1\n" for n in range(100000)),
    "regex": "import re\nwhile 1: re.search('(a*)*(a*)*b', 'a' * 5000)\n",
    "repeats": "import re\nre.search('((((x{200}){200}){200}){200}){200}', 'x')\n",
    "binary": "\x01\x02\x03" * 1000,
    "zeros": "\0" * 100000,
    "endless line": "a" * 1000000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_config(xm, tmp_path, name):
    """A clear error within a second and 64 MiB."""
    path = tmp_path / "f"
    path.write_text(HOSTILE[name])
    started = time.monotonic()
    with open(tmp_path / "err", "w+", encoding="utf-8") as err:
        process = subprocess.Popen([xm, "create", "-qn", str(path)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        text = err.read()
    assert process.returncode == 1, text
    assert re.fullmatch(r"Error: .*/f:\d+: .*\n", text), text
    assert usage.ru_utime + usage.ru_stime < 1.0
    assert time.monotonic() - started < 10  # a busy machine
    assert usage.ru_maxrss < max(64 * 1024, baseline(xm) + 48 * 1024)


def baseline(xm):
    """Memory of an xm that does nothing, KiB: more than usual with a sanitizer."""
    process = subprocess.Popen([xm, "--version"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss
