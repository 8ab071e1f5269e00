/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * report.c - formatted text on the console, and the test's result: the worst report wins.
 */
#include <stdarg.h>

#include "guest.h"

enum result { SUCCESS, SKIP, ERROR, FAILURE };

static enum result worst;
static char worst_text[200];

struct sink {
    char text[512];
    size_t used;
};

static void put(struct sink *s, char c)
{
    if (s->used < sizeof(s->text) - 1)
        s->text[s->used++] = c;
}

static void put_number(struct sink *s, uint64_t value, unsigned int base, int width, char pad)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (int i = n; i < width; i++)
        put(s, pad);
    while (n)
        put(s, digits[--n]);
}

static void format_one(struct sink *s, char kind, uint64_t value, int width, char pad)
{
    switch (kind) {
    case 'd':
        if ((int64_t)value < 0) {
            put(s, '-');
            value = -value;
        }
        put_number(s, value, 10, width, pad);
        break;
    case 'u':
        put_number(s, value, 10, width, pad);
        break;
    case 'p':
    case 'x':
        put_number(s, value, 16, width, pad);
        break;
    case 'c':
        put(s, (char)value);
        break;
    case 's':
        for (const char *text = (const char *)value; text && *text; text++)
            put(s, *text);
        break;
    default:
        put(s, kind);
    }
}

static void format(struct sink *s, const char *fmt, va_list args)
{
    for (; *fmt; fmt++) {
        char pad = ' ';
        int width = 0;
        bool is_long = false;

        if (*fmt != '%') {
            put(s, *fmt);
            continue;
        }
        if (*++fmt == '0')
            pad = *fmt++;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + *fmt - '0';
        for (; *fmt == 'l' || *fmt == 'z'; fmt++)
            is_long = true;
        if (*fmt == '%') {
            put(s, '%');
            continue;
        }
        if (is_long || *fmt == 'p' || *fmt == 's')
            format_one(s, *fmt, va_arg(args, uint64_t), width, pad);
        else if (*fmt == 'd')
            format_one(s, *fmt, (uint64_t)(int64_t)va_arg(args, int), width, pad);
        else
            format_one(s, *fmt, va_arg(args, unsigned int), width, pad);
    }
    s->text[s->used] = '\0';
}

void print(const char *fmt, ...)
{
    struct sink s = {.used = 0};
    va_list args;

    va_start(args, fmt);
    format(&s, fmt, args);
    va_end(args);
    console_write(s.text, s.used);
}

static void report(enum result result, const char *fmt, va_list args)
{
    static const char *const words[] = {"success", "skip", "error", "failure"};
    struct sink s = {.used = 0};

    format(&s, fmt, args);
    print("%s: %s\n", words[result], s.text);
    if (result > worst) {
        worst = result;
        memcpy(worst_text, s.text, sizeof(worst_text) - 1);
    }
}

#define REPORTER(name, result)                                                                     \
    void name(const char *fmt, ...)                                                                \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, fmt);                                                                       \
        report(result, fmt, args);                                                                 \
        va_end(args);                                                                              \
    }
REPORTER(failure, FAILURE)
REPORTER(error, ERROR)
REPORTER(skip, SKIP)

void shutdown(unsigned int reason)
{
    struct sched_shutdown arg = {.reason = reason};

    console_drain();
    for (;;)
        sched_op(SCHEDOP_shutdown, &arg);
}

void finish(void)
{
    static const char *const words[] = {"SUCCESS", "SKIP", "ERROR", "FAILURE"};

    print("Test result: %s%s%s\n", words[worst], worst ? " " : "", worst_text);
    shutdown(SHUTDOWN_poweroff);
}
