/* usage.c -- what `synod server --help` says: an example first, then every flag. */
#include "server/usage.h"

#include "server/flags.h"

/* The flags of one group that have an effect. */
static void print_group(FILE *to, enum flag_group group, const char *title)
{
    fprintf(to, "\n%s\n", title);
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        const struct flag_row *row = &flag_rows[flag];
        if (row->group != group || row->effect != FLAG_EFFECT_WORKS) {
            continue;
        }
        fprintf(to, "  --%s %s\n        %s", row->name, row->value_word, row->help);
        if (row->value_default[0] != '\0') {
            fprintf(to, " (%s)", row->value_default);
        }
        fprintf(to, "\n");
    }
}

/* The names of the flags with one effect, wrapped. */
static void print_names(FILE *to, enum flag_effect effect, const char *title)
{
    enum {
        WIDTH = 78
    };
    int column = WIDTH;
    fprintf(to, "\n%s", title);
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        if (flag_rows[flag].effect != effect) {
            continue;
        }
        if (column >= WIDTH - 32) {
            column = fprintf(to, "\n ") - 1;
        }
        column += fprintf(to, " --%s", flag_rows[flag].name);
    }
    fprintf(to, "\n");
}

void usage_print(FILE *to, const char *program)
{
    fprintf(to,
            "Usage: %s [flags]\n"
            "\n"
            "Runs one member of a cluster that speaks the etcd v3 API. Flags are etcd's:\n"
            "-x, --x, -x=v and -x v are the same, and ETCD_X in the environment counts where\n"
            "the flag is not given.\n"
            "\n"
            "One member alone, on the default ports:\n"
            "\n"
            "  %s\n"
            "  synod put hello world && synod get hello\n"
            "\n"
            "Three members on one machine (one command in each of three terminals; between\n"
            "machines, use their addresses instead of 127.0.0.1 and the same ports on all):\n"
            "\n"
            "  C=a=http://127.0.0.1:2380,b=http://127.0.0.1:22380,c=http://127.0.0.1:32380\n"
            "  %s --name a --initial-cluster $C \\\n"
            "    --listen-peer-urls http://127.0.0.1:2380 "
            "--listen-client-urls http://127.0.0.1:2379\n"
            "  %s --name b --initial-cluster $C \\\n"
            "    --listen-peer-urls http://127.0.0.1:22380 "
            "--listen-client-urls http://127.0.0.1:22379\n"
            "  %s --name c --initial-cluster $C \\\n"
            "    --listen-peer-urls http://127.0.0.1:32380 "
            "--listen-client-urls http://127.0.0.1:32379\n"
            "\n"
            "  synod status --endpoints 127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379\n",
            program, program, program, program, program);
    print_group(to, FLAG_GROUP_MEMBER, "The member");
    print_group(to, FLAG_GROUP_CLUSTERING, "The cluster");
    print_group(to, FLAG_GROUP_LOGGING, "Logs");
    fprintf(to,
            "\nOther\n"
            "  --help\n        this text\n"
            "  --version\n        the versions of the API and of Synod\n");
    print_names(to, FLAG_EFFECT_IDLE, "Flags of etcd that are accepted and have no effect yet:");
    print_names(to, FLAG_EFFECT_DEFAULT_ONLY,
                "Flags of etcd that are refused, because what they ask for is not there yet:");
    fprintf(to,
            "\nExit codes: 0 stopped in good order, 1 could not start or go on, "
            "2 wrong flags.\n");
}

void usage_print_hint(FILE *to, const char *program)
{
    fprintf(to, "Usage: %s [flags]\nTry '%s --help' for all flags and examples.\n", program,
            program);
}
