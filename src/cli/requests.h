/* requests.h -- from options and arguments to request messages: for commands and for the lines
 * of a txn alike. */
#ifndef CLI_REQUESTS_H
#define CLI_REQUESTS_H

#include "base/arena.h"
#include "cli/options.h"
#include "kv.pb-c.h"

/* -- put KEY [VALUE] ------------------------------------------------------------------ */

struct put_words {
    int wants_previous;
    int ignores_value;
    int ignores_lease;
    const char *lease; /* Hexadecimal, as etcdctl takes it. "": none. */
};

enum {
    PUT_ROWS = 4
};

/* Write the options that set these words; returns PUT_ROWS. The words outlive the rows. */
size_t requests_put_rows(struct put_words *words, struct option_row rows[PUT_ROWS]);

/* Fill in `to`, which borrows the arguments: the key, and if there is one the value. Returns 0,
 * or -1: it was said what is wrong. */
int requests_put(const struct put_words *words, const char *const *arguments, int count,
                 Etcdserverpb__PutRequest *to);

/* -- get KEY [RANGE_END] -------------------------------------------------------------- */

struct get_words {
    int is_prefix;
    int is_from_key;
    int is_serializable;
    int is_keys_only;
    int is_count_only;
    int64_t limit;
    int64_t revision;
    int64_t min_mod_revision;
    int64_t max_mod_revision;
    int64_t min_create_revision;
    int64_t max_create_revision;
    const char *sort_by;     /* "": the key. */
    const char *order;       /* "": ascending. */
    const char *consistency; /* "l" or "s"; "": as is_serializable says. */
};

enum {
    GET_ROWS = 14
};

/* As requests_put_rows(). */
size_t requests_get_rows(struct get_words *words, struct option_row rows[GET_ROWS]);

/* As requests_put(). What the request needs besides the arguments is in the arena. */
int requests_get(const struct get_words *words, const char *const *arguments, int count,
                 struct arena *arena, Etcdserverpb__RangeRequest *to);

/* -- del KEY [RANGE_END] -------------------------------------------------------------- */

struct del_words {
    int is_prefix;
    int is_from_key;
    int wants_previous;
};

enum {
    DEL_ROWS = 3
};

/* As requests_put_rows(). */
size_t requests_del_rows(struct del_words *words, struct option_row rows[DEL_ROWS]);

/* As requests_get(). */
int requests_del(const struct del_words *words, const char *const *arguments, int count,
                 struct arena *arena, Etcdserverpb__DeleteRangeRequest *to);

/* Bytes of a text, borrowed. */
ProtobufCBinaryData requests_bytes(const char *text);

#endif /* CLI_REQUESTS_H */
