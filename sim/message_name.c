/* message_name.c -- what the messages of the core are called. */
#include "sim/message_name.h"

#include <stddef.h>

#include "synod/message.h"

const char *message_name(uint32_t type)
{
    static const char *const NAMES[SYNOD_MESSAGE_TYPE_END] = {
        [SYNOD_MESSAGE_PREPARE] = "prepare",       [SYNOD_MESSAGE_PROMISE] = "promise",
        [SYNOD_MESSAGE_ACCEPT] = "accept",         [SYNOD_MESSAGE_ACCEPTED] = "accepted",
        [SYNOD_MESSAGE_REFUSED] = "refused",       [SYNOD_MESSAGE_NOTICE] = "notice",
        [SYNOD_MESSAGE_CHOSEN] = "chosen",         [SYNOD_MESSAGE_FETCH] = "fetch",
        [SYNOD_MESSAGE_LEARN] = "learn",           [SYNOD_MESSAGE_ASK] = "ask",
        [SYNOD_MESSAGE_ANSWER] = "answer",         [SYNOD_MESSAGE_READ] = "read",
        [SYNOD_MESSAGE_READ_INDEX] = "read-index",
    };
    return type < SYNOD_MESSAGE_TYPE_END ? NAMES[type] : NULL;
}
