/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * work.c - threads with FP state of their own, SIMD, COW after fork, shared memory.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *float_thread(void *arg)
{
    double x = (double)(long)arg, sum = 0;

    for (int i = 1; i < 2000000; i++)
        sum += sin(x) / i;
    return fabs(sum - sin(x) * 15.0859) < 0.01 ? NULL : arg;
}

static int check_threads(void)
{
    pthread_t threads[8];
    int bad = 0;

    for (long i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, float_thread, (void *)(i + 1));
    for (int i = 0; i < 8; i++) {
        void *ret;

        pthread_join(threads[i], &ret);
        bad += ret != NULL;
    }
    return bad;
}

static int check_cow(void)
{
    size_t size = 16 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, bad = 0;

    memset(memory, 1, size);
    for (int child = 0; child < 4; child++) {
        if (fork() == 0) {
            for (size_t i = 0; i < size; i += 4096)
                memory[i] = (char)(child + 2);
            for (size_t i = 0; i < size; i += 4096) {
                if (memory[i] != child + 2 || memory[i + 1] != 1)
                    _exit(1);
            }
            __atomic_fetch_add(shared, child + 1, __ATOMIC_SEQ_CST);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        bad += status != 0;
    for (size_t i = 0; i < size; i++)
        bad += memory[i] != 1;
    return bad + (*shared != 10);
}

int main(void)
{
    int threads = check_threads(), cow = check_cow();

    if (threads || cow) {
        printf("threads %d cow %d\n", threads, cow);
        return 1;
    }
    puts("work ok");
    return 0;
}
