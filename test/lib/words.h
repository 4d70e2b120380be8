/* words.h -- records and messages as people would tell them, for transcripts and tests. */
#ifndef TEST_WORDS_H
#define TEST_WORDS_H

#include "synod/core.h"

struct words {
    const char *names;         /* One letter per member, in the order of their ids. */
    const char *const *values; /* By handle; NULL, or a NULL in it, and they are called v1, v2. */
    size_t value_count;
};

/* Each writes a phrase to `text`, a terminated string of at most `size` bytes, and returns it. */
char *words_ballot(const struct words *words, struct synod_ballot ballot, char *text, size_t size);
char *words_entry(const struct words *words, const struct synod_entry *entry, char *text,
                  size_t size);
char *words_record(const struct words *words, const struct synod_record *record, char *text,
                   size_t size);
char *words_message(const struct words *words, const struct synod_message *message, char *text,
                    size_t size);

/* The one word for a type of message: "prepare". */
const char *words_type(enum synod_message_type type);

#endif /* TEST_WORDS_H */
