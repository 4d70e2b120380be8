/* promises_test.c -- promises that come twice, or in pieces: what the reference makes of them. */
#include <stdlib.h>

#include "model/reference.h"
#include "story.h"
#include "test.h"

/* A stands, and B promises; then B learns that the slot is chosen in which it showed its vote, and
 * says so when it is asked again. Nobody else whom A hears knows it. By what B said first A may
 * propose there what B had voted for. (Seed 22502 of the simulator.) */
TEST(reference, goes_by_what_a_member_promised_first_too)
{
    enum {
        A,
        B,
        C,
        D
    };
    const struct synod_members members = {4, 3, 2, {1, 2, 3, 4}};
    struct story *w = calloc(1, sizeof *w);
    struct cluster *c = &w->cluster;
    story_begin_among(w, &members, NULL, 1);
    for (uint32_t i = 0; i < members.count; i++) {
        story_start(w, i);
    }
    (void)cluster_step(c, D, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_run(c, c->now_ms + 300);
    assert_int_equal(cluster_leader(c), D);
    assert_true(cluster_propose(c, D, 10, 1) >= 0);
    story_deliver(w, SYNOD_MESSAGE_ACCEPT, D, B, 0);
    cluster_deliver_own(c);
    story_deliver(w, SYNOD_MESSAGE_ACCEPTED, B, D, 0);
    cluster_tick(c, D);
    (void)cluster_step(c, A, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_deliver_own(c);
    story_deliver(w, SYNOD_MESSAGE_PREPARE, A, B, 1);
    story_deliver(w, SYNOD_MESSAGE_PROMISE, B, A, 0);
    story_deliver(w, SYNOD_MESSAGE_NOTICE, D, B, 0);
    assert_int_equal(c->members[B].applied, 1);
    story_deliver(w, SYNOD_MESSAGE_PREPARE, A, B, 0);
    story_deliver(w, SYNOD_MESSAGE_PROMISE, B, A, 0);
    story_deliver(w, SYNOD_MESSAGE_PREPARE, A, C, 0);
    story_deliver(w, SYNOD_MESSAGE_PROMISE, C, A, 0);
    assert_int_equal(cluster_leader(c), A);
    cluster_tick(c, A);
    story_deliver(w, SYNOD_MESSAGE_ACCEPT, A, C, 0);
    assert_null(reference_why(w->reference));
    story_end(w);
    free(w);
}

/* A long promise comes in pieces. A has a quorum's promises, by which nothing, or what B voted for
 * long ago, is right in slot 1; and the first piece of D's, who voted there later. D's vote counts,
 * though D is not of the quorum. */
TEST(reference, goes_by_a_piece_of_a_promise_too)
{
    enum {
        A,
        B,
        C,
        D,
        E
    };
    const struct synod_members members = {5, 3, 3, {1, 2, 3, 4, 5}};
    struct story *w = calloc(1, sizeof *w);
    struct cluster *c = &w->cluster;
    story_begin_among(w, &members, NULL, 1);
    for (uint32_t i = 0; i < members.count; i++) {
        story_start(w, i);
    }
    (void)cluster_step(c, E, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_run(c, c->now_ms + 300);
    assert_int_equal(cluster_leader(c), E);
    assert_true(cluster_propose(c, E, 10, 0) >= 0);
    story_deliver(w, SYNOD_MESSAGE_ACCEPT, E, B, 0);
    cluster_crash(c, E);
    (void)cluster_step(c, D, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_deliver_own(c);
    for (uint32_t other = A; other <= C; other += C - A) {
        story_deliver(w, SYNOD_MESSAGE_PREPARE, D, other, 0);
        story_deliver(w, SYNOD_MESSAGE_PROMISE, other, D, 0);
    }
    assert_int_equal(cluster_leader(c), D);
    for (uint64_t value = 20; value < 20 + CLUSTER_ENTRIES_MAX; value++) {
        assert_true(cluster_propose(c, D, value, 0) >= 0);
    }
    cluster_deliver_own(c);
    (void)cluster_step(c, A, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_deliver_own(c);
    story_deliver(w, SYNOD_MESSAGE_PREPARE, A, D, 0);
    story_deliver(w, SYNOD_MESSAGE_PROMISE, D, A, 0);
    for (uint32_t other = B; other <= C; other++) {
        story_deliver(w, SYNOD_MESSAGE_PREPARE, A, other, 0);
        story_deliver(w, SYNOD_MESSAGE_PROMISE, other, A, 0);
    }
    assert_int_equal(cluster_leader(c), A);
    cluster_tick(c, A);
    story_deliver(w, SYNOD_MESSAGE_ACCEPT, A, C, 0);
    const struct cluster_member *hearer = &c->members[C];
    assert_int_equal(hearer->records[hearer->record_count - 1].entry.handle, 23);
    if (reference_why(w->reference) != NULL) {
        fail_msg("%s", reference_why(w->reference));
    }
    story_end(w);
    free(w);
}
