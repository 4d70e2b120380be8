/* learner_test.c -- what is known to be chosen, handed out in order. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "synod/error.h"

static void start(struct rig *rig)
{
    rig_init(rig, 3);
    rig->options.window = 4;
    rig->options.pipeline_max = 2;
    rig_start(rig);
    rig_forget(rig);
}

/* A member answers A's heartbeat: A hears it, and that it sees a leader, so A need not stand. */
static void hear(struct rig *rig, synod_member_id from)
{
    rig_tick(rig, 100);
    rig_answer(rig, from, SYNOD_STATUS_VOUCHES, rig_ballot(5, C));
    rig_forget(rig);
}

static void claim(struct rig *rig, synod_member_id from, synod_slot chosen)
{
    rig_message(rig, from, (struct synod_message){.type = SYNOD_MESSAGE_CHOSEN, .chosen = chosen});
}

TEST(learner, takes_its_vote_for_chosen_when_the_notice_is_of_its_ballot)
{
    struct rig rig;
    start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    rig_notice(&rig, C, 4, 1); /* Another leader's index says nothing about this vote. */
    rig_notice(&rig, C, 6, 1);
    rig_expect(&rig, "");
    rig_notice(&rig, B, 5, 1);
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

TEST(learner, takes_a_heartbeat_of_the_leader_for_a_notice_that_was_lost)
{
    struct rig rig;
    start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    rig_message(&rig, B,
                (struct synod_message){
                    .type = SYNOD_MESSAGE_ASK, .id = 1, .ballot = rig_ballot(5, B), .chosen = 1});
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

/* The first leader of each view may have the very same ballot, and proposes other entries. */
TEST(learner, does_not_believe_a_notice_of_another_view)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    struct synod_message notice = {
        .type = SYNOD_MESSAGE_NOTICE, .view = 2, .ballot = rig_ballot(5, B), .chosen = 1};
    rig_message(&rig, B, notice);
    rig_expect(&rig, "");
    notice.view = 1;
    rig_message(&rig, B, notice);
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

TEST(learner, believes_a_notice_of_a_ballot_that_was_passed)
{
    struct rig rig;
    start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_prepare(&rig, C, 9, 1);
    rig_forget(&rig);
    rig_notice(&rig, B, 5, 1);
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

TEST(learner, hands_out_in_order_what_comes_out_of_order)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 2, 8, 0);
    rig_expect(&rig, "record #1: slot 2 v8 is chosen\n");
    rig_learn(&rig, B, 1, 7, 0);
    rig_expect(&rig,
               "record #2: slot 1 v7 is chosen\n"
               "chosen: slot 1 v7\n"
               "chosen: slot 2 v8\n");
    rig_learn(&rig, B, 1, 7, 0);
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(learner, writes_nothing_where_its_vote_says_the_same)
{
    struct rig rig;
    start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    rig_learn(&rig, C, 1, 7, 0);
    rig_expect(&rig, "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

TEST(learner, passes_over_what_it_cannot_remember)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 5, 9, 0);
    rig_expect(&rig, "");
    rig_learn(&rig, B, 4, 9, 0);
    rig_expect(&rig, "record #1: slot 4 v9 is chosen\n");
    rig_deinit(&rig);
}

/* Somebody is broken, and it must not bring us down: what was heard first stays. */
TEST(learner, refuses_a_second_value_for_a_slot_and_says_so)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 2, 8, 0);
    rig_forget(&rig);
    const struct synod_entry other = rig_entry(2, 9);
    const struct synod_message learn = {.type = SYNOD_MESSAGE_LEARN,
                                        .from = C,
                                        .to = A,
                                        .view = 1,
                                        .entries = &other,
                                        .entry_count = 1};
    assert_int_equal(
        rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &learn}),
        SYNOD_ERR_CORRUPT);
    rig_expect(&rig, "");
    assert_int_equal(
        rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &learn}),
        SYNOD_ERR_CORRUPT);
    rig_learn(&rig, B, 1, 7, 0);
    rig_expect(&rig,
               "record #2: slot 1 v7 is chosen\n"
               "chosen: slot 1 v7\n"
               "chosen: slot 2 v8\n");
    rig_deinit(&rig);
}

TEST(learner, asks_for_what_it_lacks_when_it_does_not_come_by_itself)
{
    struct rig rig;
    start(&rig);
    hear(&rig, B);
    claim(&rig, B, 2);
    rig_tick(&rig, 99);
    rig_expect(&rig, "");
    rig_tick(&rig, 1);
    rig_expect(&rig, "to B: fetch from slot 1\n");
    rig_tick(&rig, 100);
    rig_expect(&rig, "");
    claim(&rig, B, 2); /* The fetch or its answer was lost; the next claim begins anew. */
    rig_tick(&rig, 100);
    rig_expect(&rig, "to B: fetch from slot 1\n");
    rig_deinit(&rig);
}

TEST(learner, asks_at_once_for_more_when_an_answer_comes)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 1, 7, 9);
    rig_expect(&rig,
               "record #1: slot 1 v7 is chosen\n"
               "to B: fetch from slot 2\n"
               "chosen: slot 1 v7\n");
    rig_learn(&rig, B, 2, 8, 2);
    rig_expect(&rig,
               "record #2: all up to slot 1 is chosen\n"
               "record #3: slot 2 v8 is chosen\n"
               "chosen: slot 2 v8\n");
    rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_LEARN, .chosen = 9});
    rig_expect(&rig, ""); /* An empty answer is none. */
    rig_deinit(&rig);
}

TEST(learner, asks_who_claims_most)
{
    struct rig rig;
    start(&rig);
    hear(&rig, B);
    hear(&rig, C);
    claim(&rig, B, 2);
    claim(&rig, C, 3);
    claim(&rig, B, 3);
    rig_tick(&rig, 100);
    rig_expect(&rig, "to C: fetch from slot 1\n");
    rig_deinit(&rig);
}

/* B is near and its word comes first, but it has nothing to give: what it claims is damaged. */
TEST(learner, asks_another_when_one_was_asked_in_vain)
{
    struct rig rig;
    start(&rig);
    for (int i = 0; i < 4; i++) {
        hear(&rig, B);
        hear(&rig, C);
        rig_forget(&rig);
        claim(&rig, B, 3);
        claim(&rig, C, 2);
        rig_tick(&rig, 100);
        rig_expect(&rig, i % 2 == 0 ? "to B: fetch from slot 1\n" : "to C: fetch from slot 1\n");
    }
    rig_learn(&rig, C, 1, 7, 9);
    rig_expect(&rig,
               "record #1: slot 1 v7 is chosen\n"
               "to C: fetch from slot 2\n"
               "chosen: slot 1 v7\n");
    rig_deinit(&rig);
}

/* B leads, so it always claims the most, and says so last. */
TEST(learner, asks_another_though_who_was_asked_in_vain_claims_more)
{
    struct rig rig;
    start(&rig);
    for (int i = 0; i < 4; i++) {
        hear(&rig, B);
        hear(&rig, C);
        rig_forget(&rig);
        claim(&rig, C, 2);
        claim(&rig, B, 3 + (synod_slot)i);
        rig_tick(&rig, 100);
        rig_expect(&rig, i % 2 == 0 ? "to B: fetch from slot 1\n" : "to C: fetch from slot 1\n");
    }
    rig_deinit(&rig);
}

/* Two that give would give the same, and on a narrow link each of them half as fast. */
TEST(learner, asks_one_for_more_though_another_gives_as_well)
{
    struct rig rig;
    start(&rig);
    hear(&rig, B);
    hear(&rig, C);
    rig_forget(&rig);
    claim(&rig, B, 9);
    rig_tick(&rig, 100);
    rig_expect(&rig, "to B: fetch from slot 1\n");
    rig_learn(&rig, B, 1, 7, 9);
    assert_non_null(strstr(rig.text, "to B: fetch from slot 2\n"));
    rig_forget(&rig);
    rig_learn(&rig, C, 2, 8, 9); /* Asked in an earlier life, perhaps. */
    assert_null(strstr(rig.text, "fetch"));
    claim(&rig, C, 9);
    rig_tick(&rig, 900); /* B is slow. */
    assert_null(strstr(rig.text, "fetch"));
    rig_learn(&rig, B, 3, 9, 9);
    assert_non_null(strstr(rig.text, "to B: fetch from slot 4\n"));
    rig_forget(&rig);
    rig_tick(&rig, 500);
    hear(&rig, C);
    claim(&rig, C, 9);
    rig_forget(&rig);
    rig_tick(&rig, 500); /* B is gone. */
    assert_non_null(strstr(rig.text, "to C: fetch from slot 4\n"));
    rig_deinit(&rig);
}

/* B reaches A, but does not hear it: asking B is of no use, and if its claims counted, B would
 * be asked for ever, and C never. */
TEST(learner, asks_nobody_who_does_not_answer)
{
    struct rig rig;
    start(&rig);
    hear(&rig, C);
    for (int i = 0; i < 3; i++) {
        claim(&rig, B, 3);
        claim(&rig, C, 2);
        rig_tick(&rig, 100);
        rig_expect(&rig, "to C: fetch from slot 1\n");
    }
    rig_deinit(&rig);
}

TEST(learner, serves_what_it_has_handed_out)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 1, 7, 0);
    rig_forget(&rig);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_FETCH, .slot = 1});
    rig_expect(&rig, "serve C from slot 1\n");
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_FETCH, .slot = 2});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(learner, skips_what_a_snapshot_holds)
{
    struct rig rig;
    start(&rig);
    rig_learn(&rig, B, 4, 9, 0);
    rig_forget(&rig);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = 3});
    rig_expect(&rig, "chosen: slot 4 v9\n");
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = 2});
    rig_expect(&rig, "");
    assert_int_equal(rig_status(&rig).chosen, 4);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = 9});
    assert_int_equal(rig_status(&rig).chosen, 9);
    assert_int_equal(rig_status(&rig).last, 9);
    rig_deinit(&rig);
}

TEST(learner, knows_after_a_restart_what_the_records_say)
{
    struct rig rig;
    start(&rig);
    rig_accept(&rig, B, 5, 1, 7);  /* Chosen, as the notice says. */
    rig_accept(&rig, B, 5, 2, 88); /* Not chosen: another was. */
    rig_notice(&rig, B, 5, 1);
    rig_learn(&rig, C, 2, 8, 0);
    rig_accept(&rig, C, 6, 3, 9); /* Records that the prefix is 2. */
    rig_forget(&rig);
    rig_restart(&rig);
    rig_expect(&rig,
               "chosen: slot 1 v7\n"
               "chosen: slot 2 v8\n");
    rig_deinit(&rig);
}

/* The prefix grew by notices, which are not recorded; then entries came from another member,
 * further ahead than a restart from the votes alone could reach. */
TEST(learner, restarts_after_it_learned_beyond_its_votes)
{
    struct rig rig;
    start(&rig);
    for (synod_slot slot = 1; slot <= 4; slot++) {
        rig_accept(&rig, B, 5, slot, slot);
    }
    rig_notice(&rig, B, 5, 4);
    for (synod_slot slot = 5; slot <= 8; slot++) {
        rig_learn(&rig, C, slot, slot, 0);
    }
    rig_forget(&rig);
    rig_restart(&rig);
    assert_int_equal(rig_status(&rig).chosen, 8);
    rig_deinit(&rig);
}

static int restore(struct rig *rig, struct synod_record record)
{
    return rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = &record});
}

TEST(learner, restores_no_prefix_with_a_hole)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.window = 4;
    rig.options.pipeline_max = 2;
    rig.core = synod_core_init(malloc(synod_core_size(&rig.options)), &rig.options);
    rig.effects = synod_effects_init(malloc(synod_effects_size(&rig.options)), &rig.options);
    rig.role = SYNOD_ROLE_FOLLOWER;
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_LEARNED,
                                                         .entry = rig_entry(2, 8)}),
                     0);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_LEARNED,
                                                         .entry = rig_entry(5, 8)}),
                     SYNOD_ERR_CORRUPT);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_CHOSEN, .chosen = 2}),
                     SYNOD_ERR_CORRUPT);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_LEARNED,
                                                         .entry = rig_entry(1, 7)}),
                     0);
    assert_int_equal(rig_status(&rig).chosen, 2);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_CHOSEN, .chosen = 1}),
                     0);
    assert_int_equal(restore(&rig, (struct synod_record){.type = (enum synod_record_type)99}),
                     SYNOD_ERR_CORRUPT);
    rig_deinit(&rig);
}
