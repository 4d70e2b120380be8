/* core_test.c -- options, filtering, memory, time. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "synod/error.h"

/* -- Options ------------------------------------------------------------------------------ */

static struct synod_options good_options(void)
{
    struct rig rig;
    rig_init(&rig, 3);
    return rig.options;
}

TEST(core, takes_the_default_limits)
{
    const struct synod_options options = good_options();
    assert_true(synod_options_are_valid(&options));
}

/* The options must be refused; then they are good again. */
static void assert_refused(struct synod_options *options)
{
    assert_false(synod_options_are_valid(options));
    *options = good_options();
    assert_true(synod_options_are_valid(options));
}

TEST(core, refuses_options_that_make_no_sense)
{
    struct synod_options o = good_options();
    o.members.count = 0;
    assert_refused(&o);
    o.members.count = SYNOD_MEMBERS_MAX + 1;
    assert_refused(&o);
    o.self = 4;
    assert_refused(&o);
    o.view = 0;
    assert_refused(&o);
    o.members.ids[1] = 0;
    assert_refused(&o);
    o.members.ids[2] = o.members.ids[1];
    assert_refused(&o);
    o.members.phase1 = 0;
    assert_refused(&o);
    o.members.phase1 = 4;
    assert_refused(&o);
    o.members.phase2 = 0;
    o.members.phase1 = 3;
    assert_refused(&o);
    o.members.phase2 = 4;
    assert_refused(&o);
    o.members.phase1 = 1; /* 1 + 2 members need not meet. */
    assert_refused(&o);
    o.window = 1;
    o.pipeline_max = 1;
    assert_refused(&o);
    o.window = 1000; /* No power of two. */
    assert_refused(&o);
    o.window = 2 * SYNOD_WINDOW_MAX;
    assert_refused(&o);
    o.pipeline_max = 0;
    assert_refused(&o);
    o.pipeline_max = o.window / 2 + 1;
    assert_refused(&o);
    o.entries_max = 0;
    assert_refused(&o);
    o.entries_max = SYNOD_ENTRIES_MAX + 1;
    assert_refused(&o);
    o.reads_max = 0;
    assert_refused(&o);
    o.reads_max = SYNOD_READS_MAX + 1;
    assert_refused(&o);
    o.heartbeat_ms = 0;
    assert_refused(&o);
    o.election_ms = o.heartbeat_ms;
    assert_refused(&o);
    o.retry_ms = 0;
    assert_refused(&o);
}

/* -- Messages ----------------------------------------------------------------------------- */

struct sample {
    enum synod_message_type type;
    struct synod_message message;
    struct synod_entry entries[3];
    struct synod_vote votes[3];
};

/* A message of this type to A, from B, with nothing wrong in it. */
static void make_sample(struct sample *s, enum synod_message_type type)
{
    const int is_to_proposer = type == SYNOD_MESSAGE_PROMISE || type == SYNOD_MESSAGE_ACCEPTED ||
                               type == SYNOD_MESSAGE_REFUSED || type == SYNOD_MESSAGE_ANSWER;
    *s = (struct sample){
        .type = type,
        .entries = {rig_entry(1, 7), rig_noop(2), rig_entry(4, 8)},
        .votes = {{rig_ballot(1, B), rig_entry(1, 7), 0}, {rig_ballot(0, 0), rig_entry(3, 8), 1}}};
    s->message = (struct synod_message){.type = type,
                                        .from = B,
                                        .to = A,
                                        .view = 1,
                                        .ballot = rig_ballot(5, is_to_proposer ? A : B),
                                        .promised = rig_ballot(6, C),
                                        .status = {.leader = rig_ballot(5, C)},
                                        .slot = 1,
                                        .until = 5,
                                        .entries = s->entries,
                                        .votes = s->votes};
    const int has_entries = type == SYNOD_MESSAGE_ACCEPT || type == SYNOD_MESSAGE_ACCEPTED ||
                            type == SYNOD_MESSAGE_LEARN;
    s->message.entry_count = has_entries ? 3 : 0;
    s->message.vote_count = type == SYNOD_MESSAGE_PROMISE ? 2 : 0;
}

static int is_valid(const struct sample *s)
{
    const struct synod_options options = good_options();
    return synod_message_is_valid(&s->message, &options);
}

TEST(core, lets_honest_messages_through)
{
    for (int type = SYNOD_MESSAGE_PREPARE; type < SYNOD_MESSAGE_TYPE_END; type++) {
        struct sample s;
        make_sample(&s, (enum synod_message_type)type);
        assert_true(is_valid(&s));
    }
}

/* The message must be filtered; then there is nothing wrong with it any more. */
static void assert_filtered(struct sample *s)
{
    assert_false(is_valid(s));
    make_sample(s, s->type);
    assert_true(is_valid(s));
}

/* A ballot that is none, and yet greater than none. */
TEST(core, filters_ballots_of_no_round_that_name_somebody)
{
    struct sample s;
    make_sample(&s, SYNOD_MESSAGE_ANSWER);
    s.message.status.leader = rig_ballot(0, C);
    assert_filtered(&s);
    s.message.promised = rig_ballot(0, C);
    assert_filtered(&s);
    make_sample(&s, SYNOD_MESSAGE_FETCH);
    s.message.ballot = rig_ballot(0, C);
    assert_filtered(&s);
}

TEST(core, filters_messages_from_and_about_nobody)
{
    struct sample s;

    make_sample(&s, SYNOD_MESSAGE_PREPARE);
    s.message.type = SYNOD_MESSAGE_TYPE_END;
    assert_filtered(&s);
    s.message.type = (enum synod_message_type)0;
    assert_filtered(&s);
    s.message.from = 9;
    assert_filtered(&s);
    s.message.to = C;
    assert_filtered(&s);
    s.message.slot = 0;
    assert_filtered(&s);
    s.message.slot = SYNOD_SLOT_ALL; /* Nothing can be beyond it: no answer would be complete. */
    assert_filtered(&s);
    s.message.ballot.round = 0;
    assert_filtered(&s);
    s.message.ballot.round = UINT64_MAX;
    assert_filtered(&s);
    s.message.ballot.member = C; /* Whose ballot it is not. */
    assert_filtered(&s);
    s.message.ballot.member = 9;
    assert_filtered(&s);
    s.message.promised.member = 9;
    assert_filtered(&s);
    s.message.status.leader.round = UINT64_MAX;
    assert_filtered(&s);
    s.message.chosen = SYNOD_SLOT_MAX + 1;
    assert_filtered(&s);
}

TEST(core, filters_entries_that_nobody_would_propose)
{
    struct sample s;

    make_sample(&s, SYNOD_MESSAGE_ACCEPT);
    s.message.entry_count = 0;
    assert_filtered(&s);
    s.message.ballot = rig_ballot(5, C);
    assert_filtered(&s);
    s.message.entry_count = CLUSTER_ENTRIES_MAX + 1;
    assert_filtered(&s);
    s.entries[1].slot = 1;
    assert_filtered(&s);
    s.entries[0].slot = 0;
    assert_filtered(&s);
    s.entries[2].slot = SYNOD_SLOT_MAX + 1;
    assert_filtered(&s);
    s.entries[0].view = 0;
    assert_filtered(&s);
    s.entries[0].kind = 0;
    assert_filtered(&s);
    s.entries[1].size = 1;
    assert_filtered(&s);
    s.entries[1].checksum = 1;
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_ACCEPTED);
    s.message.ballot = rig_ballot(5, B); /* Not an answer to us. */
    assert_filtered(&s);
    s.message.ballot.round = 0;
    assert_filtered(&s);
    s.entries[2].slot = 2;
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_LEARN);
    s.entries[2].slot = 2;
    assert_filtered(&s);
}

TEST(core, filters_promises_that_nobody_would_make)
{
    struct sample s;

    make_sample(&s, SYNOD_MESSAGE_PROMISE);
    s.message.ballot = rig_ballot(5, B);
    assert_filtered(&s);
    s.message.until = SYNOD_SLOT_MAX + 1; /* We would ask again from there. */
    assert_filtered(&s);
    s.message.ballot.round = 0;
    assert_filtered(&s);
    s.message.vote_count = CLUSTER_ENTRIES_MAX + 1;
    assert_filtered(&s);
    s.message.slot = 0;
    assert_filtered(&s);
    s.message.until = 1;
    assert_filtered(&s);
    s.votes[0].entry.slot = 3;
    assert_filtered(&s);
    s.votes[0].entry.kind = 9;
    assert_filtered(&s);
    s.message.slot = 2;
    assert_filtered(&s);
    s.message.until = 3;
    assert_filtered(&s);
    s.votes[1].is_chosen = 0; /* A vote without a ballot. */
    assert_filtered(&s);
}

TEST(core, filters_what_nobody_would_say_in_passing)
{
    struct sample s;

    make_sample(&s, SYNOD_MESSAGE_REFUSED);
    s.message.promised = rig_ballot(0, 0);
    assert_filtered(&s);
    s.message.ballot.round = 0;
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_NOTICE);
    s.message.ballot = rig_ballot(5, C);
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_READ_INDEX);
    s.message.ballot = rig_ballot(5, C);
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_FETCH);
    s.message.slot = 0;
    assert_filtered(&s);

    /* It has no ballot of its own, but we would stand above whatever we see. */
    make_sample(&s, SYNOD_MESSAGE_CHOSEN);
    s.message.ballot = rig_ballot(SYNOD_ROUND_MAX + 1, B);
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_ASK);
    s.message.ballot = rig_ballot(5, C);
    assert_filtered(&s);

    make_sample(&s, SYNOD_MESSAGE_ANSWER);
    s.message.ballot.member = 9;
    assert_filtered(&s);
}

TEST(core, lets_questions_of_those_who_do_not_lead_through)
{
    struct sample s;
    make_sample(&s, SYNOD_MESSAGE_ASK);
    s.message.ballot = rig_ballot(0, 0);
    s.message.promised = rig_ballot(0, 0);
    s.message.status.leader = rig_ballot(0, 0);
    assert_true(is_valid(&s));
    s.message.type = SYNOD_MESSAGE_ANSWER;
    assert_true(is_valid(&s));
}

/* Ballots live in a view. */
TEST(core, does_not_compare_what_belongs_to_another_view)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_message(
        &rig, B,
        (struct synod_message){
            .type = SYNOD_MESSAGE_PREPARE, .view = 2, .ballot = rig_ballot(9, B), .slot = 1});
    rig_expect(&rig, "");
    assert_int_equal(rig_status(&rig).round, 0);
    rig_deinit(&rig);
}

TEST(core, reads_what_a_leader_says_about_the_prefix_in_all_its_messages)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_accept(&rig, B, 5, 2, 8);
    rig_forget(&rig);
    const struct synod_entry entry = rig_entry(3, 9);
    rig_message(&rig, B,
                (struct synod_message){.type = SYNOD_MESSAGE_ACCEPT,
                                       .ballot = rig_ballot(5, B),
                                       .chosen = 1,
                                       .entries = &entry,
                                       .entry_count = 1});
    rig_expect(&rig,
               "record #4: all up to slot 1 is chosen\n"
               "record #5: vote 5.B slot 3 v9\n"
               "to B: accepted 5.B slot 3 v9 (after #5)\n"
               "chosen: slot 1 v7\n");
    rig_message(&rig, B,
                (struct synod_message){
                    .type = SYNOD_MESSAGE_ASK, .id = 1, .ballot = rig_ballot(5, B), .chosen = 2});
    rig_expect(&rig, "chosen: slot 2 v8\n");
    rig_message(
        &rig, B,
        (struct synod_message){
            .type = SYNOD_MESSAGE_READ_INDEX, .ballot = rig_ballot(5, B), .slot = 3, .chosen = 99});
    assert_non_null(strstr(rig.text, "chosen: slot 3 v9\n"));
    rig_deinit(&rig);
}

/* -- Memory and time ---------------------------------------------------------------------- */

/* Flat, without a pointer: a copy of the bytes goes on as the first does. */
TEST(core, is_cloned_by_copying_its_bytes)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_accept(&rig, B, 5, 1, 7);
    rig_learn(&rig, B, 3, 9, 0);
    rig_forget(&rig);
    const size_t size = synod_core_size(&rig.options);
    void *copy = malloc(size);
    struct synod_core *first = rig.core;
    assert_non_null(copy);
    memcpy(copy, first, size);
    rig.core = copy;
    rig_prepare(&rig, C, 9, 1);
    char text[RIG_TEXT_MAX];
    memcpy(text, rig.text, sizeof text);
    rig_forget(&rig);
    rig.core = first;
    rig.lsn--;
    rig_prepare(&rig, C, 9, 1);
    rig_expect(&rig, text);
    assert_memory_equal(first, copy, size);
    free(copy);
    rig_deinit(&rig);
}

TEST(core, wants_no_tick_before_it_starts)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.core = synod_core_init(malloc(synod_core_size(&rig.options)), &rig.options);
    rig.effects = synod_effects_init(malloc(synod_effects_size(&rig.options)), &rig.options);
    rig.role = SYNOD_ROLE_FOLLOWER;
    rig_tick(&rig, 5000);
    rig_expect(&rig, "");
    assert_true(rig.effects->wake_at_ms == UINT64_MAX);
    rig_deinit(&rig);
}

/* Events that come faster than any time-out put off nothing that time must bring. */
TEST(core, is_woken_for_repeats_however_busy_it_is)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    rig_tick(&rig, 0);
    const uint64_t since = rig.now_ms;
    for (uint64_t id = 1; rig.effects->wake_at_ms > rig.now_ms; id++) {
        rig.now_ms += 10;
        (void)rig_step(&rig, (struct synod_event){.type = SYNOD_EVENT_READ, .id = id});
        assert_in_range(rig.now_ms, since, since + rig.options.retry_ms);
    }
    rig_deinit(&rig);
}

TEST(core, is_woken_sooner_where_repeats_are_due_sooner_than_heartbeats)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig.options.retry_ms = 20;
    rig_start(&rig);
    rig_lead(&rig);
    rig_tick(&rig, 0);
    assert_true(rig.effects->wake_at_ms > rig.now_ms + 20);
    assert_int_equal(rig_propose(&rig, 7), 0);
    assert_int_equal(rig.effects->wake_at_ms, rig.now_ms + 20);
    rig_deinit(&rig);
}

TEST(core, tells_why_in_words)
{
    assert_string_equal(synod_why_text(SYNOD_WHY_ELECTED), "won phase 1 of its ballot");
    assert_string_equal(synod_why_text((enum synod_why)0), "no change yet");
    for (int why = SYNOD_WHY_ELECTED; why <= SYNOD_WHY_ASKED; why++) {
        assert_string_not_equal(synod_why_text((enum synod_why)why), "no change yet");
    }
}

/* Whatever snapshot came, the core goes on to speak of slots that others let in. */
TEST(core, has_slots_left_behind_the_last_snapshot)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    (void)rig_step(
        &rig, (struct synod_event){.type = SYNOD_EVENT_SNAPSHOT, .slot = SYNOD_SNAPSHOT_SLOT_MAX});
    rig_lead(&rig);
    assert_int_equal(rig_propose(&rig, 7), 0);
    assert_int_equal(rig.effects->message_count, 3);
    for (uint32_t i = 0; i < rig.effects->message_count; i++) {
        struct synod_options options = rig.options;
        options.self = rig.effects->messages[i].to;
        assert_true(synod_message_is_valid(&rig.effects->messages[i], &options));
    }
    rig_deinit(&rig);
}

static void go_back_in_time(void *context)
{
    struct rig *rig = context;
    rig->now_ms--;
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_TICK});
}

static void claim_the_future(void *context)
{
    struct rig *rig = context;
    (void)rig_step(rig, (struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = rig->lsn + 1});
}

TEST(core, aborts_when_it_is_misused)
{
    struct rig rig;
    rig_init(&rig, 3);
    rig_start(&rig);
    assert_true(rig_aborts(go_back_in_time, &rig));
    assert_true(rig_aborts(claim_the_future, &rig));
    rig_deinit(&rig);
}
