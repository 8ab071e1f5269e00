/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * regex.c - see regex.h. A pattern becomes a program of a small machine; all of its threads
 * go through the text in step, in order of preference, at most one for each instruction
 * (Pike's method).
 */
#include "config/regex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROGRAM 1000
#define MAX_DEPTH 20 /* of groups in groups */
#define MAX_REPEAT 200
#define NOWHERE SIZE_MAX

enum op { OP_CLASS, OP_SPLIT, OP_JUMP, OP_SAVE, OP_BEGIN, OP_END, OP_MATCH };

struct instruction {
    enum op op;
    int x, y;             /* SPLIT: relative targets, x preferred; JUMP: x; SAVE: slot x */
    const uint8_t *class; /* CLASS: 256 bits */
};

struct regex {
    struct instruction program[MAX_PROGRAM];
    size_t length;
    size_t nr_groups;
};

struct compiler {
    struct arena *arena;
    struct regex *re;
    const char *at;
    const char *error;
    unsigned int depth;
};

static bool parse_alternatives(struct compiler *c);

static bool fail(struct compiler *c, const char *error)
{
    if (!c->error)
        c->error = error;
    return false;
}

/* Make room for n instructions at `where`: targets are relative, so a block can move. */
static bool insert(struct compiler *c, size_t where, const struct instruction *code, size_t n)
{
    struct regex *re = c->re;

    if (re->length + n > MAX_PROGRAM)
        return fail(c, "it is too long");
    memmove(re->program + where + n, re->program + where,
            (re->length - where) * sizeof(*re->program));
    memcpy(re->program + where, code, n * sizeof(*code));
    re->length += n;
    return true;
}

static bool emit(struct compiler *c, struct instruction code)
{
    return insert(c, c->re->length, &code, 1);
}

static void set_bit(uint8_t *class, unsigned char c)
{
    class[c / 8] |= (uint8_t)(1 << c % 8);
}

static bool has_bit(const uint8_t *class, unsigned char c)
{
    return class[c / 8] >> c % 8 & 1;
}

/* The characters of \d \w \s, of their opposites in upper case; false if it is none of them. */
static bool add_named_class(uint8_t *class, char name)
{
    int lower = tolower((unsigned char)name);

    if (!strchr("dws", lower))
        return false;
    for (int i = 0; i < 256; i++) {
        bool in = lower == 'd'   ? isdigit(i)
                  : lower == 'w' ? i < 128 && (isalnum(i) || i == '_')
                                 : i < 128 && isspace(i);

        if (in == (lower == name))
            set_bit(class, (unsigned char)i);
    }
    return true;
}

/* What a backslash and this letter stand for. */
static bool escape(struct compiler *c, char letter, char *ret)
{
    static const char from[] = "ntrfv";
    static const char to[] = "\n\t\r\f\v";
    const char *known = letter ? strchr(from, letter) : NULL;

    if (!letter || (isalnum((unsigned char)letter) && !known))
        return fail(c, letter ? "this backslash sequence is not supported"
                              : "it ends with a backslash");
    *ret = known ? to[known - from] : letter;
    return true;
}

/* One character of a set, after escapes; false also for \d and the like, which are added. */
static bool set_member(struct compiler *c, uint8_t *class, bool *is_class, char *ret)
{
    *is_class = false;
    *ret = *c->at++;
    if (*ret != '\\')
        return true;
    *is_class = *c->at && add_named_class(class, *c->at);
    if (!*is_class && !escape(c, *c->at, ret))
        return false;
    c->at++;
    return true;
}

/* From behind '[' on. */
static bool parse_set(struct compiler *c, uint8_t *class)
{
    bool inverted = *c->at == '^';
    bool first = true;

    c->at += inverted;
    for (; first || *c->at != ']'; first = false) {
        bool is_class;
        char low, high;

        if (!*c->at)
            return fail(c, "'[' is never closed");
        if (!set_member(c, class, &is_class, &low))
            return false;
        if (is_class)
            continue;
        high = low;
        if (c->at[0] == '-' && c->at[1] && c->at[1] != ']') {
            c->at++;
            if (!set_member(c, class, &is_class, &high))
                return false;
            if (is_class || (unsigned char)high < (unsigned char)low)
                return fail(c, "a range in [...] has no end");
        }
        for (unsigned int i = (unsigned char)low; i <= (unsigned char)high; i++)
            set_bit(class, (unsigned char)i);
    }
    c->at++;
    for (size_t i = 0; inverted && i < 32; i++)
        class[i] = (uint8_t) ~class[i];
    return true;
}

/* From behind '(' on. */
static bool parse_group(struct compiler *c)
{
    bool captures = c->at[0] != '?';
    size_t group = 0;

    if (!captures && c->at[1] != ':')
        return fail(c, "'(?' is only supported as '(?:'");
    if (!captures)
        c->at += 2;
    if (captures && c->re->nr_groups == REGEX_MAX_GROUPS)
        return fail(c, "it has too many groups");
    if (captures)
        group = c->re->nr_groups++;
    if (captures && !emit(c, (struct instruction){.op = OP_SAVE, .x = (int)group * 2}))
        return false;
    if (++c->depth > MAX_DEPTH)
        return fail(c, "its groups are nested too deeply");
    if (!parse_alternatives(c))
        return false;
    c->depth--;
    if (*c->at != ')')
        return fail(c, "'(' is never closed");
    c->at++;
    return !captures || emit(c, (struct instruction){.op = OP_SAVE, .x = (int)group * 2 + 1});
}

static bool parse_atom(struct compiler *c)
{
    uint8_t *class = arena_alloc(c->arena, 32);
    char ch = *c->at++;

    switch (ch) {
    case '(':
        return parse_group(c);
    case '^':
        return emit(c, (struct instruction){.op = OP_BEGIN});
    case '$':
        return emit(c, (struct instruction){.op = OP_END});
    case '*':
    case '+':
    case '?':
        return fail(c, "there is nothing to repeat");
    case '.':
        memset(class, 0xff, 32);
        class['\n' / 8] &= (uint8_t) ~(1 << '\n' % 8);
        break;
    case '[':
        if (!parse_set(c, class))
            return false;
        break;
    case '\\':
        if (!*c->at || !add_named_class(class, *c->at)) {
            if (!escape(c, *c->at, &ch))
                return false;
            set_bit(class, (unsigned char)ch);
        }
        c->at++;
        break;
    default:
        set_bit(class, (unsigned char)ch);
    }
    return emit(c, (struct instruction){.op = OP_CLASS, .class = class});
}

static struct instruction split(int preferred, int other, bool lazy)
{
    return (struct instruction){
        .op = OP_SPLIT, .x = lazy ? other : preferred, .y = lazy ? preferred : other};
}

/* The block from `start` on, zero or more times. */
static bool repeat_any(struct compiler *c, size_t start, bool lazy)
{
    int n = (int)(c->re->length - start);
    struct instruction code = split(1, n + 2, lazy);

    return insert(c, start, &code, 1) &&
           emit(c, (struct instruction){.op = OP_JUMP, .x = -(n + 1)});
}

static bool repeat_optional(struct compiler *c, size_t start, bool lazy)
{
    struct instruction code = split(1, (int)(c->re->length - start) + 1, lazy);

    return insert(c, start, &code, 1);
}

/* The block from `start` on, min to max times (max < 0: no end). */
static bool repeat_counted(struct compiler *c, size_t start, int min, int max, bool lazy)
{
    size_t n = c->re->length - start;
    struct instruction *block = arena_alloc(c->arena, n * sizeof(*block) + 1);
    int copies = max < 0 ? min + 1 : max;

    memcpy(block, c->re->program + start, n * sizeof(*block));
    c->re->length = start;
    for (int i = 0; i < copies; i++) {
        size_t at = c->re->length;

        if (!insert(c, at, block, n))
            return false;
        if (i < min)
            continue;
        if (max < 0 ? !repeat_any(c, at, lazy) : !repeat_optional(c, at, lazy))
            return false;
    }
    return true;
}

/* "{3}", "{3,}", "{3,5}" behind '{'; false (and nothing taken) if it is none of them. */
static bool parse_counts(struct compiler *c, int *min, int *max)
{
    char *end;

    if (!isdigit((unsigned char)*c->at))
        return false;
    *min = *max = (int)strtol(c->at, &end, 10);
    if (*end == ',' && isdigit((unsigned char)end[1]))
        *max = (int)strtol(end + 1, &end, 10);
    else if (*end == ',')
        *max = -(*end++ == ',');
    if (*end != '}')
        return false;
    c->at = end + 1;
    return true;
}

static bool parse_repeated(struct compiler *c)
{
    size_t start = c->re->length;
    int min = 0, max = 0;
    char ch;
    bool lazy;

    if (!parse_atom(c))
        return false;
    ch = *c->at;
    if (!ch || !strchr("*+?{", ch))
        return true;
    c->at++;
    if (ch == '{' && !parse_counts(c, &min, &max))
        return fail(c, "'{' needs numbers: {2} or {2,5}; a brace itself is \\{");
    if (ch != '{') {
        min = ch == '+';
        max = ch == '?' ? 1 : -1;
    }
    if (min < 0 || min > MAX_REPEAT || max > MAX_REPEAT || (max >= 0 && max < min))
        return fail(c, "the numbers in {...} are not usable");
    lazy = *c->at == '?';
    c->at += lazy;
    if (*c->at && strchr("*+?{", *c->at))
        return fail(c, "it repeats a repetition");
    return repeat_counted(c, start, min, max, lazy);
}

static bool parse_alternatives(struct compiler *c)
{
    size_t start = c->re->length, jump;
    struct instruction code;

    while (*c->at && *c->at != '|' && *c->at != ')')
        if (!parse_repeated(c))
            return false;
    if (*c->at != '|')
        return true;
    c->at++;
    code = split(1, (int)(c->re->length - start) + 2, false);
    if (!insert(c, start, &code, 1))
        return false;
    jump = c->re->length;
    if (!emit(c, (struct instruction){.op = OP_JUMP}))
        return false;
    if (++c->depth > MAX_DEPTH * 2)
        return fail(c, "it has too many alternatives");
    if (!parse_alternatives(c))
        return false;
    c->depth--;
    c->re->program[jump].x = (int)(c->re->length - jump);
    return true;
}

const struct regex *regex_compile(struct arena *a, const char *pattern, const char **ret_error)
{
    struct compiler c = {.arena = a, .re = arena_alloc(a, sizeof(struct regex)), .at = pattern};
    bool ok;

    c.re->nr_groups = 1;
    ok = parse_alternatives(&c);
    if (ok && *c.at == ')')
        ok = fail(&c, "')' closes nothing");
    ok = ok && emit(&c, (struct instruction){.op = OP_MATCH});
    *ret_error = c.error;
    return ok ? c.re : NULL;
}

size_t regex_cost(const struct regex *re, size_t len)
{
    return (len + 1) * (re->length / 16 + 1);
}

struct thread {
    size_t pc;
    size_t slots[REGEX_MAX_GROUPS * 2];
};

struct threads {
    struct thread *list;
    size_t count;
};

struct machine {
    const struct regex *re;
    size_t at, len;
    struct threads now, next;
    size_t *visited; /* by instruction: the position + 1 at which it was added last */
};

/* Add a thread at pc, following what takes no character. */
static void add_thread(struct machine *m, struct threads *to, size_t pc, size_t *slots)
{
    const struct instruction *i = &m->re->program[pc];
    size_t old;

    if (m->visited[pc] == m->at + 1)
        return;
    m->visited[pc] = m->at + 1;
    switch (i->op) {
    case OP_JUMP:
        add_thread(m, to, pc + (size_t)i->x, slots);
        return;
    case OP_SPLIT:
        add_thread(m, to, pc + (size_t)i->x, slots);
        add_thread(m, to, pc + (size_t)i->y, slots);
        return;
    case OP_SAVE:
        old = slots[i->x];
        slots[i->x] = m->at;
        add_thread(m, to, pc + 1, slots);
        slots[i->x] = old;
        return;
    case OP_BEGIN:
        if (m->at == 0)
            add_thread(m, to, pc + 1, slots);
        return;
    case OP_END:
        if (m->at == m->len)
            add_thread(m, to, pc + 1, slots);
        return;
    case OP_CLASS:
    case OP_MATCH:
        break;
    }
    to->list[to->count].pc = pc;
    memcpy(to->list[to->count++].slots, slots, sizeof(to->list->slots));
}

/* Move all threads over the character at `at`; a match ends those of lower preference. */
static bool step(struct machine *m, const char *text, struct thread *best)
{
    struct threads swap = m->now;
    bool found = false;

    m->next.count = 0;
    m->at++;
    for (size_t t = 0; t < m->now.count && !found; t++) {
        struct thread *thread = &m->now.list[t];
        const struct instruction *i = &m->re->program[thread->pc];

        if (i->op == OP_MATCH) {
            *best = *thread;
            found = true;
        } else if (m->at <= m->len && has_bit(i->class, (unsigned char)text[m->at - 1])) {
            add_thread(m, &m->next, thread->pc + 1, thread->slots);
        }
    }
    m->now = m->next;
    m->next = swap;
    return found;
}

bool regex_find(struct arena *a, const struct regex *re, const char *text, size_t len,
                bool anchored, struct regex_match *ret)
{
    struct machine m = {.re = re, .len = len};
    struct thread best = {0}, fresh;
    bool found = false;

    m.now.list = arena_alloc(a, re->length * sizeof(struct thread));
    m.next.list = arena_alloc(a, re->length * sizeof(struct thread));
    m.visited = arena_alloc(a, re->length * sizeof(*m.visited));
    for (size_t i = 0; i < ARRAY_SIZE(fresh.slots); i++)
        fresh.slots[i] = NOWHERE;
    while (m.at <= len) {
        size_t start = m.at;

        if (!found && (!anchored || start == 0)) {
            fresh.slots[0] = start;
            add_thread(&m, &m.now, 0, fresh.slots);
        }
        if (m.now.count == 0 && (found || anchored))
            break;
        if (step(&m, text, &best)) {
            found = true;
            best.slots[1] = start;
        }
    }
    ret->nr_groups = re->nr_groups;
    for (size_t i = 0; i < re->nr_groups; i++) {
        ret->start[i] = best.slots[i * 2];
        ret->end[i] = best.slots[i * 2 + 1];
    }
    return found;
}
