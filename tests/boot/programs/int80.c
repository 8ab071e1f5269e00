/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * int80.c - the 32-bit system call entry from 64-bit code, modify_ldt and arch_prctl.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    struct user_desc desc = {
        .entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1};
    int pid = -1;
    uint16_t fs;

    asm volatile("int $0x80" : "=a"(pid) : "0"(20) : "memory"); /* getpid, 32-bit number */
    if (pid != getpid()) {
        printf("getpid by int 0x80: %d\n", pid);
        return 1;
    }
    if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)) == 0) {
        asm volatile("mov %%fs, %0" : "=r"(fs));
        asm volatile("mov %0, %%gs" : : "r"(7)); /* LDT, entry 0 */
        asm volatile("mov %0, %%gs" : : "r"(0));
    }
    puts("int80 ok");
    return 0;
}
