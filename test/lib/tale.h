/* tale.h -- records and messages as people would tell them, for transcripts and tests. */
#ifndef TEST_TALE_H
#define TEST_TALE_H

#include "synod/core.h"

struct tale {
    const char *names;         /* One letter per member, in the order of their ids. */
    const char *const *values; /* By checksum; where NULL, values are called v1, v2. */
    size_t value_count;
};

/* Each writes a phrase to `text`, a terminated string of at most `size` bytes, and returns it. */
char *tale_ballot(const struct tale *tale, struct synod_ballot ballot, char *text, size_t size);
char *tale_entry(const struct tale *tale, const struct synod_entry *entry, char *text, size_t size);
char *tale_record(const struct tale *tale, const struct synod_record *record, char *text,
                  size_t size);
char *tale_message(const struct tale *tale, const struct synod_message *message, char *text,
                   size_t size);

/* The one word for a type of message: "prepare". */
const char *tale_type(enum synod_message_type type);

#endif /* TEST_TALE_H */
