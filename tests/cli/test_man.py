# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages that are installed: what tools/gen-man makes of docs/man."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from guestkit import TOP

PAGES = sorted(glob.glob(os.path.join(TOP, "docs", "man", "*.md")))


def roff(page):
    return subprocess.run([os.path.join(TOP, "tools", "gen-man"), page], capture_output=True,
                          text=True, check=True).stdout


def rendered(text):
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-ww"], input=text,
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=os.path.basename)
def test_page(page):
    name, section = re.fullmatch(r"(.+)\.(\d)\.md", os.path.basename(page)).groups()
    text = rendered(roff(page))
    assert text.startswith(f"{name}({section})")
    assert re.search(rf"^NAME\n +{name}.* - ", text, re.MULTILINE)
    assert "**" not in text.replace("% **", "") and "<!--" not in text and "```" not in text


def test_markdown(tmp_path):
    page = tmp_path / "x.1.md"
    page.write_text("# x(1)\n\n## NAME\n\nx - a\n`b\nc` [d](e)\n\n* one\n  more\n* two\n\n"
                    "**-t**\n: term\n\n| k | type | what |\n|---|---|---|\n| `k` | n | a \\| b |\n\n"
                    "    .example\n\n    'end\n")
    lines = [line.strip() for line in rendered(roff(page)).splitlines()]
    text = "\n".join(line for line in lines if line)
    assert "x - a b c d\no one more\no two\n-t\nterm" in re.sub(" +", " ", text)
    assert "(n) a | b\n.example\n'end\n" in text


def test_no_title(tmp_path):
    page = tmp_path / "x.1.md"
    page.write_text("text\n")
    with pytest.raises(subprocess.CalledProcessError):
        roff(page)
