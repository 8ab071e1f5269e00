/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * help.c - xm help; and what is made of the table of commands: a list for the docs, shell
 * completion.
 */
#include <stdio.h>
#include <string.h>

#include "xm/verbs.h"

void verbs_print(FILE *stream, bool in_full)
{
    fprintf(stream,
            "Usage: %s <subcommand> [args]\n\n"
            "Runs Xen guests on this machine. Subcommands:\n\n",
            verb_program());
    for (size_t i = 0; verbs[i]; i++) {
        fprintf(stream, " %-16s %s\n", verbs[i]->name, verbs[i]->summary);
        if (in_full && verbs[i]->arguments[0])
            fprintf(stream, " %-16s   %s\n", "", verbs[i]->arguments);
    }
    fprintf(stream,
            "\n<Domain> is a domain's name, id or uuid. '%s help <subcommand>' tells more; %s "
            "--version tells the version.\n",
            verb_program(), verb_program());
}

/* Lines NAME TAB STATUS TAB TEXT, for tools/gen-parity-doc. */
static void print_table(void)
{
    const char *old, *now;

    for (size_t i = 0; verbs[i]; i++)
        printf("%s\tdone\t%s\n", verbs[i]->name, verbs[i]->summary);
    for (size_t i = 0; verbs_renamed(i, &old, &now); i++)
        printf("%s\tmapped\tThe old name of %s.\n", old, now);
    for (const struct refused_verb *r = refused_verbs; r->name; r++)
        printf("%s\trefused\t%s\n", r->name, r->reason);
}

/* Does the verb take a domain as its first argument, or a file? */
static bool takes_domain(const struct verb *v)
{
    return strstr(v->arguments, "Domain") != NULL;
}

static bool takes_file(const struct verb *v)
{
    return strstr(v->arguments, "ConfigFile") != NULL;
}

/* The options of a verb: the words of its usage that begin with a dash. */
static void print_options(const struct verb *v)
{
    const char *texts[] = {v->arguments, v->details};

    for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
        for (const char *p = texts[k]; (p = strchr(p, '-'));) {
            size_t n = strspn(p, "-") + strspn(p + strspn(p, "-"),
                                               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                                               "WXYZ0123456789_-");
            bool begins = p == texts[k] || strchr(" [|\n", p[-1]);

            if (begins && n > 1)
                printf(" %.*s", (int)n, p);
            p += n;
        }
    }
}

static void print_names(bool (*wanted)(const struct verb *), const char *separator)
{
    bool first = true;

    for (size_t i = 0; verbs[i]; i++) {
        if (wanted && !wanted(verbs[i]))
            continue;
        printf("%s%s", first ? "" : separator, verbs[i]->name);
        first = false;
    }
}

static void print_bash(void)
{
    printf("# xm(1) and xl completion for bash; made by 'xm help --completion=bash'.\n"
           "_xm()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} options=\n"
           "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W '");
    print_names(NULL, " ");
    printf("' -- \"$cur\"))\n        return\n    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; verbs[i]; i++) {
        printf("    %s) options='", verbs[i]->name);
        print_options(verbs[i]);
        printf("' ;;\n");
    }
    printf("    esac\n"
           "    if [ \"${cur#-}\" != \"$cur\" ]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n        return\n    fi\n"
           "    case ${COMP_WORDS[1]} in\n    ");
    print_names(takes_file, " | ");
    printf(")\n"
           "        COMPREPLY=($(compgen -f -- \"$cur\") $(cd /etc/xen 2>/dev/null && "
           "compgen -f -- \"$cur\")) ;;\n    ");
    print_names(takes_domain, " | ");
    printf(")\n"
           "        COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" list 2>/dev/null |\n"
           "            awk 'NR > 1 { print $1 }')\" -- \"$cur\")) ;;\n"
           "    esac\n}\n"
           "complete -o filenames -F _xm xm xl\n");
}

/* What zsh's _describe takes: a quote and a colon need care. */
static void print_zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (*text == ':')
            printf("\\:");
        else
            putchar(*text);
    }
}

static void print_zsh(void)
{
    printf("#compdef xm xl\n# Made by 'xm help --completion=zsh'.\n"
           "local -a commands\ncommands=(\n");
    for (size_t i = 0; verbs[i]; i++) {
        printf("    '%s:", verbs[i]->name);
        print_zsh_text(verbs[i]->summary);
        printf("'\n");
    }
    printf(")\nif (( CURRENT == 2 )); then\n    _describe command commands\n    return\nfi\n"
           "local -a options\ncase $words[2] in\n");
    for (size_t i = 0; verbs[i]; i++) {
        printf("    %s) options=(", verbs[i]->name);
        print_options(verbs[i]);
        printf(" ) ;;\n");
    }
    printf("esac\nif [[ $PREFIX == -* ]]; then\n    compadd -- $options\n    return\nfi\n"
           "case $words[2] in\n    ");
    print_names(takes_file, "|");
    printf(") _files; _files -W /etc/xen ;;\n    ");
    print_names(takes_domain, "|");
    printf(") compadd -- ${(f)\"$($words[1] list 2>/dev/null | awk 'NR > 1 { print $1 }')\"} ;;\n"
           "esac\n");
}

static int run_help(const struct verb *self, int argc, char **argv)
{
    const char *word = argc >= 2 ? argv[1] : "";
    const struct refused_verb *refused;
    struct err err = {0};
    const struct verb *v;

    if (strcmp(word, "--table") == 0) {
        print_table();
    } else if (strcmp(word, "--completion=bash") == 0) {
        print_bash();
    } else if (strcmp(word, "--completion=zsh") == 0) {
        print_zsh();
    } else if (argc == 2 && word[0] && word[0] != '-') {
        word = verbs_current_name(word);
        refused = refused_find(word);
        if (refused)
            return refused_run(refused);
        v = verbs_find(word, &err);
        if (!v)
            return verb_error(&err);
        verb_print_usage(v);
    } else {
        verbs_print(stdout, strcmp(word, "--long") == 0 || strcmp(word, "-l") == 0);
    }
    return XM_OK;
}

const struct verb verb_help = {
    .name = "help",
    .arguments = "[--long | subcommand]",
    .summary = "Show this list, or how a subcommand is used.",
    .details = "  --long              the list with all arguments\n"
               "  --table             all commands of Xen's tools, whether they are here or not\n"
               "  --completion=SHELL  completion for bash or zsh\n",
    .run = run_help,
};
