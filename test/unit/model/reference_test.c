/* reference_test.c -- the reference allows what real cores do, and nothing that they must not.
 *
 * In a spoilt story one thing that the reference is told differs from what happened, as a bug of
 * the core would make it; from then on it must refuse. */
#include "model/reference.h"

#include <stdlib.h>
#include <string.h>

#include "story.h"
#include "test.h"

enum {
    SEEDS = 150
};

TEST(reference, allows_what_real_cores_do)
{
    struct story *w = calloc(1, sizeof *w);
    story_begin(w, NULL, 1);
    story_tell(w);
    assert_null(reference_why(w->reference));
    const struct reference_counts counts = reference_counts(w->reference);
    assert_true(counts.steps > 200 && counts.ballots >= 2 && counts.reads >= 2);
    assert_true(counts.chosen >= 9 && counts.proposals > counts.chosen);
    assert_true(counts.votes >= 2 * counts.chosen);
    story_end(w);
    free(w);
}

TEST(reference, allows_whatever_chance_makes_of_real_cores)
{
    struct story *w = calloc(1, sizeof *w);
    uint64_t chosen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct prng prng = {.state = seed};
        story_begin(w, NULL, seed);
        for (uint32_t i = 0; i < 200; i++) {
            story_stir(w, &prng);
        }
        if (reference_why(w->reference) != NULL) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, reference_why(w->reference));
        }
        chosen += reference_counts(w->reference).chosen;
        story_end(w);
    }
    free(w);
    assert_true(chosen > 5 * SEEDS);
}

/* -- Spoiling ----------------------------------------------------------------------------- */

static struct synod_message *find_said(struct told *told, enum synod_message_type type)
{
    for (uint32_t i = 0; i < told->effects.message_count; i++) {
        if (told->messages[i].type == type) {
            return &told->messages[i];
        }
    }
    return NULL;
}

static struct synod_record *find_record(struct told *told, enum synod_record_type type)
{
    for (uint32_t i = 0; i < told->effects.record_count; i++) {
        if (told->records[i].type == type) {
            return &told->records[i];
        }
    }
    return NULL;
}

static enum spoiling wait_for_nothing(struct told *told, enum synod_message_type type)
{
    struct synod_message *m = find_said(told, type);
    if (m == NULL || m->after_lsn == 0) {
        return SPOIL_NOTHING;
    }
    m->after_lsn = 0;
    return SPOIL_DONE;
}

static enum spoiling prepare_early(struct told *told)
{
    return wait_for_nothing(told, SYNOD_MESSAGE_PREPARE);
}

static enum spoiling promise_early(struct told *told)
{
    return wait_for_nothing(told, SYNOD_MESSAGE_PROMISE);
}

static enum spoiling accepted_early(struct told *told)
{
    return wait_for_nothing(told, SYNOD_MESSAGE_ACCEPTED);
}

/* The votes of a promise that shows some, or NULL. */
static struct synod_vote *find_shown(struct told *told, struct synod_message **promise)
{
    for (uint32_t i = 0; i < told->effects.message_count; i++) {
        if (told->messages[i].type == SYNOD_MESSAGE_PROMISE && told->messages[i].vote_count > 0 &&
            !told->votes[i][0].is_chosen) {
            *promise = &told->messages[i];
            return told->votes[i];
        }
    }
    return NULL;
}

static enum spoiling hide_votes(struct told *told)
{
    struct synod_message *promise;
    if (find_shown(told, &promise) == NULL) {
        return SPOIL_NOTHING;
    }
    promise->vote_count = 0;
    return SPOIL_DONE;
}

static enum spoiling show_lower_ballot(struct told *told)
{
    struct synod_message *promise;
    struct synod_vote *vote = find_shown(told, &promise);
    if (vote == NULL) {
        return SPOIL_NOTHING;
    }
    vote->ballot.round--;
    return SPOIL_DONE;
}

static enum spoiling show_other_value(struct told *told)
{
    struct synod_message *promise;
    struct synod_vote *vote = find_shown(told, &promise);
    if (vote == NULL) {
        return SPOIL_NOTHING;
    }
    vote->entry.checksum++;
    return SPOIL_DONE;
}

static enum spoiling show_as_chosen(struct told *told)
{
    struct synod_message *promise;
    struct synod_vote *vote = find_shown(told, &promise);
    if (vote == NULL) {
        return SPOIL_NOTHING;
    }
    vote->entry.checksum++;
    vote->is_chosen = 1;
    return SPOIL_DONE;
}

static enum spoiling promise_another(struct told *told)
{
    struct synod_message *promise = find_said(told, SYNOD_MESSAGE_PROMISE);
    if (promise == NULL || promise->from == promise->to) {
        return SPOIL_NOTHING;
    }
    promise->ballot.round++;
    return SPOIL_DONE;
}

static enum spoiling stand_as_another(struct told *told)
{
    struct synod_message *prepare = find_said(told, SYNOD_MESSAGE_PREPARE);
    if (prepare == NULL) {
        return SPOIL_NOTHING;
    }
    prepare->ballot.member = (told->member + 1) % STORY_MEMBERS + 1;
    return SPOIL_DONE;
}

static enum spoiling stand_as_another_life(struct told *told)
{
    struct synod_message *prepare = find_said(told, SYNOD_MESSAGE_PREPARE);
    if (prepare == NULL) {
        return SPOIL_NOTHING;
    }
    prepare->ballot.incarnation--;
    return SPOIL_DONE;
}

/* What phase 1 found is replaced by something else, in all that is said and written. */
static enum spoiling propose_own_value(struct told *told)
{
    const struct synod_message *accept = find_said(told, SYNOD_MESSAGE_ACCEPT);
    if (accept == NULL || accept->ballot.member != 3 || accept->entry_count < 2) {
        return SPOIL_NOTHING;
    }
    for (uint32_t i = 0; i < told->effects.message_count; i++) {
        told->entries[i][0].checksum++;
    }
    return SPOIL_DONE;
}

static enum spoiling propose_two_values(struct told *told)
{
    if (find_said(told, SYNOD_MESSAGE_ACCEPT) == NULL) {
        return SPOIL_NOTHING;
    }
    for (uint32_t i = told->effects.message_count; i-- > 0;) {
        if (told->messages[i].type == SYNOD_MESSAGE_ACCEPT) {
            told->entries[i][0].checksum++;
            return SPOIL_DONE;
        }
    }
    return SPOIL_NOTHING;
}

/* A promise of an earlier ballot is counted: it was never heard for this one. */
static enum spoiling lead_without_promises(struct told *told)
{
    return told->event.type == SYNOD_EVENT_MESSAGE && told->heard.type == SYNOD_MESSAGE_PROMISE &&
                   told->heard.from != told->heard.to
               ? SPOIL_HIDE
               : SPOIL_NOTHING;
}

static enum spoiling vote_for_nothing_proposed(struct told *told)
{
    struct synod_record *vote = find_record(told, SYNOD_RECORD_VOTE);
    if (vote == NULL || vote->ballot.member == told->member + 1) {
        return SPOIL_NOTHING;
    }
    vote->entry.checksum++;
    return SPOIL_DONE;
}

static enum spoiling vote_below_promise(struct told *told)
{
    struct synod_record *vote = find_record(told, SYNOD_RECORD_VOTE);
    if (vote == NULL) {
        return SPOIL_NOTHING;
    }
    vote->ballot.round--;
    return SPOIL_DONE;
}

static enum spoiling promise_less(struct told *told)
{
    struct synod_record *promise = find_record(told, SYNOD_RECORD_PROMISE);
    if (promise == NULL || promise->ballot.round <= 2) {
        return SPOIL_NOTHING;
    }
    promise->ballot.round = 1;
    return SPOIL_DONE;
}

static enum spoiling record_prefix_early(struct told *told)
{
    struct synod_record *chosen = find_record(told, SYNOD_RECORD_CHOSEN);
    if (chosen == NULL) {
        return SPOIL_NOTHING;
    }
    chosen->chosen += 5;
    return SPOIL_DONE;
}

static enum spoiling record_unlearned(struct told *told)
{
    struct synod_record *learned = find_record(told, SYNOD_RECORD_LEARNED);
    if (learned == NULL) {
        return SPOIL_NOTHING;
    }
    learned->entry.checksum++;
    return SPOIL_DONE;
}

static enum spoiling learn_other_value(struct told *told)
{
    if (told->effects.chosen_count == 0) {
        return SPOIL_NOTHING;
    }
    told->chosen[0].checksum++;
    return SPOIL_DONE;
}

static enum spoiling learn_out_of_order(struct told *told)
{
    if (told->effects.chosen_count == 0) {
        return SPOIL_NOTHING;
    }
    told->chosen[0].slot++;
    return SPOIL_DONE;
}

static enum spoiling give_notice_early(struct told *told)
{
    struct synod_message *accept = find_said(told, SYNOD_MESSAGE_ACCEPT);
    if (accept == NULL) {
        return SPOIL_NOTHING;
    }
    accept->chosen++;
    return SPOIL_DONE;
}

static enum spoiling answer_with_less(struct told *told)
{
    struct synod_message *answer = find_said(told, SYNOD_MESSAGE_ANSWER);
    if (answer == NULL || answer->promised.round == 0) {
        return SPOIL_NOTHING;
    }
    answer->promised.round--;
    return SPOIL_DONE;
}

static enum spoiling hear_no_votes(struct told *told)
{
    if (told->event.type != SYNOD_EVENT_MESSAGE || told->heard.vote_count == 0) {
        return SPOIL_NOTHING;
    }
    told->heard.vote_count = 0;
    return SPOIL_DONE;
}

static enum spoiling hear_other_votes(struct told *told)
{
    if (told->event.type != SYNOD_EVENT_MESSAGE || told->heard.type != SYNOD_MESSAGE_ACCEPTED) {
        return SPOIL_NOTHING;
    }
    told->heard.ballot.round++;
    return SPOIL_DONE;
}

/* The disk never says that it has anything, and others hear of it all the same. */
static enum spoiling forget_the_disk(struct told *told)
{
    return told->event.type == SYNOD_EVENT_DURABLE ? SPOIL_HIDE : SPOIL_NOTHING;
}

static enum spoiling restore_nothing(struct told *told)
{
    return told->event.type == SYNOD_EVENT_RESTORE ? SPOIL_HIDE : SPOIL_NOTHING;
}

static enum spoiling restore_no_votes(struct told *told)
{
    if (told->event.type != SYNOD_EVENT_RESTORE || told->record.type != SYNOD_RECORD_VOTE) {
        return SPOIL_NOTHING;
    }
    told->record.type = SYNOD_RECORD_PROMISE; /* The vote's ballot stays. */
    told->effects.chosen_count = 0;
    return SPOIL_DONE;
}

static enum spoiling restore_another_vote(struct told *told)
{
    if (told->event.type != SYNOD_EVENT_RESTORE || told->record.type != SYNOD_RECORD_VOTE) {
        return SPOIL_NOTHING;
    }
    told->record.entry.checksum++;
    return SPOIL_DONE;
}

static enum spoiling read_too_early(struct told *told)
{
    if (told->effects.read_count == 0) {
        return SPOIL_NOTHING;
    }
    told->reads[0].index = 0;
    return SPOIL_DONE;
}

static const struct {
    const char *bug;
    spoiler spoil;
    const char *refusal; /* Words of it. */
} SPOILT[] = {
    {"PREPARE waits for nothing", prepare_early, "before that is on its disk"},
    {"PROMISE waits for nothing (1)", promise_early, "before that is on its disk"},
    {"ACCEPTED waits for nothing (2)", accepted_early, "before that is on its disk"},
    {"a promise hides votes (75)", hide_votes, "hides its vote"},
    {"a promise shows a lower ballot", show_lower_ballot, "another vote"},
    {"a promise shows another value", show_other_value, "another vote"},
    {"a promise shows as chosen what is not", show_as_chosen, "as chosen, which is not"},
    {"a promise of what nobody asked", promise_another, "unasked"},
    {"a ballot of another member (12)", stand_as_another, "not its own"},
    {"a ballot of another life (4)", stand_as_another_life, "not its own"},
    {"the leader's own value (9)", propose_own_value, "P2c"},
    {"two values under one ballot", propose_two_values, "two entries"},
    {"a quorum that was not heard (7, 11)", lead_without_promises, "P2c"},
    {"a vote for what was not proposed", vote_for_nothing_proposed, "nobody proposed"},
    {"a vote below the promise (5)", vote_below_promise, "P1a"},
    {"a promise that falls (3)", promise_less, "promises round"},
    {"a prefix recorded too early", record_prefix_early, "records that all is chosen"},
    {"what was not learned is recorded", record_unlearned, "as learned"},
    {"something else is learned (13)", learn_other_value, "not chosen so"},
    {"a slot is left out", learn_out_of_order, "hands out slot"},
    {"a notice too early", give_notice_early, "says that all is chosen"},
    {"an answer with an old promise", answer_with_less, "another promise"},
    {"votes are not heard", hear_no_votes, "never said"},
    {"votes of another ballot are heard (13)", hear_other_votes, "nobody made"},
    {"heard before it is durable", forget_the_disk, "too soon"},
    {"a restart forgets all (3)", restore_nothing, "forgets that it promised"},
    {"a restart forgets votes", restore_no_votes, "forgets its vote"},
    {"a restart remembers another vote", restore_another_vote, "never cast"},
    {"a read too early (34)", read_too_early, "was applied when it asked"},
};

TEST(reference, refuses_every_story_that_is_spoilt)
{
    struct story *w = calloc(1, sizeof *w);
    for (size_t i = 0; i < sizeof SPOILT / sizeof *SPOILT; i++) {
        story_begin(w, SPOILT[i].spoil, 1);
        story_tell(w);
        const char *why = reference_why(w->reference);
        if (w->spoilt == 0 || why == NULL || strstr(why, SPOILT[i].refusal) == NULL) {
            fail_msg("%s: spoilt %u times: %s", SPOILT[i].bug, w->spoilt,
                     why != NULL ? why : "allowed");
        }
        story_end(w);
    }
    free(w);
}

/* A life of member 0 reads this promise from its disk, if there is one, and begins, or ends before
 * that. Returns what the reference says of it. */
static int live(struct reference *r, const struct synod_record *promise, int begins)
{
    const struct synod_effects nothing = {0};
    const struct synod_event restore = {
        .type = SYNOD_EVENT_RESTORE, .now_ms = 1, .record = promise};
    const struct synod_event start = {
        .type = SYNOD_EVENT_START, .now_ms = 1, .id = UINT64_C(3) << 32};
    reference_begin(r, 0);
    const int outcome = promise == NULL ? 0 : reference_step(r, 0, &restore, &nothing);
    return outcome == 0 && begins ? reference_step(r, 0, &start, &nothing) : outcome;
}

/* A flush fails, and all of it is there; the next life reads it, cannot sync it, and ends; and then
 * it is not there any more. (Seed 51106 of the simulator.) */
TEST(reference, counts_what_was_restored_once_that_life_begins)
{
    const struct synod_record promise = {
        .type = SYNOD_RECORD_PROMISE, .lsn = 1, .ballot = {.round = 2, .member = 2}};
    const struct synod_effects promises = {.records = &promise, .record_count = 1};
    const struct synod_event tick = {.type = SYNOD_EVENT_TICK, .now_ms = 1};
    struct reference *r = reference_new(3, 2, 2);
    assert_int_equal(live(r, NULL, 1), 0);
    assert_int_equal(reference_step(r, 0, &tick, &promises), 0);
    assert_int_equal(live(r, &promise, 0), 0);
    assert_int_equal(live(r, NULL, 1), 0);
    assert_int_equal(live(r, &promise, 1), 0);
    assert_int_equal(live(r, NULL, 1), -1);
    assert_non_null(strstr(reference_why(r), "forgets that it promised"));
    reference_free(r);
}

/* What B's disk did in its first life is not told. */
static enum spoiling forget_the_disk_of_b(struct told *told)
{
    const int is_first = told->event.type == SYNOD_EVENT_DURABLE && told->member == 1;
    return is_first ? SPOIL_HIDE : SPOIL_NOTHING;
}

/* A's promise from B is under way while B crashes and starts again: it had left, or never will. */
static const char *hear_a_life_that_ended(struct story *w, spoiler spoil)
{
    struct cluster *c = &w->cluster;
    story_begin(w, spoil, 1);
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        story_start(w, i);
    }
    (void)cluster_step(c, 0, (struct synod_event){.type = SYNOD_EVENT_STAND});
    cluster_deliver_own(c);
    story_deliver(w, SYNOD_MESSAGE_PREPARE, 0, 1, 0);
    cluster_crash(c, 1);
    w->spoil = NULL;
    story_start(w, 1);
    story_deliver(w, SYNOD_MESSAGE_PROMISE, 1, 0, 0);
    return reference_why(w->reference);
}

TEST(reference, refuses_what_had_not_left_when_its_life_ended)
{
    struct story *w = calloc(1, sizeof *w);
    assert_null(hear_a_life_that_ended(w, NULL));
    story_end(w);
    const char *why = hear_a_life_that_ended(w, forget_the_disk_of_b);
    assert_non_null(why);
    assert_non_null(strstr(why, "or too soon"));
    story_end(w);
    free(w);
}

TEST(reference, stays_with_its_first_refusal)
{
    struct story *w = calloc(1, sizeof *w);
    const struct synod_effects nothing = {0};
    story_begin(w, NULL, 1);
    reference_begin(w->reference, 0);
    const struct synod_event beyond = {.type = SYNOD_EVENT_DURABLE, .now_ms = 1, .lsn = 1};
    const struct synod_event tick = {.type = SYNOD_EVENT_TICK, .now_ms = 1};
    assert_int_equal(reference_step(w->reference, 0, &tick, &nothing), 0);
    assert_int_equal(reference_step(w->reference, 0, &beyond, &nothing), -1);
    assert_non_null(strstr(reference_why(w->reference), "never written"));
    assert_int_equal(reference_step(w->reference, 0, &tick, &nothing), -1);
    story_end(w);
    free(w);
}
