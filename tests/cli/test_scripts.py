# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts and the Makefile as a person uses them."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pexpect
import pytest

from guestkit import BUILD, SCRIPTS, TOP, XM, GuestkitError, debian

RUN = os.path.join(SCRIPTS, "run")


def call(*words, **options):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False, **options)


def test_run_command(xm, kernels):
    """Output on stdout, timing on stderr, status passed on."""
    kernels()
    done = call(RUN, "echo out; echo in >/dev/null; exit 9")
    assert done.returncode == 9, done.stderr
    assert done.stdout == "out\n"
    assert "s from start to the command" in done.stderr


def test_run_quotes(xm, kernels):
    """The command is shell text and reaches the guest unchanged."""
    kernels()
    text = """a='x  y'; echo "$a" '$HOME' "back\\\\slash" $((1+1)) 'é'"""
    done = call(RUN, text)
    assert done.stdout == "x  y $HOME back\\slash 2 é\n"


def test_run_puts_files(xm, kernels, tmp_path):
    kernels()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(b"\0content\n")
    done = call(RUN, "--file", f"{tmp_path}/data:/srv/data", "cat /srv/data/file | tr '\\000' 0")
    assert done.stdout == "0content\n"


def test_make_run(xm, kernels):
    kernels()
    done = call("make", "-s", "run", "CMD=echo \"$$(nproc) cpu\"; exit 4", "MEMORY=256",
                f"BUILD={BUILD}", cwd=TOP)
    assert done.stdout == "1 cpu\n", done.stderr
    assert done.returncode != 0 and "Error 4" in done.stderr


def test_guest_that_dies(xm, kernels):
    """No status can be passed on: 125 and an explanation."""
    kernels()
    done = call(RUN, "poweroff -f; sleep 60")
    assert done.returncode == 125
    assert "before its command did" in done.stderr


@pytest.mark.parametrize("words,text", [
    (["--kernel", "/nonexistent"], "/nonexistent"),
    (["--file", "/nonexistent"], "/nonexistent"),
    (["--module", "no-such-module"], "no-such-module"),
])
def test_run_explains(xm, kernels, words, text):
    kernels()
    done = call(RUN, *words, "true")
    assert done.returncode == 1
    assert text in done.stderr and "Traceback" not in done.stderr


def test_fetch_kernel_reuses(kernels):
    """What is there is not fetched again, and works without a network."""
    directory = kernels()
    done = call(os.path.join(SCRIPTS, "fetch-kernel"), env={**os.environ, "http_proxy": "http://[::1]:1"})
    assert done.stdout.strip() == directory and done.stderr == ""
    assert os.path.exists(os.path.join(directory, "vmlinuz"))


@pytest.mark.parametrize("words", [["3;rm"], ["6.1", "i386"], ["99.9"]])
def test_fetch_kernel_refuses(words):
    done = call(os.path.join(SCRIPTS, "fetch-kernel"), *words)
    assert done.returncode == 1 and done.stdout == "" and done.stderr


def test_install_deps_is_quiet():
    """Here everything is installed: nothing to say."""
    done = call(os.path.join(SCRIPTS, "install-deps"), "build", "run", "test")
    if "not a Debian system" in done.stderr:
        pytest.skip("not a Debian system")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_initramfs_is_reproducible(tmp_path):
    paths = []
    for name in ("a", "b"):
        done = call(os.path.join(SCRIPTS, "mkinitramfs"),
                    env={**os.environ, "XENOLITH_CACHE": str(tmp_path / name)})
        assert done.returncode == 0, done.stderr
        paths.append(done.stdout.strip())
    contents = [open(path, "rb").read() for path in paths]
    assert contents[0] == contents[1] and len(contents[0]) % 4 == 0


def test_run_without_a_disk(xm, kernels):
    """No Debian system can be had: a sentence, and the initramfs guest."""
    kernels()
    env = {key: value for key, value in os.environ.items() if key != "XENOLITH_CACHE"}
    child = pexpect.spawn(RUN, timeout=60, encoding="utf-8", codec_errors="replace",
                          env={**env, "XDG_CACHE_HOME": "/proc/nowhere"})
    try:
        child.expect("a shell in an initramfs instead: .*/proc/nowhere")
        child.expect("xenolith:~# ")
        child.sendline("poweroff")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)


@pytest.mark.parametrize("words,text", [
    (["--kernel", "99.9"], "could not get a 99.9 amd64 kernel"),
    (["--package", "no-such-package-anywhere"], "no-such-package-anywhere"),
])
def test_mkguest_explains(kernels, words, text):
    kernels()
    done = call(os.path.join(SCRIPTS, "mkguest"), *words)
    assert done.returncode == 1 and done.stdout == ""
    assert text in done.stderr and "Traceback" not in done.stderr


def test_run_says_which_file(xm, kernels):
    """A full file system: its errors name no file by themselves."""
    kernels()
    done = call(RUN, "true", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)))
    assert done.returncode == 1
    assert re.search(r"^run: .*/initramfs: File too large$", done.stderr, re.MULTILINE), done.stderr


@pytest.mark.parametrize("kept", ["ssh_key", "disk.img", None])
def test_mkguest_writes_over_nothing(tmp_path, kept):
    """Before the system is made, which takes minutes."""
    output = tmp_path / "mine"
    if kept:
        output.mkdir()
        (output / kept).write_text("kept")
    else:
        output.write_text("kept")
    done = call(os.path.join(SCRIPTS, "mkguest"), "--output", output)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"mkguest: .*mine.* is there already.*; name another .*\n", done.stderr)
    assert ((output / kept) if kept else output).read_text() == "kept"


def test_mkguest_without_room(kernels, tmp_path, monkeypatch):
    """At once; so does `make run`, which takes the initramfs then."""
    kernels()
    monkeypatch.setattr(debian, "user_cache", lambda: str(tmp_path))
    monkeypatch.setattr(debian, "ROOM", 1 << 60)
    with pytest.raises(GuestkitError, match=rf"{tmp_path}/guests has \d+ MiB free; making a system takes"):
        debian.system()
    assert os.listdir(tmp_path / "guests") and not (tmp_path / "guests" / "failed.log").exists()


def test_mkguest_leaves_no_half_copy(kernels, tmp_path):
    kernels()
    done = call(os.path.join(SCRIPTS, "mkguest"), "--kernel", "99.9", "--output", tmp_path / "mine")
    assert done.returncode == 1 and not os.path.exists(tmp_path / "mine"), done.stderr


def test_run_ends_with_its_terminal(xm, kernels, tmp_path):
    """A terminal that is closed takes the guest with it."""
    kernels()
    child = pexpect.spawn(RUN, ["--initramfs"], timeout=60, encoding="utf-8", codec_errors="replace",
                          env={**os.environ, "XENOLITH_RUN_DIR": str(tmp_path), "TMPDIR": str(tmp_path)})
    child.expect("xenolith:~# ")
    child.kill(signal.SIGHUP)
    child.expect(pexpect.EOF)
    assert child.wait() == 128 + signal.SIGHUP
    listed = call(xm, "list", env={**os.environ, "XENOLITH_RUN_DIR": str(tmp_path)}).stdout
    assert len(listed.splitlines()) == 2, listed
    assert not list(tmp_path.glob("xenolith-run-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="for root, who can become nobody")
def test_run_as_nobody(xm, kernels):
    """An ordinary user without a capability, and without a way to one."""
    kernels()
    call(RUN, "true")  # the initramfs is in the cache, which nobody cannot write to
    home = tempfile.mkdtemp(prefix="xenolith-nobody-")
    try:
        os.chown(home, 65534, 65534)
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all", "--no-new-privs"]
        if call(*drop, "test", "-r", RUN, "-a", "-x", XM).returncode:
            pytest.skip("nobody cannot read this tree")
        done = call(*drop, RUN, "id -un; exit 3",
                    env={**os.environ, "HOME": home, "TMPDIR": home, "XENOLITH_RUN_DIR": home})
        assert (done.returncode, done.stdout) == (3, "root\n"), done.stderr
    finally:
        shutil.rmtree(home)


def test_run_ends_with_its_terminal_under_make(xm, kernels, tmp_path):
    """The session's leader keeps the SIGHUP, as make does when it was started as one."""
    kernels()
    env = {**os.environ, "XENOLITH_RUN_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    child = pexpect.spawn("/bin/sh", ["-c", f"trap : HUP; {RUN} --initramfs; exit 7"], timeout=60,
                          encoding="utf-8", codec_errors="replace", env=env)
    child.expect("xenolith:~# ")
    child.ptyproc.fileobj.close()
    until = time.monotonic() + 30
    while (ended := os.waitpid(child.pid, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert os.waitstatus_to_exitcode(ended[1]) == 7
    listed = call(xm, "list", env=env).stdout
    assert len(listed.splitlines()) == 2, listed


def test_what_a_killed_run_leaves_goes_with_the_next(xm, kernels, tmp_path):
    """Its files and its guest; not those of one that lives, nor what is not its own."""
    kernels()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XENOLITH_RUN_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir(mode=0o700)
    for name in ("xenolith-run-other", "xenolith-else"):
        (tmp_path / name).mkdir()

    def start():
        before = set(tmp_path.glob("xenolith-run-*"))
        child = subprocess.Popen([RUN, "--memory", "128", "echo up; sleep 1000"], env=environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        assert child.stdout.readline() == b"up\n"
        (directory,) = set(tmp_path.glob("xenolith-run-*")) - before
        os.utime(directory, (0, 0))
        return child, directory

    def names():
        text = call(xm, "list", env=environment).stdout
        return {line.split()[0] for line in text.splitlines()[2:]}

    killed, dead = start()
    first = names()
    killed.kill()
    killed.wait()
    alive, living = start()
    try:
        assert not dead.exists() and living.exists()
        assert len(first) == 1 and len(names()) == 1 and not first & names()
        done = call(RUN, "--memory", "128", "true", env=environment)
        assert done.returncode == 0, done.stderr
        assert living.exists() and alive.poll() is None
        assert (tmp_path / "xenolith-run-other").exists() and (tmp_path / "xenolith-else").exists()
    finally:
        alive.terminate()
        alive.wait()
    assert not names() and not living.exists()
