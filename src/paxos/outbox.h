/* outbox.h -- where a step collects its effects.
 *
 * Handlers write records, messages and the rest here in the order in which they come to them.
 * The memory is bounded by the options; running over it would be a bug, and is asserted. */
#ifndef PAXOS_OUTBOX_H
#define PAXOS_OUTBOX_H

#include "synod/core.h"

struct outbox {
    struct synod_effects effects; /* First: a struct synod_effects * is a struct outbox *. */
    synod_lsn lsn;                /* Of the last record written in this life. */
    struct synod_record *records;
    struct synod_message *messages;
    struct synod_entry *chosen;
    struct synod_read *reads;
    struct synod_serve *serves;
    struct synod_entry *entries; /* What messages point to. */
    struct synod_vote *votes;    /* What messages point to. */
    uint32_t record_capacity;
    uint32_t message_capacity;
    uint32_t chosen_capacity;
    uint32_t read_capacity;
    uint32_t serve_capacity;
    uint32_t entry_capacity;
    uint32_t vote_capacity;
    uint32_t entry_count;
    uint32_t vote_count;
};

/* Forget the last step's effects. Records are numbered from `lsn` + 1. */
void outbox_reset(struct outbox *out, synod_lsn lsn);

/* Abort unless what the message points to is of this step, what it waits for is written, and its
 * values have no more than `bytes_max` bytes, or there is one. */
void outbox_check_message(const struct outbox *out, const struct synod_message *message,
                          uint64_t bytes_max);

/* Append a record; its lsn is set here and returned. */
synod_lsn outbox_record(struct outbox *out, const struct synod_record *record);

/* A new message, all zero but for its type and address; the core adds sender and view. */
struct synod_message *outbox_message(struct outbox *out, enum synod_message_type type,
                                     synod_member_id to);

/* Room for entries or votes that messages of this step point to; all zero. */
struct synod_entry *outbox_entries(struct outbox *out, uint32_t count);
struct synod_vote *outbox_votes(struct outbox *out, uint32_t count);

/* Give back the last `count` of them that were not used. */
void outbox_return_entries(struct outbox *out, uint32_t count);
void outbox_return_votes(struct outbox *out, uint32_t count);

void outbox_chosen(struct outbox *out, const struct synod_entry *entry);
void outbox_read(struct outbox *out, uint64_t id, synod_slot index);
void outbox_serve(struct outbox *out, synod_member_id to, synod_slot slot);

#endif /* PAXOS_OUTBOX_H */
