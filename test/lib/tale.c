/* tale.c -- records and messages as people would tell them, for transcripts and tests. */
#include "tale.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum {
    BALLOT_SIZE = 32,
    ENTRY_SIZE = 80
};

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size, const char *format,
                                                      ...)
{
    const size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static unsigned long long number(uint64_t value)
{
    return value;
}

char *tale_ballot(const struct tale *tale, struct synod_ballot ballot, char *text, size_t size)
{
    text[0] = 0;
    if (synod_ballot_is_none(ballot)) {
        add(text, size, "none");
    } else {
        assert(ballot.member >= 1 && ballot.member <= strlen(tale->names));
        add(text, size, "%llu.%c", number(ballot.round), tale->names[ballot.member - 1]);
    }
    return text;
}

char *tale_entry(const struct tale *tale, const struct synod_entry *entry, char *text, size_t size)
{
    text[0] = 0;
    add(text, size, "slot %llu ", number(entry->slot));
    if (entry->kind == SYNOD_ENTRY_NOOP) {
        add(text, size, "no-op");
    } else if (entry->checksum < tale->value_count && tale->values[entry->checksum] != NULL) {
        add(text, size, "'%s'", tale->values[entry->checksum]);
    } else {
        add(text, size, "v%llu", number(entry->checksum));
    }
    return text;
}

char *tale_record(const struct tale *tale, const struct synod_record *record, char *text,
                  size_t size)
{
    char ballot[BALLOT_SIZE], entry[ENTRY_SIZE];
    text[0] = 0;
    switch (record->type) {
    case SYNOD_RECORD_PROMISE:
        add(text, size, "promise %s", tale_ballot(tale, record->ballot, ballot, sizeof ballot));
        break;
    case SYNOD_RECORD_VOTE:
        add(text, size, "vote %s %s", tale_ballot(tale, record->ballot, ballot, sizeof ballot),
            tale_entry(tale, &record->entry, entry, sizeof entry));
        break;
    case SYNOD_RECORD_LEARNED:
        add(text, size, "%s is chosen", tale_entry(tale, &record->entry, entry, sizeof entry));
        break;
    case SYNOD_RECORD_CHOSEN:
        add(text, size, "all up to slot %llu is chosen", number(record->chosen));
        break;
    }
    return text;
}

const char *tale_type(enum synod_message_type type)
{
    static const char *const names[] = {"nothing", "prepare", "promise", "accept",    "accepted",
                                        "refused", "notice",  "chosen",  "fetch",     "learn",
                                        "ask",     "answer",  "read",    "read-index"};
    return type < SYNOD_MESSAGE_TYPE_END ? names[type] : names[0];
}

static void add_entries(const struct tale *tale, const struct synod_message *m, char *text,
                        size_t size)
{
    char entry[ENTRY_SIZE];
    for (uint32_t i = 0; i < m->entry_count; i++) {
        add(text, size, "%s %s", i == 0 ? "" : ",",
            tale_entry(tale, &m->entries[i], entry, sizeof entry));
    }
}

static void add_promise(const struct tale *tale, const struct synod_message *m, char *text,
                        size_t size)
{
    char entry[ENTRY_SIZE], ballot[BALLOT_SIZE];
    for (uint32_t i = 0; i < m->vote_count; i++) {
        const struct synod_vote *vote = &m->votes[i];
        add(text, size, ", %s%s", vote->is_chosen ? "chosen " : "accepted ",
            tale_entry(tale, &vote->entry, entry, sizeof entry));
        if (!vote->is_chosen) {
            add(text, size, " in %s", tale_ballot(tale, vote->ballot, ballot, sizeof ballot));
        }
    }
    if (m->vote_count == 0 && m->chosen == 0) {
        add(text, size, ", nothing accepted");
    }
    if (m->until != SYNOD_SLOT_ALL) {
        add(text, size, ", more from slot %llu", number(m->until));
    }
}

static void add_status(const struct tale *tale, const struct synod_message *m, char *text,
                       size_t size)
{
    char ballot[BALLOT_SIZE];
    const uint32_t flags = m->status.flags;
    add(text, size, " %llu", number(m->id));
    if (!synod_ballot_is_none(m->promised)) {
        add(text, size, ", has promised %s", tale_ballot(tale, m->promised, ballot, sizeof ballot));
    }
    if ((flags & SYNOD_STATUS_LEADS) != 0) {
        add(text, size, ", leads");
    } else if (!synod_ballot_is_none(m->status.leader)) {
        add(text, size, ", %s %s", (flags & SYNOD_STATUS_AWAITS) != 0 ? "awaits" : "follows",
            tale_ballot(tale, m->status.leader, ballot, sizeof ballot));
    }
    add(text, size, "%s", (flags & SYNOD_STATUS_VOUCHES) != 0 ? ", vouches" : "");
    add(text, size, "%s", (flags & SYNOD_STATUS_PHASE2) != 0 ? ", hears a quorum" : "");
    add(text, size, "%s", (flags & SYNOD_STATUS_ABLE) != 0 ? ", able" : "");
    add(text, size, "%s", (flags & SYNOD_STATUS_HEARS_ABLE) != 0 ? ", hears one able" : "");
    add(text, size, "%s", (flags & SYNOD_STATUS_STANDS) != 0 ? ", stands" : "");
    add(text, size, "%s", (flags & SYNOD_STATUS_STALLED) != 0 ? ", disk stalled" : "");
}

char *tale_message(const struct tale *tale, const struct synod_message *m, char *text, size_t size)
{
    char ballot[BALLOT_SIZE], promised[BALLOT_SIZE];
    text[0] = 0;
    add(text, size, "%s", tale_type(m->type));
    if (!synod_ballot_is_none(m->ballot)) {
        add(text, size, " %s", tale_ballot(tale, m->ballot, ballot, sizeof ballot));
    }
    switch (m->type) {
    case SYNOD_MESSAGE_PROMISE:
        add_promise(tale, m, text, size);
        break;
    case SYNOD_MESSAGE_REFUSED:
        add(text, size, ", has promised %s",
            tale_ballot(tale, m->promised, promised, sizeof promised));
        break;
    case SYNOD_MESSAGE_ACCEPT:
    case SYNOD_MESSAGE_ACCEPTED:
    case SYNOD_MESSAGE_LEARN:
        add_entries(tale, m, text, size);
        break;
    case SYNOD_MESSAGE_PREPARE:
    case SYNOD_MESSAGE_FETCH:
        add(text, size, " from slot %llu", number(m->slot));
        break;
    case SYNOD_MESSAGE_ASK:
    case SYNOD_MESSAGE_ANSWER:
        add_status(tale, m, text, size);
        break;
    case SYNOD_MESSAGE_READ_INDEX:
        add(text, size, " at slot %llu", number(m->slot));
        break;
    case SYNOD_MESSAGE_NOTICE:
    case SYNOD_MESSAGE_CHOSEN:
    case SYNOD_MESSAGE_READ:
    case SYNOD_MESSAGE_TYPE_END:
        break;
    }
    if (m->chosen > 0) {
        add(text, size, ", all up to slot %llu is chosen", number(m->chosen));
    }
    return text;
}
