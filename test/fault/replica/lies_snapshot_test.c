/* lies_snapshot_test.c -- a member offers snapshots that it does not have, that are none, or that
 * never come. Nobody loses by that what is on its own disk. */
#include <string.h>

#include "liar.h"
#include "test.h"

TEST(replica, drops_a_member_that_offers_a_snapshot_beyond_any_log)
{
    struct stage stage;
    stage_begin(&stage);
    const uint64_t offer[2] = {SYNOD_SLOT_MAX + 1, 1000};
    assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    stage_end(&stage);
}

TEST(replica, ignores_pieces_of_snapshots_that_it_does_not_want)
{
    struct stage stage;
    stage_begin(&stage);
    const uint64_t old_offer[2] = {1, 1000};
    const uint64_t piece[4] = {1, 1000, 0, 4711};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(old_offer, 2)));
    assert_null(replica_of(&stage, stage.victim)->receiving);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 4)));
    assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 3))); /* Empty. */
    stage_end(&stage);
}

TEST(replica, goes_on_when_a_snapshot_that_it_pulls_never_comes)
{
    struct stage stage;
    stage_begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t offer[2] = {victim->applied + 1000, 1000};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    assert_non_null(victim->receiving);
    (void)rig_run(stage.rig, 60 * SECOND, never);
    assert_null(victim->receiving);
    stage_end(&stage);
}

TEST(replica, refuses_a_snapshot_that_is_whole_and_none)
{
    struct stage stage;
    stage_begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t slot = victim->applied + 1000;
    const uint64_t offer[2] = {slot, 16};
    const uint64_t piece[5] = {slot, 16, 0, 4711, 4712};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2)));
    assert_non_null(victim->receiving);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(piece, 5)));
    assert_null(victim->receiving);
    assert_true(victim->applied < slot);
    stage_end(&stage);
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
    stage_begin(&stage);
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
    stage_end(&stage);
}

/* Each time that it is back it is asked at once, says nonsense and is dropped: there
 * may be others who can give one. */
TEST(replica, gives_up_a_giver_that_comes_and_goes)
{
    struct stage stage;
    stage_begin(&stage);
    const struct replica *victim = replica_of(&stage, stage.victim);
    const uint64_t offer[2] = {victim->applied + 1000, 1 << 20};
    say(&stage, FRAME_SNAPSHOT_OFFER, 0, numbers(offer, 2));
    assert_non_null(victim->receiving);
    for (int i = 0; i < 8; i++) {
        assert_true(is_dropped_for(&stage, FRAME_SNAPSHOT_PIECE, 0, numbers(offer, 2)));
    }
    assert_null(victim->receiving);
    stage_end(&stage);
}

/* The file is checked and in its place, and by then entries have come further: nobody has tried the
 * state that is in it, so the next life must not begin with it. */
TEST(replica, keeps_no_snapshot_that_its_machine_has_not_taken)
{
    static const struct os_sim_options SLOW = {.flush_us_min = SECOND, .flush_us_max = SECOND};
    uint8_t piece[1024];
    struct stage stage;
    stage_begin(&stage);
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
    stage_end(&stage);
}

/* Until the victim has a snapshot. */
static void write_much(struct stage *stage)
{
    rig_submit(stage->rig, stage->victim, 200, 1000);
    assert_true(rig_run(stage->rig, 20 * SECOND, rig_all_answered));
    assert_true(rig_run(stage->rig, 20 * SECOND, has_leader));
    assert_true(replica_of(stage, stage->victim)->snapshot > 0);
}

/* Bytes that the liar gets while it asks for the snapshot from there: heartbeats, too. */
static uint64_t bytes_pulled(struct stage *stage, synod_slot slot, uint64_t offset)
{
    const struct replica *liar = replica_of(stage, stage->liar);
    const uint32_t victim = liar->members[stage->victim].peer;
    const uint64_t request[2] = {slot, offset};
    struct peer_statistics before;
    struct peer_statistics after;
    peers_statistics(liar->peers, victim, &before);
    say(stage, FRAME_SNAPSHOT_PULL, 0, numbers(request, 2));
    peers_statistics(liar->peers, victim, &after);
    return after.bytes_received - before.bytes_received;
}

/* Who asks for the same again has lost what came, and the connection may be whole. */
TEST(replica, sends_a_piece_again_to_who_asks_for_it_again)
{
    struct stage stage;
    stage_begin(&stage);
    write_much(&stage);
    const synod_slot slot = replica_of(&stage, stage.victim)->snapshot;
    const uint64_t heartbeats = bytes_pulled(&stage, slot, 1u << 30); /* It has everything. */
    for (int i = 0; i < 3; i++) {
        assert_true(bytes_pulled(&stage, slot, 0) > heartbeats + 1000);
    }
    stage_end(&stage);
}

TEST(replica, offers_what_it_has_to_who_pulls_something_else)
{
    struct stage stage;
    stage_begin(&stage);
    write_much(&stage);
    const struct member *liar = &replica_of(&stage, stage.victim)->members[stage.liar];
    const uint64_t slot = replica_of(&stage, stage.victim)->snapshot;
    const uint64_t something[2] = {slot + 5, 0};
    const uint64_t rest[2] = {slot, 1u << 30};
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PULL, 0, numbers(something, 2)));
    assert_non_null(liar->sending);
    assert_false(is_dropped_for(&stage, FRAME_SNAPSHOT_PULL, 0, numbers(rest, 2)));
    assert_null(liar->sending); /* It has everything. */
    stage_end(&stage);
}
