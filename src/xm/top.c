/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * top.c - xm top, in the layout of xentop: on the whole terminal, or with -b line by line for
 * scripts.
 */
#include <curses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xm/top_data.h"
#include "xm/verbs.h"

#define DEFAULT_DELAY 3
#define KEY_ESCAPE 27

struct options {
    bool batch, full_names, networks, disks, vcpus, repeat_header, version;
    size_t first; /* the domain in the top row: the arrows' */
    unsigned int delay;
    long iterations; /* -1 = for ever */
    char sort;       /* the column's first letter: n(ame) c(pu) m(emory) */
};

/* Where a line goes: to curses or to standard output. */
struct screen {
    bool batch;
    int row;
};

static void PRINTF_FMT(2, 3) put(struct screen *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (s->batch)
        printf("%s\n", text);
    else if (s->row < LINES)
        mvaddnstr(s->row++, 0, text, COLS - 1);
}

static long cpu_mhz(void)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    double mhz = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "cpu MHz : %lf", &mhz) == 1)
            break;
    if (f)
        fclose(f);
    return (long)mhz;
}

static void put_summary(struct screen *s, const struct top *t)
{
    static const char letters[] = "rbpcds";
    unsigned int counts[6] = {0};
    time_t now = time(NULL);
    char clock[16] = "";
    struct tm tm;
    long long used = 0;

    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; letters[k]; k++)
            counts[k] += strchr(t->domains[i].state, letters[k]) != NULL;
        if (t->domains[i].domid)
            used += t->domains[i].memory_kib;
    }
    if (localtime_r(&now, &tm))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    put(s, "xentop - %s   Xen 4.17.0-xenolith", clock);
    put(s, "%zu domains: %u running, %u blocked, %u paused, %u crashed, %u dying, %u shutdown",
        t->count, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]);
    put(s, "Mem: %lldk total, %lldk used, %lldk free    CPUs: %ld @ %ldMHz", t->total_kib, used,
        t->total_kib - used, sysconf(_SC_NPROCESSORS_ONLN), cpu_mhz());
}

static void put_header(struct screen *s)
{
    if (!s->batch)
        attron(A_REVERSE);
    put(s, "%10s %6s %10s %6s %10s %6s %10s %9s %5s %4s %8s %8s %4s %8s %8s %8s %10s %10s %4s",
        "NAME", "STATE", "CPU(sec)", "CPU(%)", "MEM(k)", "MEM(%)", "MAXMEM(k)", "MAXMEM(%)",
        "VCPUS", "NETS", "NETTX(k)", "NETRX(k)", "VBDS", "VBD_OO", "VBD_RD", "VBD_WR", "VBD_RSECT",
        "VBD_WSECT", "SSID");
    if (!s->batch)
        attroff(A_REVERSE);
}

static void put_networks(struct screen *s, const struct top_domain *d)
{
    for (long long n = 0; n < d->nets; n++) {
        struct top_net net;

        top_read_net(d->domid, n, &net);
        put(s,
            "Net%lld RX: %8lldbytes %8lldpkts %8llderr %8llddrop  TX: %8lldbytes %8lldpkts "
            "%8llderr %8llddrop",
            n, net.rx_bytes, net.rx_packets, net.rx_errors, net.rx_dropped, net.tx_bytes,
            net.tx_packets, net.tx_errors, net.tx_dropped);
    }
}

static void put_disks(struct screen *s, const struct top_domain *d)
{
    json_t *disk;
    size_t i;

    json_array_foreach(d->disks, i, disk)
    {
        long long devid = json_get_int(disk, "devid", 0);

        put(s,
            "VBD BlkBack %lld [%2llx:%02llx]  OO: %8lld   RD: %8lld   WR: %8lld  RSECT: %10lld  "
            "WSECT: %10lld",
            devid, devid >> 8, devid & 0xff, (long long)json_get_int(disk, "waits", 0),
            (long long)json_get_int(disk, "reads", 0), (long long)json_get_int(disk, "writes", 0),
            (long long)json_get_int(disk, "read_sectors", 0),
            (long long)json_get_int(disk, "written_sectors", 0));
    }
}

static void put_vcpus(struct screen *s, const struct top_domain *d)
{
    char text[256];
    int used = snprintf(text, sizeof(text), "VCPUs(sec): ");
    json_t *vcpu;
    size_t i;

    json_array_foreach(d->virtual_cpus, i, vcpu)
    {
        if (used < (int)sizeof(text))
            used += snprintf(text + used, sizeof(text) - (size_t)used, " %2zu: %8.0fs", i,
                             json_number_value(json_object_get(vcpu, "cpu_time")));
    }
    if (i > 0)
        put(s, "%s", text);
}

static void put_domain(struct screen *s, const struct options *o, const struct top_domain *d)
{
    char maxmem[24] = "no limit", percent[24] = "n/a";

    if (d->maxmem_kib >= 0) {
        snprintf(maxmem, sizeof(maxmem), "%lld", d->maxmem_kib);
        snprintf(percent, sizeof(percent), "%.1f", d->maxmem_percent);
    }
    put(s,
        "%10.*s %6s %10.0f %6.1f %10lld %6.1f %10s %9s %5lld %4lld %8lld %8lld %4lld %8lld %8lld "
        "%8lld %10lld %10lld %4d",
        o->full_names ? 63 : 10, d->name, d->state, d->cpu_seconds, d->cpu_percent, d->memory_kib,
        d->memory_percent, maxmem, percent, d->vcpus, d->nets, d->net_tx_kib, d->net_rx_kib,
        d->vbds, d->vbd_oo, d->vbd_rd, d->vbd_wr, d->vbd_rsect, d->vbd_wsect, 0);
    if (o->vcpus)
        put_vcpus(s, d);
    if (o->networks)
        put_networks(s, d);
    if (o->disks)
        put_disks(s, d);
}

static char sort_key;

static int compare(const void *pa, const void *pb)
{
    const struct top_domain *a = pa, *b = pb;
    double left = sort_key == 'c' ? a->cpu_percent : (double)a->memory_kib;
    double right = sort_key == 'c' ? b->cpu_percent : (double)b->memory_kib;

    if (sort_key == 'n' || left == right)
        return strcmp(a->name, b->name);
    return left < right ? 1 : -1;
}

static void show(const struct options *o, struct top *t)
{
    struct screen s = {.batch = o->batch};

    sort_key = o->sort;
    if (t->count > 0)
        qsort(t->domains, t->count, sizeof(*t->domains), compare);
    if (!o->batch) {
        erase();
        put_summary(&s, t);
    }
    put_header(&s);
    for (size_t i = o->first; i < t->count; i++) {
        if (o->repeat_header && i > o->first)
            put_header(&s);
        put_domain(&s, o, &t->domains[i]);
    }
    if (!o->batch) {
        mvaddnstr(LINES - 1, 0,
                  "  Delay  Networks  X disks  VCPUs  Repeat header  Sort order  Quit", COLS - 1);
        refresh();
    } else {
        fflush(stdout);
    }
}

/* False: the user leaves. */
static bool take_key(struct options *o, const struct top *t, int key)
{
    static const char orders[] = "ncm";

    if (key == 'q' || key == 'Q' || key == KEY_ESCAPE)
        return false;
    if (key == 'n' || key == 'N')
        o->networks = !o->networks;
    else if (key == 'x' || key == 'X')
        o->disks = !o->disks;
    else if (key == 'v' || key == 'V')
        o->vcpus = !o->vcpus;
    else if (key == 'r' || key == 'R')
        o->repeat_header = !o->repeat_header;
    else if (key == 's' || key == 'S')
        o->sort = orders[(size_t)(strchr(orders, o->sort) - orders + 1) % 3];
    else if (key == 'd' || key == 'D')
        o->delay = o->delay % 10 + 1;
    else if (key == KEY_UP && o->first > 0)
        o->first--;
    else if (key == KEY_DOWN && o->first + 1 < t->count)
        o->first++;
    return true;
}

static int loop(struct options *o, struct err *err)
{
    struct top t = {0};
    int rc = 0;
    bool go_on = true;

    for (long i = 0; go_on && (o->iterations < 0 || i < o->iterations); i++) {
        rc = top_update(&t, o->vcpus, err);
        if (rc < 0)
            break;
        show(o, &t);
        if (o->iterations >= 0 && i + 1 == o->iterations)
            break;
        if (o->batch) {
            sleep(o->delay);
        } else {
            int key;

            timeout((int)o->delay * 1000);
            key = getch();
            go_on = key == ERR || take_key(o, &t, key);
        }
    }
    top_done(&t);
    return rc;
}

static int take_arguments(struct options *o, const struct verb *self, int argc, char **argv)
{
    int opt;

    optind = 1;
    /* z and p of xentop change nothing here. */
    while ((opt = getopt(argc, argv, "Vd:nxrvbi:fzp")) != -1) {
        if (opt == 'd')
            o->delay = (unsigned int)atoi(optarg);
        else if (opt == 'i')
            o->iterations = atol(optarg);
        else if (opt == 'b')
            o->batch = true;
        else if (opt == 'f')
            o->full_names = true;
        else if (opt == 'n')
            o->networks = true;
        else if (opt == 'x')
            o->disks = true;
        else if (opt == 'v')
            o->vcpus = true;
        else if (opt == 'r')
            o->repeat_header = true;
        else if (opt == 'V')
            o->version = true;
        else if (opt == '?')
            return verb_usage_error(self, "unknown option");
    }
    if (optind < argc)
        return verb_usage_error(self, "unexpected argument '%s'", argv[optind]);
    if (o->delay == 0 || o->iterations == 0 || o->iterations < -1)
        return verb_usage_error(self, "-d and -i take a number above 0");
    return 0;
}

static int run_top(const struct verb *self, int argc, char **argv)
{
    struct options o = {.delay = DEFAULT_DELAY, .iterations = -1, .sort = 'n'};
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 0, 100);

    if (rc >= 0)
        return rc;
    rc = take_arguments(&o, self, argc, argv);
    if (rc != 0)
        return rc;
    if (o.version) {
        printf("xentop of xenolith %s\n", XENOLITH_VERSION);
        return XM_OK;
    }
    if (!o.batch && !isatty(STDOUT_FILENO))
        return verb_usage_error(self, "standard output is no terminal; -b prints lines");
    if (!o.batch) {
        initscr();
        cbreak();
        noecho();
        curs_set(0);
        keypad(stdscr, TRUE);
    }
    rc = loop(&o, &err);
    if (!o.batch)
        endwin();
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_top = {
    .name = "top",
    .arguments = "[-b] [-d SECONDS] [-i COUNT] [-f] [-n] [-x] [-v] [-r]",
    .summary = "Show the domains and what they use, again and again.",
    .details = "  -b           print lines instead of filling the terminal\n"
               "  -d SECONDS   between two looks (3)\n"
               "  -i COUNT     so many looks, then end\n"
               "  -f           names in full\n"
               "  -n           network interfaces, too\n"
               "  -x           disks, too\n"
               "  -v           virtual CPUs, too\n"
               "  -r           the headings before each domain\n"
               "\nKeys: D delay, N networks, X disks, V virtual CPUs, R headings, S sort order,\n"
               "arrows: which domain is the first; Q or Esc quit.\n",
    .run = run_top,
};
