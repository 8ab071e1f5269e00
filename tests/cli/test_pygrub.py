# SPDX-License-Identifier: GPL-2.0-or-later
"""pygrub: partition tables and filesystems, menus, output formats, hostile images."""

import os
import random
import resource
import subprocess
import time

import pexpect
import pytest

import disks
from guestkit import BUILD

PYGRUB = os.path.join(BUILD, "pygrub")
KERNEL = bytes(range(256)) * 512
RAMDISK = b"ramdisk" * 1000
MENU = """default 1
timeout 5
title one
    root (hd0,0)
    kernel /boot/vmlinuz-1 ro one
title two
    kernel (hd0,0)/boot/vmlinuz-2 ro root=/dev/xvda1 two
    initrd /boot/initrd-2
"""
FILES = {"boot/grub/menu.lst": MENU, "boot/vmlinuz-1": b"first", "boot/vmlinuz-2": KERNEL,
         "boot/initrd-2": RAMDISK}


@pytest.fixture(autouse=True)
def built():
    if not os.path.exists(PYGRUB):
        pytest.fail(f"{PYGRUB} is not there; run: make")
    disks.need("grub-fstest")


@pytest.fixture
def tree(tmp_path):
    """Function: a directory with files, by default of a disk that boots."""
    count = iter(range(100))

    def make(files=None):
        directory = tmp_path / f"tree{next(count)}"
        directory.mkdir()
        return disks.make_tree(directory, FILES if files is None else files)
    return make


@pytest.fixture
def pygrub(tmp_path):
    """Function: run it; the copies that it makes go to `out`."""
    out = tmp_path / "out"
    out.mkdir()

    def run(*arguments, check=True, **options):
        done = subprocess.run([PYGRUB, "--output-directory", str(out), *map(str, arguments)],
                              check=False, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=100, **options)
        if check:
            assert done.returncode == 0, done.stderr
        return done
    run.out = out
    return run


def parse_simple(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if line)


def check_boots(pygrub, image):
    """The default entry's files, byte for byte, and its arguments."""
    answer = parse_simple(pygrub("-q", "--output-format=simple", image).stdout)
    with open(answer["kernel"], "rb") as stream:
        assert stream.read() == KERNEL
    with open(answer["ramdisk"], "rb") as stream:
        assert stream.read() == RAMDISK
    assert answer["args"] == "ro root=/dev/xvda1 two"
    assert os.path.basename(answer["kernel"]).startswith("boot_kernel.")
    os.unlink(answer["kernel"])
    os.unlink(answer["ramdisk"])
    assert not os.listdir(pygrub.out)


@pytest.mark.parametrize("filesystem", ["ext2", "ext3", "ext4", "xfs", "btrfs", "fat", "iso9660",
                                        "squashfs"])
def test_filesystems(pygrub, tree, tmp_path, filesystem):
    check_boots(pygrub, getattr(disks, filesystem)(tmp_path / "image", tree()))


def test_subvolume(pygrub, tree, tmp_path):
    """btrfs as Debian's installer makes it: the root directory is a subvolume."""
    files = {f"@rootfs/{name}": content for name, content in FILES.items()}
    check_boots(pygrub, disks.btrfs(tmp_path / "image", tree(files)))


def test_mbr(pygrub, tree, tmp_path):
    good = disks.ext2(tmp_path / "good", tree())
    other = disks.ext2(tmp_path / "other", tree({"etc/fstab": "x"}))
    check_boots(pygrub, disks.mbr(tmp_path / "first", [good, other]))
    check_boots(pygrub, disks.mbr(tmp_path / "second", [other, good]))
    check_boots(pygrub, disks.mbr(tmp_path / "hole", [None, None, good]))
    check_boots(pygrub, disks.mbr(tmp_path / "logical", [other], [other, good]))


def test_active_first(pygrub, tree, tmp_path):
    """Of two partitions that boot, the active one does."""
    wrong = disks.ext2(tmp_path / "wrong", tree({"boot/grub/menu.lst":
                                                "title w\nkernel /boot/vmlinuz-1\n"}))
    good = disks.ext2(tmp_path / "good", tree())
    check_boots(pygrub, disks.mbr(tmp_path / "image", [wrong, good], active=2))


def test_gpt(pygrub, tree, tmp_path):
    esp = disks.fat(tmp_path / "esp", tree({"EFI/BOOT/BOOTX64.EFI": "x"}))
    good = disks.ext4(tmp_path / "good", tree())
    check_boots(pygrub, disks.gpt(tmp_path / "image", [esp, good]))


def test_lvm(pygrub, tree, tmp_path):
    """/boot in a logical volume: what Xen's pygrub could not."""
    root = disks.lvm(tmp_path / "pv", disks.ext4(tmp_path / "root", tree()))
    swap = disks.blank(tmp_path / "swap", disks.MIB)
    check_boots(pygrub, disks.mbr(tmp_path / "image", [swap, root]))


def test_separate_boot(pygrub, tree, tmp_path):
    """CentOS 5: /boot is a partition, so paths have no /boot in front; / is on LVM."""
    boot = disks.ext3(tmp_path / "boot", tree({
        "grub/grub.conf": MENU.replace("/boot/", "/"), "vmlinuz-1": b"first",
        "vmlinuz-2": KERNEL, "initrd-2": RAMDISK, "grub/menu.lst": ("->", "./grub.conf")}))
    root = disks.lvm(tmp_path / "pv", disks.ext3(tmp_path / "root", tree({"etc/fstab": "x"})))
    check_boots(pygrub, disks.mbr(tmp_path / "image", [boot, root]))


def test_kernel_elsewhere(pygrub, tree, tmp_path):
    """A config whose `root` is another partition."""
    config = disks.ext2(tmp_path / "a", tree({"boot/grub/menu.lst": MENU}))
    kernels = {name: content for name, content in FILES.items() if "grub" not in name}
    check_boots(pygrub, disks.mbr(tmp_path / "image",
                                  [config, disks.ext2(tmp_path / "b", tree(kernels))]))


def test_grub2_and_bls(pygrub, tree, tmp_path):
    files = {
        "grub2/grub.cfg": "load_env\nset default=$saved_entry\nblscfg\n",
        "grub2/grubenv": "# GRUB Environment Block\nsaved_entry=id-1.0\nkernelopts=ro "
                         "root=/dev/xvda1\n" + "#" * 900,
        "loader/entries/id-1.0.conf": "title One\nlinux /vmlinuz-2\ninitrd /initrd-2\n"
                                      "options $kernelopts two\n",
        "loader/entries/id-2.0.conf": "title Two\nlinux /vmlinuz-1\noptions $kernelopts\n",
        "vmlinuz-1": b"x", "vmlinuz-2": KERNEL, "initrd-2": RAMDISK}
    image = disks.ext4(tmp_path / "image", tree(files))
    check_boots(pygrub, image)
    listing = pygrub("-l", image).stdout
    assert listing.index("title: Two") < listing.index("title: One")


def test_ramdisks_are_joined(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree({
        "boot/grub/grub.cfg": "menuentry a { linux /k\n initrd /one /two\n}\n",
        "k": b"k", "one": b"12345", "two": b"6789"}))
    answer = parse_simple(pygrub("-q", "--output-format=simple", image).stdout)
    with open(answer["ramdisk"], "rb") as stream:
        assert stream.read() == b"12345\0\0\0" + b"6789"


def test_formats(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree())
    sxp = pygrub("-q", "--args=extra \"quoted\"", image).stdout
    names = {name.split(".")[0]: str(pygrub.out / name) for name in os.listdir(pygrub.out)}
    assert sxp == (f"linux (kernel {names['boot_kernel']})(ramdisk {names['boot_ramdisk']})"
                   "(args \"ro root=/dev/xvda1 two extra \\\"quoted\\\"\")")
    simple0 = pygrub("--entry=0", "-n", "--output-format=simple0", image).stdout
    assert simple0 == "kernel /boot/vmlinuz-1\0args ro one\0\0"
    simple = pygrub("--entry=one", "-n", "--output-format=simple", image).stdout
    assert simple == "kernel /boot/vmlinuz-1\nargs ro one\n\n"
    pygrub("-q", "-n", f"--output={tmp_path / 'result'}", image)
    assert (tmp_path / "result").read_text() == (
        "linux (kernel /boot/vmlinuz-2)(ramdisk /boot/initrd-2)(args \"ro root=/dev/xvda1 two\")")


def test_overrides(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree())
    answer = parse_simple(pygrub("--kernel=/boot/vmlinuz-1", "--args=a b",
                                 "--output-format=simple", image).stdout)
    with open(answer["kernel"], "rb") as stream:
        assert stream.read() == b"first"
    assert answer["args"] == "a b" and "ramdisk" not in answer
    done = pygrub("--kernel=/boot/no", image, check=False)
    assert done.returncode == 1 and "/boot/no" in done.stderr


def test_list_and_errors(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree())
    assert pygrub("-l", image).stdout.splitlines()[:3] == [
        "title: one", "  kernel: /boot/vmlinuz-1", "  args: ro one"]
    for arguments, words in [(["--entry=7", image], "no entry '7'"),
                             (["--entry=three", image], "no entry 'three'"),
                             (["--output-format=xml", image], "unknown output format 'xml'"),
                             ([], "one disk image is needed"),
                             ([tmp_path / "nothing"], "Disk isn't accessible"),
                             ([tmp_path], "neither a file nor a block device")]:
        done = pygrub(*arguments, check=False)
        assert done.returncode == 1
        assert words in done.stderr and not done.stdout
    assert not os.listdir(pygrub.out)


def test_isconfig(pygrub, tmp_path):
    path = tmp_path / "menu.lst"
    path.write_text(MENU)
    assert pygrub("--isconfig", path).stdout == (
        "kernel: /boot/vmlinuz-2\ninitrd: /boot/initrd-2\nargs: ro root=/dev/xvda1 two\n")


def test_words_of_a_disk_are_one_line(pygrub, tree, tmp_path):
    """What a config quotes adds no line to the answer and tells the terminal nothing."""
    path = tmp_path / "grub.cfg"
    text = "menuentry 'a\33[31mb' {\n linux /k 'c\nramdisk /etc/shadow\33[2J'\n}\n"
    path.write_text(text)
    assert pygrub("--isconfig", path).stdout == (
        "kernel: /k\nargs: \"c?ramdisk /etc/shadow?[2J\"\n")
    assert pygrub("--isconfig", "--list-entries", path).stdout.splitlines()[0] == "title: a?[31mb"
    image = disks.ext2(tmp_path / "image", tree({"boot/grub/grub.cfg": text, "k": b"kernel"}))
    answer = pygrub("-q", "--output-format=simple", image).stdout
    assert [line.split()[0] for line in answer.splitlines() if line] == ["kernel", "args"]


def test_fallback(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree({
        "boot/grub/menu.lst": "default 0\nfallback 1\ntitle gone\nkernel /gone\n"
                              "title there\nkernel /there x\n", "there": b"there"}))
    done = pygrub("-q", "--output-format=simple", image)
    assert parse_simple(done.stdout)["args"] == "x"
    assert "taking the fallback entry" in done.stderr


def spawn(pygrub, image, *arguments):
    return pexpect.spawn(PYGRUB, ["-n", "--output-format=simple", *arguments, image], timeout=20,
                         dimensions=(24, 80), env={**os.environ, "TERM": "vt100"},
                         encoding="utf-8")


def test_menu(pygrub, tree, tmp_path):
    """On a terminal: arrows, editing, the countdown."""
    image = disks.ext2(tmp_path / "image", tree())
    child = spawn(pygrub, image)
    child.expect("pyGRUB  version")
    child.expect("Will boot selected entry in  5 seconds")
    child.send("\x1bOA\r")  # up
    child.expect("kernel /boot/vmlinuz-1\r\nargs ro one\r\n")
    child.expect(pexpect.EOF)

    child = spawn(pygrub, image)
    child.expect("Will boot selected entry")
    child.send("a single\r")
    child.expect("args ro root=/dev/xvda1 two single\r\n")
    child.expect(pexpect.EOF)

    child = spawn(pygrub, image)
    child.expect("Will boot selected entry")
    child.send("e")
    child.expect("remove the")
    child.send("\x1bOBde\x01\x0bkernel /boot/vmlinuz-1 new\rb")  # down, delete, edit
    child.expect("kernel /boot/vmlinuz-1\r\nargs new\r\n")
    child.expect(pexpect.EOF)

    child = spawn(pygrub, image)
    child.expect("Will boot selected entry")
    child.send("c")
    child.expect("grub>")
    child.send("kernel /typed 1 2\rinitrd /rd\rboot\r")
    child.expect("kernel /typed\r\nramdisk /rd\r\nargs 1 2\r\n")
    child.expect(pexpect.EOF)

    child = spawn(pygrub, image)
    child.expect("Will boot selected entry")
    child.send("q")
    child.expect("no entry was chosen")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: about rights that are given up")
def test_rights(pygrub, tree, tmp_path):
    """Who shows the menu, and has read the config, has nobody's rights."""
    image = disks.ext2(tmp_path / "image", tree())
    os.chmod(image, 0o600)
    child = spawn(pygrub, image)
    child.expect("Will boot selected entry")
    with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as stream:
        worker = stream.read().split()[0]
    with open(f"/proc/{worker}/status", encoding="ascii") as stream:
        status = dict(line.split(":", 1) for line in stream.read().splitlines())
    assert status["Uid"].split() == ["65534"] * 4 and status["Gid"].split() == ["65534"] * 4
    assert not status["Groups"].split() and status["NoNewPrivs"].strip() == "1"
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    child.send("\r")
    child.expect("kernel /boot/vmlinuz-2")


def test_menu_timeout(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree({
        **FILES, "boot/grub/menu.lst": MENU.replace("timeout 5", "timeout 2")}))
    start = time.perf_counter()
    child = spawn(pygrub, image)
    child.expect("in  2 seconds")
    child.expect("kernel /boot/vmlinuz-2")
    assert time.perf_counter() - start > 1.5
    child = spawn(pygrub, image, "-q")
    assert child.expect(["kernel /boot/vmlinuz-2", "pyGRUB"]) == 0


def test_menu_password(pygrub, tree, tmp_path):
    image = disks.ext2(tmp_path / "image", tree({
        **FILES, "boot/grub/menu.lst": "password secret\n" + MENU}))
    child = spawn(pygrub, image)
    child.expect("password to unlock")
    child.send("a")  # locked
    child.send("p")
    child.expect("Password:")
    child.send("wrong\r")
    child.expect("password to unlock")
    child.send("psecret\r")
    child.expect("'e' to edit")
    child.send("a unlocked\r")
    child.expect("two unlocked\r\n")


def largest_child():
    """KiB of the largest process that this one has waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def hostile(pygrub, image, words):
    """One clear line, bounded time and memory, nothing left."""
    start = time.monotonic()
    largest = largest_child()
    done = pygrub("-q", image, check=False)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("pygrub: ") and len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert not done.stdout and not os.listdir(pygrub.out)
    assert time.monotonic() - start < 60
    assert largest_child() <= max(largest, 600 * 1024)


NO_KERNEL = "Unable to find partition containing kernel"


def test_hostile_links(pygrub, tree, tmp_path):
    files = {"boot/grub": ("->", "grub"), "grub/menu.lst": ("->", "../../../../etc/passwd"),
             "extlinux.conf": ("->", "/etc/passwd")}
    hostile(pygrub, disks.ext4(tmp_path / "image", tree(files)), NO_KERNEL)


def test_hostile_paths(pygrub, tree, tmp_path):
    """The drivers know the host's files as (host); a config cannot name them."""
    for path in ["(host)/etc/passwd", "(host)(host)/etc/passwd", "/../../etc/passwd",
                 "()/etc/passwd", "(loop0)(host)/etc/passwd", "/)/etc/passwd"]:
        image = disks.ext2(tmp_path / "image", tree({
            "boot/grub/menu.lst": f"title x\nkernel {path}\n", "boot/x": "x"}))
        hostile(pygrub, image, "passwd")


@pytest.mark.parametrize("name", ["x)(host", "host", "../host", "a b", "-r", "$(id)", "x" * 200])
def test_hostile_volume_names(pygrub, tree, tmp_path, name):
    """Names of logical volumes come from the disk, too: one that boots, or is left out."""
    image = disks.lvm(tmp_path / "pv", disks.ext2(tmp_path / "root", tree({
        "boot/grub/menu.lst": "title x\nkernel /etc/passwd\n", "etc/passwd": "the guest's"})), name)
    done = pygrub("-q", "--output-format=simple", image, check=False)
    if done.returncode == 0:
        with open(parse_simple(done.stdout)["kernel"], encoding="utf-8") as stream:
            assert stream.read() == "the guest's"
    else:
        assert len(done.stderr.splitlines()) == 1 and NO_KERNEL in done.stderr


def test_hostile_sizes(pygrub, tree, tmp_path):
    image = disks.ext4(tmp_path / "config", tree({"boot/grub/menu.lst": MENU * 20000,
                                                  **{k: v for k, v in FILES.items()
                                                     if "menu" not in k}}))
    hostile(pygrub, image, "is larger than 1048576 bytes")
    directory = tree({"boot/grub/menu.lst": "title x\nkernel /huge\n"})
    disks.blank(os.path.join(directory, "huge"), 1 << 34)
    hostile(pygrub, disks.ext2(tmp_path / "kernel", directory), "is larger than 134217728 bytes")


def test_hostile_scripts(pygrub, tree, tmp_path):
    for script in ["while true; do set a=x; done", "source /boot/grub/grub.cfg",
                   "function f { f; f; }\nf", "for i in 1 2 3; do configfile $prefix/grub.cfg; "
                   "done", "while [ -f /boot/grub/grub.cfg ]; do true; done"]:
        hostile(pygrub, disks.ext2(tmp_path / "image", tree({"boot/grub/grub.cfg": script})),
                NO_KERNEL)


def test_hostile_tables(pygrub, tree, tmp_path):
    good = disks.ext2(tmp_path / "good", tree({"etc/fstab": "x"}))
    looped = disks.mbr(tmp_path / "loop", [good], [good, good])
    with open(looped, "r+b") as stream:  # the first logical partition's table points to itself
        data = stream.read()
        base = int.from_bytes(data[446 + 16 + 8:446 + 16 + 12], "little")
        stream.seek(base * 512 + 446 + 16 + 8)
        stream.write(b"\0\0\0\0")
    hostile(pygrub, looped, "")
    table = disks.gpt(tmp_path / "gpt", [good])
    for size in (0, 1, 511, 512, 513, 1024, 20000, 1 << 20, (1 << 20) + 70000):
        short = tmp_path / "short"
        with open(table, "rb") as stream:
            short.write_bytes(stream.read(size))
        hostile(pygrub, short, "")


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs", "fat", "squashfs"])
def test_hostile_noise(pygrub, tree, tmp_path, filesystem):
    """Bytes of the filesystem changed at random, the same ones each time: whatever happens,
    it ends with a kernel or one line."""
    image = getattr(disks, filesystem)(tmp_path / "image", tree())
    with open(image, "rb") as stream:
        used = [i for i, part in enumerate(iter(lambda: stream.read(512), b"")) if any(part)][:400]
    for seed in range(12):
        rng = random.Random(seed)
        with open(image, "r+b") as stream:
            old = {}
            for place in sorted(rng.choice(used) * 512 + rng.randrange(512) for _ in range(40)):
                stream.seek(place)
                old.setdefault(place, stream.read(1))
                stream.seek(place)
                stream.write(bytes([rng.randrange(256)]))
        done = pygrub("-q", image, check=False)
        if done.returncode:
            assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
            assert not os.listdir(pygrub.out)
        for name in os.listdir(pygrub.out):
            os.unlink(pygrub.out / name)
        with open(image, "r+b") as stream:
            for place, byte in old.items():
                stream.seek(place)
                stream.write(byte)


def test_other_formats(pygrub, tmp_path):
    (tmp_path / "image").write_bytes(b"QFI\xfb" + bytes(1 << 20))
    hostile(pygrub, tmp_path / "image", "is a qcow2 image; only raw images")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a loop device")
def test_block_device(pygrub, tree, tmp_path):
    image = disks.mbr(tmp_path / "image", [disks.ext4(tmp_path / "part", tree())])
    done = subprocess.run(["losetup", "--find", "--show", image], check=False,
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        check_boots(pygrub, device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_unreadable(pygrub, tree, tmp_path):
    """The drivers run without rights, and yet read an image that only its owner may."""
    image = disks.ext2(tmp_path / "image", tree())
    os.chmod(image, 0o600)
    check_boots(pygrub, image)
