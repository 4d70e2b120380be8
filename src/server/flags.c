/* flags.c -- the server's flags, from the command line and the environment to texts by name. */
#include "server/flags.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define FLAG_ROW(identity, name, group, form, effect, value, word, help)                           \
    {name, value, word, help, FLAG_GROUP_##group, FLAG_FORM_##form, FLAG_EFFECT_##effect},
const struct flag_row flag_rows[FLAG_COUNT] = {FLAG_MAP(FLAG_ROW)};

static enum flags_outcome refuse(struct flags *flags, const char *what, const char *about,
                                 size_t about_size)
{
    snprintf(flags->error, sizeof flags->error, "%s: %.*s", what,
             (int)(about_size < 200 ? about_size : 200), about);
    return FLAGS_REFUSED;
}

/* What Go's strconv.ParseBool takes. NULL: neither. */
static const char *parse_switch(const char *text)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcmp(text, yes[i]) == 0) {
            return "true";
        }
        if (strcmp(text, no[i]) == 0) {
            return "false";
        }
    }
    return NULL;
}

/* Take a value, whoever gave it. */
static enum flags_outcome set(struct flags *flags, enum flag flag, const char *value,
                              enum flag_source source)
{
    const struct flag_row *row = &flag_rows[flag];
    char blame[FLAGS_BLAME_SIZE];
    flags->sources[flag] = source;
    flags->values[flag] = value;
    if (row->form == FLAG_FORM_SWITCH) {
        flags->values[flag] = parse_switch(value);
        if (flags->values[flag] == NULL) {
            snprintf(flags->error, sizeof flags->error, "%s: \"%.100s\" is neither true nor false",
                     flags_blame(flags, flag, blame), value);
            return FLAGS_REFUSED;
        }
    }
    if (row->effect == FLAG_EFFECT_DEFAULT_ONLY &&
        strcmp(flags->values[flag], row->value_default) != 0) {
        snprintf(flags->error, sizeof flags->error, "%s cannot be used: %s",
                 flags_blame(flags, flag, blame), row->help);
        return FLAGS_REFUSED;
    }
    return FLAGS_GIVEN;
}

const char *flags_blame(const struct flags *flags, enum flag flag, char to[FLAGS_BLAME_SIZE])
{
    const char *name = flag_rows[flag].name;
    if (flags->sources[flag] != FLAG_SOURCE_ENVIRONMENT) {
        snprintf(to, FLAGS_BLAME_SIZE, "-%s", name);
        return to;
    }
    snprintf(to, FLAGS_BLAME_SIZE, "ETCD_%s", name);
    for (char *at = to; *at != '\0'; at++) {
        if (*at == '-') {
            *at = '_';
        } else if (*at >= 'a' && *at <= 'z') {
            *at = (char)(*at - 'a' + 'A');
        }
    }
    return to;
}

/* -- The environment ------------------------------------------------------------------ */

static enum flags_outcome read_environment(struct flags *flags, char *const *environment)
{
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        char variable[FLAGS_BLAME_SIZE];
        if (flags->sources[flag] != FLAG_SOURCE_DEFAULT) {
            continue; /* The command line wins. */
        }
        flags->sources[flag] = FLAG_SOURCE_ENVIRONMENT;
        flags_blame(flags, flag, variable);
        flags->sources[flag] = FLAG_SOURCE_DEFAULT;
        const size_t size = strlen(variable);
        for (char *const *entry = environment; *entry != NULL; entry++) {
            if (strncmp(*entry, variable, size) != 0 || (*entry)[size] != '=' ||
                (*entry)[size + 1] == '\0') {
                continue; /* As in etcd, an empty variable is none. */
            }
            const enum flags_outcome outcome =
                set(flags, flag, *entry + size + 1, FLAG_SOURCE_ENVIRONMENT);
            if (outcome != FLAGS_GIVEN) {
                return outcome;
            }
        }
    }
    return FLAGS_GIVEN;
}

/* -- The command line ----------------------------------------------------------------- */

/* The flag with this name, or FLAG_COUNT. */
static enum flag find(const char *name, size_t size)
{
    enum flag flag = 0;
    while (flag < FLAG_COUNT && (strlen(flag_rows[flag].name) != size ||
                                 strncmp(flag_rows[flag].name, name, size) != 0)) {
        flag++;
    }
    return flag;
}

static int is_name(const char *name, size_t size, const char *other)
{
    return strlen(other) == size && strncmp(name, other, size) == 0;
}

/* Read arguments[*at], and the one after it if that is its value. */
static enum flags_outcome read_argument(struct flags *flags, int count, char *const *arguments,
                                        int *at)
{
    const char *argument = arguments[(*at)++];
    if (argument[0] != '-' || argument[1] == '\0') {
        return refuse(flags, "not a flag", argument, strlen(argument));
    }
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    const size_t size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    if (is_name(name, size, "help") || is_name(name, size, "h")) {
        return FLAGS_WANTS_HELP;
    }
    if (is_name(name, size, "version")) {
        return FLAGS_WANTS_VERSION;
    }
    const enum flag flag = find(name, size);
    if (flag == FLAG_COUNT) {
        return refuse(flags, "flag provided but not defined", argument,
                      (size_t)(name - argument) + size);
    }
    const char *value = equals == NULL ? NULL : equals + 1;
    if (value == NULL && flag_rows[flag].form == FLAG_FORM_SWITCH) {
        value = "true";
    } else if (value == NULL) {
        if (*at == count) {
            return refuse(flags, "flag needs an argument", argument, strlen(argument));
        }
        value = arguments[(*at)++];
    }
    return set(flags, flag, value, FLAG_SOURCE_COMMAND_LINE);
}

enum flags_outcome flags_read(struct flags *flags, int count, char *const *arguments,
                              char *const *environment)
{
    flags->error[0] = '\0';
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        flags->values[flag] = flag_rows[flag].value_default;
        flags->sources[flag] = FLAG_SOURCE_DEFAULT;
    }
    int at = 0;
    while (at < count) {
        const enum flags_outcome outcome = read_argument(flags, count, arguments, &at);
        if (outcome != FLAGS_GIVEN) {
            return outcome;
        }
    }
    return read_environment(flags, environment);
}
