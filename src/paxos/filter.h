/* filter.h -- what the core lets in; for messages, see synod_message_is_valid(). */
#ifndef PAXOS_FILTER_H
#define PAXOS_FILTER_H

#include "synod/core.h"

/* True if an entry is in a slot and a view, and of a kind that is known. */
int filter_entry_is_valid(const struct synod_entry *entry);

/* True if a ballot is one that a member can have stood with. */
int filter_ballot_is_valid(struct synod_ballot ballot, const struct synod_options *options);

#endif /* PAXOS_FILTER_H */
