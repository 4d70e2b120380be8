/* story.c -- three real cores live through a story, and the reference is told of each step. */
#include "story.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "test.h"

/* -- Telling ------------------------------------------------------------------------------ */

static void copy_content(struct synod_message *m, struct synod_entry *entries,
                         struct synod_vote *votes)
{
    if (m->entry_count > 0) {
        memcpy(entries, m->entries, m->entry_count * sizeof *entries);
    }
    if (m->vote_count > 0) {
        memcpy(votes, m->votes, m->vote_count * sizeof *votes);
    }
    m->entries = entries;
    m->votes = votes;
}

static void copy_array(void *to, const void *from, size_t count, size_t size)
{
    assert_true(count <= STORY_COPIES_MAX);
    if (count > 0) {
        memcpy(to, from, count * size);
    }
}

static void copy_step(struct told *told, const struct cluster_note *note)
{
    const struct synod_effects *effects = note->effects;
    told->event = *note->event;
    if (note->event->record != NULL) {
        told->record = *note->event->record;
        told->event.record = &told->record;
    }
    if (note->event->message != NULL) {
        told->heard = *note->event->message;
        told->event.message = &told->heard;
        copy_content(&told->heard, told->heard_entries, told->heard_votes);
    }
    told->effects = *effects;
    copy_array(told->records, effects->records, effects->record_count, sizeof *told->records);
    copy_array(told->messages, effects->messages, effects->message_count, sizeof *told->messages);
    copy_array(told->chosen, effects->chosen, effects->chosen_count, sizeof *told->chosen);
    copy_array(told->reads, effects->reads, effects->read_count, sizeof *told->reads);
    for (uint32_t i = 0; i < effects->message_count; i++) {
        copy_content(&told->messages[i], told->entries[i], told->votes[i]);
    }
    told->effects.records = told->records;
    told->effects.messages = told->messages;
    told->effects.chosen = told->chosen;
    told->effects.reads = told->reads;
}

static void observe(void *context, const struct cluster_note *note)
{
    struct story *w = context;
    if (note->type != CLUSTER_STEPPED) {
        return;
    }
    copy_step(&w->told, note);
    w->told.member = note->member;
    const enum spoiling spoiling = w->spoil != NULL ? w->spoil(&w->told) : SPOIL_NOTHING;
    w->spoilt += spoiling != SPOIL_NOTHING;
    if (spoiling != SPOIL_HIDE) {
        (void)reference_step(w->reference, note->member, &w->told.event, &w->told.effects);
    }
}

/* -- The story ---------------------------------------------------------------------------- */

void story_begin(struct story *w, spoiler spoil, uint64_t seed)
{
    story_begin_among(w, &(struct synod_members){STORY_MEMBERS, 2, 2, {1, 2, 3}}, spoil, seed);
}

void story_begin_among(struct story *w, const struct synod_members *members, spoiler spoil,
                       uint64_t seed)
{
    struct synod_options options;
    synod_options_init(&options);
    options.members = *members;
    options.window = 16;
    options.pipeline_max = 8;
    options.entries_max = 4;
    options.seed = seed;
    cluster_init(&w->cluster, &options);
    w->cluster.observer = observe;
    w->cluster.observer_context = w;
    w->reference = reference_new(members->count, members->phase1, members->phase2);
    w->spoil = spoil;
    w->spoilt = 0;
}

void story_end(struct story *w)
{
    cluster_deinit(&w->cluster);
    reference_free(w->reference);
}

void story_deliver(struct story *story, enum synod_message_type type, uint32_t from, uint32_t to,
                   int is_kept)
{
    struct cluster *c = &story->cluster;
    for (uint32_t i = c->packet_count; i-- > 0;) {
        const struct synod_message *m = &c->packets[i].message;
        if (m->type == type && m->from == from + 1 && m->to == to + 1) {
            cluster_deliver(c, i, is_kept);
            return;
        }
    }
    fail_msg("no message of type %d from %u to %u is under way", type, from, to);
}

void story_start(struct story *w, uint32_t member)
{
    reference_begin(w->reference, member);
    cluster_start(&w->cluster, member);
}

static void pass(struct story *w, uint64_t duration_ms)
{
    cluster_run(&w->cluster, w->cluster.now_ms + duration_ms);
}

static void propose(struct story *w, uint64_t value, uint32_t count)
{
    const int leader = cluster_leader(&w->cluster);
    for (uint32_t i = 0; leader >= 0 && i < count; i++) {
        (void)cluster_propose(&w->cluster, (uint32_t)leader, value + i, 1);
    }
}

void story_tell(struct story *w)
{
    struct cluster *c = &w->cluster;
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        story_start(w, i);
    }
    (void)cluster_step(c, 0, (struct synod_event){.type = SYNOD_EVENT_STAND});
    pass(w, 300);
    propose(w, 10, 3);
    pass(w, 300);
    (void)cluster_read(c, 1);
    pass(w, 300);
    c->cut[0] = 1u << 2;
    c->cut[1] = 1u << 0 | 1u << 2;
    propose(w, 20, 3);
    pass(w, 20);
    cluster_crash(c, 0);
    c->cut[0] = 0;
    c->cut[1] = 0;
    (void)cluster_step(c, 2, (struct synod_event){.type = SYNOD_EVENT_STAND});
    pass(w, 500);
    propose(w, 30, 2);
    pass(w, 300);
    cluster_snapshot(c, 1);
    propose(w, 40, 2);
    c->is_disk_slow = 1u << 1;
    pass(w, 50);
    cluster_crash(c, 1);
    c->is_disk_slow = 0;
    story_start(w, 0);
    pass(w, 1500);
    story_start(w, 1);
    pass(w, 1500);
    propose(w, 50, 2);
    for (uint32_t i = 0; i < STORY_MEMBERS; i++) {
        (void)cluster_read(c, i);
    }
    pass(w, 1500);
}

void story_stir(struct story *w, struct prng *prng)
{
    struct cluster *c = &w->cluster;
    const uint32_t member = (uint32_t)prng_below(prng, STORY_MEMBERS);
    if (c->members[member].core == NULL) {
        story_start(w, member);
        return;
    }
    switch (prng_below(prng, 10)) {
    case 0:
        cluster_crash(c, member);
        break;
    case 1:
        cluster_snapshot(c, member);
        break;
    case 2:
        (void)cluster_step(c, member, (struct synod_event){.type = SYNOD_EVENT_STAND});
        break;
    case 3:
        c->cut[member] = prng_below(prng, 3) == 0 ? (uint32_t)prng_below(prng, 8) : 0;
        break;
    case 4:
        c->is_disk_slow ^= 1u << member;
        break;
    case 5:
        cluster_flush(c, member, (uint32_t)prng_below(prng, 4));
        break;
    case 6:
        (void)cluster_read(c, member);
        break;
    default:
        (void)cluster_propose(c, member, 1 + prng_below(prng, 1000), 1);
    }
    pass(w, prng_below(prng, 60));
}
