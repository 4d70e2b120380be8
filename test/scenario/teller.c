/* teller.c -- tells what happens in a cluster, line by line. */
#include "teller.h"

enum {
    TEXT_SIZE = 512
};

static unsigned long long number(uint64_t value)
{
    return value;
}

/* In a transcript with a clock, what happens has a time. */
static void begin_line(const struct teller *t)
{
    if (t->has_clock) {
        fprintf(t->transcript, "        %5llu ms  ", number(t->cluster->now_ms));
    } else {
        fprintf(t->transcript, "        ");
    }
}

void teller_message(const struct teller *t, const struct synod_message *m, const char *fate)
{
    char text[TEXT_SIZE];
    const int is_heartbeat = m->type == SYNOD_MESSAGE_ASK || m->type == SYNOD_MESSAGE_ANSWER;
    if (t->has_clock || m->from == m->to || (is_heartbeat && !t->shows_heartbeats)) {
        return;
    }
    begin_line(t);
    fprintf(t->transcript, "%c -> %c  %s%s\n", t->tale.names[m->from - 1], t->tale.names[m->to - 1],
            tale_message(&t->tale, m, text, sizeof text), fate);
}

static void tell_role(const struct teller *t, uint32_t member)
{
    char text[TEXT_SIZE];
    struct synod_status status;
    synod_core_status(t->cluster->members[member].core, &status);
    const char name = t->tale.names[member];
    if (status.role == SYNOD_ROLE_CANDIDATE) {
        begin_line(t);
        fprintf(t->transcript, "%c stands with ballot %s\n", name,
                tale_ballot(&t->tale, status.promised, text, sizeof text));
    } else if (status.role == SYNOD_ROLE_LEADER) {
        begin_line(t);
        fprintf(t->transcript, "%c leads with ballot %s\n", name,
                tale_ballot(&t->tale, status.leader, text, sizeof text));
    } else if (t->has_clock && !synod_ballot_is_none(status.leader)) {
        begin_line(t);
        fprintf(t->transcript, "%c follows %s\n", name,
                tale_ballot(&t->tale, status.leader, text, sizeof text));
    } else if (t->has_clock) {
        begin_line(t);
        fprintf(t->transcript, "%c follows nobody: %s\n", name, synod_why_text(status.why));
    }
}

/* That a member gave up is news only to who knows that it stood or led. */
static void tell_giving_up(const struct teller *t, uint32_t member)
{
    struct synod_status status;
    synod_core_status(t->cluster->members[member].core, &status);
    begin_line(t);
    fprintf(t->transcript, "%c gives up: %s\n", t->tale.names[member], synod_why_text(status.why));
}

static void tell_chosen(const struct teller *t, const struct synod_entry *entry)
{
    char text[TEXT_SIZE];
    struct synod_ballot ballot;
    uint32_t voters = 0;
    begin_line(t);
    fprintf(t->transcript, "** %s is chosen, by the votes of",
            tale_entry(&t->tale, entry, text, sizeof text));
    (void)judge_chosen(&t->cluster->judge, entry->slot, &ballot, &voters);
    for (uint32_t i = 0; i < t->cluster->options.members.count; i++) {
        if ((voters & 1u << i) != 0) {
            fprintf(t->transcript, " %c", t->tale.names[i]);
        }
    }
    fprintf(t->transcript, " in %s\n", tale_ballot(&t->tale, ballot, text, sizeof text));
}

void teller_observe(void *context, const struct cluster_note *note)
{
    const struct teller *t = context;
    char text[TEXT_SIZE];
    switch (note->type) {
    case CLUSTER_RECORDED:
        if (!t->has_clock) {
            begin_line(t);
            fprintf(t->transcript, "%c records: %s\n", t->tale.names[note->member],
                    tale_record(&t->tale, note->record, text, sizeof text));
        }
        break;
    case CLUSTER_DELIVERED:
        teller_message(t, note->message, "");
        break;
    case CLUSTER_LOST:
        teller_message(t, note->message, "  (lost)");
        break;
    case CLUSTER_CHOSEN:
        tell_chosen(t, note->entry);
        break;
    case CLUSTER_APPLIED:
        begin_line(t);
        fprintf(t->transcript, "%c learns %s\n", t->tale.names[note->member],
                tale_entry(&t->tale, note->entry, text, sizeof text));
        break;
    case CLUSTER_ROLE:
        if (note->was != SYNOD_ROLE_FOLLOWER &&
            t->cluster->members[note->member].role == SYNOD_ROLE_FOLLOWER) {
            tell_giving_up(t, note->member);
        } else {
            tell_role(t, note->member);
        }
        break;
    case CLUSTER_READ:
        begin_line(t);
        fprintf(t->transcript, "%c may answer its read from slot %llu on\n",
                t->tale.names[note->member], number(note->read->index));
        break;
    case CLUSTER_STEPPED:
        break; /* What came of it is told already. */
    }
}

void teller_say(const struct teller *t, uint32_t member, const char *what)
{
    begin_line(t);
    fprintf(t->transcript, "%c %s\n", t->tale.names[member], what);
}
