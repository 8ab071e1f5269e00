/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark program.
 */
int main(void)
{
    return 0;
}
