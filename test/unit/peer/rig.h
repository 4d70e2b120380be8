/* rig.h -- members on the loopback interface, and somebody who talks to them by hand. */
#ifndef TEST_PEER_RIG_H
#define TEST_PEER_RIG_H

#include "base/buffer.h"
#include "loop.h"
#include "peer/frame.h"
#include "peer/peer.h"

enum {
    MEMBERS = 3
};

/* One set of peers and what it was told. */
struct member {
    struct rig *rig;
    uint32_t number; /* 0, 1, 2. */
    char address[32];
    struct peers_options options;
    const char *others[MEMBERS - 1];
    struct peers *peers; /* NULL while it is down. */

    const char *refusal;   /* What on_hello answers. */
    const char *objection; /* What on_frame answers. */
    int hello_count;
    struct peer_hello hello; /* The last; without its strings. */
    int connected[MEMBERS - 1];
    int disconnected[MEMBERS - 1];
    uint64_t frames[MEMBERS - 1];
    uint64_t body_bytes[MEMBERS - 1];
    int wrong; /* Bodies that are not what send_body() sends, callbacks out of order. */
};

struct rig {
    struct loop loop;
    struct member members[MEMBERS];
};

/* A loop and three members, all down. Their addresses are this process's own, and rise with
 * their numbers: 0 dials 1 and 2, 1 dials 2. The peers of a member are the others in order. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* Start a member; stop it as if its process had died. */
void rig_start(struct rig *rig, uint32_t number);
void rig_stop(struct rig *rig, uint32_t number);

/* Start all, and run until everybody has everybody. */
void rig_start_all(struct rig *rig);

/* Condition, context a rig: every member that is up is connected with all others that are. */
int rig_is_connected(void *context);

/* Under which number `member` knows the member `other`. */
uint32_t rig_peer(uint32_t member, uint32_t other);

/* Send a body of `size` bytes that the receiving member can check, in several parts. */
int rig_send(struct member *member, uint32_t peer, uint32_t size);

/* The log since rig_open(): true if a line has both pieces. */
int rig_has_logged(const char *first, const char *second);

/* -- Somebody else ----------------------------------------------------------------------- */

/* A connection made by hand. What arrives is kept. */
struct stranger {
    struct os_stream *stream;
    struct buffer received;
    int is_open;
    int is_ended;
};

void stranger_call(struct rig *rig, struct stranger *stranger, uint32_t member);
void stranger_write(struct stranger *stranger, struct bytes bytes);
void stranger_close(struct stranger *stranger);

/* Run until the member has hung up. */
void stranger_wait_for_end(struct rig *rig, struct stranger *stranger);

/* Run until it has sent us a whole frame, and return its type. */
uint16_t stranger_wait_for_frame(struct rig *rig, struct stranger *stranger);

/* The hello that member `as` would send. */
struct frame_hello hello_of(const struct rig *rig, uint32_t as);

/* A whole frame with this hello, or with this body. Returns its size. */
size_t encode_hello(uint8_t *to, const struct frame_hello *hello);
size_t encode_frame(uint8_t *to, uint16_t type, uint16_t version, struct bytes body);

/* Call the member as member `as`, and run until it took us for it. */
void stranger_pass_for(struct rig *rig, struct stranger *stranger, uint32_t member, uint32_t as);

#endif /* TEST_PEER_RIG_H */
