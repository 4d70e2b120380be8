/* voters_test.c -- whom one hears, and who of them can vote on what comes next. */
#include "rig.h"

enum {
    WINDOW = 16,
    CHOSEN = 20,    /* By A. */
    FAR_BEHIND = 4, /* A window ends there at A's prefix; ... */
    NEAR = 5        /* ... and here one slot behind it. */
};

static void start_with_quorums(struct rig *rig, uint32_t members, uint32_t phase2)
{
    rig_init(rig, members);
    rig->options.window = WINDOW;
    rig->options.pipeline_max = 8;
    rig->options.members.phase2 = phase2;
    rig_start(rig);
    for (synod_slot slot = 1; slot <= CHOSEN; slot++) {
        rig_learn(rig, C, slot, 7, CHOSEN);
    }
    rig_flush(rig);
}

static void start_with_twenty_slots(struct rig *rig, uint32_t members)
{
    start_with_quorums(rig, members, members / 2 + 1);
}

static void answer(struct rig *rig, synod_member_id from, synod_slot chosen, uint32_t flags)
{
    rig_answer_with(rig, from, chosen,
                    (struct synod_status_report){.last = chosen, .flags = flags});
}

/* A leads five, of whom B and D answer it. Does it still, after three seconds? */
static int leads_on(uint32_t flags_of_b, synod_slot chosen_by_d)
{
    struct rig rig;
    start_with_twenty_slots(&rig, 5);
    rig_lead(&rig);
    for (int i = 0; i < 60 && rig.role == SYNOD_ROLE_LEADER; i++) {
        answer(&rig, B, CHOSEN, flags_of_b);
        answer(&rig, D, chosen_by_d, 0);
        rig_tick(&rig, 50);
    }
    const int leads = rig.role == SYNOD_ROLE_LEADER;
    assert_int_equal(rig_status(&rig).why, leads ? SYNOD_WHY_ELECTED : SYNOD_WHY_NO_QUORUM);
    rig_deinit(&rig);
    return leads;
}

/* D answers, and cannot vote before it has caught up. B hears C and E, that A does not; as long as
 * A leads none of them stands. */
TEST(voters, leader_makes_room_for_one_that_has_enough_of_them)
{
    assert_false(leads_on(SYNOD_STATUS_ABLE, FAR_BEHIND));
    assert_true(leads_on(SYNOD_STATUS_ABLE, NEAR));
}

/* Of seven, F hears B, D and E, and nobody else hears more than three that can vote: only by B does
 * A learn that it is in the way. */
TEST(voters, leader_makes_room_for_one_that_it_hears_of)
{
    assert_false(leads_on(SYNOD_STATUS_HEARS_ABLE, FAR_BEHIND));
    assert_true(leads_on(SYNOD_STATUS_HEARS_ABLE, NEAR));
}

/* There is nobody else, and others may read: so it waits until D has caught up. */
TEST(voters, leader_stays_where_nobody_has_enough_of_them)
{
    assert_true(leads_on(0, FAR_BEHIND));
}

/* What is known of others is as old as their last answers: they may have voted for much since. */
TEST(voters, leader_stays_while_it_gets_on)
{
    struct rig rig;
    start_with_twenty_slots(&rig, 3);
    rig_lead(&rig);
    const uint64_t round = rig_status(&rig).promised.round;
    for (uint64_t i = 1; i <= 3 * WINDOW; i++) {
        assert_int_equal(rig_propose(&rig, i), 0);
        rig_flush(&rig);
        rig_accepted(&rig, C, round, CHOSEN + i, i);
        answer(&rig, B, CHOSEN, SYNOD_STATUS_ABLE);
        answer(&rig, C, CHOSEN, SYNOD_STATUS_ABLE);
        rig_forget(&rig);
        rig_tick(&rig, 100);
        assert_int_equal(rig.role, SYNOD_ROLE_LEADER);
    }
    assert_int_equal(rig_status(&rig).chosen, CHOSEN + 3 * WINDOW);
    for (int i = 0; i < 12; i++) {
        answer(&rig, B, CHOSEN, SYNOD_STATUS_ABLE);
        answer(&rig, C, CHOSEN, SYNOD_STATUS_ABLE);
        rig_tick(&rig, 100);
    }
    assert_int_equal(rig.role, SYNOD_ROLE_FOLLOWER);
    rig_deinit(&rig);
}

static uint64_t time_until_it_stands(uint32_t flags_of_b)
{
    struct rig rig;
    start_with_twenty_slots(&rig, 5);
    const uint64_t begun = rig.now_ms;
    while (rig.role != SYNOD_ROLE_CANDIDATE && rig.now_ms < begun + 10000) {
        answer(&rig, B, CHOSEN, flags_of_b);
        answer(&rig, D, FAR_BEHIND, 0);
        rig_tick(&rig, 50);
    }
    const uint64_t waited = rig.now_ms - begun;
    rig_deinit(&rig);
    return waited;
}

TEST(voters, who_has_too_few_leaves_others_the_time_to_stand)
{
    assert_in_range(time_until_it_stands(0), 0, 300);
    assert_in_range(time_until_it_stands(SYNOD_STATUS_ABLE), 1000, 1300);
    assert_in_range(time_until_it_stands(SYNOD_STATUS_HEARS_ABLE), 1000, 1300);
}

TEST(voters, make_whoever_hears_them_able)
{
    struct rig rig;
    start_with_twenty_slots(&rig, 5);
    rig.shows_heartbeats = 1;
    for (synod_slot chosen = FAR_BEHIND; chosen <= NEAR; chosen++) {
        answer(&rig, B, CHOSEN, 0);
        answer(&rig, D, chosen, 0);
        rig_forget(&rig);
        rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = chosen});
        rig_expect(&rig, chosen == NEAR
                             ? "to C: answer 5, hears a quorum, able, all up to slot 20 is chosen\n"
                             : "to C: answer 4, hears a quorum, all up to slot 20 is chosen\n");
        rig_tick(&rig, 100);
    }
    rig_deinit(&rig);
}

/* C knows a window more than A, which could not vote for C; C must not make room for A. */
TEST(voters, of_whom_one_is_a_window_ahead_make_nobody_able)
{
    for (synod_slot ahead = WINDOW - 1; ahead <= WINDOW; ahead++) {
        struct rig rig;
        start_with_twenty_slots(&rig, 3);
        rig.shows_heartbeats = 1;
        answer(&rig, C, CHOSEN + ahead, 0);
        rig_forget(&rig);
        rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
        rig_expect(&rig, ahead < WINDOW
                             ? "to B: answer 1, hears a quorum, able, all up to slot 20 is chosen\n"
                             : "to B: answer 1, hears a quorum, all up to slot 20 is chosen\n");
        rig_deinit(&rig);
    }
}

/* E leads, or C does. Who only hears of somebody able does not pass that on. */
TEST(voters, are_told_of_another_that_could_lead)
{
    static const struct {
        synod_member_id leader;
        uint32_t flags_of_c;
        const char *said;
    } cases[] = {
        {E, SYNOD_STATUS_ABLE, "to B: answer 1, follows 30.E, hears one able\n"},
        {C, SYNOD_STATUS_ABLE, "to B: answer 1, follows 30.C\n"},
        {E, SYNOD_STATUS_HEARS_ABLE, "to B: answer 1, follows 30.E\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_init(&rig, 5);
        rig_start(&rig);
        rig.shows_heartbeats = 1;
        const uint32_t leads = SYNOD_STATUS_VOUCHES;
        rig_answer(&rig, C, leads | cases[i].flags_of_c, rig_ballot(30, cases[i].leader));
        rig_forget(&rig);
        rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
        rig_expect(&rig, cases[i].said);
        rig_deinit(&rig);
    }
}

/* Of four, any two may vote and any three must promise: who is behind can do that. */
TEST(voters, need_no_more_than_promises_of_those_behind)
{
    struct rig rig;
    start_with_quorums(&rig, 4, 2);
    rig.shows_heartbeats = 1;
    answer(&rig, B, CHOSEN, 0);
    answer(&rig, D, FAR_BEHIND, 0);
    rig_forget(&rig);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
    rig_expect(&rig, "to C: answer 1, hears a quorum, able, all up to slot 20 is chosen\n");
    rig_deinit(&rig);
}

/* A is within C's window, and D within A's; but whoever leads has to come up to C first, and D
 * cannot vote there. */
TEST(voters, count_behind_the_longest_prefix_that_is_heard_of)
{
    struct rig rig;
    start_with_twenty_slots(&rig, 5);
    rig.shows_heartbeats = 1;
    answer(&rig, C, CHOSEN + 1, 0);
    answer(&rig, D, NEAR, 0);
    rig_forget(&rig);
    rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
    rig_expect(&rig, "to B: answer 1, hears a quorum, all up to slot 20 is chosen\n");
    rig_deinit(&rig);
}

/* A has promised all that it has, so B asks it no more; others may take longer over that. */
TEST(voters, wait_for_a_candidate_as_long_as_it_stands)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, B, 5, 1);
    rig_flush(&rig);
    for (int i = 0; i < 50; i++) {
        answer(&rig, B, 0, SYNOD_STATUS_STANDS);
        answer(&rig, C, 0, 0);
        rig_tick(&rig, 100);
        assert_int_equal(rig.role, SYNOD_ROLE_FOLLOWER);
    }
    for (int i = 0; i < 5; i++) {
        answer(&rig, B, 0, 0);
        answer(&rig, C, 0, 0);
        rig_tick(&rig, 100);
    }
    assert_int_equal(rig.role, SYNOD_ROLE_CANDIDATE);
    rig_deinit(&rig);
}

/* What B says while A does not hear the candidate itself. Does A stand within five seconds? */
static int stands_beside(struct synod_ballot awaited)
{
    struct rig rig;
    rig_init(&rig, 5);
    rig_start(&rig);
    for (int i = 0; i < 50 && rig.role == SYNOD_ROLE_FOLLOWER; i++) {
        rig_answer(&rig, B, SYNOD_STATUS_AWAITS, awaited);
        rig_answer(&rig, D, 0, (struct synod_ballot){0});
        rig_tick(&rig, 100);
    }
    const int stands = rig.role == SYNOD_ROLE_CANDIDATE;
    rig_deinit(&rig);
    return stands;
}

TEST(voters, wait_for_a_candidate_that_they_hear_of)
{
    assert_false(stands_beside(rig_ballot(5, C)));
    assert_true(stands_beside(rig_ballot(5, A)));
}

TEST(voters, say_whom_they_await_while_it_stands)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_prepare(&rig, C, 5, 1);
    rig_flush(&rig);
    rig.shows_heartbeats = 1;
    for (uint64_t i = 1; i <= 2; i++) {
        answer(&rig, C, 0, i == 1 ? SYNOD_STATUS_STANDS : 0);
        rig_forget(&rig);
        rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = i});
        rig_expect(&rig,
                   i == 1 ? "to B: answer 1, has promised 5.C, awaits 5.C, hears a quorum, able\n"
                          : "to B: answer 2, has promised 5.C, hears a quorum, able\n");
        rig_tick(&rig, 100);
    }
    rig_deinit(&rig);
}
