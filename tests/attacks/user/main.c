/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - runs the attacks one after the other, each in a process of its own, and looks after
 * each whether this program and a witness, a process that has nothing to do with it, are what
 * they were. A line an attack: "NAME: what became of it", with "BROKEN" where it should not have.
 *
 *   attack-user [NAME...]      some or all attacks
 *   attack-user spin           block all signals and spin on all threads until the guest ends
 */
#define _GNU_SOURCE
#include "attack.h"
#include "witness.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 1000 /* for an attack that may have no end */
#define HOLDS_MS 20000   /* for one that has */

static unsigned int broken_count;

int broken(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("BROKEN: ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
    return 1;
}

uint8_t *low_code_page(const void *code, size_t size, int prot)
{
    uint8_t *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (p == MAP_FAILED)
        exit(broken("no memory below 4 GiB"));
    memcpy(p, code, size);
    mprotect(p, 4096, prot);
    return p;
}

uint8_t *code_page(const void *code, size_t size, int prot)
{
    uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(broken("no memory"));
    memcpy(p, code, size);
    mprotect(p, 4096, prot);
    return p;
}

/* ---- a signal's number instead of death ---- */

static sigjmp_buf back;

static void on_signal(int sig)
{
    siglongjmp(back, sig);
}

int signal_of(void (*f)(void *arg), void *arg)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    static char stack[65536];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    int sig;

    sigaltstack(&ss, NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &sa, NULL);
    sig = sigsetjmp(back, 1);
    if (!sig)
        f(arg);
    return sig;
}

/* ---- attacks ---- */

static bool as_expected(enum expect expect, bool ended, int status)
{
    switch (expect) {
    case HOLDS:
        return ended && WIFEXITED(status) && !WEXITSTATUS(status);
    case DIES:
        return ended && WIFSIGNALED(status);
    case SPINS:
        return !ended;
    default:
        return true;
    }
}

static void describe(char *text, size_t size, bool ended, int status)
{
    if (!ended)
        snprintf(text, size, "had to be killed");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "status %d", WEXITSTATUS(status));
}

static void run_attack(const struct attack *a)
{
    const char *complaint = NULL;
    int status = 0, ignored;
    char text[64];
    bool ended;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        status = a->run();
        fflush(stdout);
        _exit(status);
    }
    ended = await(pid, &status, a->expect == HOLDS ? HOLDS_MS : PATIENCE_MS);
    if (!ended) {
        kill(pid, SIGKILL);
        if (!await(pid, &ignored, KILL_MS))
            complaint = "it cannot be killed";
    }
    describe(text, sizeof(text), ended, status);
    if (!complaint && !as_expected(a->expect, ended, status))
        complaint = "that is not what was to become of it";
    if (!complaint)
        complaint = witness_complaint();
    broken_count += complaint != NULL;
    printf("%s: %s%s%s\n", a->name, text, complaint ? "; BROKEN: " : "",
           complaint ? complaint : "");
}

static bool chosen(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(name, argv[i]))
            return true;
    return argc < 2;
}

static void run_attacks(const struct attack *a, int argc, char **argv)
{
    for (; a->name; a++)
        if (chosen(a->name, argc, argv))
            run_attack(a);
}

static void *spin(void *arg)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    printf("spinning\n");
    fflush(stdout);
    for (;;)
        __asm__ volatile("");
    return arg;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "spin")) {
        pthread_t t;

        for (int i = 0; i < 3; i++)
            pthread_create(&t, NULL, spin, NULL);
        spin(NULL);
    }
    witness_start();
    run_attacks(stub_attacks, argc, argv);
    run_attacks(entry_attacks, argc, argv);
    run_attacks(state_attacks, argc, argv);
    run_attacks(code_attacks, argc, argv);
    run_attacks(translated_attacks, argc, argv);
    witness_end();
    printf("%u broken\n", broken_count);
    return broken_count != 0;
}
