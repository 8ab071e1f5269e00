// SPDX-License-Identifier: GPL-2.0-or-later
//
// mistakes.c - makes the mistake that its argument names, for what finds such in a running program.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int shared;

static void *race(void *unused)
{
    for (int i = 0; i < 1000; i++)
        shared++;
    return unused;
}

int main(int argc, char **argv)
{
    volatile int *heap = malloc(10 * sizeof(int)), place = 10;
    int result = 0;

    switch (argc > 1 ? argv[1][0] : 0) {
    case 'o': // overflow
        heap[place] = 1;
        break;
    case 'f': // freed
        free((void *)heap);
        return heap[1];
    case 'u': // undefined
        result = INT_MAX - 9 + place;
        break;
    case 'r': { // race
        pthread_t thread;

        pthread_create(&thread, NULL, race, NULL);
        race(NULL);
        pthread_join(thread, NULL);
    }
    }
    printf("%s %d\n", argc > 1 ? argv[1] : "none", result & 1);
    free((void *)heap);
    return 0;
}
