/* acceptor_test.c -- promises and votes. */
#include "rig.h"

#include <stdlib.h>

#include "synod/error.h"

TEST(acceptor, promises_when_the_record_is_durable)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_expect(&rig,
               "record #1: promise 5.B\n"
               "to B: promise 5.B, nothing accepted (after #1)\n");
    rig_deinit(&rig);
}

/* The first answer may be lost: a repeat is answered, writes nothing, and waits all the same. */
TEST(acceptor, answers_a_repeated_prepare_after_the_first_record)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_forget(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_expect(&rig, "to B: promise 5.B, nothing accepted (after #1)\n");
    rig_deinit(&rig);
}

TEST(acceptor, refuses_ballots_below_its_promise_and_names_it)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, C, 5, 1);
    rig_forget(&rig);
    rig_prepare(&rig, B, 5, 1); /* Lower by its member alone. */
    rig_expect(&rig, "to B: refused 5.B, has promised 5.C\n");
    rig_accept(&rig, B, 4, 1, 7);
    rig_expect(&rig, "to B: refused 4.B, has promised 5.C\n");
    rig_deinit(&rig);
}

TEST(acceptor, votes_in_the_ballot_it_promised)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_forget(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_expect(&rig,
               "record #2: vote 5.B slot 1 v7\n"
               "to B: accepted 5.B slot 1 v7 (after #2)\n");
    rig_deinit(&rig);
}

TEST(acceptor, promises_what_it_votes_for)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, C, 5, 1, 7);
    rig_expect(&rig,
               "record #1: promise 5.C\n"
               "record #2: vote 5.C slot 1 v7\n"
               "to C: accepted 5.C slot 1 v7 (after #2)\n");
    rig_accept(&rig, B, 5, 1, 8);
    rig_expect(&rig, "to B: refused 5.B, has promised 5.C\n");
    rig_deinit(&rig);
}

TEST(acceptor, answers_a_repeated_accept_without_writing_again)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_accept(&rig, B, 5, 2, 8);
    rig_forget(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_expect(&rig, "to B: accepted 5.B slot 1 v7 (after #2)\n");
    rig_deinit(&rig);
}

/* It is not the first vote's record that the answer to the second rests on. */
TEST(acceptor, answers_for_a_vote_that_replaces_another_after_its_own_record)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_prepare(&rig, C, 6, 1);
    rig_forget(&rig);
    rig_accept(&rig, C, 6, 1, 8);
    rig_expect(&rig,
               "record #4: vote 6.C slot 1 v8\n"
               "to C: accepted 6.C slot 1 v8 (after #4)\n");
    rig_deinit(&rig);
}

/* No honest proposer asks for two values in one ballot. If one does, silence chooses neither. */
TEST(acceptor, gives_no_second_vote_in_one_ballot)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    rig_accept(&rig, B, 5, 1, 8);
    rig_expect(&rig, "");
    rig_prepare(&rig, B, 6, 1);
    rig_expect(&rig,
               "record #3: promise 6.B\n"
               "to B: promise 6.B, accepted slot 1 v7 in 5.B (after #3)\n");
    rig_deinit(&rig);
}

TEST(acceptor, shows_the_vote_of_the_highest_ballot)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 2, 7);
    rig_accept(&rig, C, 6, 2, 8);
    rig_forget(&rig);
    rig_prepare(&rig, B, 9, 1);
    rig_expect(&rig,
               "record #5: promise 9.B\n"
               "to B: promise 9.B, accepted slot 2 v8 in 6.C (after #5)\n");
    rig_prepare(&rig, B, 9, 3);
    rig_expect(&rig, "to B: promise 9.B, nothing accepted (after #5)\n");
    rig_deinit(&rig);
}

/* The vote's record is younger than the promise's: the answer rests on both. */
TEST(acceptor, shows_no_vote_before_its_record_is_durable)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_accept(&rig, B, 5, 1, 7);
    rig_forget(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_expect(&rig, "to B: promise 5.B, accepted slot 1 v7 in 5.B (after #2)\n");
    rig_deinit(&rig);
}

TEST(acceptor, shows_in_pieces_what_does_not_fit_into_one)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.entries_max = 2;
    rig_start(&rig);
    for (synod_slot slot = 1; slot <= 5; slot += 2) {
        rig_accept(&rig, B, 5, slot, slot);
    }
    rig_forget(&rig);
    rig_prepare(&rig, B, 6, 1);
    rig_expect(&rig,
               "record #5: promise 6.B\n"
               "to B: promise 6.B, accepted slot 1 v1 in 5.B, accepted slot 3 v3 in 5.B, "
               "more from slot 5 (after #5)\n");
    rig_prepare(&rig, B, 6, 5);
    rig_expect(&rig, "to B: promise 6.B, accepted slot 5 v5 in 5.B (after #5)\n");
    rig_deinit(&rig);
}

TEST(acceptor, shows_no_more_bytes_than_fit_but_one_value_always)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.message_bytes_max = 10; /* Values here have 8. */
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 1);
    rig_accept(&rig, B, 5, 2, 2);
    rig_forget(&rig);
    rig_prepare(&rig, B, 6, 1);
    rig_expect(&rig,
               "record #4: promise 6.B\n"
               "to B: promise 6.B, accepted slot 1 v1 in 5.B, more from slot 2 "
               "(after #4)\n");
    rig_deinit(&rig);
}

/* A slot in the prefix is reported by the index, one beyond it as chosen, never as empty: an
 * empty place would invite a no-op. */
TEST(acceptor, reports_chosen_slots_as_chosen)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_learn(&rig, B, 1, 7, 0);
    rig_learn(&rig, B, 3, 9, 0);
    rig_forget(&rig);
    rig_prepare(&rig, B, 6, 1);
    rig_expect(&rig,
               "record #4: promise 6.B\n"
               "to B: promise 6.B, chosen slot 3 v9, all up to slot 1 is chosen "
               "(after #4)\n");
    rig_deinit(&rig);
}

TEST(acceptor, does_not_vote_on_what_is_chosen)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_learn(&rig, B, 1, 7, 0);
    rig_learn(&rig, B, 3, 9, 0);
    rig_forget(&rig);
    rig_accept(&rig, C, 6, 3, 9);
    rig_expect(&rig,
               "record #4: promise 6.C\n"
               "to C: learn slot 3 v9, all up to slot 1 is chosen\n");
    rig_accept(&rig, C, 6, 1, 7);
    rig_expect(&rig, "to C: chosen, all up to slot 1 is chosen\n");
    rig_deinit(&rig);
}

TEST(acceptor, answers_a_mixed_message_in_parts)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_learn(&rig, B, 1, 7, 0);
    rig_learn(&rig, B, 3, 9, 0);
    rig_forget(&rig);
    const struct synod_entry entries[] = {rig_entry(1, 7), rig_entry(2, 8), rig_entry(3, 9)};
    rig_message(&rig, C,
                (struct synod_message){.type = SYNOD_MESSAGE_ACCEPT,
                                       .ballot = rig_ballot(6, C),
                                       .entries = entries,
                                       .entry_count = 3});
    rig_expect(&rig,
               "record #4: promise 6.C\n"
               "record #5: vote 6.C slot 2 v8\n"
               "to C: accepted 6.C slot 2 v8 (after #5)\n"
               "to C: learn slot 3 v9, all up to slot 1 is chosen\n");
    rig_deinit(&rig);
}

/* It asks about many small entries, and what was chosen in their slots is large. */
TEST(acceptor, tells_no_more_bytes_than_fit_but_one_value_always)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.message_bytes_max = 10; /* Values here have 8. */
    rig_start(&rig);
    rig_learn(&rig, B, 3, 9, 0);
    rig_learn(&rig, B, 4, 10, 0);
    rig_forget(&rig);
    const struct synod_entry entries[] = {rig_noop(3), rig_noop(4)};
    rig_message(&rig, C,
                (struct synod_message){.type = SYNOD_MESSAGE_ACCEPT,
                                       .ballot = rig_ballot(6, C),
                                       .entries = entries,
                                       .entry_count = 2});
    rig_expect(&rig,
               "record #3: promise 6.C\n"
               "to C: learn slot 3 v9\n");
    rig_accept(&rig, C, 6, 4, 7);
    rig_expect(&rig, "to C: learn slot 4 v10\n");
    rig_deinit(&rig);
}

/* What cannot be remembered is not accepted. */
TEST(acceptor, does_not_vote_beyond_its_window)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.window = 4;
    rig.options.pipeline_max = 2;
    rig_start(&rig);
    rig_accept(&rig, B, 5, 5, 7);
    rig_expect(&rig, "record #1: promise 5.B\n");
    rig_accept(&rig, B, 5, 4, 7);
    rig_expect(&rig,
               "record #2: vote 5.B slot 4 v7\n"
               "to B: accepted 5.B slot 4 v7 (after #2)\n");
    rig_deinit(&rig);
}

TEST(acceptor, remembers_across_a_restart)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_prepare(&rig, C, 9, 1);
    rig_restart(&rig);
    rig_forget(&rig);
    rig_accept(&rig, B, 8, 1, 8);
    rig_expect(&rig, "to B: refused 8.B, has promised 9.C\n");
    rig_prepare(&rig, C, 9, 1);
    rig_expect(&rig, "to C: promise 9.C, accepted slot 1 v7 in 5.B\n");
    rig_deinit(&rig);
}

static int restore(struct rig *rig, struct synod_record record)
{
    return rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_RESTORE, .record = &record});
}

/* A core that has not started: what it restores is up to the test. */
static void init_unstarted(struct rig *rig)
{
    rig_init(rig, 3);
    rig->options.window = 4;
    rig->options.pipeline_max = 2;
    rig->core = synod_core_init(malloc(synod_core_size(&rig->options)), &rig->options);
    rig->effects = synod_effects_init(malloc(synod_effects_size(&rig->options)), &rig->options);
    rig->role = SYNOD_ROLE_FOLLOWER;
}

TEST(acceptor, restores_no_records_that_contradict_each_other)
{
    struct rig rig;
    init_unstarted(&rig);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_PROMISE}),
                     SYNOD_ERR_CORRUPT);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                         .ballot = rig_ballot(5, B),
                                                         .entry = rig_entry(5, 7)}),
                     SYNOD_ERR_CORRUPT); /* Beyond the window. */
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                         .ballot = rig_ballot(5, B),
                                                         .entry = rig_entry(4, 7)}),
                     0);
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                         .ballot = rig_ballot(4, B),
                                                         .entry = rig_entry(4, 7)}),
                     SYNOD_ERR_CORRUPT); /* Votes rise. */
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                         .ballot = rig_ballot(5, B),
                                                         .entry = rig_entry(4, 8)}),
                     SYNOD_ERR_CORRUPT); /* A ballot proposes one value. */
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_VOTE,
                                                         .ballot = rig_ballot(6, 9),
                                                         .entry = rig_entry(4, 8)}),
                     SYNOD_ERR_CORRUPT); /* Nobody of that name can have stood. */
    assert_int_equal(restore(&rig, (struct synod_record){.type = SYNOD_RECORD_PROMISE,
                                                         .ballot = rig_ballot(6, 9)}),
                     SYNOD_ERR_CORRUPT);
    rig_deinit(&rig);
}
