/* member.h -- a cluster of one server on the disk and the network of this machine. */
#ifndef TEST_FAULT_SERVER_MEMBER_H
#define TEST_FAULT_SERVER_MEMBER_H

#include <stdint.h>

#include "process.h"

enum {
    KEYS_MAX = 20000
};

struct member {
    struct process process;
    char dir[64];
    char url[64];
    char peer_url[64];
    char cluster[80];
    uint32_t key_count; /* Keys "k0", "k1" ... were put, ... */
    uint8_t is_acknowledged[KEYS_MAX];
};

/* One with an empty directory and addresses of its own; nothing runs yet. */
void member_init(struct member *member);

/* Remove the directory, and forget what was put. */
void member_wipe(struct member *member);

/* Start `synod server` in a process of its own; true once it serves, false if it has ended. */
int member_start(struct member *member, int is_under_test);

/* Tell it to stop, if it has not ended yet, and wait for its end. Returns process_bury(). */
int member_stop(struct member *member);

/* Put the next key, as a client that nothing fails for. */
void member_put(struct member *member);

/* Every key that was acknowledged is there. */
void member_check_keys(struct member *member);

#endif /* TEST_FAULT_SERVER_MEMBER_H */
