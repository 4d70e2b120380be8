/* election_test.c -- asking, hearing, standing, giving up. */
#include "rig.h"

enum {
    LEADS = SYNOD_STATUS_LEADS | SYNOD_STATUS_PHASE2
};

static void start(struct rig *rig, uint32_t members)
{
    rig_init(rig, members);
    rig_start(rig);
    rig_forget(rig);
}

static struct synod_ballot none(void)
{
    return rig_ballot(0, 0);
}

/* Let time pass in which the members of the set answer every heartbeat like this. */
static void pass(struct rig *rig, uint64_t ms, uint32_t set, uint32_t flags,
                 struct synod_ballot leader)
{
    for (uint64_t at = 0; at < ms; at += 10) {
        for (synod_member_id member = B; member <= rig->options.members.count; member++) {
            if ((set & 1u << member) != 0) {
                rig_answer(rig, member, flags, leader);
            }
        }
        rig_tick(rig, 10);
    }
}

static void disconnect(struct rig *rig, synod_member_id member)
{
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_DISCONNECTED, .member = member});
}

static int stands(const struct rig *rig)
{
    return rig->role == SYNOD_ROLE_CANDIDATE;
}

TEST(election, stands_when_it_hears_a_quorum_and_no_leader)
{
    struct rig rig;
    start(&rig, 5);
    pass(&rig, 2000, 1u << B, 0, none());
    assert_false(stands(&rig)); /* Two of five are no quorum. */
    pass(&rig, 200, 1u << B | 1u << C, 0, none());
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, needs_quorums_of_both_phases_to_stand)
{
    struct rig rig;
    rig_init(&rig, 4);
    rig.options.members.phase1 = 2;
    rig.options.members.phase2 = 3;
    rig_start(&rig);
    pass(&rig, 1000, 1u << B, 0, none());
    assert_false(stands(&rig));
    pass(&rig, 1000, 1u << B | 1u << C, 0, none());
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, follows_a_leader_that_hears_a_quorum)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 10, 1u << B, LEADS, rig_ballot(5, B));
    rig_expect(&rig, "follower of 5.B: heard from a leader\n");
    pass(&rig, 3000, 1u << B | 1u << C, LEADS, rig_ballot(5, B));
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* Omni-Paxos, the quorum-loss scenario: a leader that is merely reachable is none. */
TEST(election, does_not_take_for_a_leader_who_hears_no_quorum)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 200, 1u << B | 1u << C, SYNOD_STATUS_LEADS, rig_ballot(5, B));
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

/* Its proposals must not keep A from standing either. */
TEST(election, does_not_follow_who_proposes_without_a_quorum)
{
    struct rig rig;
    start(&rig, 3);
    for (int i = 0; i < 30 && !stands(&rig); i++) {
        rig_accept(&rig, B, 5, 1, 7);
        rig_message(&rig, B,
                    (struct synod_message){
                        .type = SYNOD_MESSAGE_ASK,
                        .id = (uint64_t)i + 1,
                        .ballot = rig_ballot(5, B),
                        .status = {.leader = rig_ballot(5, B), .flags = SYNOD_STATUS_LEADS}});
        pass(&rig, 10, 1u << B | 1u << C, SYNOD_STATUS_LEADS, rig_ballot(5, B));
    }
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

/* The chained scenario: C does not hear the leader, but B does, and says so. */
TEST(election, does_not_stand_when_somebody_vouches_for_a_leader)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 3000, 1u << B | 1u << C, SYNOD_STATUS_VOUCHES, rig_ballot(5, C));
    assert_false(stands(&rig));
    rig_deinit(&rig);
}

/* It follows it: what its clients want can go through who vouches. */
TEST(election, follows_a_leader_for_which_somebody_vouches)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 1500, 1u << B, SYNOD_STATUS_VOUCHES, rig_ballot(5, C));
    const struct synod_status status = rig_status(&rig);
    assert_int_equal(synod_ballot_compare(status.leader, rig_ballot(5, C)), 0);
    assert_int_equal(status.via, B);
    pass(&rig, 10, 1u << C, LEADS, rig_ballot(5, C));
    assert_int_equal(rig_status(&rig).via, C);
    rig_deinit(&rig);
}

/* It could not follow that leader, and the leader does not hear of it. */
TEST(election, stands_against_a_leader_below_its_promise_for_which_somebody_vouches)
{
    struct rig rig;
    start(&rig, 3);
    rig_prepare(&rig, B, 9, 1);
    rig_flush(&rig);
    pass(&rig, 3000, 1u << B, SYNOD_STATUS_VOUCHES, rig_ballot(5, C));
    assert_int_equal(rig_status(&rig).promised.member, A);
    rig_deinit(&rig);
}

TEST(election, vouches_only_for_a_leader_that_it_hears_itself)
{
    struct rig rig;
    start(&rig, 5);
    rig.shows_heartbeats = 1;
    pass(&rig, 10, 1u << B, LEADS, rig_ballot(5, B));
    rig_forget(&rig);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
    rig_expect(&rig, "to C: answer 1, follows 5.B, vouches\n");
    pass(&rig, 1200, 1u << D, SYNOD_STATUS_VOUCHES, rig_ballot(5, B));
    rig_forget(&rig);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 2});
    rig_expect(&rig, "to C: answer 2, follows 5.B\n");
    rig_deinit(&rig);
}

TEST(election, loses_a_leader_that_falls_silent)
{
    struct rig rig;
    start(&rig, 5);
    pass(&rig, 10, 1u << B, LEADS, rig_ballot(5, B));
    rig_forget(&rig);
    pass(&rig, 1200, 0, 0, none());
    rig_expect(&rig, "follower of none: the leader did not answer within the election time-out\n");
    rig_deinit(&rig);
}

/* A follows the higher ballot of a leader that is gone, while another goes on. */
TEST(election, does_not_cling_to_a_leader_that_is_gone)
{
    struct rig rig;
    start(&rig, 5);
    pass(&rig, 10, 1u << C, LEADS, rig_ballot(9, C));
    pass(&rig, 1500, 1u << B, LEADS, rig_ballot(5, B));
    assert_int_equal(synod_ballot_compare(rig.leader, rig_ballot(5, B)), 0);
    rig_deinit(&rig);
}

TEST(election, does_not_follow_below_its_promise)
{
    struct rig rig;
    start(&rig, 3);
    rig_prepare(&rig, C, 9, 1);
    rig_forget(&rig);
    pass(&rig, 10, 1u << B, LEADS, rig_ballot(5, B));
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_ASK,
                                       .id = 1,
                                       .ballot = rig_ballot(5, B),
                                       .status = {.leader = rig_ballot(5, B), .flags = LEADS}});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

TEST(election, follows_who_asks_as_a_leader)
{
    struct rig rig;
    start(&rig, 3);
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_ASK,
                                       .id = 1,
                                       .ballot = rig_ballot(5, B),
                                       .status = {.leader = rig_ballot(5, B), .flags = LEADS}});
    rig_expect(&rig, "follower of 5.B: heard from a leader\n");
    rig_deinit(&rig);
}

TEST(election, starts_over_when_the_connection_to_the_leader_breaks)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 10, 1u << B | 1u << C, LEADS, rig_ballot(5, B));
    rig_forget(&rig);
    const uint64_t question = rig.question;
    disconnect(&rig, B);
    rig_expect(&rig, "follower of none: the connection to the leader broke\n");
    assert_int_equal(rig.question, question + 1);
    rig.question = question;
    rig_answer(&rig, C, 0, none()); /* To an earlier question: counts no more. */
    assert_int_equal(rig_status(&rig).hears, 1);
    rig.question = question + 1;
    rig_answer(&rig, C, 0, none());
    assert_int_equal(rig_status(&rig).hears, 2);
    pass(&rig, 100, 1u << C, 0, none());
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, keeps_its_leader_when_another_connection_breaks)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 10, 1u << B | 1u << C, LEADS, rig_ballot(5, B));
    rig_forget(&rig);
    disconnect(&rig, C);
    disconnect(&rig, A);
    disconnect(&rig, 77);
    rig_expect(&rig, "");
    assert_int_equal(rig_status(&rig).hears, 2);
    rig_deinit(&rig);
}

TEST(election, waits_longer_the_more_others_know)
{
    struct rig rig;
    start(&rig, 3);
    const struct synod_message answer = {
        .type = SYNOD_MESSAGE_ANSWER, .id = rig.question, .status = {.last = 9}};
    rig_message(&rig, B, answer);
    rig_message(&rig, C, answer);
    rig_tick(&rig, 0);
    rig_tick(&rig, 60); /* Both go first, half a heartbeat each. */
    assert_false(stands(&rig));
    rig_tick(&rig, 60);
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

static void answer_with(struct rig *rig, synod_member_id from, synod_slot last)
{
    rig_message(rig, from,
                (struct synod_message){
                    .type = SYNOD_MESSAGE_ANSWER, .id = rig->question, .status = {.last = last}});
}

static void start_with_twenty_slots(struct rig *rig)
{
    rig_init(rig, 3);
    rig->options.window = 16;
    rig->options.pipeline_max = 8;
    rig_start(rig);
    for (synod_slot slot = 1; slot <= 20; slot++) {
        rig_learn(rig, C, slot, 7, 20);
    }
    rig_flush(rig);
}

/* B cannot take what A would have to tell it before it has caught up, however often it asks. */
TEST(election, does_not_wait_for_a_candidate_that_has_to_catch_up_first)
{
    for (synod_slot chosen = 3; chosen <= 4; chosen++) {
        struct rig rig;
        int has_stood = 0;
        start_with_twenty_slots(&rig);
        for (int i = 0; i < 20; i++) {
            rig_answer_with(&rig, B, chosen, (struct synod_status_report){.last = 10});
            answer_with(&rig, C, 20);
            rig_prepare(&rig, B, 5, 1);
            rig_flush(&rig);
            rig_tick(&rig, 100);
            has_stood |= stands(&rig);
        }
        assert_int_equal(has_stood, chosen == 3); /* Its window ends at 19. */
        rig_deinit(&rig);
    }
}

/* The best placed may be slow: they have an election time-out for it. That A has a vote further on
 * does not make its window reach further. */
TEST(election, waits_longer_when_it_would_have_to_catch_up_first)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.window = 16;
    rig.options.pipeline_max = 8;
    rig_start(&rig);
    rig_accept(&rig, B, 1, 6, 7);
    rig_flush(&rig);
    for (int i = 0; i < 14; i++) {
        answer_with(&rig, B, 20);
        answer_with(&rig, C, 20);
        rig_tick(&rig, 100);
        assert_true(i >= 10 || !stands(&rig));
    }
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

static uint64_t longest_wait(uint32_t heartbeat_ms)
{
    struct rig rig;
    uint64_t longest = 0;
    rig_init(&rig, 3);
    rig.options.heartbeat_ms = heartbeat_ms;
    rig_start(&rig);
    for (uint64_t round = 2; round < 30; round++) {
        const uint64_t before = rig.now_ms;
        rig_stand(&rig);
        rig_flush(&rig);
        const uint64_t waited = rig.now_ms - before;
        longest = waited > longest ? waited : longest;
        rig_message(&rig, B,
                    (struct synod_message){.type = SYNOD_MESSAGE_REFUSED,
                                           .ballot = rig_status(&rig).promised,
                                           .promised = rig_ballot(2 * round, B)});
        rig_forget(&rig);
    }
    rig_deinit(&rig);
    return longest;
}

/* The range doubles up to 16 heartbeats, or a time-out: two whose messages take several heartbeats
 * must come apart, too. */
TEST(election, waits_longer_after_each_failure)
{
    assert_in_range(longest_wait(100), 1000, 1700);
    assert_in_range(longest_wait(10), 600, 1100);
}

TEST(election, leader_gives_up_without_a_phase_2_quorum)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    pass(&rig, 1000, 1u << B, 0, none());
    assert_int_equal(rig.role, SYNOD_ROLE_LEADER);
    pass(&rig, 2200, 0, 0, none());
    assert_int_equal(rig.role, SYNOD_ROLE_FOLLOWER);
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_NO_QUORUM);
    rig_deinit(&rig);
}

TEST(election, leader_gives_up_when_its_disk_stalls)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    pass(&rig, 1000, 1u << B | 1u << C, 0, none());
    assert_int_equal(rig.role, SYNOD_ROLE_LEADER);
    pass(&rig, 10, 1u << B | 1u << C, 0, none());
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_STALLED);
    rig_deinit(&rig);
}

/* Its Prepare could not leave, and the ballot that it has promised itself would only refuse the
 * one that is elected meanwhile. */
TEST(election, does_not_stand_while_its_disk_stalls)
{
    struct rig rig;
    start(&rig, 3);
    rig_prepare(&rig, B, 5, 1);
    rig_forget(&rig);
    rig.now_ms += 1100;
    pass(&rig, 2000, 1u << B | 1u << C, 0, none());
    assert_false(stands(&rig));
    rig_flush(&rig);
    pass(&rig, 500, 1u << B | 1u << C, 0, none());
    assert_true(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, says_that_its_disk_stalls)
{
    struct rig rig;
    start(&rig, 5);
    rig_prepare(&rig, B, 5, 1);
    rig.shows_heartbeats = 1;
    rig_forget(&rig);
    rig.now_ms += 1100;
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_ASK, .id = 1});
    rig_expect(&rig, "to C: answer 1, has promised 5.B, disk stalled\n");
    rig_deinit(&rig);
}

TEST(election, does_not_hear_a_member_whose_disk_stalls)
{
    struct rig rig;
    start(&rig, 3);
    rig_answer(&rig, B, SYNOD_STATUS_STALLED, none());
    assert_int_equal(rig_status(&rig).hears, 1);
    rig_deinit(&rig);
}

TEST(election, stands_no_more_once_it_stops)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STOP});
    rig_expect(&rig, "follower of none: the leader stopped in good order\n");
    pass(&rig, 3000, 1u << B | 1u << C, 0, none());
    assert_false(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, stands_when_asked_with_another_ballot_each_time)
{
    struct rig rig;
    start(&rig, 3);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STAND});
    assert_true(stands(&rig));
    const struct synod_ballot first = rig_status(&rig).promised;
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STAND});
    assert_true(stands(&rig));
    assert_true(synod_ballot_compare(rig_status(&rig).promised, first) > 0);
    assert_int_equal(rig_status(&rig).why, SYNOD_WHY_ASKED);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STOP});
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STAND});
    assert_false(stands(&rig));
    rig_deinit(&rig);
}

TEST(election, who_is_asked_to_stand_follows_nobody)
{
    struct rig rig;
    start(&rig, 3);
    pass(&rig, 10, 1u << B, LEADS, rig_ballot(5, B));
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STAND});
    assert_true(stands(&rig));
    assert_true(synod_ballot_is_none(rig_status(&rig).leader));
    assert_int_equal(rig_status(&rig).promised.round, 6);
    rig_deinit(&rig);
}

TEST(election, leader_stops_when_an_answer_names_a_higher_promise)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_ANSWER,
                                       .id = rig.question,
                                       .ballot = rig_status(&rig).leader,
                                       .promised = rig_ballot(9, C)});
    rig_expect(&rig, "follower of none: a member promised a higher ballot\n");
    rig_deinit(&rig);
}

TEST(election, leader_stops_when_a_higher_leader_speaks)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    rig_message(&rig, C,
                (struct synod_message){.type = SYNOD_MESSAGE_ASK,
                                       .id = 1,
                                       .ballot = rig_ballot(9, C),
                                       .status = {.leader = rig_ballot(9, C), .flags = LEADS}});
    rig_expect(&rig, "follower of 9.C: heard from a leader\n");
    rig_deinit(&rig);
}

TEST(election, ignores_answers_to_no_question_and_second_ones)
{
    struct rig rig;
    start(&rig, 3);
    rig.question++;
    rig_answer(&rig, B, 0, none());
    assert_int_equal(rig_status(&rig).hears, 1);
    rig.question--;
    rig_answer(&rig, B, 0, none());
    assert_int_equal(rig_status(&rig).hears, 2);
    rig_tick(&rig, 900);
    rig.question = 1;
    rig_answer(&rig, B, 0, none()); /* Repeated: does not make B heard for longer. */
    rig_tick(&rig, 150);
    assert_int_equal(rig_status(&rig).hears, 1);
    rig_deinit(&rig);
}

/* A broken member may name the last round there is: then nobody can stand, and nobody aborts. */
TEST(election, is_over_where_no_round_is_left)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_REFUSED,
                                       .ballot = rig_ballot(2, A),
                                       .promised = rig_ballot(SYNOD_ROUND_MAX, B)});
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_STAND});
    assert_int_equal(rig_status(&rig).role, SYNOD_ROLE_FOLLOWER);
    assert_int_equal(rig_status(&rig).promised.round, 0);
    rig_deinit(&rig);
}

TEST(election, asks_each_heartbeat_and_when_a_connection_comes)
{
    struct rig rig;
    start(&rig, 3);
    assert_int_equal(rig.question, 1);
    rig_tick(&rig, 99);
    assert_int_equal(rig.question, 1);
    rig_tick(&rig, 1);
    assert_int_equal(rig.question, 2);
    (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_CONNECTED, .member = B});
    assert_int_equal(rig.question, 3);
    rig_deinit(&rig);
}
