/* message_script.h -- a message that a member might send, or would never, made from an input.
 *
 * Message   u8 type, u8 sender, u8 deviations (a bit for each field that is not the likely one),
 *           u8 round where it is about the sender's own ballot, the fields that deviate, and where
 *           the type has any, entries or votes
 * Entry     u8 value: 0 a no-op, up to 249 a value that follows from it, else any entry at all */
#ifndef TEST_FUZZ_MESSAGE_SCRIPT_H
#define TEST_FUZZ_MESSAGE_SCRIPT_H

#include "fuzz.h"
#include "synod/core.h"

enum {
    MESSAGE_SCRIPT_ENTRIES_MAX = 10,
    MESSAGE_SCRIPT_VALUES = 250,
};

struct message_script {
    const struct synod_options *options; /* Members, their ids, entries in a message. */
    synod_slot applied;                  /* Where the receiver stands: slots are about there. */
    uint64_t asked;                      /* The receiver's last question or read. */
    struct synod_ballot ballot;          /* The receiver's own, the last it prepared; */
    struct synod_ballot promised;        /* the one it promised; */
    struct synod_ballot leader;          /* the one it follows. */
    struct synod_message message;        /* What was made; `to` is the caller's to set. */
    struct synod_entry entries[MESSAGE_SCRIPT_ENTRIES_MAX];
    struct synod_vote votes[MESSAGE_SCRIPT_ENTRIES_MAX];
};

/* Make the next message of the input. It may be one that nobody would let in. */
void message_script_make(struct message_script *script, struct feed *feed);

#endif /* TEST_FUZZ_MESSAGE_SCRIPT_H */
