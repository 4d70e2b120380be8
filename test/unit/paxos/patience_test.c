/* patience_test.c -- how long phase 1 is waited for. */
#include "rig.h"

static void start_and_stand(struct rig *rig)
{
    rig_init(rig, 3);
    rig_start(rig);
    rig_stand(rig);
    rig_flush(rig);
    rig_forget(rig);
}

TEST(proposer, gives_up_a_phase_1_that_does_not_end)
{
    struct rig rig;
    start_and_stand(&rig);
    rig_tick(&rig, 100);
    rig_expect(&rig,
               "to B: prepare 2.A from slot 1 (after #1)\n"
               "to C: prepare 2.A from slot 1 (after #1)\n");
    rig_tick(&rig, 900);
    rig_expect(&rig, "follower of none: phase 1 got no further in time\n");
    rig_deinit(&rig);
}

/* Where there is much to report, phase 1 may take many times the election time-out. */
TEST(proposer, waits_anew_after_each_piece_of_a_promise)
{
    struct rig rig;
    start_and_stand(&rig);
    for (synod_slot slot = 1; slot <= 5; slot++) {
        rig_tick(&rig, 900);
        assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_CANDIDATE);
        rig_message(&rig, B,
                    (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                           .ballot = rig_status(&rig).promised,
                                           .slot = slot,
                                           .until = slot + 1});
    }
    rig_tick(&rig, 999);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_CANDIDATE);
    rig_tick(&rig, 1);
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_GAVE_UP);
    rig_deinit(&rig);
}

/* It leads, and what B reported chosen is still to come: that is phase 1, too. */
TEST(proposer, waits_twice_as_long_for_what_was_reported_chosen)
{
    struct rig rig;
    start_and_stand(&rig);
    for (uint32_t patience_ms = 1000; patience_ms <= 4000; patience_ms *= 2) {
        rig_promise(&rig, B, rig_status(&rig).promised.round, 2);
        for (uint32_t ms = 100; ms < patience_ms; ms += 100) {
            rig_tick(&rig, 100);
            rig_answer(&rig, C, 0, rig_ballot(0, 0));
            assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
        }
        rig_tick(&rig, 100);
        assert_int_equal(rig_status(&rig).why, SYNOD_WHY_GAVE_UP);
        rig_stand(&rig);
        rig_flush(&rig);
    }
    rig_deinit(&rig);
}

/* A promise that takes longer than the election time-out would never be waited for. */
TEST(proposer, waits_twice_as_long_after_each_ballot_that_it_lost)
{
    static const uint32_t PATIENCE_MS[] = {1000, 2000, 4000, 8000, 8000, 8000, 8000};
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    for (size_t i = 0; i < sizeof PATIENCE_MS / sizeof PATIENCE_MS[0]; i++) {
        rig_stand(&rig);
        rig_flush(&rig);
        rig_tick(&rig, PATIENCE_MS[i] - 1);
        assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_CANDIDATE);
        rig_tick(&rig, 1);
        assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_FOLLOWER);
        assert_int_equal(rig_status(&rig).why, SYNOD_WHY_GAVE_UP);
    }
    rig_deinit(&rig);
}

/* It leads, and has a long way to go to where it could propose. The others have all that it lacks:
 * what comes of that is no reason to let them wait. */
TEST(proposer, leads_for_no_longer_than_phase_1_may_take_while_it_catches_up)
{
    struct rig rig;
    start_and_stand(&rig);
    rig_promise(&rig, B, rig_status(&rig).promised.round, 200);
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    for (synod_slot slot = 1; slot <= 9; slot++) {
        rig_tick(&rig, 100);
        rig_answer(&rig, C, 0, rig_ballot(0, 0));
        rig_learn(&rig, B, slot, 7, 200);
        assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_LEADER);
    }
    rig_tick(&rig, 100);
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_GAVE_UP);
    rig_deinit(&rig);
}
