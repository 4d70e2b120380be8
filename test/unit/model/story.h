/* story.h -- three real cores live through a story, and the reference is told of each step. */
#ifndef UNIT_MODEL_STORY_H
#define UNIT_MODEL_STORY_H

#include "base/prng.h"
#include "cluster.h"
#include "model/reference.h"

enum {
    STORY_MEMBERS = 3,
    STORY_COPIES_MAX = 64, /* Of any one kind of effect. */
};

/* A step as it is told. */
struct told {
    uint32_t member;
    struct synod_event event;
    struct synod_record record;
    struct synod_message heard;
    struct synod_entry heard_entries[CLUSTER_ENTRIES_MAX];
    struct synod_vote heard_votes[CLUSTER_ENTRIES_MAX];
    struct synod_effects effects;
    struct synod_record records[STORY_COPIES_MAX];
    struct synod_message messages[STORY_COPIES_MAX];
    struct synod_entry entries[STORY_COPIES_MAX][CLUSTER_ENTRIES_MAX];
    struct synod_vote votes[STORY_COPIES_MAX][CLUSTER_ENTRIES_MAX];
    struct synod_entry chosen[STORY_COPIES_MAX];
    struct synod_read reads[STORY_COPIES_MAX];
};

enum spoiling {
    SPOIL_NOTHING = 1, /* This step offers no opportunity. */
    SPOIL_DONE,
    SPOIL_HIDE, /* The step is not told at all. */
};

/* May change what is told of a step. */
typedef enum spoiling (*spoiler)(struct told *told);

struct story {
    struct cluster cluster;
    struct reference *reference;
    spoiler spoil; /* NULL: all is told as it is. */
    uint32_t spoilt;
    struct told told;
};

/* A cluster of which nobody is up, of three or of others, and its end. */
void story_begin(struct story *story, spoiler spoil, uint64_t seed);
void story_begin_among(struct story *story, const struct synod_members *members, spoiler spoil,
                       uint64_t seed);
void story_end(struct story *story);

void story_start(struct story *story, uint32_t member);

/* The message of this type from one member to the other that was sent last arrives; `is_kept`: it
 * may do so again. */
void story_deliver(struct story *story, enum synod_message_type type, uint32_t from, uint32_t to,
                   int is_kept);

/* A leads; B alone hears of its last proposals, A crashes, and the others go on; a snapshot,
 * another crash, restarts, reads. */
void story_tell(struct story *story);

/* Chance: whoever is up may be asked to stand, to propose, to read, to crash, and time passes. */
void story_stir(struct story *story, struct prng *prng);

#endif /* UNIT_MODEL_STORY_H */
