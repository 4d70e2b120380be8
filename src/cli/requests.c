/* requests.c -- from options and arguments to request messages. */
#include "cli/requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"

/* What is said of a key range by its end: nothing, another key, or this. */
static uint8_t zero[] = {0};

ProtobufCBinaryData requests_bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

static int say(const char *what, const char *about)
{
    fprintf(stderr, "synod: %s%s\n", what, about);
    return -1;
}

/* The first key after all that begin with `prefix`: its last byte that is not 0xff raised by
 * one, and nothing after it. A prefix of nothing but 0xff ends with the keys themselves. */
static ProtobufCBinaryData end_of_prefix(ProtobufCBinaryData prefix, struct arena *arena)
{
    size_t size = prefix.len;
    while (size > 0 && prefix.data[size - 1] == 0xff) {
        size--;
    }
    if (size == 0) {
        return (ProtobufCBinaryData){.len = 1, .data = zero};
    }
    uint8_t *end = arena_allocate(arena, size);
    if (end == NULL) {
        (void)say("out of memory", "");
        exit(CLI_FAILED);
    }
    memcpy(end, prefix.data, size);
    end[size - 1]++;
    return (ProtobufCBinaryData){.len = size, .data = end};
}

struct span {
    int is_prefix;
    int is_from_key;
    ProtobufCBinaryData key;
    ProtobufCBinaryData range_end;
};

/* Fill in the key and the end of a span of which it is known how they are meant. */
static int parse_span(struct span *span, const char *const *arguments, int count,
                      struct arena *arena)
{
    span->key = requests_bytes(arguments[0]);
    span->range_end = count > 1 ? requests_bytes(arguments[1]) : requests_bytes("");
    if ((count > 1) + span->is_prefix + span->is_from_key > 1) {
        return say("only one of RANGE_END, --prefix and --from-key can be given", "");
    }
    if (span->is_prefix) {
        span->range_end = end_of_prefix(span->key, arena);
    } else if (span->is_from_key) {
        span->range_end = (ProtobufCBinaryData){.len = 1, .data = zero};
    }
    if ((span->is_prefix || span->is_from_key) && span->key.len == 0) {
        span->key = (ProtobufCBinaryData){.len = 1, .data = zero}; /* There is no empty key. */
    }
    return 0;
}

size_t requests_put_rows(struct put_words *words, struct option_row rows[PUT_ROWS])
{
    rows[0] = option_switch("prev-kv", &words->wants_previous, "also show what was there");
    rows[1] = option_switch("ignore-value", &words->ignores_value, "keep the value");
    rows[2] = option_switch("ignore-lease", &words->ignores_lease, "keep the lease");
    rows[3] = option_text("lease", &words->lease, "ID", "hang it on this lease (hexadecimal)");
    return PUT_ROWS;
}

int requests_put(const struct put_words *words, const char *const *arguments, int count,
                 Etcdserverpb__PutRequest *to)
{
    etcdserverpb__put_request__init(to);
    to->key = requests_bytes(arguments[0]);
    to->value = count > 1 ? requests_bytes(arguments[1]) : requests_bytes("");
    to->prev_kv = words->wants_previous;
    to->ignore_value = words->ignores_value;
    to->ignore_lease = words->ignores_lease;
    if (words->lease[0] != '\0') {
        char *end;
        errno = 0;
        to->lease = (int64_t)strtoull(words->lease, &end, 16);
        if (errno != 0 || *end != '\0' || words->lease[0] == '-') {
            return say("not a lease's number in hexadecimal: ", words->lease);
        }
    }
    return 0;
}

/* The place of `word` in `words`, whatever its case; -1: it is none of them. */
static int find_word(const char *word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

size_t requests_get_rows(struct get_words *words, struct option_row rows[GET_ROWS])
{
    const struct option_row all[GET_ROWS] = {
        option_switch("prefix", &words->is_prefix, "all keys that begin with KEY"),
        option_switch("from-key", &words->is_from_key, "all keys from KEY on"),
        option_number("limit", &words->limit, "at most so many keys"),
        option_text("sort-by", &words->sort_by, "WHAT", "KEY, VERSION, CREATE, MODIFY or VALUE"),
        option_text("order", &words->order, "WHICH", "ASCEND or DESCEND"),
        option_number("rev", &words->revision, "as it was at this revision"),
        option_switch("keys-only", &words->is_keys_only, "no values"),
        option_switch("count-only", &words->is_count_only, "only how many there are"),
        option_number("min-mod-rev", &words->min_mod_revision, "changed at it or later"),
        option_number("max-mod-rev", &words->max_mod_revision, "changed at it or earlier"),
        option_number("min-create-rev", &words->min_create_revision, "created at it or later"),
        option_number("max-create-rev", &words->max_create_revision, "created at it or earlier"),
        option_switch("serializable", &words->is_serializable,
                      "ask one member alone, which may be behind"),
        option_text("consistency", &words->consistency, "WHICH",
                    "l (linearizable) or s (serializable), as etcdctl has it"),
    };
    memcpy(rows, all, sizeof all);
    return GET_ROWS;
}

int requests_get(const struct get_words *words, const char *const *arguments, int count,
                 struct arena *arena, Etcdserverpb__RangeRequest *to)
{
    static const char *const targets[] = {"KEY", "VERSION", "CREATE", "MODIFY", "VALUE", NULL};
    static const char *const orders[] = {"", "ASCEND", "DESCEND", NULL};
    static const char *const consistencies[] = {"", "l", "s", NULL};
    struct span span = {.is_prefix = words->is_prefix, .is_from_key = words->is_from_key};
    const int target = words->sort_by[0] == '\0' ? 0 : find_word(words->sort_by, targets);
    const int order = find_word(words->order, orders);
    const int consistency = find_word(words->consistency, consistencies);
    if (target < 0) {
        return say("--sort-by is KEY, VERSION, CREATE, MODIFY or VALUE, not ", words->sort_by);
    }
    if (order < 0) {
        return say("--order is ASCEND or DESCEND, not ", words->order);
    }
    if (consistency < 0) {
        return say("--consistency is l or s, not ", words->consistency);
    }
    if (parse_span(&span, arguments, count, arena) != 0) {
        return -1;
    }
    etcdserverpb__range_request__init(to);
    to->key = span.key;
    to->range_end = span.range_end;
    to->limit = words->limit;
    to->revision = words->revision;
    to->sort_order = (Etcdserverpb__RangeRequest__SortOrder)order;
    to->sort_target = (Etcdserverpb__RangeRequest__SortTarget)target;
    to->serializable = words->is_serializable || consistency == 2;
    to->keys_only = words->is_keys_only;
    to->count_only = words->is_count_only;
    to->min_mod_revision = words->min_mod_revision;
    to->max_mod_revision = words->max_mod_revision;
    to->min_create_revision = words->min_create_revision;
    to->max_create_revision = words->max_create_revision;
    return 0;
}

size_t requests_del_rows(struct del_words *words, struct option_row rows[DEL_ROWS])
{
    rows[0] = option_switch("prefix", &words->is_prefix, "all keys that begin with KEY");
    rows[1] = option_switch("from-key", &words->is_from_key, "all keys from KEY on");
    rows[2] = option_switch("prev-kv", &words->wants_previous, "also show what was deleted");
    return DEL_ROWS;
}

int requests_del(const struct del_words *words, const char *const *arguments, int count,
                 struct arena *arena, Etcdserverpb__DeleteRangeRequest *to)
{
    struct span span = {.is_prefix = words->is_prefix, .is_from_key = words->is_from_key};
    if (parse_span(&span, arguments, count, arena) != 0) {
        return -1;
    }
    etcdserverpb__delete_range_request__init(to);
    to->key = span.key;
    to->range_end = span.range_end;
    to->prev_kv = words->wants_previous;
    return 0;
}
