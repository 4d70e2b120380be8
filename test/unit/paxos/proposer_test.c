/* proposer_test.c -- both phases, for all slots at once. */
#include <string.h>

#include "rig.h"
#include "synod/error.h"

static void start(struct rig *rig, uint32_t members)
{
    rig_init(rig, members);
    rig->options.window = 8;
    rig->options.pipeline_max = 4;
    rig_start(rig);
    rig_forget(rig);
}

/* A promise of A's present ballot, with votes. */
static void promise_votes(struct rig *rig, synod_member_id from, const struct synod_vote *votes,
                          uint32_t count, synod_slot until)
{
    rig_message(rig, from,
                (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                       .ballot = rig_status(rig).promised,
                                       .slot = rig_status(rig).chosen + 1,
                                       .until = until,
                                       .votes = votes,
                                       .vote_count = count});
}

static struct synod_vote vote_of(uint64_t round, synod_member_id member, struct synod_entry entry)
{
    return (struct synod_vote){.ballot = rig_ballot(round, member), .entry = entry};
}

TEST(proposer, says_nothing_before_its_ballot_is_durable)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_expect(&rig,
               "record #1: promise 2.A\n"
               "to B: prepare 2.A from slot 1 (after #1)\n"
               "to C: prepare 2.A from slot 1 (after #1)\n"
               "candidate with 2.A\n");
    rig_deinit(&rig);
}

TEST(proposer, leads_with_a_quorum_of_promises_its_own_among_them)
{
    struct rig rig;
    start(&rig, 5);
    rig_stand(&rig);
    rig_forget(&rig);
    rig_promise(&rig, B, 2, 0);
    rig_promise(&rig, C, 2, 0);
    rig_promise(&rig, C, 2, 0); /* Twice is once. */
    rig_expect(&rig, "");
    rig_flush(&rig);
    rig_expect(&rig, "leader 2.A: won phase 1 of its ballot\n");
    rig_deinit(&rig);
}

TEST(proposer, can_lead_without_its_own_promise)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_forget(&rig);
    rig_promise(&rig, B, 2, 0);
    rig_promise(&rig, C, 2, 0);
    rig_expect(&rig, "leader 2.A: won phase 1 of its ballot\n");
    rig_deinit(&rig);
}

/* B lies: what A voted for under it was never chosen, or a quorum's promises would have told. A
 * hears it before its own promise. It must not propose beside what it takes to be chosen. */
TEST(proposer, steps_down_when_a_notice_names_a_slot_that_it_has_not_come_to)
{
    struct rig rig;
    start(&rig, 3);
    rig_accept(&rig, B, 1, 2, 7);
    rig_flush(&rig);
    rig_stand(&rig);
    rig_promise(&rig, B, 2, 0);
    rig_promise(&rig, C, 2, 0);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    rig_notice(&rig, B, 1, 2);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_FOLLOWER);
    rig_deinit(&rig);
}

TEST(proposer, does_not_count_promises_of_another_ballot)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_forget(&rig);
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                       .ballot = rig_ballot(1, A),
                                       .slot = 1,
                                       .until = SYNOD_SLOT_ALL});
    rig_expect(&rig, "");
    rig_promise(&rig, B, 2, 0);
    rig_expect(&rig, "leader 2.A: won phase 1 of its ballot\n");
    rig_deinit(&rig);
}

/* P2c: the value of the highest ballot among those reported; a no-op where there is none. */
TEST(proposer, proposes_again_what_it_found_and_fills_the_gaps)
{
    struct rig rig;
    start(&rig, 3);
    rig_prepare(&rig, C, 9, 1);
    rig_stand(&rig);
    rig_flush(&rig);
    const struct synod_vote of_b[] = {vote_of(3, B, rig_entry(1, 11)),
                                      vote_of(7, C, rig_entry(3, 33))};
    const struct synod_vote of_c[] = {vote_of(5, C, rig_entry(1, 12)),
                                      vote_of(6, B, rig_entry(3, 34))};
    promise_votes(&rig, C, of_c, 2, 4); /* In pieces: the rest is still to come. */
    rig_forget(&rig);
    promise_votes(&rig, B, of_b, 2, SYNOD_SLOT_ALL);
    rig_tick(&rig, 0);
    rig_expect(&rig,
               "leader 10.A: won phase 1 of its ballot\n"
               "record #3: vote 10.A slot 1 v12\n"
               "record #4: vote 10.A slot 2 no-op\n"
               "record #5: vote 10.A slot 3 v33\n"
               "to B: accept 10.A slot 1 v12, slot 2 no-op, slot 3 v33\n"
               "to C: accept 10.A slot 1 v12, slot 2 no-op, slot 3 v33\n");
    assert_int_equal(rig_propose(&rig, 44), 0);
    rig_expect(&rig,
               "record #6: vote 10.A slot 4 v44\n"
               "to B: accept 10.A slot 4 v44\n"
               "to C: accept 10.A slot 4 v44\n");
    rig_deinit(&rig);
}

TEST(proposer, asks_on_where_a_promise_ended)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_forget(&rig);
    const struct synod_vote votes[] = {vote_of(1, C, rig_entry(1, 11))};
    promise_votes(&rig, B, votes, 1, 3);
    rig_expect(&rig, "to B: prepare 2.A from slot 3 (after #1)\n");
    promise_votes(&rig, B, votes, 1, 3); /* A repeat is not the rest. */
    rig_expect(&rig, "");
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                       .ballot = rig_status(&rig).promised,
                                       .slot = 3,
                                       .until = SYNOD_SLOT_ALL});
    rig_expect(&rig, "leader 2.A: won phase 1 of its ballot\n");
    rig_deinit(&rig);
}

/* A vote further ahead than A can remember: A catches up first, and asks again from there. */
TEST(proposer, asks_again_for_votes_beyond_its_window)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_forget(&rig);
    const struct synod_vote votes[] = {vote_of(1, C, rig_entry(9, 99))};
    promise_votes(&rig, B, votes, 1, SYNOD_SLOT_ALL);
    rig_expect(&rig, "");
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: prepare 2.A from slot 9 (after #1)\n"
               "to C: prepare 2.A from slot 1 (after #1)\n");
    rig_deinit(&rig);
}

/* Phase 1 may report a slot as chosen that A voted otherwise on, or not at all. It is recorded
 * as chosen: when a restart counts it into the prefix, it must find what was chosen there. */
TEST(proposer, records_what_promises_report_as_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_accept(&rig, B, 1, 1, 10); /* Which came to nothing. */
    rig_stand(&rig);
    rig_flush(&rig);
    rig_forget(&rig);
    const struct synod_vote votes[] = {{.entry = rig_entry(1, 11), .is_chosen = 1}};
    promise_votes(&rig, B, votes, 1, SYNOD_SLOT_ALL);
    rig_expect(&rig,
               "record #4: slot 1 v11 is chosen\n"
               "chosen: slot 1 v11\n"
               "leader 2.A: won phase 1 of its ballot\n");
    rig_tick(&rig, 0);
    assert_int_equal(rig_propose(&rig, 12), 0); /* Records that the prefix is 1. */
    rig_forget(&rig);
    rig_restart(&rig);
    rig_expect(&rig, "chosen: slot 1 v11\n");
    rig_deinit(&rig);
}

TEST(proposer, does_not_propose_where_others_know_what_is_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_forget(&rig);
    rig_promise(&rig, B, 2, 2);
    rig_tick(&rig, 0);
    rig_expect(&rig, "leader 2.A: won phase 1 of its ballot\n");
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_expect(&rig,
               "record #2: vote 2.A slot 3 v7\n"
               "to B: accept 2.A slot 3 v7\n"
               "to C: accept 2.A slot 3 v7\n");
    rig_tick(&rig, 100); /* B does answer A's heartbeats: what it has is fetched. */
    rig_answer(&rig, B, 0, rig_ballot(0, 0));
    rig_forget(&rig);
    rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_CHOSEN, .chosen = 2});
    rig_tick(&rig, 100);
    assert_non_null(strstr(rig.text, "to B: fetch from slot 1\n"));
    rig_deinit(&rig);
}

/* B knows of two chosen slots, and C, who answers last, of none. */
TEST(proposer, believes_the_promise_that_tells_of_most)
{
    struct rig rig;
    start(&rig, 5);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_promise(&rig, B, 2, 2);
    rig_promise(&rig, C, 2, 0);
    rig_forget(&rig);
    rig_tick(&rig, 0);
    rig_expect(&rig, ""); /* No gap to be filled. */
    assert_int_equal(rig_propose(&rig, 7), 0);
    assert_non_null(strstr(rig.text, "to B: accept 2.A slot 3 v7\n"));
    rig_deinit(&rig);
}

/* Slots that only B knew to be chosen, and B is gone. Everybody else has votes for them, which
 * another phase 1 finds; a leader that goes on waiting for B would stand still for ever. */
TEST(proposer, gives_up_when_nobody_can_tell_it_what_was_reported_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_promise(&rig, B, 2, 2);
    for (int i = 0; i < 9; i++) {
        rig_tick(&rig, 100);
        rig_answer(&rig, C, 0, rig_ballot(0, 0));
        assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    }
    rig_tick(&rig, 100);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_FOLLOWER);
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_GAVE_UP);
    rig_deinit(&rig);
}

TEST(proposer, knows_a_value_chosen_by_a_quorum_of_votes)
{
    struct rig rig;
    start(&rig, 5);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_forget(&rig);
    rig_accepted(&rig, B, 2, 1, 7);
    rig_accepted(&rig, B, 2, 1, 7); /* Twice is once. */
    rig_accepted(&rig, C, 2, 1, 8); /* Not what was proposed. */
    rig_accepted(&rig, D, 1, 1, 7); /* Another ballot. */
    rig_accepted(&rig, D, 2, 2, 7); /* Nothing was proposed there. */
    rig_expect(&rig, "");
    rig_accepted(&rig, E, 2, 1, 7);
    rig_expect(&rig, "");
    rig_flush(&rig); /* Its own vote. */
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

TEST(proposer, delivers_in_order_what_is_chosen_in_any_order)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    assert_int_equal(rig_propose(&rig, 8), 0);
    rig_forget(&rig);
    rig_accepted(&rig, B, 2, 2, 8);
    rig_accepted(&rig, C, 2, 2, 8);
    rig_expect(&rig, "");
    assert_int_equal(rig_status(&rig).in_flight, 1);
    rig_accepted(&rig, B, 2, 1, 7);
    rig_accepted(&rig, C, 2, 1, 7);
    rig_expect(&rig,
               "chosen: slot 1 v7\n"
               "chosen: slot 2 v8\n");
    rig_deinit(&rig);
}

TEST(proposer, refuses_wishes_when_it_does_not_lead_or_is_full)
{
    struct rig rig;
    start(&rig, 3);
    assert_int_equal(rig_propose(&rig, 7), SYNOD_ERR_NO_LEADER);
    rig_lead(&rig);
    for (uint64_t i = 1; i <= rig.options.pipeline_max; i++) {
        assert_int_equal(rig_propose(&rig, i), 0);
    }
    rig_forget(&rig);
    assert_int_equal(rig_propose(&rig, 9), SYNOD_ERR_BUSY);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(proposer, takes_nothing_new_before_it_has_proposed_what_it_found)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    const struct synod_vote votes[] = {vote_of(1, C, rig_entry(1, 11))};
    promise_votes(&rig, B, votes, 1, SYNOD_SLOT_ALL);
    assert_int_equal(rig_propose(&rig, 7), SYNOD_ERR_BUSY);
    rig_tick(&rig, 0);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_deinit(&rig);
}

TEST(proposer, repeats_what_was_not_answered)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_accepted(&rig, B, 2, 1, 7);
    rig_forget(&rig);
    rig_tick(&rig, 99);
    rig_expect(&rig, "");
    rig_tick(&rig, 1);
    rig_expect(&rig, "to C: accept 2.A slot 1 v7\n");
    rig_tick(&rig, 1);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(proposer, repeats_no_more_than_one_message_holds)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.entries_max = 2;
    rig_start(&rig);
    rig_lead(&rig);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(rig_propose(&rig, i), 0);
    }
    rig_forget(&rig);
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: accept 2.A slot 1 v1, slot 2 v2\n"
               "to C: accept 2.A slot 1 v1, slot 2 v2\n");
    rig_deinit(&rig);
}

TEST(proposer, sends_again_at_once_when_a_connection_comes)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_forget(&rig);
    const struct synod_event connected = {.type = SYNOD_EVENT_CONNECTED, .member = C};
    (void)rig_step(&rig, connected);
    rig_expect(&rig, "to C: prepare 2.A from slot 1 (after #1)\n");
    rig_flush(&rig);
    rig_promise(&rig, B, 2, 0);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_forget(&rig);
    (void)rig_step(&rig, connected);
    rig_expect(&rig, "to C: accept 2.A slot 1 v7\n");
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_CONNECTED, .member = A});
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_CONNECTED, .member = 77});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(proposer, stops_when_it_is_refused_for_a_higher_ballot_only)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    struct synod_message refused = {.type = SYNOD_MESSAGE_REFUSED,
                                    .ballot = rig_status(&rig).promised,
                                    .promised = rig_status(&rig).promised};
    rig_message(&rig, B, refused); /* Stale: B has promised us since. */
    refused.promised = rig_ballot(1, C);
    rig_message(&rig, B, refused);
    refused.promised = rig_ballot(8, C);
    refused.ballot = rig_ballot(1, A); /* About another ballot of ours. */
    rig_message(&rig, B, refused);
    rig_expect(&rig, "");
    refused.ballot = rig_status(&rig).promised;
    rig_message(&rig, B, refused);
    rig_expect(&rig, "follower of none: a member promised a higher ballot\n");
    rig_stand(&rig); /* Straight past the one that refused it. */
    assert_int_equal(rig_status(&rig).promised.round, 9);
    rig_message(&rig, B, refused); /* Late: it stands with another ballot now. */
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_CANDIDATE);
    rig_deinit(&rig);
}

TEST(proposer, stops_when_its_own_acceptor_promises_a_higher_ballot)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    rig_prepare(&rig, C, 3, 1);
    rig_expect(&rig,
               "record #2: promise 3.C\n"
               "to C: promise 3.C, nothing accepted (after #2)\n"
               "follower of none: promised a higher ballot to a candidate\n");
    rig_deinit(&rig);
}

/* A leader's index says: what I proposed up to here is what was chosen. So it must stop when it
 * hears that something else was, or anything in a slot that it has not come to. */
TEST(proposer, stops_when_it_hears_that_another_value_was_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_forget(&rig);
    rig_learn(&rig, C, 1, 8, 0);
    rig_expect(&rig,
               "record #3: slot 1 v8 is chosen\n"
               "chosen: slot 1 v8\n"
               "follower of none: a member promised a higher ballot\n");
    rig_deinit(&rig);
}

TEST(proposer, stops_when_it_hears_of_a_slot_that_it_has_not_come_to)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    rig_learn(&rig, C, 1, 8, 0);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_FOLLOWER);
    rig_deinit(&rig);
}

TEST(proposer, goes_on_when_it_hears_that_its_own_value_was_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_forget(&rig);
    rig_learn(&rig, C, 1, 7, 0);
    rig_expect(&rig, "chosen: slot 1 v7\n");
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    rig_deinit(&rig);
}

/* The state that skips its proposals does not say what was chosen there. */
TEST(proposer, stops_when_a_snapshot_skips_what_it_has_proposed)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_forget(&rig);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = 1});
    rig_expect(&rig, "follower of none: a member promised a higher ballot\n");
    assert_int_equal(rig_status(&rig).chosen, 1);
    rig_deinit(&rig);
}

TEST(proposer, goes_on_when_a_snapshot_brings_what_was_reported_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    rig_promise(&rig, B, 2, 3);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = 3});
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_deinit(&rig);
}

TEST(proposer, gives_notice_to_those_who_wait_for_it)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    const struct synod_entry entry = rig_entry(0, 7);
    (void)rig_step(&rig, (struct synod_event){
                             .type = SYNOD_EVENT_PROPOSE, .entry = &entry, .wants_notice = 1});
    rig_flush(&rig);
    rig_forget(&rig);
    rig_accepted(&rig, B, 2, 1, 7);
    assert_int_equal(rig.effects->wake_at_ms, rig.now_ms);
    rig_tick(&rig, 0);
    rig_expect(&rig,
               "chosen: slot 1 v7\n"
               "to B: notice 2.A, all up to slot 1 is chosen\n"
               "to C: notice 2.A, all up to slot 1 is chosen\n");
    rig_deinit(&rig);
}

/* That one may be lost, and there may never be another Accept. */
TEST(proposer, gives_the_last_notice_again_with_each_heartbeat)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_flush(&rig);
    rig_accepted(&rig, B, 2, 1, 7);
    rig.shows_heartbeats = 1;
    rig_forget(&rig);
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: ask 2.A 3, leads, hears a quorum, able, all up to slot 1 is chosen\n"
               "to C: ask 2.A 3, leads, hears a quorum, able, all up to slot 1 is chosen\n");
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: ask 2.A 4, leads, hears a quorum, able, all up to slot 1 is chosen\n"
               "to C: ask 2.A 4, leads, hears a quorum, able, all up to slot 1 is chosen\n");
    rig_deinit(&rig);
}

/* The next Accept carries the notice: it needs no message of its own. */
TEST(proposer, spares_the_notice_when_an_accept_says_it)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    const struct synod_entry entry = rig_entry(0, 7);
    (void)rig_step(&rig, (struct synod_event){
                             .type = SYNOD_EVENT_PROPOSE, .entry = &entry, .wants_notice = 1});
    rig_flush(&rig);
    rig_accepted(&rig, B, 2, 1, 7);
    rig_forget(&rig);
    assert_int_equal(rig_propose(&rig, 8), 0);
    rig_tick(&rig, 0);
    rig_expect(&rig,
               "record #3: all up to slot 1 is chosen\n"
               "record #4: vote 2.A slot 2 v8\n"
               "to B: accept 2.A slot 2 v8, all up to slot 1 is chosen\n"
               "to C: accept 2.A slot 2 v8, all up to slot 1 is chosen\n");
    rig_deinit(&rig);
}

TEST(proposer, fits_what_it_proposes_again_into_messages)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.message_bytes_max = 10; /* Values here have 8. */
    rig_start(&rig);
    rig_stand(&rig);
    rig_flush(&rig);
    const struct synod_vote votes[] = {vote_of(1, C, rig_entry(1, 11)),
                                       vote_of(1, C, rig_entry(2, 12))};
    promise_votes(&rig, B, votes, 2, SYNOD_SLOT_ALL);
    rig_forget(&rig);
    rig_tick(&rig, 0);
    rig_expect(&rig,
               "record #2: vote 2.A slot 1 v11\n"
               "to B: accept 2.A slot 1 v11\n"
               "to C: accept 2.A slot 1 v11\n");
    rig_tick(&rig, 0);
    rig_expect(&rig,
               "record #3: vote 2.A slot 2 v12\n"
               "to B: accept 2.A slot 2 v12\n"
               "to C: accept 2.A slot 2 v12\n");
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: accept 2.A slot 1 v11\n"
               "to C: accept 2.A slot 1 v11\n");
    rig_deinit(&rig);
}
