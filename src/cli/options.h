/* options.h -- the options of a command: switches and values, anywhere among the arguments.
 *
 *     --limit 5   --limit=5   --prefix   -w json   -w=json   -- (only arguments follow) */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum option_form {
    OPTION_SWITCH = 1, /* `to` is an int: 1 where it is given. */
    OPTION_TEXT,       /* `to` is a const char *. */
    OPTION_NUMBER,     /* `to` is an int64_t, not negative. */
    OPTION_DURATION,   /* `to` is a uint64_t in microseconds: 5s, 300ms, 1m. */
};

struct option_row {
    const char *name; /* Without dashes. */
    char letter;      /* Of the short form; 0: there is none. */
    enum option_form form;
    void *to;         /* Holds the default before. */
    const char *word; /* For its value, in help. */
    const char *help;
};

static inline struct option_row option_switch(const char *name, int *to, const char *help)
{
    return (struct option_row){name, 0, OPTION_SWITCH, to, "", help};
}

static inline struct option_row option_text(const char *name, const char **to, const char *word,
                                            const char *help)
{
    return (struct option_row){name, 0, OPTION_TEXT, (void *)to, word, help};
}

static inline struct option_row option_number(const char *name, int64_t *to, const char *help)
{
    return (struct option_row){name, 0, OPTION_NUMBER, to, "N", help};
}

static inline struct option_row option_duration(const char *name, uint64_t *to, const char *help)
{
    return (struct option_row){name, 0, OPTION_DURATION, to, "TIME", help};
}

/* What a command takes, and how it explains itself. */
struct options {
    const char *usage; /* "put [options] KEY VALUE" */
    const char *about; /* What it does, and examples; lines. */
    const struct option_row *rows;
    size_t row_count;
    int arguments_min; /* Arguments that are not options. */
    int arguments_max;
};

enum options_outcome {
    OPTIONS_READ = 1, /* All is well: go on. */
    OPTIONS_HELPED,   /* Help was asked for and printed: exit CLI_DONE. */
    OPTIONS_WRONG,    /* It was said what is wrong: exit CLI_USAGE. */
};

/* Read argv[1] and on. The arguments that are not options are moved to arguments[0] and on
 * (room for arguments_max); `count` is how many. */
enum options_outcome options_read(const struct options *options, int argc, char **argv,
                                  const char **arguments, int *count);

/* "300ms" -> 300000: a number, with or without a fraction, and one of us ms s m h. Returns 0, or
 * -1 where it is nothing of the kind. */
int options_parse_duration(const char *text, uint64_t *us);

/* -- What all commands have that talk to a server ------------------------------------- */

enum output_format {
    OUTPUT_SIMPLE = 1,
    OUTPUT_TABLE,
    OUTPUT_JSON,
    OUTPUT_FIELDS
};

struct client_options {
    const char *endpoints; /* "host:port,host:port", each with or without http://. */
    uint64_t timeout_us;   /* For the whole of a request, all its tries together. */
    const char *write_out; /* Text of the option. */
};

/* Set the defaults; the endpoints come from ETCDCTL_ENDPOINTS where it is set. */
void client_options_init(struct client_options *client);

enum {
    CLIENT_ROWS = 3
};

/* Write the options that set them; returns CLIENT_ROWS. */
size_t client_options_rows(struct client_options *client, struct option_row rows[CLIENT_ROWS]);

/* What -w says, or where it was not given, `otherwise`. 0: nothing that there is, and it was
 * said. */
enum output_format client_options_format(const struct client_options *client,
                                         enum output_format otherwise);

#endif /* CLI_OPTIONS_H */
