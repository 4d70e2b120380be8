/* members.c -- what each member says of itself: it is asked all the time.
 *
 * Over a connection of its own: Status, which every member answers in any trouble, and in turn
 * with it HashKV, which costs a look at the whole store: now and then, and when all is quiet
 * every time. A member that is stopped
 * answers neither, and what it said before stands; one that was killed has said nothing. */
#include "test/chaos/members.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "cli/xmalloc.h"
#include "rpc.pb-c.h"

enum {
    TICK_US = 20000,
    QUESTION_US = 1000000,
    HASH_TICKS = 20, /* Every 0.4 s. */
};

struct member {
    struct members *members;
    unsigned index;
    struct grpc_channel *channel; /* NULL: none; the next tick opens one. */
    int is_asked;                 /* A question is on its way. */
    uint64_t hash_tick;           /* When it was asked for a hash. */
    uint64_t id;
    uint64_t term;
    struct member_state state;
};

struct members {
    struct members_options options;
    struct os_timer *timer;
    struct member members[LOCAL_MEMBERS_MAX];
    uint64_t ticks;
    int is_comparing;
};

static unsigned count_of(const struct members *members)
{
    const unsigned count = members->options.cluster->options.count;
    assert(count > 0);
    return count;
}

/* -- Questions ------------------------------------------------------------------------------ */

static int ask(struct member *member, const char *path, struct bytes message,
               grpc_callback callback)
{
    const struct grpc_request request = {
        .path = path, .message = message, .timeout_us = QUESTION_US};
    return grpc_channel_call(member->channel, &request, callback, member, NULL);
}

static void on_hash(void *context, const struct grpc_result *result)
{
    struct member *member = context;
    Etcdserverpb__HashKVResponse *answer =
        result->code != GRPC_OK ? NULL
                                : etcdserverpb__hash_kvresponse__unpack(NULL, result->message.size,
                                                                        result->message.data);
    member->is_asked = 0;
    if (answer != NULL && answer->header != NULL) {
        member->state.revision = answer->header->revision;
        member->state.compacted = answer->compact_revision;
        member->state.hash = answer->hash;
        member->members->options.on_state(member->members->options.context, member->index);
    }
    if (answer != NULL) {
        etcdserverpb__hash_kvresponse__free_unpacked(answer, NULL);
    }
}

static void note_status(struct member *member, const Etcdserverpb__StatusResponse *answer)
{
    member->state.is_answering = 1;
    member->state.leader = answer->leader;
    member->id = answer->header->member_id;
    member->term = answer->raftterm;
}

/* Ask for the hash as well, if it is time. */
static int ask_for_hash(struct member *member)
{
    const struct members *members = member->members;
    if (!members->is_comparing && members->ticks < member->hash_tick + HASH_TICKS) {
        return 0;
    }
    member->hash_tick = members->ticks;
    return ask(member, "/etcdserverpb.Maintenance/HashKV", bytes_of(NULL, 0), on_hash) == 0;
}

static void on_status(void *context, const struct grpc_result *result)
{
    struct member *member = context;
    Etcdserverpb__StatusResponse *answer =
        result->code != GRPC_OK ? NULL
                                : etcdserverpb__status_response__unpack(NULL, result->message.size,
                                                                        result->message.data);
    member->is_asked = 0;
    if (answer != NULL && answer->header != NULL) {
        note_status(member, answer);
        member->is_asked = ask_for_hash(member);
    }
    if (answer != NULL) {
        etcdserverpb__status_response__free_unpacked(answer, NULL);
    }
}

/* -- Connections ---------------------------------------------------------------------------- */

static void drop_channel(struct member *member)
{
    if (member->channel != NULL) {
        grpc_channel_close(member->channel);
    }
    member->channel = NULL;
    member->is_asked = 0;
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    drop_channel(context);
}

static const struct grpc_channel_events channel_events = {.on_close = on_close};

/* Keep a connection to the member, and a question on its way. */
static void look_after(struct member *member)
{
    const struct members_options *options = &member->members->options;
    if (member->channel == NULL &&
        grpc_channel_open(options->grpc, options->cluster->members[member->index].client,
                          &channel_events, member, &member->channel) != 0) {
        member->channel = NULL;
        return;
    }
    if (!member->is_asked && grpc_channel_is_open(member->channel)) {
        member->is_asked =
            ask(member, "/etcdserverpb.Maintenance/Status", bytes_of(NULL, 0), on_status) == 0;
    }
}

static void on_tick(void *context)
{
    struct members *members = context;
    for (unsigned i = 0; i < count_of(members); i++) {
        look_after(&members->members[i]);
    }
    members->ticks++;
    os_timer_start(members->options.os, members->timer, TICK_US);
}

/* -- The whole ------------------------------------------------------------------------------ */

struct members *members_new(const struct members_options *options)
{
    struct members *members = xcalloc(1, sizeof *members);
    members->options = *options;
    for (unsigned i = 0; i < count_of(members); i++) {
        members->members[i].members = members;
        members->members[i].index = i;
    }
    members->timer = os_timer_new(options->os, on_tick, members);
    if (members->timer == NULL) {
        free(members);
        return NULL;
    }
    os_timer_start(options->os, members->timer, 0);
    return members;
}

void members_free(struct members *members)
{
    for (unsigned i = 0; i < count_of(members); i++) {
        drop_channel(&members->members[i]);
    }
    os_timer_free(members->options.os, members->timer);
    free(members);
}

void members_forget(struct members *members, unsigned index)
{
    struct member *member = &members->members[index];
    assert(index < count_of(members));
    drop_channel(member); /* With it go the answers that are on their way. */
    member->state = (struct member_state){0};
}

int members_leader(const struct members *members)
{
    const struct member *newest = NULL;
    for (unsigned i = 0; i < count_of(members); i++) {
        const struct member *member = &members->members[i];
        if (member->state.is_answering && member->state.leader != 0 &&
            (newest == NULL || member->term > newest->term)) {
            newest = member;
        }
    }
    for (unsigned i = 0; i < count_of(members) && newest != NULL; i++) {
        if (members->members[i].id == newest->state.leader) {
            return (int)i;
        }
    }
    return -1;
}

void members_state(const struct members *members, unsigned index, struct member_state *state)
{
    assert(index < count_of(members));
    *state = members->members[index].state;
}

void members_compare(struct members *members)
{
    members->is_comparing = 1;
}

int members_are_equal(const struct members *members)
{
    const struct member_state *first = &members->members[0].state;
    int are_equal = 1;
    for (unsigned i = 0; i < count_of(members); i++) {
        const struct member_state *state = &members->members[i].state;
        are_equal &= state->is_answering && state->leader != 0 && state->revision > 0 &&
                     state->revision == first->revision && state->hash == first->hash;
    }
    return are_equal;
}
