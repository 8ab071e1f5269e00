/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_blob.S - the vCPU program, embedded; the build passes VCPU_BLOB, its path.
 */
	.section .rodata
	.globl vcpu_blob, vcpu_blob_end
	.balign 64
vcpu_blob:
	.incbin VCPU_BLOB
vcpu_blob_end:
	.section .note.GNU-stack, "", @progbits
