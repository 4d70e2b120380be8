/* message_script.c -- a message that a member might send, or would never, made from an input. */
#include "message_script.h"

#include "base/assert.h"

/* The id of member `number`, from 1; 0 is nobody's. */
static synod_member_id id_of(const struct message_script *script, uint32_t number)
{
    return number == 0 ? 0 : script->options->members.ids[number - 1];
}

static struct synod_ballot take_ballot(const struct message_script *script, struct feed *feed)
{
    const uint8_t which = feed_u8(feed);
    switch (which % 8) {
    case 0:
        return (struct synod_ballot){0};
    case 1:
        return script->promised;
    case 2:
        return script->leader;
    case 3:
        return script->ballot;
    default:
        return (struct synod_ballot){
            .round = feed_number(feed),
            .member = id_of(script, which / 8u % (script->options->members.count + 1)),
            .incarnation = which % 8};
    }
}

static struct synod_entry take_entry(struct feed *feed, synod_slot slot)
{
    const uint8_t value = feed_u8(feed);
    if (value >= MESSAGE_SCRIPT_VALUES) {
        return (struct synod_entry){.slot = feed_number(feed),
                                    .view = feed_u8(feed),
                                    .checksum = feed_u8(feed),
                                    .size = (uint32_t)feed_number(feed),
                                    .kind = feed_u8(feed),
                                    .handle = value};
    }
    if (value == 0) {
        return (struct synod_entry){.slot = slot, .view = 1, .kind = SYNOD_ENTRY_NOOP};
    }
    return (struct synod_entry){.slot = slot,
                                .view = 1,
                                .kind = SYNOD_ENTRY_VALUE,
                                .checksum = value,
                                .size = value,
                                .handle = value};
}

static void take_entries(struct message_script *script, struct feed *feed)
{
    enum {
        REACH_MAX = 18
    };
    struct synod_message *m = &script->message;
    const uint32_t window = script->options->window;
    const uint32_t reach = 2 * window + 2 < REACH_MAX ? 2 * window + 2 : REACH_MAX;
    synod_slot slot = script->applied + feed_u8(feed) % reach;
    const uint32_t most = script->options->entries_max + 2;
    m->entry_count =
        feed_u8(feed) %
        (most < MESSAGE_SCRIPT_ENTRIES_MAX + 1 ? most : MESSAGE_SCRIPT_ENTRIES_MAX + 1);
    for (uint32_t i = 0; i < m->entry_count; i++) {
        script->entries[i] = take_entry(feed, slot++);
    }
    m->entries = script->entries;
}

static void take_votes(struct message_script *script, struct feed *feed)
{
    struct synod_message *m = &script->message;
    synod_slot slot = m->slot;
    const uint32_t most = script->options->entries_max + 2;
    m->vote_count = feed_u8(feed) %
                    (most < MESSAGE_SCRIPT_ENTRIES_MAX + 1 ? most : MESSAGE_SCRIPT_ENTRIES_MAX + 1);
    for (uint32_t i = 0; i < m->vote_count; i++) {
        const uint8_t how = feed_u8(feed);
        script->votes[i].is_chosen = how % 4 == 0;
        script->votes[i].ballot = take_ballot(script, feed);
        slot += how / 4 % 4;
        script->votes[i].entry = take_entry(feed, slot++);
    }
    m->votes = script->votes;
}

/* True if the sender of such a message speaks of its own ballot. */
static int is_proposers(enum synod_message_type type)
{
    return type == SYNOD_MESSAGE_PREPARE || type == SYNOD_MESSAGE_ACCEPT ||
           type == SYNOD_MESSAGE_NOTICE || type == SYNOD_MESSAGE_READ_INDEX ||
           type == SYNOD_MESSAGE_ASK;
}

static void take_deviations(struct message_script *script, struct feed *feed, uint8_t deviations)
{
    struct synod_message *m = &script->message;
    m->ballot = (deviations & 1) != 0 ? take_ballot(script, feed) : m->ballot;
    m->promised = (deviations & 2) != 0 ? take_ballot(script, feed) : m->promised;
    m->slot = (deviations & 4) != 0 ? feed_number(feed) : m->slot;
    m->until = (deviations & 8) != 0 ? m->slot + feed_number(feed) : m->until;
    m->chosen = (deviations & 16) != 0 ? feed_number(feed) : m->chosen;
    m->id = (deviations & 32) != 0 ? feed_number(feed) : m->id;
    m->view = (deviations & 64) != 0 ? feed_u8(feed) : m->view;
    if ((deviations & 128) != 0) {
        m->status.leader = take_ballot(script, feed);
        m->status.last = feed_number(feed);
        m->status.flags = feed_u8(feed);
    }
}

void message_script_make(struct message_script *script, struct feed *feed)
{
    struct synod_message *m = &script->message;
    const uint32_t count = script->options->members.count;
    const uint8_t type = feed_u8(feed);
    const uint8_t sender = feed_u8(feed);
    const uint8_t deviations = feed_u8(feed);
    assert(count >= 1 && script->options->entries_max >= 1);
    *m = (struct synod_message){
        .type = (enum synod_message_type)(1 + type % (SYNOD_MESSAGE_TYPE_END - 1)),
        .view = script->options->view,
        .slot = script->applied + 1,
        .until = SYNOD_SLOT_ALL,
        .id = script->asked,
    };
    m->from = sender % count + 1 < count ? id_of(script, sender % count + 2) : 0;
    m->ballot = script->ballot;
    if (is_proposers(m->type)) {
        m->ballot = (struct synod_ballot){1 + feed_u8(feed) % 8, m->from, 1};
    }
    take_deviations(script, feed, deviations);
    if (m->type == SYNOD_MESSAGE_PROMISE) {
        take_votes(script, feed);
    } else if (m->type == SYNOD_MESSAGE_ACCEPT || m->type == SYNOD_MESSAGE_ACCEPTED ||
               m->type == SYNOD_MESSAGE_LEARN) {
        take_entries(script, feed);
    }
}
