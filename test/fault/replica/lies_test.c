/* lies_test.c -- a member sends what no member would send, and what comes too late or twice.
 *
 * The first is dropped with its connection, the second is ignored; after both, everybody goes on,
 * and nothing is applied that was not submitted, or twice. Lies that the protocol cannot know for
 * lies are another matter: members trust each other that far. */
#include <stdlib.h>
#include <string.h>

#include "replica/replica_internal.h"
#include "rig.h"
#include "test.h"

enum {
    SECOND = 1000000
};

/* Three members that have something to say. The liar does not lead, its victim does. */
struct stage {
    struct rig *rig;
    uint32_t victim;
    uint32_t liar;
};

static struct replica *replica_of(const struct stage *stage, uint32_t node)
{
    return stage->rig->nodes[node].replica;
}

static int has_leader(const struct rig *rig)
{
    struct replica_status status;
    replica_status(rig->nodes[0].replica, &status);
    return rig_all_equal(rig) && status.has_leader;
}

static void begin(struct stage *stage)
{
    struct replica_status status;
    struct rig *rig = rig_new(3, 5);
    for (uint32_t i = 0; i < 3; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_run(rig, 20 * SECOND, has_leader));
    for (uint32_t i = 0; i < 3; i++) {
        rig_submit(rig, i, 5, 100);
    }
    assert_true(rig_run(rig, 20 * SECOND, rig_all_answered));
    assert_true(rig_run(rig, 20 * SECOND, has_leader));
    replica_status(rig->nodes[0].replica, &status);
    *stage = (struct stage){rig, status.leader, (status.leader + 1) % 3};
}

static void end(struct stage *stage)
{
    rig_recover(stage->rig);
    rig_free(stage->rig);
}

static int never(const struct rig *rig)
{
    (void)rig;
    return 0;
}

static uint32_t peer_number(const struct stage *stage, uint32_t of, uint32_t who)
{
    return replica_of(stage, of)->members[who].peer;
}

/* How often one has dropped the other for what it sent. */
static uint64_t drops_of(const struct stage *stage, uint32_t by, uint32_t who)
{
    struct peer_statistics statistics;
    peers_statistics(replica_of(stage, by)->peers, peer_number(stage, by, who), &statistics);
    return statistics.dropped_count;
}

static uint64_t drops(const struct stage *stage)
{
    return drops_of(stage, stage->victim, stage->liar);
}

/* Let it lead from now on. */
static void let_lead(struct stage *stage, uint32_t node)
{
    (void)drive_step(replica_of(stage, node), &(struct synod_event){.type = SYNOD_EVENT_STAND});
    os_sim_touch(stage->rig->nodes[node].sim);
    (void)rig_run(stage->rig, SECOND, never);
    assert_int_equal(replica_of(stage, stage->victim)->leader.member,
                     replica_of(stage, node)->identity);
}

/* The liar says it, and time passes. */
static void say(struct stage *stage, uint16_t type, uint32_t group, struct bytes body)
{
    struct replica *liar = replica_of(stage, stage->liar);
    const struct peer_frame frame = {.type = type, .group = group};
    const uint32_t peer = peer_number(stage, stage->liar, stage->victim);
    for (int i = 0; i < 100 && !peers_is_connected(liar->peers, peer); i++) {
        (void)rig_run(stage->rig, SECOND / 20, never);
    }
    assert_int_equal(peers_send(liar->peers, peer, frame, &body, 1), 0);
    peers_flush(liar->peers);
    os_sim_touch(stage->rig->nodes[stage->liar].sim);
    (void)rig_run(stage->rig, SECOND / 10, never);
}

/* The same. Returns whether the victim has dropped it for that. */
static int is_dropped_for(struct stage *stage, uint16_t type, uint32_t group, struct bytes body)
{
    const uint64_t before = drops(stage);
    say(stage, type, group, body);
    return drops(stage) != before;
}

static struct bytes numbers(const uint64_t *from, size_t count)
{
    static uint8_t bytes[64];
    for (size_t i = 0; i < count; i++) {
        put_u64(bytes + 8 * i, from[i]);
    }
    return bytes_of(bytes, 8 * count);
}

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
    begin(&stage);
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
    end(&stage);
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
    begin(&stage);
    struct synod_message message = message_of(&stage, SYNOD_MESSAGE_PREPARE);
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* No ballot. */
    message.ballot = (struct synod_ballot){9, replica_of(&stage, stage.victim)->identity, 1};
    message.slot = 1;
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* Not its own. */
    message = message_of(&stage, SYNOD_MESSAGE_NOTICE);
    message.ballot = (struct synod_ballot){9, 4711, 1};
    assert_true(is_dropped_for_message(&stage, &message, bytes_of(NULL, 0))); /* Nobody's. */
    end(&stage);
}

TEST(replica, drops_a_member_whose_values_are_not_what_they_are_said_to_be)
{
    struct stage stage;
    begin(&stage);
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
    end(&stage);
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
    begin(&stage);
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
    end(&stage);
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
    begin(&stage);
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
    end(&stage);
}

/* The first value is good, and the next is not: the message is refused, and with it the first. */
TEST(replica, keeps_no_value_of_a_message_that_goes_wrong_further_on)
{
    enum {
        SIZE = 10000
    };
    static uint8_t both[2 * SIZE];
    struct stage stage;
    begin(&stage);
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
    end(&stage);
}

TEST(replica, drops_a_member_that_forwards_commands_of_ours_or_of_nobody)
{
    struct stage stage;
    begin(&stage);
    const synod_member_id ours = replica_of(&stage, stage.victim)->identity;
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, ours, 1, 1)));
    assert_true(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, 4711, 1, 1)));
    end(&stage);
}

TEST(replica, drops_a_member_that_offers_a_snapshot_beyond_any_log)
{
    struct stage stage;
    begin(&stage);
    const uint64_t offer[2] = {SYNOD_SLOT_MAX + 1, 1000};
    assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    end(&stage);
}

/* -- Too late, or twice ----------------------------------------------------------------------- */

TEST(replica, applies_a_bundle_that_is_forwarded_twice_once)
{
    struct stage stage;
    begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    const struct bytes bundle = bundle_of(&stage, own, 2, 7);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    end(&stage); /* Which looks for commands that are there twice. */
}

/* The second time the victim does not lead any more, and whoever does has not seen the bundle. */
TEST(replica, does_not_pass_on_what_it_has_proposed)
{
    struct stage stage;
    begin(&stage);
    const uint32_t third = 3 - stage.victim - stage.liar;
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    const struct bytes bundle = bundle_of(&stage, own, 2, 7);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    let_lead(&stage, third);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    end(&stage);
}

/* Its origin leads by the time that it comes, and would take its own bundle for a lie. */
TEST(replica, does_not_pass_on_to_where_it_came_from)
{
    struct stage stage;
    begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = drops_of(&stage, stage.liar, stage.victim);
    let_lead(&stage, stage.liar);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 2, 7)));
    assert_int_equal(drops_of(&stage, stage.liar, stage.victim), before);
    end(&stage);
}

/* One of them took another way, and comes when its origin lives anew. */
TEST(replica, applies_no_bundle_of_a_life_that_is_over)
{
    struct stage stage;
    begin(&stage);
    const synod_member_id own = replica_of(&stage, stage.liar)->identity;
    const uint64_t before = stage.rig->nodes[stage.victim].book.count;
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 3, 1)));
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 2, 9)));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 1);
    assert_false(is_dropped_for(&stage, FRAME_FORWARD, 0, bundle_of(&stage, own, 4, 1)));
    assert_int_equal(stage.rig->nodes[stage.victim].book.count, before + 2);
    end(&stage);
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
    begin(&stage);
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
    end(&stage);
}

TEST(replica, ignores_pieces_of_snapshots_that_it_does_not_want)
{
    struct stage stage;
    begin(&stage);
    const uint64_t old_offer[2] = {1, 1000};
    const uint64_t piece[4] = {1, 1000, 0, 4711};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(old_offer, 2)));
    assert_null(replica_of(&stage, stage.victim)->receiving);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 4)));
    assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 3))); /* Empty. */
    end(&stage);
}

TEST(replica, goes_on_when_a_snapshot_that_it_pulls_never_comes)
{
    struct stage stage;
    begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t offer[2] = {victim->applied + 1000, 1000};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    assert_non_null(victim->receiving);
    (void)rig_run(stage.rig, 60 * SECOND, never);
    assert_null(victim->receiving);
    end(&stage);
}

TEST(replica, refuses_a_snapshot_that_is_whole_and_none)
{
    struct stage stage;
    begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t slot = victim->applied + 1000;
    const uint64_t offer[2] = {slot, 16};
    const uint64_t piece[5] = {slot, 16, 0, 4711, 4712};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    assert_non_null(victim->receiving);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 5)));
    assert_null(victim->receiving);
    assert_true(victim->applied < slot);
    end(&stage);
}

static int64_t read_nonsense(void *context, void *to, size_t size)
{
    int *is_read = context;
    assert_true(size >= 3);
    memset(to, 0xff, 3);
    return (*is_read)++ ? 0 : 3;
}

/* A snapshot file of that slot with right checksums, and three bytes that are no state. */
static struct bytes nonsense_of(struct replica *liar, synod_slot slot)
{
    static uint8_t bytes[1000];
    int is_read = 0;
    struct snapshot *snapshot;
    const struct snapshot_info info = {.cluster = liar->table_hash, .slot = slot, .view = 1};
    assert_int_equal(snapshot_write(liar->os, liar->options.data_dir, &info,
                                    (struct snapshot_source){&is_read, read_nonsense}, NULL),
                     0);
    assert_int_equal(snapshot_open(liar->os, liar->options.data_dir, slot, NULL, &snapshot), 0);
    const int64_t size = snapshot_read_raw(snapshot, 0, bytes, sizeof bytes, NULL);
    snapshot_close(snapshot);
    assert_int_equal(snapshot_remove(liar->os, liar->options.data_dir, slot, NULL), 0);
    assert_true(size > 0 && size < (int64_t)sizeof bytes);
    return bytes_of(bytes, (size_t)size);
}

/* Whoever takes it has lost its state in memory, but not what is on its disk. */
TEST(replica, that_was_given_a_state_that_is_none_starts_again_with_its_own)
{
    uint8_t piece[1024];
    struct stage stage;
    begin(&stage);
    stage.rig->is_deceived = 1;
    const struct node *victim = &stage.rig->nodes[stage.victim];
    const uint64_t slot = victim->replica->applied + 1000;
    const struct bytes file = nonsense_of(replica_of(&stage, stage.liar), slot);
    const uint64_t offer[2] = {slot, file.size};
    const uint64_t head[3] = {slot, file.size, 0};
    memcpy(piece, numbers(head, 3).data, 24);
    memcpy(piece + 24, file.data, file.size);
    say(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2));
    say(&stage, FRAME_SNAPSHOT_PIECE, 0, bytes_of(piece, 24 + file.size));
    assert_null(victim->replica); /* It has failed, and its process ended. */
    assert_int_equal(victim->failures, 1);
    assert_non_null(strstr(victim->report.text, "cannot restore a snapshot"));
    end(&stage);
}

/* Each time that it is back it is asked at once, and each time it says nonsense and is dropped: there
 * may be others who can give one. */
TEST(replica, gives_up_a_giver_that_comes_and_goes)
{
    struct stage stage;
    begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t offer[2] = {victim->applied + 1000, 1 << 20};
    say(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2));
    assert_non_null(victim->receiving);
    for (int i = 0; i < 8; i++) {
        assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(offer, 2)));
    }
    assert_null(victim->receiving);
    end(&stage);
}

/* The file is checked and in its place, and by then entries have come further: nobody has tried the
 * state that is in it, so the next life must not begin with it. */
TEST(replica, keeps_no_snapshot_that_its_machine_has_not_taken)
{
    static const struct os_sim_options SLOW = {.flush_us_min = SECOND, .flush_us_max = SECOND};
    uint8_t piece[1024];
    struct stage stage;
    begin(&stage);
    struct node *victim = &stage.rig->nodes[stage.victim];
    const uint64_t slot = victim->replica->applied + 2;
    const uint64_t before = victim->replica->snapshot;
    const struct bytes file = nonsense_of(replica_of(&stage, stage.liar), slot);
    const uint64_t offer[2] = {slot, file.size};
    const uint64_t head[3] = {slot, file.size, 0};
    memcpy(piece, numbers(head, 3).data, 24);
    memcpy(piece + 24, file.data, file.size);
    os_sim_set_options(victim->sim, &SLOW);
    say(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2));
    say(&stage, FRAME_SNAPSHOT_PIECE, 0, bytes_of(piece, 24 + file.size));
    assert_non_null(victim->replica->receiving);
    for (int i = 0; i < 5; i++) {
        rig_submit(stage.rig, stage.liar, 1, 100);
        (void)rig_run(stage.rig, SECOND / 20, never);
    }
    assert_true(victim->replica->applied > slot);
    assert_non_null(victim->replica->receiving); /* A worker checks the file. */
    (void)rig_run(stage.rig, 3 * SECOND, never);
    assert_null(victim->replica->receiving);
    assert_int_equal(victim->replica->snapshot, before);
    rig_kill(stage.rig, stage.victim);
    end(&stage);
}

TEST(replica, offers_what_it_has_to_who_pulls_something_else)
{
    struct stage stage;
    begin(&stage);
    rig_submit(stage.rig, stage.victim, 200, 1000); /* Until there is a snapshot. */
    assert_true(rig_run(stage.rig, 20 * SECOND, rig_all_answered));
    assert_true(rig_run(stage.rig, 20 * SECOND, has_leader));
    const struct member *liar = &replica_of(&stage, stage.victim)->members[stage.liar];
    const uint64_t slot = replica_of(&stage, stage.victim)->snapshot;
    const uint64_t something[2] = {slot + 5, 0};
    const uint64_t rest[2] = {slot, 1u << 30};
    assert_true(slot > 0);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PULL, 0, numbers(something, 2)));
    assert_non_null(liar->sending);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PULL, 0, numbers(rest, 2)));
    assert_null(liar->sending); /* It has everything. */
    end(&stage);
}
