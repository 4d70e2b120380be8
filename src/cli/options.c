/* options.c -- the options of a command. */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    TIMEOUT_US = 5000000
};

/* -- Help ----------------------------------------------------------------------------- */

static void print_help(const struct options *options)
{
    printf("Usage: synod %s\n\n%s\nOptions:\n", options->usage, options->about);
    for (size_t i = 0; i < options->row_count; i++) {
        const struct option_row *row = &options->rows[i];
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", row->letter != 0 ? "-" : " ",
                 row->letter != 0 ? row->letter : ' ', row->letter != 0 ? ", " : "  ", row->name,
                 row->form == OPTION_SWITCH ? "" : " ",
                 row->form == OPTION_SWITCH ? "" : row->word);
        printf("  %-28s  %s\n", left, row->help);
    }
    printf("  -h, --help%20sthis text\n", "");
}

static enum options_outcome say_wrong(const struct options *options, const char *what,
                                      const char *about)
{
    fprintf(stderr, "synod: %s%s\nUsage: synod %s\nTry --help.\n", what, about, options->usage);
    return OPTIONS_WRONG;
}

/* -- Values --------------------------------------------------------------------------- */

int options_parse_duration(const char *text, uint64_t *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    char *end;
    if (*text < '0' || *text > '9') {
        return -1;
    }
    const double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const double product = value * units[i].us;
        if (strcmp(end, units[i].name) == 0 && product >= 1 && product < 1e15) {
            *us = (uint64_t)product;
            return 0;
        }
    }
    return -1;
}

static int parse_number(const char *text, int64_t *to)
{
    if (*text == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text)) {
        return -1;
    }
    *to = (int64_t)strtoull(text, NULL, 10);
    return 0;
}

static enum options_outcome set(const struct options *options, const struct option_row *row,
                                const char *value)
{
    switch (row->form) {
    case OPTION_SWITCH:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
            return say_wrong(options, "neither true nor false: ", value);
        }
        *(int *)row->to = strcmp(value, "true") == 0;
        return OPTIONS_READ;
    case OPTION_TEXT:
        *(const char **)row->to = value;
        return OPTIONS_READ;
    case OPTION_NUMBER:
        return parse_number(value, row->to) == 0
                   ? OPTIONS_READ
                   : say_wrong(options, "not a whole number: ", value);
    case OPTION_DURATION:
        return options_parse_duration(value, row->to) == 0
                   ? OPTIONS_READ
                   : say_wrong(options, "not a time like 5s or 300ms: ", value);
    }
    assert_unreachable("an option has a kind");
}

/* -- The line ------------------------------------------------------------------------- */

static const struct option_row *find(const struct options *options, const char *name, size_t size,
                                     int is_short)
{
    for (size_t i = 0; i < options->row_count; i++) {
        const struct option_row *row = &options->rows[i];
        if (is_short ? size == 1 && row->letter == *name
                     : strlen(row->name) == size && strncmp(row->name, name, size) == 0) {
            return row;
        }
    }
    return NULL;
}

/* Read the option argv[*at], and its value if that is the next argument. */
static enum options_outcome read_option(const struct options *options, int argc, char **argv,
                                        int *at)
{
    const char *argument = argv[(*at)++];
    const int is_short = argument[1] != '-';
    const char *name = argument + (is_short ? 1 : 2);
    const char *equals = strchr(name, '=');
    const size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct option_row *row = find(options, name, size, is_short);
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
        print_help(options);
        return OPTIONS_HELPED;
    }
    if (row == NULL) {
        return say_wrong(options, "there is no option ", argument);
    }
    const char *value = equals == NULL ? NULL : equals + 1;
    if (value == NULL && row->form == OPTION_SWITCH) {
        value = "true";
    } else if (value == NULL) {
        if (*at == argc) {
            return say_wrong(options, "a value is missing after ", argument);
        }
        value = argv[(*at)++];
    }
    return set(options, row, value);
}

enum options_outcome options_read(const struct options *options, int argc, char **argv,
                                  const char **arguments, int *count)
{
    int are_over = 0;
    int at = 1;
    *count = 0;
    while (at < argc) {
        if (!are_over && strcmp(argv[at], "--") == 0) {
            are_over = 1;
            at++;
        } else if (!are_over && argv[at][0] == '-' && argv[at][1] != '\0') {
            const enum options_outcome outcome = read_option(options, argc, argv, &at);
            if (outcome != OPTIONS_READ) {
                return outcome;
            }
        } else if (*count == options->arguments_max) {
            return say_wrong(options, "one argument too many: ", argv[at]);
        } else {
            arguments[(*count)++] = argv[at++];
        }
    }
    if (*count < options->arguments_min) {
        return say_wrong(options, "an argument is missing", "");
    }
    return OPTIONS_READ;
}

/* -- Clients -------------------------------------------------------------------------- */

void client_options_init(struct client_options *client)
{
    const char *endpoints = getenv("ETCDCTL_ENDPOINTS");
    *client = (struct client_options){
        .endpoints = endpoints != NULL && *endpoints != '\0' ? endpoints : "127.0.0.1:2379",
        .timeout_us = TIMEOUT_US,
        .write_out = "",
    };
}

size_t client_options_rows(struct client_options *client, struct option_row rows[CLIENT_ROWS])
{
    rows[0] = option_text("endpoints", &client->endpoints, "LIST",
                          "members to ask, host:port,... (127.0.0.1:2379); ETCDCTL_ENDPOINTS "
                          "works too");
    rows[1] = option_duration("timeout", &client->timeout_us,
                              "for the whole request, with all its tries (5s)");
    rows[2] = option_text("write-out", &client->write_out, "FORMAT",
                          "simple, table, json or fields (simple)");
    rows[2].letter = 'w';
    return CLIENT_ROWS;
}

enum output_format client_options_format(const struct client_options *client,
                                         enum output_format otherwise)
{
    static const char *const names[] = {"simple", "table", "json", "fields"};
    if (*client->write_out == '\0') {
        return otherwise;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(client->write_out, names[i]) == 0) {
            return (enum output_format)(OUTPUT_SIMPLE + i);
        }
    }
    fprintf(stderr,
            "synod: there is no output format '%s'; there are simple, table, json, "
            "fields\n",
            client->write_out);
    return (enum output_format)0;
}
