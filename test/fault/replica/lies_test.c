/* lies_test.c -- a member sends what no member would send, and what comes too late or twice.
 *
 * The first is dropped with its connection, the second is ignored; after both, everybody goes on,
 * and nothing is applied that was not submitted, or twice. Lies that the protocol cannot know for
 * lies are another matter: members trust each other that far. */
#include <stdlib.h>
#include <string.h>

#include "liar.h"
#include "test.h"

/* A bundle with one command, which is the next of the rig's: nobody has submitted it. */
static struct bytes bundle_of(struct stage *stage, synod_member_id origin, uint64_t start,
                              uint64_t sequence)
{
    static uint8_t bytes[256];
    uint8_t command[8];
    put_u64(command, ++stage->rig->commands);
    const size_t size = wire_command_size(sizeof command);
    const struct wire_bundle bundle = {.origin = origin,
                                       .incarnation = start << 32 | 1,
                                       .sequence = sequence,
                                       .low = sequence,
                                       .count = 1,
                                       .commands = {.size = size}};
    memset(bytes, 0, sizeof bytes);
    wire_encode_bundle(&bundle, bytes);
    wire_encode_command(1, bytes_of(command, sizeof command), bytes + WIRE_BUNDLE_SIZE);
    return bytes_of(bytes, WIRE_BUNDLE_SIZE + size);
}

/* -- Lies ----------------------------------------------------------------------------------- */

TEST(replica, drops_a_member_whose_frames_are_not_of_their_type)
{
    static const uint8_t bytes[200] = {1, 2, 3};
    struct stage stage;
    stage_begin(&stage);
    for (uint32_t type = FRAME_MESSAGE; type <= FRAME_SNAPSHOT_PIECE; type++) {
        for (size_t size = 0; size <= 7; size += 7) {
            if (!is_dropped_for(&stage, (uint16_t)type, 0, bytes_of(bytes, size))) {
                fail_msg("a frame of type %u with %zu bytes was taken", type, size);
            }
        }
    }
    assert_true(is_dropped_for(&stage, FRAME_MESSAGE, 0, bytes_of(bytes, sizeof bytes)));
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, bytes_of(bytes, sizeof bytes)));
    assert_true(is_dropped_for(&stage, FRAME_READ, 0, bytes_of(bytes, 17)));
    assert_true(is_dropped_for(&stage, FRAME_READ_INDEX, 0, bytes_of(bytes, 16)));
    assert_true(is_dropped_for(&stage, FRAME_READ_INDEX + 1, 0, bytes_of(bytes, 0)));
    assert_true(is_dropped_for(&stage, FRAME_ALIVE, 1, bytes_of(bytes, 0)));
    stage_end(&stage);
}

/* Messages that are whole, and that no member would send. */
static int is_dropped_for_message(struct stage *stage, const struct synod_message *message,
                                  struct bytes value)
{
    const size_t size = wire_head_size(message);
    uint8_t *body = malloc(size + value.size);
    assert_non_null(body);
    wire_encode_head(message, body);
    if (value.size > 0) {
        memcpy(body + size, value.data, value.size);
    }
    const int is_dropped =
        is_dropped_for(stage, FRAME_MESSAGE, 0, bytes_of(body, size + value.size));
    free(body);
    return is_dropped;
}

static struct synod_message message_of(const struct stage *stage, enum synod_message_type type)
{
    return (struct synod_message){.type = type,
                                  .from = replica_of(stage, stage->liar)->identity,
                                  .to = replica_of(stage, stage->victim)->identity,
                                  .view = 1};
}

TEST(replica, drops_a_member_whose_messages_are_impossible)
{
    struct stage stage;
    stage_begin(&stage);
    struct synod_message message = message_of(&stage, SYNOD_MESSAGE_PREPARE);
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* No ballot. */
    message.ballot = (struct synod_ballot){9, replica_of(&stage, stage.victim)->identity, 1};
    message.slot = 1;
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* Not its own. */
    message = message_of(&stage, SYNOD_MESSAGE_NOTICE);
    message.ballot = (struct synod_ballot){9, 4711, 1};
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* Nobody's. */
    stage_end(&stage);
}

TEST(replica, drops_a_member_whose_values_are_not_what_they_are_said_to_be)
{
    struct stage stage;
    stage_begin(&stage);
    struct synod_message learn = message_of(&stage, SYNOD_MESSAGE_LEARN);
    const synod_slot next = replica_of(&stage, stage.victim)->applied + 1;
    const struct bytes nonsense = bytes_of_text("these are not commands");
    struct synod_entry entry = {.slot = next,
                                .view = 1,
                                .kind = SYNOD_ENTRY_VALUE,
                                .size = (uint32_t)nonsense.size,
                                .checksum = value_checksum(nonsense) + 1};
    learn.entries = &entry;
    learn.entry_count = 1;
    assert_true(is_dropped_for_message(&stage, &learn, nonsense));
    entry.checksum--;
    assert_true(is_dropped_for_message(&stage, &learn, nonsense));
    entry.slot = 1; /* What was applied long ago is not looked at again. */
    assert_false(is_dropped_for_message(&stage, &learn, nonsense));
    stage_end(&stage);
}

/* A bundle of that many bytes with one command; to be freed. */
static struct bytes large_bundle(const struct stage *stage, size_t size, uint64_t sequence)
{
    uint8_t *bytes = calloc(1, size);
    uint8_t *command = calloc(1, size);
    assert_non_null(bytes);
    assert_non_null(command);
    const struct wire_bundle bundle = {.origin = replica_of(stage, stage->liar)->identity,
                                       .incarnation = (uint64_t)2 << 32 | 1,
                                       .sequence = sequence,
                                       .low = sequence,
                                       .count = 1,
                                       .commands = {.size = size - WIRE_BUNDLE_SIZE}};
    wire_encode_bundle(&bundle, bytes);
    wire_encode_command(1, bytes_of(command, size - WIRE_BUNDLE_SIZE - wire_command_size(0)),
                        bytes + WIRE_BUNDLE_SIZE);
    free(command);
    return bytes_of(bytes, size);
}

static struct synod_entry entry_of(struct bytes value, synod_slot slot)
{
    return (struct synod_entry){.slot = slot,
                                .view = 1,
                                .kind = SYNOD_ENTRY_VALUE,
                                .size = (uint32_t)value.size,
                                .checksum = value_checksum(value)};
}

/* What comes in the largest frame fits into no other, with what goes before it there: a leader
 * could not propose it, and who has voted for it could make no promise any more. */
TEST(replica, drops_a_member_whose_values_no_message_could_carry_on)
{
    struct stage stage;
    stage_begin(&stage);
    struct synod_message accept = message_of(&stage, SYNOD_MESSAGE_ACCEPT);
    const struct bytes forwarded = large_bundle(&stage, REPLICA_FRAME_BYTES_MAX, 1);
    const struct bytes proposed =
        large_bundle(&stage, REPLICA_FRAME_BYTES_MAX - WIRE_FIXED_SIZE - WIRE_ENTRY_SIZE, 1);
    const struct synod_entry entry =
        entry_of(proposed, replica_of(&stage, stage.victim)->applied + 1);
    accept.ballot = (struct synod_ballot){1000, accept.from, 1};
    accept.entries = &entry;
    accept.entry_count = 1;
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, forwarded));
    assert_true(is_dropped_for_message(&stage, &accept, proposed));
    free((void *)(uintptr_t)forwarded.data);
    free((void *)(uintptr_t)proposed.data);
    stage_end(&stage);
}

static uint64_t bytes_not_applied(const struct replica *r)
{
    uint64_t bytes = 0;
    for (synod_slot slot = r->applied + 1; slot < r->log.end; slot++) {
        for (const struct value *value = log_at(&r->log, slot)->values; value != NULL;
             value = value->next) {
            bytes += value->size;
        }
    }
    return bytes;
}

/* One after the other for the same slot: refused, for the ballot is a low one. */
TEST(replica, keeps_no_value_that_it_did_not_take)
{
    enum {
        SIZE = 10000
    };
    struct stage stage;
    stage_begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    struct synod_message accept = message_of(&stage, SYNOD_MESSAGE_ACCEPT);
    accept.ballot = (struct synod_ballot){1, accept.from, 1};
    accept.entry_count = 1;
    for (uint64_t i = 0; i < 5; i++) {
        const struct bytes value = large_bundle(&stage, SIZE, 100 + i);
        const struct synod_entry entry = entry_of(value, victim->applied + 2);
        accept.entries = &entry;
        assert_false(is_dropped_for_message(&stage, &accept, value));
        assert_true(bytes_not_applied(victim) < SIZE);
        free((void *)(uintptr_t)value.data);
    }
    stage_end(&stage);
}

/* The first value is good, and the next is not: the message is refused, and with it the first. */
TEST(replica, keeps_no_value_of_a_message_that_goes_wrong_further_on)
{
    enum {
        SIZE = 10000
    };
    static uint8_t both[2 * SIZE];
    struct stage stage;
    stage_begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    struct synod_message learn = message_of(&stage, SYNOD_MESSAGE_LEARN);
    learn.entry_count = 2;
    for (uint64_t i = 0; i < 5; i++) {
        const struct bytes value = large_bundle(&stage, SIZE, 100 + i);
        struct synod_entry entries[2] = {entry_of(value, victim->applied + 2),
                                         entry_of(value, victim->applied + 3)};
        entries[1].checksum++;
        memcpy(both, value.data, SIZE);
        memcpy(both + SIZE, value.data, SIZE);
        learn.entries = entries;
        assert_true(is_dropped_for_message(&stage, &learn, bytes_of(both, sizeof both)));
        assert_true(bytes_not_applied(victim) < SIZE);
        free((void *)(uintptr_t)value.data);
    }
    stage_end(&stage);
}

TEST(replica, drops_a_member_that_forwards_commands_of_ours_or_of_nobody)
{
    struct stage stage;
    stage_begin(&stage);
    const synod_member_id ours = replica_of(&stage, stage.victim)->identity;
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, ours, 1, 1)));
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, 4711, 1, 1)));
    stage_end(&stage);
}

/* -- Too late, or twice ----------------------------------------------------------------------- */

TEST(replica, applies_a_bundle_that_is_forwarded_twice_once)
{
    struct stage stage;
    stage_begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    const struct bytes bundle = bundle_of(&stage, own, 2, 7);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    stage_end(&stage); /* Which looks for commands that are there twice. */
}

/* The second time the victim does not lead any more, and whoever does has not seen the bundle. */
TEST(replica, does_not_pass_on_what_it_has_proposed)
{
    struct stage stage;
    stage_begin(&stage);
    const uint32_t third = 3 - stage.victim - stage.liar;
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    const struct bytes bundle = bundle_of(&stage, own, 2, 7);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    let_lead(&stage, third);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    stage_end(&stage);
}

/* Its origin leads by the time that it comes, and would take its own bundle for a lie. */
TEST(replica, does_not_pass_on_to_where_it_came_from)
{
    struct stage stage;
    stage_begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = drops_of(&stage, stage.liar, stage.victim);
    let_lead(&stage, stage.liar);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 2, 7)));
    assert_int_equal(drops_of(&stage, stage.liar, stage.victim), before);
    stage_end(&stage);
}

/* One of them took another way, and comes when its origin lives anew. */
TEST(replica, applies_no_bundle_of_a_life_that_is_over)
{
    struct stage stage;
    stage_begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 3, 1)));
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 2, 9)));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 4, 1)));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 2);
    stage_end(&stage);
}

/* Promises of the victim to the liar that wait for the disk. */
static uint32_t held_promises(const struct stage *stage)
{
    const struct replica *victim = replica_of(stage, stage->victim);
    uint32_t count = 0;
    for (const struct list *link = victim->held.next; link != &victim->held; link = link->next) {
        const struct held *held = LIST_ITEM(link, const struct held, link);
        count += held->type == SYNOD_MESSAGE_PROMISE && held->member == stage->liar;
    }
    return count;
}

/* A candidate repeats itself while our disk hangs. With votes for large values to report, an answer
 * to each would fill the memory. */
TEST(replica, holds_one_promise_however_often_it_is_asked_for_it)
{
    static const struct os_sim_options HANGS = {.flush_us_min = 5 * SECOND,
                                                .flush_us_max = 5 * SECOND};
    static const struct os_sim_options GOES_ON = {.flush_us_min = 50, .flush_us_max = 300};
    struct stage stage;
    stage_begin(&stage);
    struct os_sim *sim = stage.rig->nodes[stage.victim].sim;
    struct synod_message prepare = message_of(&stage, SYNOD_MESSAGE_PREPARE);
    prepare.slot = replica_of(&stage, stage.victim)->applied + 1;
    os_sim_set_options(sim, &HANGS);
    for (uint64_t round = 1000; round <= 5000; round += 1000) { /* Others may stand, too. */
        prepare.ballot = (struct synod_ballot){round, prepare.from, 1};
        assert_false(is_dropped_for_message(&stage, &prepare, bytes_of(NULL, 0)));
        assert_int_equal(held_promises(&stage), 1);
    }
    os_sim_set_options(sim, &GOES_ON);
    (void)rig_run(stage.rig, 6 * SECOND, never);
    assert_int_equal(held_promises(&stage), 0);
    stage_end(&stage);
}
