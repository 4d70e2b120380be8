/* answer.h -- what a server's answer says, read from its bytes.
 *
 * They may be any: whoever listens at an endpoint can be another program than ours. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

/* The message, to be freed with protobuf_c_message_free_unpacked(answer, NULL); NULL where the
 * bytes are none of this type. */
ProtobufCMessage *answer_unpack(const ProtobufCMessageDescriptor *type, struct bytes message);

/* A value that a key should have. */
struct answer_value {
    uint64_t hash; /* XXH3 of its bytes, ... */
    uint32_t size; /* ... and how many those are. */
};

/* True if this is the answer to a get of one key, and shows that value. */
int answer_has_value(struct bytes message, const struct answer_value *value);

/* What a member says of who leads. */
struct answer_leader {
    uint64_t member; /* Who says so. */
    uint64_t leader; /* 0: nobody. */
    uint64_t term;
};

/* Read an answer to Status. -1: it does not say who has sent it. */
int answer_read_leader(struct bytes message, struct answer_leader *to);

#endif /* CLI_ANSWER_H */
