/* learner.h -- what is known to be chosen, and handing it out in order.
 *
 * A value is learned in one of three ways: the leader counts a phase 2 quorum of acceptances;
 * a follower hears by a notice that what it voted for was chosen; or another member tells the
 * entry itself, asked or not. The learner only keeps the outcome. */
#ifndef PAXOS_LEARNER_H
#define PAXOS_LEARNER_H

#include "paxos/outbox.h"

struct learned {
    struct synod_entry entry; /* slot 0: nothing is known here. */
};

struct learner {
    synod_slot chosen;       /* Every slot up to here is chosen and was handed out. */
    synod_slot last;         /* The highest slot known to be chosen; >= chosen. */
    synod_slot claimed;      /* The highest prefix that anybody said to be chosen. */
    synod_member_id claimer; /* Who said so. */
    synod_member_id asked;   /* Who was asked last, and has brought nothing yet; 0: nobody. */
    synod_member_id
        giver;         /* Whose entries come, and who is asked for more as they do; 0: nobody. */
    uint64_t giver_ms; /* When some last came from it. */
    uint64_t contradictions; /* Entries refused, for something else is known to be chosen. */
    uint64_t progress_ms;    /* When `chosen` last rose, or a claim first went beyond it. */
    uint32_t window;         /* Slots held beyond `chosen`. */
    uint32_t ring_offset;    /* From this structure to struct learned[window]. */
};

void learner_init(struct learner *l, uint32_t window, uint32_t ring_offset);

/* The entry known to be chosen at a slot beyond the prefix, or NULL. */
const struct synod_entry *learner_at(const struct learner *l, synod_slot slot);

/* Somebody says that `entry` is chosen. Slots below the prefix or beyond the window are passed
 * over. Returns 1 if it was news, 0 if not, or SYNOD_ERR_CORRUPT where something else is known to
 * be chosen there: then somebody is broken, and what was known stays. */
int learner_learn(struct learner *l, const struct synod_entry *entry);

/* Hand out every entry that the prefix now reaches. */
void learner_deliver(struct learner *l, uint64_t now_ms, struct outbox *out);

/* The state up to `slot` is in the caller's hands: nothing up to there is handed out. */
void learner_skip_to(struct learner *l, synod_slot slot, uint64_t now_ms);

/* A member says that every slot up to `chosen` is chosen. The first that says so is believed to
 * have it, until it was asked in vain: then whoever comes next in the order of ids. */
void learner_claim(struct learner *l, synod_member_id member, synod_slot chosen, uint64_t now_ms);

/* Entries that we lacked came from that member, who has all up to `chosen`. Returns whether it is
 * the one to be asked for more: what two give is sent twice, and of two that were asked one is
 * left. */
int learner_is_giver(struct learner *l, synod_member_id member, synod_slot chosen, uint64_t now_ms);

/* True while entries come from somebody, the last within `patience_ms`. */
int learner_is_given(const struct learner *l, uint64_t now_ms, uint32_t patience_ms);

/* Ask the claimer for what is missing, when the prefix has not moved for `patience_ms`. */
void learner_fetch(struct learner *l, uint64_t now_ms, uint32_t patience_ms, struct outbox *out);

void learner_check(const struct learner *l);

#endif /* PAXOS_LEARNER_H */
