/* message_name.h -- what the messages of the core are called. */
#ifndef SIM_MESSAGE_NAME_H
#define SIM_MESSAGE_NAME_H

#include <stdint.h>

/* The word for a type of message, as "read-index"; NULL if it is no enum synod_message_type. */
const char *message_name(uint32_t type);

#endif /* SIM_MESSAGE_NAME_H */
