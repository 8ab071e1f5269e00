# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of bench/run: who runs the program, what a guest costs in memory, the table."""
