/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * checksum.c - see checksum.h. Four independent multiply-rotate lanes of 8 bytes, so that the
 * multiplier's latency is hidden, folded together at the end. Each step is a bijection of its
 * lane, hence every change of a single word changes the result.
 */
#include "builder/checksum.h"

#include <string.h>

#define ODD_A 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio */
#define ODD_B 0xd6e8feb86659fd93ull

static uint64_t mix(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * ODD_A;
    return lane << 29 | lane >> 35;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

uint64_t checksum64(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t lane[4] = {1, 2, 3, 4};
    uint64_t tail[4] = {0};
    uint64_t sum = size;
    size_t left;
    int i;

    for (left = size; left >= 32; left -= 32, p += 32)
        for (i = 0; i < 4; i++)
            lane[i] = mix(lane[i], word_at(p + 8 * i));
    memcpy(tail, p, left);
    for (i = 0; i < 4; i++) {
        sum = mix(sum, mix(lane[i], tail[i]));
        sum ^= sum >> 32;
    }
    sum *= ODD_B;
    return sum ^ sum >> 31;
}
