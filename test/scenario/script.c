/* script.c -- a few lines of plain words, played by the real core.
 *
 * The cluster (test/lib/cluster.h) does nothing by itself; each line of the script is a wish to
 * it, and its observer tells what came of it. Unless the script says `clock`, time-outs are far
 * away, heartbeats are not shown and not delivered, and members stand when told to. */
#include "script.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "synod/error.h"
#include "teller.h"

enum {
    WORDS_MAX = 16,
    VALUES_MAX = 32,
    LINE_SIZE = 256,
    TEXT_SIZE = 512,
    STEP_RETRY_MS = 60000,
    STEP_ELECTION_MS = 10 * STEP_RETRY_MS,
};

struct player {
    struct cluster cluster;
    struct synod_options options;
    struct teller teller;
    char *error;
    size_t error_size;
    char names[SYNOD_MEMBERS_MAX + 1];
    const char *values[VALUES_MAX];
    char *texts[VALUES_MAX]; /* The same, to free them. */
    uint32_t played;         /* The set of members without a core. */
    uint32_t has_begun;
};

/* A line, cut into words. */
struct line {
    char *words[WORDS_MAX];
    uint32_t count;
    char memory[LINE_SIZE];
};

__attribute__((format(printf, 2, 3))) static int fail(struct player *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(p->error, p->error_size, format, arguments);
    va_end(arguments);
    return -1;
}

/* -- Letting the cluster come to rest ----------------------------------------------------- */

static int is_heartbeat(const struct synod_message *m)
{
    return m->type == SYNOD_MESSAGE_ASK || m->type == SYNOD_MESSAGE_ANSWER;
}

static void drop_quietly(struct player *p, uint32_t packet)
{
    p->cluster.observer = NULL;
    cluster_lose(&p->cluster, packet);
    p->cluster.observer = teller_observe;
}

/* Drop the heartbeats of a member, or of all if `from` is 0. */
static void drop_heartbeats(struct player *p, synod_member_id from)
{
    for (uint32_t i = p->cluster.packet_count; i-- > 0;) {
        const struct synod_message *m = &p->cluster.packets[i].message;
        if (is_heartbeat(m) && (from == 0 || m->from == from)) {
            drop_quietly(p, i);
        }
    }
}

/* What comes to a member without a core is shown, and that is all. */
static void show_to_played(struct player *p)
{
    for (uint32_t i = 0; i < p->cluster.packet_count; i++) {
        struct cluster_packet *packet = &p->cluster.packets[i];
        if (!packet->is_held && (p->played & 1u << (packet->message.to - 1)) != 0) {
            packet->message.entries = packet->entries;
            packet->message.votes = packet->votes;
            teller_message(&p->teller, &packet->message, "");
            drop_quietly(p, i);
            i = UINT32_MAX; /* The last has taken its place: begin anew. */
        }
    }
}

/* A turn of everybody's loop ends. */
static void settle(struct player *p)
{
    cluster_deliver_own(&p->cluster);
    show_to_played(p);
    for (uint32_t i = 0; i < p->options.members.count && !p->teller.has_clock; i++) {
        if (p->cluster.members[i].core != NULL) {
            cluster_tick(&p->cluster, i);
        }
    }
    cluster_deliver_own(&p->cluster);
    show_to_played(p);
    if (!p->teller.shows_heartbeats && !p->teller.has_clock) {
        drop_heartbeats(p, 0);
    }
}

/* -- Words of the script ------------------------------------------------------------------ */

static int cut_words(struct player *p, const char *text, size_t size, struct line *line)
{
    line->count = 0;
    if (size >= sizeof line->memory) {
        return fail(p, "the line is too long");
    }
    memcpy(line->memory, text, size);
    line->memory[size] = 0;
    for (char *at = line->memory;;) {
        at += strspn(at, " ,");
        if (*at == 0) {
            return 0;
        }
        if (line->count == WORDS_MAX) {
            return fail(p, "too many words");
        }
        const int is_quoted = *at == '\'';
        at += is_quoted;
        line->words[line->count++] = at;
        at += strcspn(at, is_quoted ? "'" : " ,");
        if (*at != 0) {
            *at++ = 0;
        }
    }
}

static int is_word(const struct line *line, uint32_t position, const char *word)
{
    return position < line->count && strcmp(line->words[position], word) == 0;
}

/* True if the words from `position` on are these, and no more. */
static int ends_with(const struct line *line, uint32_t position, const char *first,
                     const char *second)
{
    return is_word(line, position, first) &&
           (second == NULL ? line->count == position + 1
                           : is_word(line, position + 1, second) && line->count == position + 2);
}

/* The position of the member named, or -1. */
static int member_at(const struct player *p, const struct line *line, uint32_t position)
{
    if (position >= line->count || strlen(line->words[position]) != 1) {
        return -1;
    }
    const char *found = strchr(p->names, line->words[position][0]);
    return found == NULL ? -1 : (int)(found - p->names);
}

/* The set of members named from *position on, which moves behind them; 0 if there is none. */
static uint32_t members_at(const struct player *p, const struct line *line, uint32_t *position)
{
    uint32_t set = 0;
    if (is_word(line, *position, "all")) {
        ++*position;
        return (1u << p->options.members.count) - 1;
    }
    for (; member_at(p, line, *position) >= 0; ++*position) {
        set |= 1u << member_at(p, line, *position);
    }
    return set;
}

/* The number of a value: every text is one, named when it is first used. */
static uint64_t value_of(struct player *p, const char *text)
{
    for (uint64_t i = 1; i < VALUES_MAX; i++) {
        if (p->values[i] == NULL) {
            p->texts[i] = strdup(text);
            p->values[i] = p->texts[i];
        }
        if (p->values[i] != NULL && strcmp(p->values[i], text) == 0) {
            return i;
        }
    }
    return 0;
}

/* -- What a script can say ---------------------------------------------------------------- */

/* Tell a member what its heartbeats would: everybody is there, and nobody leads. */
static void answer_questions(struct player *p, uint32_t member)
{
    uint64_t question = 0;
    for (uint32_t i = 0; i < p->cluster.packet_count; i++) {
        const struct synod_message *m = &p->cluster.packets[i].message;
        if (m->type == SYNOD_MESSAGE_ASK && m->from == member + 1 && m->id > question) {
            question = m->id;
        }
    }
    for (uint32_t i = 0; i < p->options.members.count && question > 0; i++) {
        const struct synod_message answer = {.type = SYNOD_MESSAGE_ANSWER,
                                             .from = i + 1,
                                             .to = member + 1,
                                             .view = p->options.view,
                                             .id = question};
        if (i != member) {
            (void)cluster_step(
                &p->cluster, member,
                (struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &answer});
        }
    }
    drop_heartbeats(p, member + 1);
}

static int stand(struct player *p, uint32_t member)
{
    struct cluster_member *m = &p->cluster.members[member];
    if (m->role != SYNOD_ROLE_FOLLOWER || p->teller.has_clock) {
        return fail(p, "it cannot stand now");
    }
    for (uint32_t turn = 0; turn < 1000 && m->role == SYNOD_ROLE_FOLLOWER; turn++) {
        p->cluster.now_ms += 10;
        answer_questions(p, member);
        cluster_tick(&p->cluster, member);
    }
    if (m->role == SYNOD_ROLE_FOLLOWER) { /* It leaves somebody else the time to stand. */
        (void)cluster_step(&p->cluster, member, (struct synod_event){.type = SYNOD_EVENT_STAND});
    }
    if (m->role == SYNOD_ROLE_FOLLOWER) {
        return fail(p, "it does not stand");
    }
    /* From here on it hears nobody, or it would stand again unasked. */
    for (uint32_t i = 0; i < p->options.members.count; i++) {
        (void)cluster_step(&p->cluster, member,
                           (struct synod_event){.type = SYNOD_EVENT_DISCONNECTED, .member = i + 1});
    }
    drop_heartbeats(p, member + 1);
    return 0;
}

/* P tells A prepare 17 [slot N]; P tells A accept 17 blue [slot N]. */
static int tell(struct player *p, uint32_t from, const struct line *line)
{
    const int to = member_at(p, line, 2);
    const int is_accept = is_word(line, 3, "accept");
    const uint32_t after = is_accept ? 6 : 5;
    if (to < 0 || (p->played & 1u << from) == 0 || line->count < after ||
        (!is_accept && !is_word(line, 3, "prepare"))) {
        return fail(p, "say: P tells A prepare BALLOT, or: accept BALLOT VALUE");
    }
    const synod_slot slot = ends_with(line, after, "slot", line->words[line->count - 1])
                                ? strtoull(line->words[line->count - 1], NULL, 10)
                                : 1;
    const uint64_t value = is_accept ? value_of(p, line->words[5]) : 0;
    const struct synod_entry entry = {.slot = slot,
                                      .view = p->options.view,
                                      .checksum = value,
                                      .handle = value,
                                      .size = 8,
                                      .kind = SYNOD_ENTRY_VALUE};
    const struct synod_message message = {
        .type = is_accept ? SYNOD_MESSAGE_ACCEPT : SYNOD_MESSAGE_PREPARE,
        .from = from + 1,
        .to = (synod_member_id)to + 1,
        .view = p->options.view,
        .ballot = {strtoull(line->words[4], NULL, 10), from + 1, 1},
        .slot = is_accept ? 0 : slot,
        .entries = &entry,
        .entry_count = is_accept ? 1 : 0,
    };
    if (message.ballot.round == 0 || slot == 0) {
        return fail(p, "ballots and slots are numbers from 1 on");
    }
    cluster_send(&p->cluster, &message);
    cluster_deliver(&p->cluster, p->cluster.packet_count - 1, 0);
    return 0;
}

static int position_of(const struct cluster *c, uint64_t id)
{
    for (uint32_t i = 0; i < c->packet_count; i++) {
        if (c->packets[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

/* The oldest message under way, from `after` on, between these sets and of this type, or -1. */
static int find_packet(const struct player *p, uint64_t after, const uint32_t ends[2],
                       const char *type)
{
    int found = -1;
    for (uint32_t i = 0; i < p->cluster.packet_count; i++) {
        const struct cluster_packet *packet = &p->cluster.packets[i];
        const struct synod_message *m = &packet->message;
        if (!packet->is_held && packet->id >= after && m->from != m->to &&
            (ends[0] & 1u << (m->from - 1)) != 0 && (ends[1] & 1u << (m->to - 1)) != 0 &&
            (type == NULL || strcmp(tale_type(m->type), type) == 0) &&
            (found < 0 || packet->id < p->cluster.packets[found].id)) {
            found = (int)i;
        }
    }
    return found;
}

/* A -> B C [type] arrives | arrives twice | is lost. */
static int move_messages(struct player *p, const struct line *line, uint32_t from)
{
    uint32_t position = 0;
    uint32_t ends[2] = {members_at(p, line, &position), 0};
    position++; /* The arrow. */
    ends[1] = members_at(p, line, &position);
    const int is_typed = !is_word(line, position, "arrives") && !is_word(line, position, "is");
    const char *type = is_typed && position < line->count ? line->words[position++] : NULL;
    const int is_lost = ends_with(line, position, "is", "lost");
    const int is_twice = ends_with(line, position, "arrives", "twice");
    if (from != ends[0] || ends[1] == 0 ||
        (!is_lost && !is_twice && !ends_with(line, position, "arrives", NULL))) {
        return fail(p, "say: A -> B [type] arrives, arrives twice, or is lost");
    }
    const uint64_t end = p->cluster.next_packet; /* Not the answers to them. */
    uint32_t count = 0;
    uint64_t id = 0;
    for (int packet; (packet = find_packet(p, id, ends, type)) >= 0; count++) {
        id = p->cluster.packets[packet].id;
        if (id >= end) {
            break;
        }
        if (is_lost) {
            cluster_lose(&p->cluster, (uint32_t)packet);
        } else {
            cluster_deliver(&p->cluster, (uint32_t)packet, is_twice);
        }
        if (is_twice) {
            cluster_deliver(&p->cluster, (uint32_t)position_of(&p->cluster, id), 0);
        }
        cluster_deliver_own(&p->cluster);
    }
    return count > 0 ? 0 : fail(p, "nothing of that kind is under way");
}

/* Every message, and every answer to it, in the order of sending. */
static void move_everything(struct player *p)
{
    const uint32_t all = (1u << p->options.members.count) - 1;
    const uint32_t ends[2] = {all, all};
    for (int packet; (packet = find_packet(p, 0, ends, NULL)) >= 0;) {
        cluster_deliver(&p->cluster, (uint32_t)packet, 0);
        settle(p);
    }
}

/* cut A - B; mend A -> B. */
static int change_link(struct player *p, const struct line *line)
{
    uint32_t position = 1;
    const uint32_t from = members_at(p, line, &position);
    const int is_both = is_word(line, position, "-");
    const int is_arrow = is_word(line, position, "->");
    position++;
    const uint32_t to = members_at(p, line, &position);
    if (from == 0 || to == 0 || (!is_both && !is_arrow) || position != line->count) {
        return fail(p, "say: cut A - B, or: cut A -> B; and mend likewise");
    }
    const int is_cut = is_word(line, 0, "cut");
    for (uint32_t i = 0; i < p->options.members.count; i++) {
        const uint32_t forth = (from & 1u << i) != 0 ? to & ~(1u << i) : 0;
        const uint32_t back = is_both && (to & 1u << i) != 0 ? from & ~(1u << i) : 0;
        p->cluster.cut[i] =
            is_cut ? p->cluster.cut[i] | forth | back : p->cluster.cut[i] & ~(forth | back);
    }
    return 0;
}

static void tell_refusal(const struct player *p, uint32_t member, int error)
{
    char text[TEXT_SIZE];
    (void)snprintf(text, sizeof text, "cannot: %s", synod_strerror(error));
    teller_say(&p->teller, member, text);
}

static int propose(struct player *p, uint32_t member, const char *text)
{
    const uint64_t value = value_of(p, text);
    if (value == 0) {
        return fail(p, "too many values");
    }
    const int64_t slot = cluster_propose(&p->cluster, member, value, 1);
    if (slot < 0) {
        tell_refusal(p, member, (int)slot);
    }
    return 0;
}

static int play_member(struct player *p, uint32_t member, const struct line *line)
{
    struct cluster *c = &p->cluster;
    const int is_up = c->members[member].core != NULL;
    if (is_word(line, 1, "tells")) {
        return tell(p, member, line);
    }
    if (ends_with(line, 1, "restarts", NULL) && !is_up && (p->played & 1u << member) == 0) {
        cluster_start(c, member);
        return 0;
    }
    if (!is_up) {
        return fail(p, "it is down, or has no core");
    }
    if (ends_with(line, 1, "stands", NULL)) {
        return stand(p, member);
    }
    if (is_word(line, 1, "proposes") && line->count == 3) {
        return propose(p, member, line->words[2]);
    }
    if (ends_with(line, 1, "reads", NULL)) {
        const int error = cluster_read(c, member);
        if (error != 0) {
            tell_refusal(p, member, error);
        }
    } else if (ends_with(line, 1, "crashes", NULL)) {
        cluster_crash(c, member);
    } else if (ends_with(line, 1, "writes", "slowly")) {
        c->is_disk_slow |= 1u << member;
    } else if (ends_with(line, 1, "flushes", NULL)) {
        cluster_flush(c, member, UINT32_MAX);
    } else {
        return fail(p, "a member cannot do that");
    }
    return 0;
}

/* -- The script --------------------------------------------------------------------------- */

/* Lines before anything happens. Returns 1 if this is none of them. */
static int play_setting(struct player *p, const struct line *line)
{
    if (is_word(line, 0, "members") && p->names[0] == 0) {
        for (uint32_t i = 1; i < line->count && i <= SYNOD_MEMBERS_MAX; i++) {
            p->names[i - 1] = line->words[i][0];
        }
        return line->count >= 2 ? 0 : fail(p, "there must be members");
    }
    if (is_word(line, 0, "played")) {
        uint32_t position = 1;
        p->played = members_at(p, line, &position);
        return p->played != 0 && position == line->count ? 0 : fail(p, "who is played?");
    }
    if (is_word(line, 0, "window") && line->count == 2) {
        p->options.window = (uint32_t)strtoul(line->words[1], NULL, 10);
        p->options.pipeline_max = p->options.window / 2;
        return 0;
    }
    if (ends_with(line, 0, "heartbeats", NULL)) {
        p->teller.shows_heartbeats = 1;
        return 0;
    }
    if (ends_with(line, 0, "clock", NULL)) {
        p->teller.has_clock = 1;
        return 0;
    }
    return 1;
}

static int begin(struct player *p)
{
    struct synod_options *options = &p->options;
    options->self = 1;
    options->members.count = (uint32_t)strlen(p->names);
    options->members.phase1 = options->members.count / 2 + 1;
    options->members.phase2 = options->members.count / 2 + 1;
    for (uint32_t i = 0; i < options->members.count; i++) {
        options->members.ids[i] = i + 1;
    }
    if (!p->teller.has_clock) {
        options->election_ms = STEP_ELECTION_MS;
        options->retry_ms = STEP_RETRY_MS;
    }
    if (!synod_options_are_valid(options)) {
        return fail(p, "the core does not take these settings");
    }
    p->has_begun = 1;
    cluster_init(&p->cluster, options);
    p->cluster.observer = teller_observe;
    p->cluster.observer_context = &p->teller;
    for (uint32_t i = 0; i < options->members.count; i++) {
        if ((p->played & 1u << i) == 0) {
            cluster_start(&p->cluster, i);
        }
    }
    settle(p);
    return 0;
}

static int play_line(struct player *p, const struct line *line)
{
    int outcome = p->has_begun ? 1 : play_setting(p, line);
    if (outcome <= 0) {
        return outcome;
    }
    if (!p->has_begun && begin(p) != 0) {
        return -1;
    }
    uint32_t position = 0;
    const uint32_t subjects = members_at(p, line, &position);
    if (subjects != 0 && is_word(line, position, "->")) {
        outcome = move_messages(p, line, subjects);
    } else if (ends_with(line, 0, "everything", "arrives")) {
        move_everything(p);
        outcome = 0;
    } else if (is_word(line, 0, "cut") || is_word(line, 0, "mend")) {
        outcome = change_link(p, line);
    } else if (ends_with(line, 0, "time", "passes")) {
        p->cluster.now_ms += STEP_RETRY_MS;
        outcome = 0;
    } else if (is_word(line, 0, "run") && p->teller.has_clock && line->count == 2) {
        cluster_run(&p->cluster, p->cluster.now_ms + strtoul(line->words[1], NULL, 10));
        outcome = 0;
    } else if (member_at(p, line, 0) >= 0) {
        outcome = play_member(p, (uint32_t)member_at(p, line, 0), line);
    } else {
        return fail(p, "not a line of a script");
    }
    settle(p);
    return outcome;
}

static int play(struct player *p, const char *script)
{
    uint32_t row = 0;
    for (const char *next; *script != 0; script = next) {
        struct line line;
        const size_t size = strcspn(script, "\n");
        next = script + size + (script[size] == '\n');
        row++;
        if (cut_words(p, script, size, &line) != 0) {
            return (int)row;
        }
        if (line.count == 0) {
            continue;
        }
        const size_t indent = strspn(script, " ");
        fprintf(p->teller.transcript, "    > %.*s\n", (int)(size - indent), script + indent);
        if (play_line(p, &line) != 0) {
            return (int)row;
        }
    }
    return p->has_begun ? 0 : (int)row;
}

int script_play(const char *script, FILE *transcript, char *error, size_t error_size)
{
    struct player *p = calloc(1, sizeof *p);
    char what[TEXT_SIZE] = "nothing happens";
    if (p == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return -1;
    }
    p->error = what;
    p->error_size = sizeof what;
    p->teller =
        (struct teller){.cluster = &p->cluster,
                        .tale = {.names = p->names, .values = p->values, .value_count = VALUES_MAX},
                        .transcript = transcript};
    synod_options_init(&p->options);
    p->options.window = 8;
    p->options.pipeline_max = 4;
    p->options.entries_max = CLUSTER_ENTRIES_MAX;
    p->options.seed = 1;
    const int row = play(p, script);
    if (row != 0) {
        (void)snprintf(error, error_size, "line %d of the script: %s", row, what);
    }
    if (p->has_begun) {
        cluster_deinit(&p->cluster);
    }
    for (uint32_t i = 0; i < VALUES_MAX; i++) {
        free(p->texts[i]);
    }
    free(p);
    return row == 0 ? 0 : -1;
}
