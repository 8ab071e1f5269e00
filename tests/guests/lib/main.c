/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - from the entry point to test_main() and out, and the C library's few functions
 * that the compiler may call.
 */
#include "guest.h"

start_info_t *start_info;
shared_info_t *shared_info;
shared_info_t entry_shared_info;
static uint8_t shared_info_page[PAGE_SIZE] __attribute__((aligned(4096)));
void guest_main(void);

void guest_main(void)
{
    shared_info = (shared_info_t *)shared_info_page;
    console_init();
    if (update_va_mapping((uintptr_t)shared_info_page, start_info->shared_info | PTE_P | PTE_RW,
                          UVMF_INVLPG)) {
        error("cannot map shared_info");
        finish();
    }
    memcpy(&entry_shared_info, shared_info, sizeof(entry_shared_info));
    memset(shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
    trap_init();
    events_on();
    test_main();
    finish();
}

void *memcpy(void *to, const void *from, size_t size)
{
    void *ret = to;

    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return ret;
}

void *memset(void *to, int byte, size_t size)
{
    void *ret = to;

    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return ret;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;

    for (; size; size--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}
