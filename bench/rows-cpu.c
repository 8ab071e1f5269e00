/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-cpu.c - rows that only compute: the same instructions natively and in a guest.
 *
 * Instructions beyond plain x86-64 are used behind the CPU's own answer, so that a machine
 * without them skips the row.
 */
#include <immintrin.h>
#include <string.h>

#include "row.h"

#define STEPS 4096u
#define DATA 16384u
#define SHA_BLOCK 64u

static uint8_t data[DATA] __attribute__((aligned(64)));

/* Multiplies, shifts, divisions and branches that depend on the data. */
static int run_integer(uint64_t n)
{
    static uint64_t x = 88172645463325252;
    uint64_t odd = 0;

    while (n--) {
        for (unsigned i = 0; i < STEPS; i++) {
            x = x * 6364136223846793005 + 1442695040888963407;
            if (x >> 63)
                odd += x / ((x >> 40) | 1);
            else
                odd ^= x >> 17 | x << 47;
        }
    }
    row_sink = odd;
    return 0;
}

/* A damped oscillator, with a division in each step. */
static int run_float(uint64_t n)
{
    static double position = 1.0, velocity;
    double p = position, v = velocity;

    while (n--) {
        for (unsigned i = 0; i < STEPS; i++) {
            v -= (p + 0.1 * v) / (1.0 + p * p) * 0.01;
            p += v * 0.01;
        }
    }
    position = p;
    velocity = v;
    row_sink = (uint64_t)(p * 1e6 + 1e7);
    return 0;
}

static int setup_avx2(void)
{
    memset(data, 3, sizeof(data));
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 0 : -ENOTSUP;
}

/* A sum of products in eight lanes over data that fits the first cache. */
__attribute__((target("avx2,fma"))) static int run_avx2(uint64_t n)
{
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    const __m256 factor = _mm256_set1_ps(1.0001f);
    float lanes[8];

    while (n--) {
        for (size_t i = 0; i < DATA; i += 128) {
            const float *p = (const float *)(const void *)(data + i);

            a = _mm256_fmadd_ps(_mm256_load_ps(p), factor, a);
            b = _mm256_fmadd_ps(_mm256_load_ps(p + 8), factor, b);
            c = _mm256_fmadd_ps(_mm256_load_ps(p + 16), factor, c);
            d = _mm256_fmadd_ps(_mm256_load_ps(p + 24), factor, d);
        }
    }
    _mm256_storeu_ps(lanes, _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    row_sink = (uint64_t)(lanes[0] != 0);
    return 0;
}

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t sha_state[8];

static uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void sha_schedule(uint32_t w[64], const uint8_t *in)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word;

        memcpy(&word, in + 4 * (size_t)i, sizeof(word));
        w[i] = __builtin_bswap32(word);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void sha_block(const uint8_t *in)
{
    uint32_t w[64], s[8];

    sha_schedule(w, in);
    memcpy(s, sha_state, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & s[5]) ^ (~e & s[6])) +
                      sha_k[i] + w[i];
        uint32_t t2 =
            (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        sha_state[i] += s[i];
}

/* SHA-256 in plain C: long runs of rotations and additions. */
static int run_sha256(uint64_t n)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(sha_state, start, sizeof(sha_state));
    while (n--)
        for (size_t i = 0; i < DATA; i += SHA_BLOCK)
            sha_block(data + i);
    row_sink = sha_state[0];
    return 0;
}

static int setup_aes(void)
{
    memset(data, 5, sizeof(data));
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") ? 0 : -ENOTSUP;
}

/* Ten AES rounds over each block with the CPU's own instruction; the key schedule is made up,
 * as its content does not change the speed. */
__attribute__((target("aes,sse2"))) static int run_aes(uint64_t n)
{
    __m128i keys[11], sum = _mm_setzero_si128();

    for (int i = 0; i < 11; i++)
        keys[i] = _mm_set1_epi32(0x01234567 * (i + 1));
    while (n--) {
        for (size_t i = 0; i < DATA; i += 64) {
            __m128i b[4];

            for (unsigned j = 0; j < 4; j++)
                b[j] = _mm_xor_si128(_mm_load_si128((const __m128i *)(const void *)(data + i) + j),
                                     keys[0]);
            for (unsigned r = 1; r < 10; r++)
                for (unsigned j = 0; j < 4; j++)
                    b[j] = _mm_aesenc_si128(b[j], keys[r]);
            for (unsigned j = 0; j < 4; j++)
                sum = _mm_xor_si128(sum, _mm_aesenclast_si128(b[j], keys[10]));
        }
    }
    row_sink = (uint64_t)_mm_cvtsi128_si64(sum);
    return 0;
}

const struct row cpu_rows[] = {
    {"integer", "step", STEPS, NULL, run_integer, NULL},
    {"float", "step", STEPS, NULL, run_float, NULL},
    {"avx2", "KiB", DATA >> 10, setup_avx2, run_avx2, NULL},
    {"sha256", "KiB", DATA >> 10, NULL, run_sha256, NULL},
    {"aes", "KiB", DATA >> 10, setup_aes, run_aes, NULL},
    {0},
};
