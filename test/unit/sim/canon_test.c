/* canon_test.c -- a core in canonical form goes on as the other would have.
 *
 * Three cores as they are and three that are brought into the form after each step live through
 * the same, chance apart, which neither is left. */
#include "sim/explore/canon.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "paxos/core_internal.h"
#include "sim/explore/scope.h"
#include "test.h"

enum {
    MEMBERS = 3,
    STROKES = 300,
    SEEDS = 60,
    PACKETS_MAX = 256,
    CONTENT_MAX = 4,
};

static const struct scope SCOPE = {
    .name = "canon", .members = MEMBERS, .slots = 3, .messages = UINT32_MAX};

struct content {
    struct synod_message message;
    struct synod_entry entries[CONTENT_MAX];
    struct synod_vote votes[CONTENT_MAX];
};

struct twin {
    struct synod_core *raw;
    struct synod_core *formed;
    uint64_t raw_ms; /* Its own time; the other's stands still. */
};

struct twins {
    struct twin members[MEMBERS];
    struct synod_effects *raw_effects;
    struct synod_effects *formed_effects;
    void *scratch;
    size_t core_size;
    struct content packets[PACKETS_MAX];
    uint32_t packet_count;
    uint64_t value;
    struct prng prng;
};

static void clear_chance(struct synod_core *core)
{
    core->election.prng.state = 1;
    core->election.failures = 0;
}

static synod_lsn waits_for(const struct synod_core *core, synod_lsn lsn)
{
    return lsn > core->durable ? lsn - core->durable : 0;
}

static void expect_same_message(const struct twin *twin, const struct synod_message *raw,
                                const struct synod_message *formed)
{
    assert_int_equal(raw->type, formed->type);
    assert_int_equal(raw->to, formed->to);
    assert_int_equal(synod_ballot_compare(raw->ballot, formed->ballot), 0);
    assert_int_equal(synod_ballot_compare(raw->promised, formed->promised), 0);
    assert_int_equal(raw->slot, formed->slot);
    assert_int_equal(raw->until, formed->until);
    assert_int_equal(raw->chosen, formed->chosen);
    assert_int_equal(raw->id, formed->id);
    assert_int_equal(raw->status.flags, formed->status.flags);
    assert_int_equal(raw->status.last, formed->status.last);
    assert_int_equal(raw->entry_count, formed->entry_count);
    assert_int_equal(raw->vote_count, formed->vote_count);
    assert_int_equal(waits_for(twin->raw, raw->after_lsn),
                     waits_for(twin->formed, formed->after_lsn));
    for (uint32_t i = 0; i < raw->entry_count; i++) {
        assert_true(synod_entry_equal(&raw->entries[i], &formed->entries[i]));
    }
    for (uint32_t i = 0; i < raw->vote_count; i++) {
        assert_true(synod_entry_equal(&raw->votes[i].entry, &formed->votes[i].entry));
        assert_int_equal(raw->votes[i].is_chosen, formed->votes[i].is_chosen);
    }
}

static void keep_packet(struct twins *twins, const struct synod_message *message)
{
    const uint32_t at = twins->packet_count < PACKETS_MAX
                            ? twins->packet_count++
                            : (uint32_t)prng_below(&twins->prng, PACKETS_MAX);
    struct content *packet = &twins->packets[at];
    packet->message = *message;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        packet->entries[i] = message->entries[i];
    }
    for (uint32_t i = 0; i < message->vote_count; i++) {
        packet->votes[i] = message->votes[i];
    }
}

/* The raw core, brought into the form, is the formed one, byte for byte. */
static void expect_same_core(const struct twins *twins, const struct twin *twin)
{
    memcpy(twins->scratch, twin->raw, twins->core_size);
    canon_core(twins->scratch, 1);
    assert_memory_equal(twins->scratch, twin->formed, twins->core_size);
}

/* Both take the event, `leap_ms` after their last one. */
static void step(struct twins *twins, uint32_t member, struct synod_event event, uint64_t leap_ms)
{
    struct twin *twin = &twins->members[member];
    const struct synod_effects *raw = twins->raw_effects;
    const struct synod_effects *formed = twins->formed_effects;
    struct synod_event other = event;
    clear_chance(twin->raw);
    clear_chance(twin->formed);
    twin->raw_ms += leap_ms;
    event.now_ms = twin->raw_ms;
    other.now_ms = CANON_NOW_MS + (leap_ms == 0 ? 0 : CANON_LEAP_MS);
    if (event.type == SYNOD_EVENT_DURABLE) {
        event.lsn = twin->raw->lsn;
        other.lsn = twin->formed->lsn;
    }
    const int error = synod_core_step(twin->raw, &event, twins->raw_effects);
    assert_int_equal(synod_core_step(twin->formed, &other, twins->formed_effects), error);

    assert_int_equal(raw->record_count, formed->record_count);
    assert_int_equal(raw->message_count, formed->message_count);
    assert_int_equal(raw->chosen_count, formed->chosen_count);
    assert_int_equal(raw->serve_count, formed->serve_count);
    assert_int_equal(raw->read_count, formed->read_count);
    for (uint32_t i = 0; i < raw->message_count; i++) {
        expect_same_message(twin, &raw->messages[i], &formed->messages[i]);
        keep_packet(twins, &raw->messages[i]);
    }
    canon_core(twin->formed, 1);
    expect_same_core(twins, twin);
}

static void deliver(struct twins *twins)
{
    if (twins->packet_count > 0) {
        const uint32_t at = (uint32_t)prng_below(&twins->prng, twins->packet_count);
        struct content packet = twins->packets[at];
        packet.message.entries = packet.entries;
        packet.message.votes = packet.votes;
        step(twins, (uint32_t)packet.message.to - 1,
             (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &packet.message}, 0);
    }
}

static void propose(struct twins *twins, uint32_t member)
{
    const uint64_t value = ++twins->value;
    const struct synod_entry entry = {
        .kind = SYNOD_ENTRY_VALUE, .size = 8, .checksum = value, .handle = value};
    step(twins, member, (struct synod_event){.type = SYNOD_EVENT_PROPOSE, .entry = &entry}, 0);
}

static void stroke(struct twins *twins)
{
    const uint32_t member = (uint32_t)prng_below(&twins->prng, MEMBERS);
    const uint64_t choice = prng_below(&twins->prng, 100);
    if (choice < 60) {
        deliver(twins);
    } else if (choice < 75) {
        step(twins, member, (struct synod_event){.type = SYNOD_EVENT_DURABLE}, 0);
    } else if (choice < 80) {
        step(twins, member, (struct synod_event){.type = SYNOD_EVENT_STAND}, 0);
    } else if (choice < 90) {
        propose(twins, member);
    } else if (choice < 93) {
        step(twins, member, (struct synod_event){.type = SYNOD_EVENT_READ, .id = ++twins->value},
             0);
    } else if (choice < 97) {
        step(twins, member, (struct synod_event){.type = SYNOD_EVENT_TICK}, 0);
    } else {
        const uint64_t more_ms = prng_below(&twins->prng, 100000);
        step(twins, member, (struct synod_event){.type = SYNOD_EVENT_TICK},
             CANON_LEAP_MS + more_ms);
    }
}

static void live(uint64_t seed)
{
    struct twins *twins = calloc(1, sizeof *twins);
    struct synod_options options = scope_options(&SCOPE, 0);
    twins->prng.state = seed;
    twins->core_size = synod_core_size(&options);
    twins->scratch = calloc(1, twins->core_size);
    twins->raw_effects = synod_effects_init(calloc(1, synod_effects_size(&options)), &options);
    twins->formed_effects = synod_effects_init(calloc(1, synod_effects_size(&options)), &options);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct twin *twin = &twins->members[i];
        options = scope_options(&SCOPE, i);
        twin->raw = synod_core_init(calloc(1, twins->core_size), &options);
        twin->formed = synod_core_init(calloc(1, twins->core_size), &options);
        twin->raw_ms = 10000000 + prng_below(&twins->prng, 1000000);
        step(twins, i, (struct synod_event){.type = SYNOD_EVENT_START, .id = UINT64_C(1) << 32}, 0);
    }
    for (uint32_t i = 0; i < STROKES; i++) {
        stroke(twins);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        free(twins->members[i].raw);
        free(twins->members[i].formed);
    }
    free(twins->scratch);
    free(twins->raw_effects);
    free(twins->formed_effects);
    free(twins);
}

TEST(canon, goes_on_as_the_other_would_have)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        live(seed);
    }
}
