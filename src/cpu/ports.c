/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ports.c - see ports.h. Kernels probe a few ports of a PC: PCI's address register keeps its
 * value, the speaker port and the clock chip give plausible ones.
 */
#include "cpu/ports.h"

#include "cpu/env.h"
#include "cpu/pv/abi.h"

#define PORT_PIT_FIRST 0x40
#define PORT_PIT_LAST 0x42
#define PORT_SPEAKER 0x61
#define PORT_CMOS_INDEX 0x70
#define PORT_CMOS_DATA 0x71
#define PORT_PCI_ADDRESS 0xcf8

#define SPEAKER_TIMER2_OUT 0x20

/* Per process, which is per vCPU: good enough for probes. */
static uint32_t pci_address;
static uint8_t cmos_index;

bool ports_iopl_allows(const struct vcpu *v)
{
    unsigned int kernel_cpl =
        v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_architectural_iopl) ? 0 : 1;

    return v->pv.iopl >= (v->user_mode ? 3 : kernel_cpl);
}

bool ports_allowed(struct vcpu *v, uint16_t port, unsigned int size)
{
    uint16_t bits;
    struct fault f;

    if (ports_iopl_allows(v))
        return true;
    if (!v->pv.iobitmap || port + size > v->pv.iobitmap_ports)
        return false;
    /* Two bytes, as the processor looks at its own bitmap: both have to be there. */
    if (env_read_kernel(v, v->pv.iobitmap + port / 8, &bits, sizeof(bits), &f))
        return false;
    return !(bits >> (port & 7) & ((1u << size) - 1));
}

static uint8_t cmos_read(void)
{
    switch (cmos_index & 0x7f) {
    case 0x0a: /* 32 kHz, no update in progress */
        return 0x26;
    case 0x0b: /* 24 h, BCD */
        return 0x02;
    case 0x0d: /* RAM valid */
        return 0x80;
    case 0x07: /* 1st of January */
    case 0x08:
        return 1;
    default:
        return 0;
    }
}

uint32_t ports_read(struct vcpu *v, uint16_t port, unsigned int size)
{
    if (size == 4)
        return port == PORT_PCI_ADDRESS ? pci_address : ~0u;
    /* A timer that has run out. All ones would keep a kernel that calibrates by it polling
     * 50,000 times for the next count. */
    if (size == 1 && port >= PORT_PIT_FIRST && port <= PORT_PIT_LAST)
        return 0;
    if (size == 1 && port == PORT_SPEAKER)
        return SPEAKER_TIMER2_OUT;
    if (size == 1 && port == PORT_CMOS_INDEX)
        return cmos_index;
    if (size == 1 && port == PORT_CMOS_DATA)
        return cmos_read();
    return size == 1 ? 0xff : 0xffff;
}

void ports_write(struct vcpu *v, uint16_t port, unsigned int size, uint32_t value)
{
    if (size == 4 && port == PORT_PCI_ADDRESS)
        pci_address = value;
    else if (size == 1 && port == PORT_CMOS_INDEX)
        cmos_index = (uint8_t)value;
}
