# SPDX-License-Identifier: GPL-2.0-or-later
"""What each option of a fully virtualized guest's config becomes on the device model's command line,
with a device model that takes it: the guests are created and stay paused."""

import pytest

from hvmkit import NEEDS_QEMU, Domain, call, write_disk

pytestmark = pytest.mark.skipif(**NEEDS_QEMU)
CPU = "-cpu qemu64,ssse3=on,sse4.1=on,sse4.2=on,popcnt=on"
DISK = '"driver":"file","filename":"/dev/fdset/'


def words_of(domain):
    with open(f"/proc/{domain.model_pid()}/cmdline", encoding="utf-8") as stream:
        return " " + stream.read().replace("\0", " ")


@pytest.fixture
def images(tmp_path):
    for name in ("one", "two", "three", "four", "five", "floppy"):
        write_disk(tmp_path / name, b"\0" * 512, "", 1440 * 1024)
    assert call("qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "new.qcow2",
                "1M").returncode == 0
    return tmp_path


# Config, what is there, what is not.
CASES = {
    "defaults": ("", [
        " -machine pc,accel=tcg,acpi=on,hpet=off,usb=off,", f" {CPU},svm=off,vmx=off ", " -m 32 ",
        " -smp 1,maxcpus=1,", " -rtc base=utc ", " -device cirrus-vga,vgamem_mb=4 ",
        " -display none ", " -serial chardev:serial0 "],
        [" -vnc ", " -k ", "-audiodev", "usb-", "PIIX4_PM", "driftfix", " -kernel ", "bootindex"]),
    "board": (
        "memory = 48\nmaxmem = 64\nvcpus = 2\nmaxvcpus = 4\nacpi_s3 = 0\nacpi_s4 = 0\nhpet = 1\n"
        "nestedhvm = 1\ntimer_mode = 0\nlocaltime = 1\nstdvga = 1\nvideoram = 9\nkeymap = 'de'\n"
        "uuid = '25a47c57-294d-0a5d-6a1e-cedb09570b33'\nusb = 1\n"
        "usbdevice = ['tablet', 'mouse', 'keyboard']\nsoundhw = 'all'\n", [
            " -m 64 ", " -smp 2,maxcpus=4,", " -uuid 25a47c57-294d-0a5d-6a1e-cedb09570b33 ",
            ",hpet=on,usb=on,", " -global PIIX4_PM.disable_s3=1 ",
            " -global PIIX4_PM.disable_s4=1 ", f" {CPU} ", " -rtc base=localtime,driftfix=slew ",
            " -device VGA,vgamem_mb=16 ", " -k de ", " -device usb-tablet ", " -device usb-mouse ",
            " -device usb-kbd ", " -audiodev none,id=sound ", " -device sb16,", " -device adlib,",
            " -device gus,", " -device cs4231a,", " -device ES1370,", " -device AC97,",
            " -device intel-hda "], ["svm=off"]),
    "less": (
        "acpi = 0\napic = 0\npae = 0\nrtc_timeoffset = 86400\nvga = 'none'\nserial = 'none'\n"
        "soundhw = 'es1370,sb16'\n", [
            ",acpi=off,", ",pae=off,lm=off,nx=off,apic=off,", " -rtc base=20", " -serial none ",
            " -device sb16,audiodev=sound ", " -device ES1370,audiodev=sound "],
        ["vga", "gus", "driftfix", "chardev:serial0"]),
    "screen": (
        "vga = 'qxl'\nnx = 0\nvnc = 1\nvncdisplay = 31\nvnclisten = '127.0.0.1'\n"
        "vncpasswd = 'secret'\nenable_audio = 1\nusbdevice = 'tablet'\n", [
            " -device qxl-vga,vgamem_mb=16 ", ",popcnt=on,nx=off,",
            " -vnc 127.0.0.1:31,to=1000,password=on ", " -device sb16,", ",usb=on,"],
        ["secret", "pae=off"]),
    "one display": ("vnc = 1\nvncdisplay = 32\nvncunused = 0\n", [" -vnc 127.0.0.1:32 "], ["to="]),
    "window": ("sdl = 1\nvncdisplay = 33\n", [" -vnc 127.0.0.1:33,to=1000 "], []),
    "drives": (
        "disk = ['file:DIR/one,hda,w', 'file:DIR/two,hdd:cdrom,r', 'tap:aio:DIR/three,sda,w',"
        " 'tap:qcow2:DIR/new.qcow2,xvdb,w', 'file:DIR/five,xvde,r', ',hdc:cdrom,r']\n"
        "fda = 'DIR/floppy'\nboot = 'adc'\n", [
            " -device ide-hd,id=dev-hda,bus=ide.0,unit=0,drive=hda,bootindex=200 ",
            " -device ide-cd,id=dev-hdd,bus=ide.1,unit=1,drive=hdd,bootindex=100 ",
            " -device ide-cd,id=dev-hdc,bus=ide.1,unit=0,bootindex=101 ",
            " -device scsi-hd,id=dev-sda,bus=scsi0.0,scsi-id=0,drive=sda,bootindex=201 ",
            " -device ide-hd,id=dev-xvdb,bus=ide.0,unit=1,drive=xvdb,bootindex=202 ",
            " -device virtio-blk-pci,id=dev-xvde,drive=xvde,bootindex=203 ",
            " -device floppy,id=dev-fda,unit=0,drive=fda ", " -global isa-fdc.bootindexA=0 ", DISK,
            '"node-name":"hdd","read-only":true', '"node-name":"xvde","read-only":true',
            '"node-name":"hda","read-only":false', '"driver":"nbd"'], ["DIR"]),
    "ports": (
        "serial = ['pty', 'file:DIR/com2', 'tcp:127.0.0.1:0,server', 'none']\n", [
            " -serial chardev:serial0 ", " -serial chardev:serial1 ",
            " -chardev file,id=serial1,append=on,path=/dev/fdset/",
            " -serial tcp:127.0.0.1:0,server,nowait ", " -serial none "], ["com2"]),
}


@pytest.mark.parametrize("name", CASES)
def test_options(xm, images, name):
    config, there, absent = CASES[name]
    with Domain(xm, images, config.replace("DIR", str(images)), args=("-p",)) as domain:
        line = words_of(domain)
    for part in there:
        assert part in line, (part, line)
    for part in absent:
        assert part.replace("DIR", str(images)) not in line, (part, line)


@pytest.mark.parametrize("model,device", [
    ("", "rtl8139"), ("rtl8139", "rtl8139"), ("e1000", "e1000"), ("ne2k_pci", "ne2k_pci"),
    ("virtio", "virtio-net-pci")])
def test_cards(xm, tmp_path, model, device):
    """On passt, which takes no rights."""
    chosen = f", model={model}" if model else ""
    with Domain(xm, tmp_path, "boot = 'nc'\nvif = ['type=user, mac=00:16:3e:00:00:07"
                f"{chosen}']\n", args=("-p",)) as domain:
        line = words_of(domain)
    assert f" -device {device},id=vif0,netdev=net0,mac=00:16:3e:00:00:07,bootindex=0 " in line
    assert " -netdev stream,id=net0," in line


def test_kernel(xm, tmp_path):
    """A kernel that is no hvmloader is started directly; its command line is one word."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"\xff" * 8192)
    with pytest.raises(AssertionError, match="does not start: invalid kernel header"):
        Domain(xm, tmp_path, f"kernel = '{kernel}'\n", args=("-p",))
    # What a boot protocol of 2.02 needs: the boot sector's mark, the header's, the version.
    header = bytearray(8192)
    header[0x1f1], header[0x1fe:0x200], header[0x202:0x208] = 1, b"\x55\xaa", b"HdrS\x02\x02"
    kernel.write_bytes(header)
    (tmp_path / "ramdisk").write_bytes(b"\0" * 512)
    with Domain(xm, tmp_path, f"kernel = '{kernel}'\nramdisk = '{tmp_path}/ramdisk'\n"
                "root = '/dev/sda1'\nextra = 'ro -monitor stdio'\nboot = 'c'\n",
                args=("-p",)) as domain:
        line = words_of(domain)
        with open(f"/proc/{domain.model_pid()}/cmdline", encoding="utf-8") as stream:
            assert "root=/dev/sda1 ro -monitor stdio" in stream.read().split("\0")
    assert " -kernel /proc/self/fd/" in line and " -initrd /proc/self/fd/" in line


# One clear line for what cannot be.
REFUSED = [
    ("boot = 'x'", "boot = 'x': letters of a"),
    ("vcpus = 0", "vcpus"),
    ("vcpus = 9", "vcpus"),
    ("memory = 0", "memory"),
    ("memory = 'much'", "memory"),
    ("memory = 64\nmaxmem = 32", "maxmem"),
    ("vcpus = 2\napic = 0", "needs its APIC"),
    ("disk = ['file:/nowhere/disk,hda,w']", "Disk image does not exist: /nowhere/disk"),
    ("disk = ['file:DIR/one,hde,w']", "a fully virtualized guest has hda to hdd"),
    ("disk = ['file:DIR/one,hda,w', 'file:DIR/two,xvda,w']", "are the same drive"),
    ("disk = ['file:DIR/one,hda,w', 'file:DIR/two,hda,w']", "hda"),
    ("disk = [',hda,w']", "disk"),
    ("disk = ['file:DIR,hda,w']", "DIR"),
    ("disk = ['tap:qcow2:DIR/one,hda,w']", "one"),
    ("disk = ['file:DIR/one,xvde:cdrom,r']", "xvde cannot be a CD drive"),
    ("vif = ['type=user, model=ne3k']", "model=ne3k is none of rtl8139"),
    ("vif = ['bridge=no such bridge, mac=zz']", "mac"),
    ("vnc = 1\nvnclisten = '203.0.113.1'", "203.0.113.1"),
    ("vnc = 1\nkeymap = 'klingon'", "klingon"),
    ("serial = 'tcp:nowhere'", "tcp:nowhere"),
    ("serial = 'tcp:127.0.0.1:1'", "could not connect serial device"),
    ("serial = 'file:/nowhere/x'", "/nowhere/x"),
    ("serial = ['pty', 'pty']", "only one port can be the console"),
    ("fda = '/nowhere'", "there is no file /nowhere"),
    ("kernel = '/nowhere'", "there is no file /nowhere"),
    ("usbdevice = 'host:1d6b:1'", "only tablet, mouse and keyboard"),
    ("soundhw = 'sb16,tuba'", "soundhw = 'sb16,tuba': none of"),
    ("hvm_emulation = 'sometimes'", "none of auto, never, always"),
    ("name = 'a,b=c'", "name"),
    ("uuid = 'x'", "uuid"),
]


@pytest.mark.parametrize("config,says", REFUSED, ids=[text.split("\n")[-1] for text, _ in REFUSED])
def test_refused(xm, images, config, says):
    config = config.replace("DIR", str(images))
    path = images / "refused"
    path.write_text("builder = 'hvm'\nhvm_emulation = 'always'\nmemory = 32\n" + config + "\n")
    done = call(xm, "create", "-q", path)
    call(xm, "destroy", "refused")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Warning: no hard")]
    assert done.returncode == 1 and done.stdout == "", done
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.stderr
    assert says.replace("DIR", str(images)) in lines[0], done.stderr
