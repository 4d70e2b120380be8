/* reads_test.c -- linearizable reads without writing. */
#include "rig.h"
#include "synod/error.h"

enum {
    LEADS = SYNOD_STATUS_LEADS | SYNOD_STATUS_PHASE2
};

static void start(struct rig *rig, uint32_t members)
{
    rig_init(rig, members);
    rig->options.reads_max = 2;
    rig_start(rig);
    rig_forget(rig);
}

static int read_at(struct rig *rig, uint64_t id)
{
    return rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_READ, .id = id});
}

/* B answers a certain question of A's, which leads. */
static void confirm(struct rig *rig, synod_member_id from, uint64_t question)
{
    const uint64_t last = rig->question;
    rig->question = question;
    rig_answer(rig, from, 0, rig_ballot(0, 0));
    rig->question = last > rig->question ? last : rig->question;
}

TEST(reads, are_answered_when_a_quorum_confirms_the_ballot)
{
    struct rig rig;
    start(&rig, 5);
    rig_lead(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    confirm(&rig, B, rig.question);
    rig_expect(&rig, "");
    confirm(&rig, C, rig.question);
    rig_expect(&rig, "read 7 at slot 0\n");
    rig_deinit(&rig);
}

TEST(reads, need_no_answer_where_one_member_is_a_quorum)
{
    struct rig rig;
    start(&rig, 1);
    rig_tick(&rig, 50);
    rig_flush(&rig);
    rig_tick(&rig, 50);
    rig_flush(&rig);
    rig_forget(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    rig_expect(&rig, "read 7 at slot 0\n");
    rig_deinit(&rig);
}

/* An answer to a question that was asked before the read came says nothing about now. */
TEST(reads, are_not_confirmed_by_answers_to_earlier_questions)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    const uint64_t before = rig.question;
    assert_int_equal(read_at(&rig, 7), 0);
    assert_int_equal(rig.question, before + 1);
    confirm(&rig, B, before);
    rig_expect(&rig, "");
    confirm(&rig, B, before + 1);
    rig_expect(&rig, "read 7 at slot 0\n");
    rig_deinit(&rig);
}

TEST(reads, are_not_confirmed_by_answers_about_another_ballot)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    rig_message(&rig, B,
                (struct synod_message){
                    .type = SYNOD_MESSAGE_ANSWER, .id = rig.question, .ballot = rig_ballot(1, A)});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* Those that come while a question is out share the next one. */
TEST(reads, share_a_question)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    const uint64_t first = rig.question;
    assert_int_equal(read_at(&rig, 8), 0);
    assert_int_equal(rig.question, first);
    confirm(&rig, B, first);
    rig_expect(&rig, "read 7 at slot 0\n");
    assert_int_equal(rig.question, first + 1);
    confirm(&rig, B, first + 1);
    rig_expect(&rig, "read 8 at slot 0\n");
    rig_deinit(&rig);
}

TEST(reads, are_refused_when_too_many_wait)
{
    struct rig rig;
    start(&rig, 3);
    assert_int_equal(read_at(&rig, 1), SYNOD_ERR_NO_LEADER);
    rig_lead(&rig);
    assert_int_equal(read_at(&rig, 1), 0);
    assert_int_equal(read_at(&rig, 2), 0);
    assert_int_equal(read_at(&rig, 3), SYNOD_ERR_BUSY);
    rig_message(&rig, B, (struct synod_message){.type = SYNOD_MESSAGE_READ, .id = 9});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* What phase 1 reported may have been chosen, applied and read, in any order: until all of it is
 * chosen here, a new leader's prefix may be behind what somebody has seen. */
TEST(reads, wait_for_all_that_the_leader_took_over)
{
    struct rig rig;
    start(&rig, 3);
    rig_stand(&rig);
    rig_flush(&rig);
    const struct synod_vote vote = {.ballot = rig_ballot(1, C), .entry = rig_entry(4, 9)};
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_PROMISE,
                                       .ballot = rig_status(&rig).promised,
                                       .slot = 1,
                                       .until = SYNOD_SLOT_ALL,
                                       .votes = &vote,
                                       .vote_count = 1});
    rig_forget(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    confirm(&rig, B, rig.question);
    rig_expect(&rig, "read 7 at slot 4\n");
    rig_deinit(&rig);
}

TEST(reads, see_what_the_leader_knows_to_be_chosen)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_flush(&rig);
    rig_accepted(&rig, B, 2, 1, 7);
    rig_forget(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    confirm(&rig, B, rig.question);
    rig_expect(&rig, "read 7 at slot 1\n");
    rig_deinit(&rig);
}

TEST(reads, of_others_are_answered_by_a_message)
{
    struct rig rig;
    start(&rig, 3);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_READ, .id = 9});
    rig_expect(&rig, ""); /* It does not lead: the asker will try elsewhere. */
    rig_lead(&rig);
    rig_message(&rig, C, (struct synod_message){.type = SYNOD_MESSAGE_READ, .id = 9});
    rig_expect(&rig, "");
    confirm(&rig, B, rig.question);
    rig_expect(&rig, "to C: read-index 2.A at slot 0\n");
    rig_deinit(&rig);
}

TEST(reads, are_forgotten_by_a_leader_that_stops)
{
    struct rig rig;
    start(&rig, 3);
    rig_lead(&rig);
    assert_int_equal(read_at(&rig, 7), 0);
    const uint64_t question = rig.question;
    const struct synod_ballot ballot = rig_status(&rig).leader;
    rig_prepare(&rig, C, 9, 1);
    rig_forget(&rig);
    rig_message(
        &rig, B,
        (struct synod_message){.type = SYNOD_MESSAGE_ANSWER, .id = question, .ballot = ballot});
    rig_expect(&rig, "");
    rig_deinit(&rig);
}

/* What the leader hears of A's reads, and answers. */
static uint64_t id_of_read(struct rig *rig, uint64_t id)
{
    assert_int_equal(read_at(rig, id), 0);
    for (uint32_t i = 0; i < rig->effects->message_count; i++) {
        if (rig->effects->messages[i].type == SYNOD_MESSAGE_READ) {
            assert_int_equal(rig->effects->messages[i].to, B);
            return rig->effects->messages[i].id;
        }
    }
    fail();
    return 0;
}

static void answer_read(struct rig *rig, uint64_t id, synod_slot slot)
{
    rig_message(
        rig, B,
        (struct synod_message){
            .type = SYNOD_MESSAGE_READ_INDEX, .ballot = rig_ballot(5, B), .id = id, .slot = slot});
}

TEST(reads, of_a_follower_go_to_the_leader)
{
    struct rig rig;
    start(&rig, 3);
    rig_answer(&rig, B, LEADS, rig_ballot(5, B));
    const uint64_t id = id_of_read(&rig, 7);
    rig_forget(&rig);
    answer_read(&rig, id, 4);
    rig_expect(&rig, "read 7 at slot 4\n");
    rig_deinit(&rig);
}

/* The leader may hold a read while the member that sent it crashes and comes back. Reads are
 * numbered from 1 in each life: the late answer must not pass for one to the new life's read. */
TEST(reads, of_an_earlier_life_are_not_taken_for_those_of_this_one)
{
    struct rig rig;
    start(&rig, 3);
    rig_answer(&rig, B, LEADS, rig_ballot(5, B));
    const uint64_t earlier = id_of_read(&rig, 1);
    rig_restart(&rig);
    rig_answer(&rig, B, LEADS, rig_ballot(5, B));
    const uint64_t later = id_of_read(&rig, 1);
    rig_forget(&rig);
    answer_read(&rig, earlier, 4);
    rig_expect(&rig, "");
    answer_read(&rig, later, 5);
    rig_expect(&rig, "read 1 at slot 5\n");
    rig_deinit(&rig);
}
