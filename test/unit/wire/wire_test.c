/* wire_test.c -- messages to bytes and back, and what becomes of bytes that are no message. */
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "test.h"

enum {
    ENTRIES = 4,
    BODY_MAX = 4096
};

struct arrays {
    struct synod_entry entries[ENTRIES];
    struct synod_vote votes[ENTRIES];
    struct bytes values[ENTRIES];
    struct wire_arrays wire;
};

static void arrays_init(struct arrays *arrays)
{
    *arrays = (struct arrays){0};
    arrays->wire = (struct wire_arrays){.entries = arrays->entries,
                                        .votes = arrays->votes,
                                        .values = arrays->values,
                                        .entry_max = ENTRIES,
                                        .vote_max = ENTRIES};
}

static struct synod_ballot draw_ballot(struct prng *prng)
{
    return (struct synod_ballot){prng_next(prng), prng_next(prng), prng_next(prng)};
}

static struct synod_entry draw_entry(struct prng *prng)
{
    return (struct synod_entry){.slot = prng_next(prng),
                                .view = prng_next(prng),
                                .checksum = prng_next(prng),
                                .size = (uint32_t)prng_below(prng, 100),
                                .kind = (uint32_t)prng_next(prng)};
}

/* A message with something in every field, and what it points to. */
struct sample {
    struct synod_message message;
    struct synod_entry entries[ENTRIES];
    struct synod_vote votes[ENTRIES];
    uint8_t body[BODY_MAX];
    size_t size;
};

static void draw_sample(struct sample *s, enum synod_message_type type, struct prng *prng)
{
    struct synod_message *m = &s->message;
    *s = (struct sample){0};
    *m = (struct synod_message){
        .type = type,
        .view = prng_next(prng),
        .ballot = draw_ballot(prng),
        .promised = draw_ballot(prng),
        .slot = prng_next(prng),
        .until = prng_next(prng),
        .chosen = prng_next(prng),
        .id = prng_next(prng),
        .status = {draw_ballot(prng), prng_next(prng), (uint32_t)prng_next(prng)},
        .entries = s->entries,
        .votes = s->votes,
    };
    const uint32_t count = (uint32_t)prng_below(prng, ENTRIES + 1);
    m->vote_count = type == SYNOD_MESSAGE_PROMISE ? count : 0;
    m->entry_count = type == SYNOD_MESSAGE_PROMISE ? 0 : count;
    for (uint32_t i = 0; i < count; i++) {
        s->entries[i] = draw_entry(prng);
        s->votes[i] =
            (struct synod_vote){draw_ballot(prng), draw_entry(prng), (uint32_t)prng_below(prng, 2)};
    }
    s->size = wire_head_size(m);
    wire_encode_head(m, s->body);
    for (uint32_t i = 0; i < count && wire_has_values(type); i++) {
        const uint32_t size = m->vote_count > 0 ? s->votes[i].entry.size : s->entries[i].size;
        memset(s->body + s->size, (int)i + 1, size);
        s->size += size;
    }
}

static void assert_same_ballot(struct synod_ballot left, struct synod_ballot right)
{
    assert_int_equal(synod_ballot_compare(left, right), 0);
}

static void assert_same_entry(const struct synod_entry *sent, const struct synod_entry *got,
                              struct bytes value, uint32_t number, int has_value)
{
    assert_true(synod_entry_equal(sent, got));
    assert_int_equal(got->handle, 0);
    if (has_value) {
        assert_int_equal(value.size, sent->size);
        for (size_t i = 0; i < value.size; i++) {
            assert_int_equal(value.data[i], number + 1);
        }
    }
}

static void assert_same(const struct sample *s, const struct synod_message *got,
                        const struct arrays *arrays)
{
    const struct synod_message *m = &s->message;
    const int has_values = wire_has_values(m->type);
    assert_int_equal(got->type, m->type);
    assert_int_equal(got->view, m->view);
    assert_same_ballot(got->ballot, m->ballot);
    assert_same_ballot(got->promised, m->promised);
    assert_same_ballot(got->status.leader, m->status.leader);
    assert_int_equal(got->status.last, m->status.last);
    assert_int_equal(got->status.flags, m->status.flags);
    assert_int_equal(got->slot, m->slot);
    assert_int_equal(got->until, m->until);
    assert_int_equal(got->chosen, m->chosen);
    assert_int_equal(got->id, m->id);
    assert_int_equal(got->entry_count, m->entry_count);
    assert_int_equal(got->vote_count, m->vote_count);
    assert_int_equal(got->after_lsn, 0);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        assert_same_entry(&m->entries[i], &got->entries[i], arrays->values[i], i, has_values);
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        assert_same_ballot(m->votes[i].ballot, got->votes[i].ballot);
        assert_int_equal(m->votes[i].is_chosen, got->votes[i].is_chosen);
        assert_same_entry(&m->votes[i].entry, &got->votes[i].entry, arrays->values[i], i,
                          has_values);
    }
}

TEST(wire, gives_every_type_of_message_back_as_it_was)
{
    struct prng prng = {.state = 1};
    for (int type = SYNOD_MESSAGE_PREPARE; type < SYNOD_MESSAGE_TYPE_END; type++) {
        for (int i = 0; i < 50; i++) {
            struct sample s;
            struct arrays arrays;
            struct synod_message got;
            draw_sample(&s, (enum synod_message_type)type, &prng);
            arrays_init(&arrays);
            assert_null(wire_decode(bytes_of(s.body, s.size), &arrays.wire, &got));
            assert_same(&s, &got, &arrays);
        }
    }
}

/* Each prefix is in memory of its own size, so that a sanitizer sees a read beyond it. */
TEST(wire, refuses_a_message_cut_at_any_byte)
{
    struct prng prng = {.state = 2};
    for (int type = SYNOD_MESSAGE_PREPARE; type < SYNOD_MESSAGE_TYPE_END; type++) {
        struct sample s;
        draw_sample(&s, (enum synod_message_type)type, &prng);
        for (size_t size = 0; size < s.size; size++) {
            struct arrays arrays;
            struct synod_message got;
            uint8_t *body = malloc(size + (size == 0));
            assert_non_null(body);
            memcpy(body, s.body, size);
            arrays_init(&arrays);
            assert_non_null(wire_decode(bytes_of(body, size), &arrays.wire, &got));
            free(body);
        }
    }
}

TEST(wire, refuses_a_message_with_a_byte_too_many)
{
    struct prng prng = {.state = 3};
    for (int type = SYNOD_MESSAGE_PREPARE; type < SYNOD_MESSAGE_TYPE_END; type++) {
        struct sample s;
        struct arrays arrays;
        struct synod_message got;
        draw_sample(&s, (enum synod_message_type)type, &prng);
        arrays_init(&arrays);
        assert_non_null(wire_decode(bytes_of(s.body, s.size + 1), &arrays.wire, &got));
    }
}

/* A flipped bit gives a refusal or another message that can be encoded again, never a crash. */
TEST(wire, survives_every_flipped_bit)
{
    struct prng prng = {.state = 4};
    for (int type = SYNOD_MESSAGE_PREPARE; type < SYNOD_MESSAGE_TYPE_END; type++) {
        struct sample s;
        draw_sample(&s, (enum synod_message_type)type, &prng);
        for (size_t bit = 0; bit < 8 * s.size; bit++) {
            struct arrays arrays;
            struct synod_message got;
            uint8_t *body = malloc(s.size);
            uint8_t again[BODY_MAX];
            assert_non_null(body);
            memcpy(body, s.body, s.size);
            body[bit / 8] ^= (uint8_t)(1u << bit % 8);
            arrays_init(&arrays);
            if (wire_decode(bytes_of(body, s.size), &arrays.wire, &got) == NULL) {
                const size_t head = wire_head_size(&got);
                assert_true(head <= s.size);
                wire_encode_head(&got, again);
                assert_memory_equal(again, body, head);
            }
            free(body);
        }
    }
}

static const char *decode_with(struct sample *s, size_t at, uint32_t value)
{
    struct arrays arrays;
    struct synod_message got;
    arrays_init(&arrays);
    put_u32(s->body + at, value);
    return wire_decode(bytes_of(s->body, s->size), &arrays.wire, &got);
}

static void draw_full(struct sample *s, enum synod_message_type type)
{
    struct prng prng = {.state = 5};
    do {
        draw_sample(s, type, &prng);
    } while (s->message.entry_count + s->message.vote_count != ENTRIES);
}

TEST(wire, says_what_is_wrong)
{
    struct sample s;
    draw_full(&s, SYNOD_MESSAGE_ACCEPT);
    assert_string_equal(decode_with(&s, 0, 0), "a message of an unknown type");
    assert_string_equal(decode_with(&s, 0, SYNOD_MESSAGE_TYPE_END), "a message of an unknown type");
    draw_full(&s, SYNOD_MESSAGE_ACCEPT);
    assert_string_equal(decode_with(&s, 4, ENTRIES + 1),
                        "a message with too many entries or votes");
    assert_string_equal(decode_with(&s, 4, UINT32_MAX), "a message with too many entries or votes");
    draw_full(&s, SYNOD_MESSAGE_PROMISE);
    assert_string_equal(decode_with(&s, 8, ENTRIES + 1),
                        "a message with too many entries or votes");
    draw_full(&s, SYNOD_MESSAGE_PROMISE);
    assert_string_equal(decode_with(&s, 4, 1), "a message with too many entries or votes");
    draw_full(&s, SYNOD_MESSAGE_PROMISE);
    assert_string_equal(decode_with(&s, WIRE_FIXED_SIZE + 24, 2),
                        "a vote with bits that mean nothing");
    draw_full(&s, SYNOD_MESSAGE_PROMISE);
    assert_string_equal(decode_with(&s, WIRE_FIXED_SIZE + 28, 1),
                        "a vote with bits that mean nothing");
    draw_full(&s, SYNOD_MESSAGE_ACCEPT);
    assert_string_equal(decode_with(&s, WIRE_FIXED_SIZE + 24, UINT32_MAX),
                        "a message whose length is not what its entries add up to");
    draw_full(&s, SYNOD_MESSAGE_ACCEPT);
    assert_string_equal(decode_with(&s, 136, 1),
                        "a message whose length is not what its entries add up to");
    draw_full(&s, SYNOD_MESSAGE_ACCEPT);
    assert_string_equal(decode_with(&s, 144, 1),
                        "a message whose length is not what its entries add up to");
}

TEST(wire, carries_values_only_where_they_are_needed)
{
    struct sample s;
    draw_full(&s, SYNOD_MESSAGE_ACCEPTED);
    assert_int_equal(s.size, wire_head_size(&s.message));
    assert_false(wire_has_values(SYNOD_MESSAGE_ACCEPTED));
    assert_true(wire_has_values(SYNOD_MESSAGE_ACCEPT));
    assert_true(wire_has_values(SYNOD_MESSAGE_LEARN));
    assert_true(wire_has_values(SYNOD_MESSAGE_PROMISE));
}
