#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# embed.sh NAME INPUT OUTPUT - write an assembly file that embeds INPUT between the symbols
# NAME and NAME_end.
set -eu
cat > "$3" <<EOF
	.section .rodata
	.globl $1, $1_end
	.balign 64
$1:
	.incbin "$(realpath "$2")"
$1_end:
	.section .note.GNU-stack, "", @progbits
EOF
