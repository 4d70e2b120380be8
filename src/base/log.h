/* log.h -- what the program tells its operator: levels, and fields beside the words.
 *
 *     log_write(LOG_INFO, "became leader",
 *               (struct log_field[]){log_u64("round", round), log_text("why", why), {0}});
 *
 * On a terminal that is one readable line; elsewhere it is one JSON object with the field
 * names that etcd's logs have ("level", "ts", "caller" is left out, "msg"). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

enum log_level {
    LOG_DEBUG = 1,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

/* A name and a value. A field without a name ends a list of them. */
struct log_field {
    const char *name; /* A literal; NULL ends the list. */
    const char *text; /* Borrowed during the call; NULL where the value is a number. */
    uint64_t number;  /* Counts where text is NULL. */
};

static inline struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){.name = name, .text = text == 0 ? "" : text};
}

static inline struct log_field log_u64(const char *name, uint64_t number)
{
    return (struct log_field){.name = name, .number = number};
}

/* How lines leave the process. `sink` gets each line whole, with its newline; borrowed
 * during the call. NULL restores standard error. */
typedef void (*log_sink)(const char *line, uint32_t size);

/* Microseconds since 1970, or, in a simulation, since its beginning. */
typedef uint64_t (*log_clock)(void);

struct log_options {
    enum log_level level; /* Lines below it are dropped. */
    int is_json;          /* One JSON object a line, else plain text. */
    log_sink sink;        /* NULL: standard error. */
    log_clock clock_us;   /* NULL: the machine's. */
};

/* Until this is called: LOG_INFO, plain text, standard error. Not for concurrent use. */
void log_configure(const struct log_options *options);

/* True if a line of this level would be written: ask before computing costly fields. */
int log_is_on(enum log_level level);

/* Write one line. `fields` ends with a field without a name. May be called from any thread.
 * The same message more than 20 times in a second is counted instead of written, and the
 * count is written with the next one. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#endif /* BASE_LOG_H */
