# SPDX-License-Identifier: GPL-2.0-or-later
"""xendomains and the shell completion, as they are installed."""

import os
import shutil
import subprocess

import pexpect
import pytest

from guestkit import TOP
from test_xend import call, instance  # noqa: F401  pylint: disable=unused-import

SCRIPT = os.path.join(TOP, "packaging", "xendomains")


@pytest.fixture
def service(instance, tmp_path, monkeypatch):
    """Function: call the script with some options, in an instance of its own."""
    auto = tmp_path / "auto"
    auto.mkdir()
    instance.auto = auto
    options = tmp_path / "options"
    monkeypatch.setenv("XENDOMAINS_CONFIG", str(options))
    monkeypatch.setenv("XM", instance.xm)

    def run(verb, **settings):
        values = {"AUTO": str(auto), "CREATE_USLEEP": "0", "STOP_MAXWAIT": "3",
                  "SAVE": "", **settings}
        options.write_text("".join(f"XENDOMAINS_{key}='{value}'\n" for key, value in values.items()))
        return call(SCRIPT, verb)
    return run


def put(instance, file, name=None):
    with open(instance.config, encoding="utf-8") as stream:
        text = stream.read() + (f"name = '{name}'\n" if name else "")
    (instance.auto / file).write_text(text)


def test_start_and_stop(instance, service):
    put(instance, "20-web", "web")
    put(instance, "10-db")  # called as its file
    for leftover in ("web~", "db.rpmsave", ".hidden", "README"):
        put(instance, leftover, "leftover")
    assert service("status").returncode == 3
    done = service("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Starting auto Xen domains: 10-db web\n"
    assert set(instance.domains()) == {"10-db", "web"}
    assert service("status").returncode == 0
    assert service("start").stdout == "xendomains already running (lockfile exists)\n"
    # These guests do not listen; what is asked of them is bounded.
    done = service("stop", SHUTDOWN="--halt", SHUTDOWN_ALL="")
    assert done.stdout == "Shutting down Xen domains: 10-db web\n"
    assert service("status").returncode == 3
    assert call(instance.xm, "destroy", "web").returncode == 0


def test_what_runs_is_skipped_and_what_fails_is_told(instance, service):
    put(instance, "a")
    put(instance, "b")
    (instance.auto / "c").write_text("kernel = '/nonexistent'\n")
    (instance.auto / "d").write_text("this is no config\n")
    instance.create("a")
    done = service("start")
    assert done.returncode == 1
    assert done.stdout == "Starting auto Xen domains: a (skip) b c (failed) d (no config)\n"
    assert "Kernel image does not exist" in done.stderr
    assert call(instance.xm, "destroy", "b").returncode == 0
    done = service("status")
    assert done.returncode == 1 and "MISS AUTO: b c" in done.stdout


def test_stop_of_the_auto_ones_only(instance, service):
    put(instance, "a")
    instance.create("other")
    assert service("start").returncode == 0
    done = service("stop", AUTO_ONLY="true", SHUTDOWN="--halt")
    assert done.stdout == "Shutting down Xen domains: a\n"


def test_a_guest_that_does_not_end_is_not_waited_for(instance, service):
    put(instance, "a")
    assert service("start").returncode == 0
    done = service("stop", STOP_MAXWAIT="1", SHUTDOWN_ALL="")
    assert done.returncode == 1
    assert done.stdout == "Shutting down Xen domains: a (failed)\n"


def test_what_is_saved_by_default(instance, service, tmp_path):
    """Domains are saved; those that cannot be are shut down, within the time."""
    put(instance, "a")
    (instance.auto / "a").write_text((instance.auto / "a").read_text() + "nomigrate = 1\n")
    assert service("start").returncode == 0
    (tmp_path / "options").write_text(f"XENDOMAINS_AUTO={instance.auto}\nXENDOMAINS_SHUTDOWN=--halt\n"
                                      "XENDOMAINS_SHUTDOWN_ALL=\n")
    done = call(SCRIPT, "stop")
    assert done.stdout == "Shutting down Xen domains: a(save)\n"
    assert "Migration not permitted" in done.stderr
    assert (instance.run / "save").stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_restored(instance, service, tmp_path):
    """It is told once, and not tried again with disks that may have been used."""
    saved = tmp_path / "save"
    saved.mkdir()
    put(instance, "a")
    (saved / "a").write_bytes(b"Xenolith saved domain\n" + b"\0" * 100)
    done = service("start", SAVE=str(saved))
    assert (done.returncode, done.stdout) == (
        1, "Restoring Xen domains: a (failed)\nStarting auto Xen domains: a (skip)\n")
    assert f"{saved}/a.failed" in done.stderr
    assert os.listdir(saved) == ["a.failed"]
    assert "MISS SAVED: " in service("status", SAVE=str(saved)).stdout
    assert service("stop", SHUTDOWN="", SHUTDOWN_ALL="").returncode == 0
    assert service("start", SAVE=str(saved)).stdout == "Starting auto Xen domains: a\n"


def test_wrong_use():
    assert call(SCRIPT, "frobnicate").returncode == 2


def test_bash_completion(instance):
    text = call(instance.xm, "help", "--completion=bash").stdout
    instance.create("alpha")

    def complete(*words):
        quoted = " ".join(f"'{word}'" for word in (instance.xm, *words))
        script = (f"{text}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _xm; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert complete("cre") == ["create"]
    assert "shutdown" in complete("s") and "remus" not in complete("r")
    assert complete("destroy", "al") == ["alpha"]
    assert "--state" in complete("list", "--")


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completion(instance, tmp_path):
    """A real zsh on a terminal, with keys pressed; the function is where an installation has it."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_xm").write_text(call(instance.xm, "help", "--completion=zsh").stdout)
    (tmp_path / "bin").mkdir()
    for name in ("xm", "xl"):
        (tmp_path / "bin" / name).symlink_to(instance.xm)
    for file in ("first.cfg", "second.cfg"):
        (tmp_path / file).touch()
    instance.create("alpha")
    child = pexpect.spawn("zsh", ["-f", "-i"], cwd=tmp_path, encoding="utf-8", timeout=20,
                          dimensions=(24, 200), env={**os.environ, "TERM": "dumb", "LC_ALL": "C.UTF-8"})
    try:
        child.sendline("PS1='READY> '; unsetopt prompt_cr zle_bracketed_paste; "
                       f"path=({tmp_path}/bin $path); fpath=({tmp_path}/functions $fpath); "
                       "autoload -U compinit; compinit -D; echo started")
        child.expect("\nstarted")

        def complete(text):
            """What becomes of the line when Tab is pressed at its end."""
            child.send(text + "\t")
            child.send("\x01echo '[\x05]'\n")  # to its start and its end: it is echoed, not run
            child.expect(r"\n\[(.*)\]")
            return child.match.group(1).strip()

        assert complete("xm cre") == "xm create"
        assert complete("xm destr") == "xm destroy"
        assert complete("xm destroy al") == "xm destroy alpha"
        assert complete("xl sched-credit --we") == "xl sched-credit --weight"
        assert complete("xm create fir") == "xm create first.cfg"
        assert complete("xm new -f sec") == "xm new -f second.cfg"
        child.send("xm mem-\t\t")  # more than one: with what each does
        child.expect("mem-set *-- Set how much memory a domain shall have now")
    finally:
        child.close(force=True)
