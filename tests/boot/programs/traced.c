// SPDX-License-Identifier: GPL-2.0-or-later
//
// traced.c - what tools.sh looks at with debuggers: threads that count, a variable that changes
// once, a function that calls itself, files that are there and not, and memory that nobody frees.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int counter, watched;
volatile int go_on;

static void *count(void *number)
{
    for (int i = 0; i < 1000; i++) {
        __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
        if (i == 500 && number == (void *)1)
            watched = 42;
    }
    return number;
}

static void *wait_for_word(void *unused)
{
    while (!go_on)
        usleep(1000);
    return unused;
}

int factorial(int n)
{
    return n < 2 ? 1 : n * factorial(n - 1);
}

int main(int argc, char **argv)
{
    void *(*start)(void *) = argc > 1 && !strcmp(argv[1], "wait") ? wait_for_word : count;
    pthread_t threads[3];

    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, start, (void *)i);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("%d %d %d %d\n", counter, watched, factorial(6), open("/nowhere", O_RDONLY));
    char *lost = malloc(100);
    strcpy(lost, "some text");
    return strlen(lost) == 9 ? 0 : 1;
}
