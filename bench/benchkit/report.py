# SPDX-License-Identifier: GPL-2.0-or-later
"""From values to ratios and a table.

A ratio is taken within a round, where both values are from the same few minutes, and the
median of the rounds' ratios is shown. With `best` it is the ratio of the quickest values of all
rounds instead, which other people's load cannot make better. Below 1 means faster than native.
"""

import statistics

# Rows with a value that has a meaning without native: their unit and what is aimed at.
ABSOLUTE = {"boot-kernel": "s", "boot-shell": "s", "footprint": "MiB"}
TARGETS = {"shell": 1.1, "getpid": 5, "fork-exec": 5, "boot-kernel": 0.8, "footprint": 48,
           "disk-read": 1.1, "disk-write": 1.1, "disk-random-read": 2, "disk-random-write": 2}
OURS, RIVAL = "xenolith", "tcg"
# Closer than this is level: no measurement here tells more.
LEVEL = 1.1


def nanoseconds(value):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms")):
        if value < limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value / 1e9:.3g} s"


def ratio_text(value):
    return f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"


class Table:
    """Values and ratios of all rows and peers."""

    def __init__(self, rows, peers, values, units, best):
        self._rows, self._peers, self._units = rows, peers, units
        self._values = values
        self._best = best

    def value(self, peer, row):
        found = self._values.get(peer, {}).get(row)
        if not found:
            return None
        return min(found) if self._best else statistics.median(found)

    def ratio(self, peer, row):
        """Peer's time to native's; None when either is not there."""
        ours = self._values.get(peer, {}).get(row, [])
        native = self._values.get("native", {}).get(row, [])
        if self._best and ours and native:
            return min(ours) / min(native)
        pairs = [a / b for a, b in zip(ours, native)]
        return statistics.median(pairs) if pairs else None

    def number(self, peer, row):
        """What is compared with other peers and with the target."""
        return self.value(peer, row) if row in ABSOLUTE else self.ratio(peer, row)

    def ratios(self):
        return {row: {peer: self.number(peer, row) for peer in self._peers[1:]}
                for row in self._rows}

    def rivalry(self, row):
        """Ours against QEMU TCG: "ahead", "level", "BEHIND", or "" when one is missing."""
        ours, rival = self.number(OURS, row), self.number(RIVAL, row)
        if ours is None or rival is None:
            return ""
        if ours * LEVEL < rival:
            return "ahead"
        return "level" if ours <= rival * LEVEL else "BEHIND"

    def target(self, row):
        ours, aim = self.number(OURS, row), TARGETS.get(row)
        if ours is None or aim is None:
            return ""
        unit = " " + ABSOLUTE[row] if row in ABSOLUTE else "x"
        return f"<= {aim}{unit} {'met' if ours <= aim else 'MISSED'}"

    def failures(self):
        return [row for row in self._rows
                if self.rivalry(row) == "BEHIND" or self.target(row).endswith("MISSED")]

    def _cell(self, peer, row):
        value = self.number(peer, row)
        if value is None:
            return "-"
        return f"{value:.2f} {ABSOLUTE[row]}" if row in ABSOLUTE else ratio_text(value)

    def _line(self, row):
        native = self.value("native", row)
        unit = self._units.get(row)
        cells = [row, f"{nanoseconds(native)} / {unit}" if native is not None else "-"]
        cells += [self._cell(peer, row) for peer in self._peers[1:]]
        return cells + [self.rivalry(row), self.target(row)]

    def show(self, host, load, args):
        compared = OURS in self._peers
        head = ["row", "native", *self._peers[1:], f"vs {RIVAL}", "target"]
        lines = [head] + [self._line(row) for row in self._rows]
        if not compared:
            lines = [line[:-2] for line in lines]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        last_number = 1 + len(self._peers)
        for line in lines:
            print("  ".join(text.ljust(width) if i == 0 or i >= last_number else text.rjust(width)
                            for i, (text, width) in enumerate(zip(line, widths))).rstrip())
        kind = "best" if self._best else "medians"
        print(f"\n{host['cpu']}, {host['cpus']} CPUs, Linux {host['kernel']}; load "
              f"{load[0]:.1f} to {load[1]:.1f}, {args.hogs} hogs; {kind} of {args.rounds} rounds")
        if compared and (failures := self.failures()):
            print(f"behind {RIVAL} or beside the target: {', '.join(failures)}")
