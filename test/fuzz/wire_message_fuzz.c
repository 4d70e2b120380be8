/* wire_message_fuzz.c -- a message between members, as bytes from anybody.
 *
 * What is taken for a message has one encoding, so writing it again gives the bytes that came. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "synod/core.h"
#include "wire/wire.h"

enum {
    ENTRIES_MAX = 8
};

/* The values lie behind the head, one after the other, and end with the body. */
static void check_values(struct bytes body, const struct synod_message *m,
                         const struct bytes *values)
{
    const uint8_t *at = body.data + wire_head_size(m);
    const uint32_t count = m->entry_count + m->vote_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct synod_entry *entry = m->entry_count > 0 ? &m->entries[i] : &m->votes[i].entry;
        assert(values[i].data == at && values[i].size == entry->size);
        at += entry->size;
    }
    assert(at == body.data + body.size);
}

static void check_encoding(struct bytes body, const struct synod_message *m)
{
    const size_t size = wire_head_size(m);
    assert(size <= body.size);
    uint8_t *head = malloc(size);
    assert(head != NULL);
    wire_encode_head(m, head);
    assert(bytes_equal(bytes_of(head, size), bytes_of(body.data, size)));
    free(head);
}

FUZZ(wire_message)
{
    struct synod_entry entries[ENTRIES_MAX];
    struct synod_vote votes[ENTRIES_MAX];
    struct bytes values[ENTRIES_MAX];
    const struct wire_arrays arrays = {entries, votes, values, ENTRIES_MAX, ENTRIES_MAX};
    struct synod_message message;
    struct synod_options options;

    if (wire_decode(input, &arrays, &message) != NULL) {
        return;
    }
    check_encoding(input, &message);
    if (wire_has_values(message.type)) {
        check_values(input, &message, values);
    }
    synod_options_init(&options);
    options.self = 1;
    options.view = 1;
    options.members =
        (struct synod_members){.count = 3, .phase1 = 2, .phase2 = 2, .ids = {1, 2, 3}};
    message.from = 2;
    message.to = 1;
    (void)synod_message_is_valid(&message, &options);
}
