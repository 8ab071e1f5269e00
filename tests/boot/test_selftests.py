# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux's own self-tests: the kernel judges us. Those that Debian ships as modules (test_bpf runs a
thousand programs through the guest kernel's own just-in-time compiler), and those of the system
calls, which scripts/mkselftests builds. docs/testing.md has the table of what fails."""

import glob
import os
import re
import subprocess

import pytest

from guestkit import SCRIPTS

# All that Debian has of the kernel's lib/test_*; its other test modules want hardware.
MODULES = ("test_static_key_base", "test_static_keys", "test_user_copy", "test_firmware", "test_bpf")
FIRMWARE = """
mkdir -p /lib/firmware; echo "a word" >/lib/firmware/word
printf word >/sys/devices/virtual/misc/test_firmware/trigger_request; cat /dev/test_firmware
"""
# Each cipher is tested when somebody first wants it. A drbg is tested with others, which must be there,
# and elliptic curves need one.
CIPHERS = """
all=$(find /lib/modules -name '*.ko*' | sed 's|.*/||; s|[.]ko.*||')
for name in sha512_generic hmac ctr aes_generic drbg $all; do
    [ $name = tcrypt ] || modprobe $name || echo "failed $name"
done
modprobe tcrypt mode=0 2>/dev/null # wants all it knows, and never stays
grep -E '^(driver|selftest)' /proc/crypto; dmesg
"""


@pytest.mark.slow
@pytest.mark.parametrize("jit", (0, 1))
@pytest.mark.parametrize("series", ("6.1", "6.12"))
def test_kernel_selftests(guest, series, jit):
    here = [m for m in MODULES if series == "6.1" or m != "test_user_copy"]
    result = guest(f"echo {jit} >/proc/sys/net/core/bpf_jit_enable\n" +
                   "".join(f"modprobe {m} || echo failed {m}\n" for m in here) + FIRMWARE + "dmesg",
                   series=series, modules=here, memory=512, timeout=600)
    text = result.text()
    assert "failed test_" not in text
    assert series != "6.1" or "test_user_copy: tests passed" in text
    assert "a word" in text and "test_firmware: loaded: 7" in text
    done = re.findall(r"test_bpf: (\w*:? ?)Summary: (\d+) PASSED, (\d+) FAILED", text)
    assert len(done) == 3 and all(failed == "0" for _, _, failed in done), text[-2000:]
    assert int(done[0][1]) > 1000
    assert not re.search(r"BUG:|WARNING:|Oops", text)


@pytest.mark.slow
@pytest.mark.parametrize("series", ("6.1", "6.12"))
def test_ciphers(guest, kernels, series):
    """Those of the kernel's that are modules, with all their variants for vector units."""
    found = [path for folder in ("crypto", "arch/x86/crypto")
             for path in glob.glob(f"{kernels(series)}/lib/modules/*/kernel/{folder}/**/*.ko*", recursive=True)]
    names = sorted({os.path.basename(path).split(".")[0] for path in found})
    text = guest(CIPHERS, series=series, modules=names, memory=512, timeout=600).text()
    assert len(names) > 90
    assert not re.findall("^failed .*", text, re.MULTILINE)
    results = re.findall(r"^selftest +: (\w+)", text, re.MULTILINE)
    assert len(results) > 200 and set(results) == {"passed"}
    # Some that tcrypt knows are not in Debian's kernel.
    assert not [line for line in re.findall("alg: .*fail.*", text) if not re.search("rc=-2|: -2$", line)], text
    assert not re.search(r"BUG:|WARNING:|Oops", text)


# Not run: these wait for somebody to wake the machine, or take minutes by what they count.
LEFT_OUT = ("step_after_suspend_test", "rename_attack_test", "pidfd_test", "pidfd_poll_test",
            "basic_percpu_ops_test", "run_param_test.sh", "raw_skew", "nsleep-lat", "set-timer-lat",
            "mqueue-lat", "soft-dirty", "mov_ss_trap_32", "mov_ss_trap_64")
# What fails in QEMU, or without any machine, as well; or in every PV guest; or here only.
FAILS_ANYWHERE = {"exec/binfmt_script.py", "memfd/run_fuse_test.sh", "mincore/mincore_selftest",
                  "ptrace/vmaccess", "splice/short_splice_read.sh", "x86/amx_64"}
FAILS_UNDER_XEN = {"vDSO/vdso_test_correctness", "vm/split_huge_page_test", "vm/run_vmtests.sh",
                   "x86/test_vsyscall_32", "x86/test_vsyscall_64"}
FAILS_HERE = {"x86/ldt_gdt_32"}
SYSCALL_TESTS = r"""
cd /selftests
echo /dev/null >/proc/sys/kernel/core_pattern
while read -r collection program; do
    case " LEFT_OUT " in *" $program "*) continue ;; esac
    for try in 1 2 3; do
        (cd $collection && PATH=.:$PATH timeout -k 5 120 ./$program </dev/null) >/tmp/out 2>&1
        status=$?
        [ $status = 0 ] || [ $status = 4 ] && break
        # Many give a thread 10 ms for something: not enough on a busy host.
        case " KNOWN " in *" $collection/$program "*) break ;; esac
    done
    echo "result $collection/$program $status"
    [ $status = 0 ] || [ $status = 4 ] || tail -n 30 /tmp/out
done <list
dmesg
"""


def libraries32():
    """The C library of 32-bit programs, where it and the loader are looked for."""
    names = [name for name in glob.glob("/usr/lib32/lib*.so.[0-9]*") + ["/usr/lib32/ld-linux.so.2"]
             if re.search(r"/(libc|libm|libgcc_s|libpthread|librt|libdl|ld-linux)\.so", name)]
    if len(names) < 3:
        pytest.skip("the compiler makes no 32-bit programs (gcc-multilib)")
    return [(name, name.lstrip("/")) for name in names] + [("/usr/lib32/ld-linux.so.2",
                                                            "usr/lib/ld-linux.so.2")]


@pytest.mark.slow
def test_syscall_selftests(guest, rootfs):
    done = subprocess.run([os.path.join(SCRIPTS, "mkselftests")], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        pytest.skip("mkselftests could not build the tests")
    known = FAILS_ANYWHERE | FAILS_UNDER_XEN | FAILS_HERE
    command = SYSCALL_TESTS.replace("LEFT_OUT", " ".join(LEFT_OUT)).replace("KNOWN", " ".join(known))
    result = guest(command, image=rootfs, memory=2048, vcpus=2, timeout=3600,
                   files=[(done.stdout.strip(), "selftests"), *libraries32()])
    text = result.text()
    ended = dict(re.findall(r"^result (\S+) (\d+)$", text, re.MULTILINE))
    failed = {name for name, status in ended.items() if status not in ("0", "4")}  # 4: skipped
    assert len(ended) > 120, text[-2000:]
    assert failed <= known, text
    assert not re.search(r"BUG:|WARNING: CPU|Oops", text)
