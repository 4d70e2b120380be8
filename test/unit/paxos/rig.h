/* rig.h -- one real core, A, among members that a test speaks for; the trace is the assertion.
 *
 * Whatever a step brings is written down as lines of text, in the order in which the caller
 * would act on it, and rig_expect() compares. Records are numbered; what waits for one says so:
 *
 *     record #1: promise 5.B
 *     to B: promise 5.B, nothing accepted (after #1)
 *     chosen: slot 1 v7
 *     read 3 at slot 4
 *     serve B from slot 2
 *     follower of none: promised a higher ballot to a candidate
 *
 * What A sends to itself is kept until rig_flush(). Heartbeats are not written down unless
 * `shows_heartbeats`. */
#ifndef TEST_UNIT_PAXOS_RIG_H
#define TEST_UNIT_PAXOS_RIG_H

#include "cluster.h"
#include "tale.h"
#include "test.h"

enum {
    RIG_TEXT_MAX = 8192,
    RIG_OWN_MAX = 32,
    RIG_RECORDS_MAX = 256
};

enum {
    A = 1,
    B,
    C,
    D,
    E
};

struct rig {
    struct synod_options options;
    struct synod_core *core;
    struct synod_effects *effects;
    uint64_t now_ms;
    uint64_t life;
    synod_lsn lsn; /* The last record. */
    uint32_t shows_heartbeats;
    struct tale tale;
    struct synod_ballot leader;
    enum synod_role role;
    uint64_t question; /* The last that A asked. */
    struct cluster_packet own[RIG_OWN_MAX];
    uint32_t own_count;
    struct synod_record records[RIG_RECORDS_MAX]; /* All of this life and those before. */
    uint32_t record_count;
    char text[RIG_TEXT_MAX];
};

/* A cluster of so many members, with the core's default limits unless rig->options is changed
 * before rig_start(). */
void rig_init(struct rig *rig, uint32_t members);
void rig_start(struct rig *rig);
void rig_deinit(struct rig *rig);

/* A crashes with all its records on the disk, and starts anew. */
void rig_restart(struct rig *rig);

/* What the steps since the last call have brought. */
void rig_expect(struct rig *rig, const char *text);
void rig_forget(struct rig *rig);

int rig_step(struct rig *rig, struct synod_event event);
void rig_tick(struct rig *rig, uint64_t after_ms);

/* All records are durable, and what A sent to itself arrives. */
void rig_flush(struct rig *rig);

struct synod_ballot rig_ballot(uint64_t round, synod_member_id member);
struct synod_entry rig_entry(synod_slot slot, uint64_t value);
struct synod_entry rig_noop(synod_slot slot);

/* A message from a member; what is left out is zero. */
void rig_message(struct rig *rig, synod_member_id from, struct synod_message message);

/* The usual ones. */
void rig_prepare(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot);
void rig_accept(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot,
                uint64_t value);
void rig_notice(struct rig *rig, synod_member_id from, uint64_t round, synod_slot chosen);
void rig_learn(struct rig *rig, synod_member_id from, synod_slot slot, uint64_t value,
               synod_slot chosen);
void rig_accepted(struct rig *rig, synod_member_id from, uint64_t round, synod_slot slot,
                  uint64_t value);
void rig_promise(struct rig *rig, synod_member_id from, uint64_t round, synod_slot chosen);
void rig_answer(struct rig *rig, synod_member_id from, uint32_t flags, struct synod_ballot leader);
void rig_answer_with(struct rig *rig, synod_member_id from, synod_slot chosen,
                     struct synod_status_report report);
int rig_propose(struct rig *rig, uint64_t value);

/* B answers A's heartbeats and promises: A stands, and leads with round `round`; the lines of
 * this are forgotten. */
void rig_stand(struct rig *rig);
void rig_lead(struct rig *rig);

/* The statement aborts the program, as an assertion does. */
int rig_aborts(void (*run)(void *), void *context);

struct synod_status rig_status(const struct rig *rig);

#endif /* TEST_UNIT_PAXOS_RIG_H */
