/* message_answer.h -- answers that a protobuf library encodes: those that are not hot. */
#ifndef ETCD_MESSAGE_ANSWER_H
#define ETCD_MESSAGE_ANSWER_H

#include "etcd/etcd_internal.h"
#include "kv.pb-c.h"

/* Fill in `header` as of now, and return it. */
Etcdserverpb__ResponseHeader *message_answer_header(const struct etcd_server *server,
                                                    Etcdserverpb__ResponseHeader *header);

/* Answer with this message; it is only read. */
void message_answer(struct request *request, const ProtobufCMessage *message);

#endif /* ETCD_MESSAGE_ANSWER_H */
