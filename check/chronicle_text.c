/* chronicle_text.c -- a history as text: an operation a line, for files and for people.
 *
 *   # synod history, base 1                                            (the first line)
 *   1200 1450 c3 m1 done r12 put k5 = 17 prev saw k5=9@4/8/3
 *   1210 1300 c4 m0 done r12 get k2..k9 count 2 saw k5=17@4/12/4 k7=11@2/2/1
 *   1220 1310 c5 m2 done r12 serializable get k5 at 8 count 1 saw k5=9@4/8/3
 *   1230 -    c6 m2 unknown delete k2..k9 prev
 *   1240 1500 c1 m0 done r13 succeeded txn if mod k5 = 12 then put k5 = 18 else get k5
 *   1600 1700 c1 m0 done r13 compact 9
 *   1800 1800 c0 m2 done restart
 *   state 1900 m2 r13 compacted 9 hash 8f14e45fceea167a
 *
 * The words of a line:
 *
 *   begin, end            microseconds; `-` for the end of what nobody knows about
 *   c3 m1                 client, member
 *   done | unknown | not-done | compacted | future
 *   r12                   the answer's revision; of what is unknown: a witness says that it was
 *                         done, and was given this one
 *   succeeded | failed    of a txn
 *   txn, then each step behind `if`, `then` or `else`; or one step without such a word
 *
 *   put KEYS = VALUE      and `prev`: what was there before is wanted
 *   delete KEYS           and `prev`
 *   get KEYS              and `at REVISION`, `limit N`, `counting` (no items are wanted)
 *   mod | create | version | value KEY, one of = != < >, NUMBER
 *   compact REVISION      restart
 *   count N, more         answers of a get or a delete
 *   saw KEY=VALUE@CREATE/MOD/VERSION ...
 *
 *   state T m2 r13        at time T member 2 held, at revision 13, what has this hash; `compacted`
 *                         is left out where it never was
 *
 * Lines that begin with # are passed over. */
#include "check/chronicle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *const OUTCOMES[] = {"", "unknown", "done", "not-done", "compacted", "future"};
static const char *const PLACES[] = {"", "if", "then", "else"};
static const char *const TARGETS[] = {"", "mod", "create", "version", "value"};
static const char *const RELATIONS[] = {"", "=", "!=", "<", ">"};

/* -- Writing -------------------------------------------------------------------------------- */

static void print_keys(const struct step *step, FILE *to)
{
    fprintf(to, " k%" PRIu32, step->key);
    if (step->end != step->key + 1) {
        fprintf(to, "..k%" PRIu32, step->end);
    }
}

static void print_request(const struct step *step, FILE *to)
{
    switch (step->kind) {
    case STEP_PUT:
        fputs(" put", to);
        print_keys(step, to);
        fprintf(to, " = %" PRIu64 "%s", step->number, step->wants_items ? " prev" : "");
        break;
    case STEP_DELETE:
        fputs(" delete", to);
        print_keys(step, to);
        fputs(step->wants_items ? " prev" : "", to);
        break;
    case STEP_GET:
        fputs(" get", to);
        print_keys(step, to);
        if (step->number != 0) {
            fprintf(to, " at %" PRIu64, step->number);
        }
        if (step->limit != 0) {
            fprintf(to, " limit %" PRIu32, step->limit);
        }
        fputs(step->wants_items ? "" : " counting", to);
        break;
    case STEP_COMPARE:
        fprintf(to, " %s", TARGETS[step->target]);
        print_keys(step, to);
        fprintf(to, " %s %" PRIu64, RELATIONS[step->relation], step->number);
        break;
    default:
        fprintf(to, " compact %" PRIu64, step->number);
        break;
    }
}

static void print_answer(const struct chronicle *history, const struct step *step, FILE *to)
{
    if (step->kind == STEP_GET || step->kind == STEP_DELETE) {
        fprintf(to, " count %" PRIu32 "%s", step->count, step->has_more ? " more" : "");
    }
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct seen_item *item = &history->items[step->first_item + i];
        fprintf(to, "%s k%" PRIu32 "=%" PRIu64 "@%" PRId64 "/%" PRId64 "/%" PRIu32,
                i == 0 ? " saw" : "", item->key, item->value, item->create, item->mod,
                item->version);
    }
}

void chronicle_print(const struct chronicle *history, size_t index, FILE *to)
{
    const struct operation *operation = &history->operations[index];
    const uint32_t count =
        (uint32_t)operation->compare_count + operation->then_count + operation->else_count;
    const int is_done = operation->outcome == OUTCOME_DONE;
    const int is_txn = operation->kind == OPERATION_TXN;
    const int taken = operation->has_succeeded ? PLACE_THEN : PLACE_ELSE;

    fprintf(to, "%" PRIu64 " ", operation->begin_us);
    if (operation->outcome == OUTCOME_UNKNOWN) {
        fputc('-', to);
    } else {
        fprintf(to, "%" PRIu64, operation->end_us);
    }
    fprintf(to, " c%" PRIu32 " m%" PRIu32 " %s", operation->client, operation->member,
            OUTCOMES[operation->outcome]);
    if (operation->revision != 0) {
        fprintf(to, " r%" PRId64, operation->revision);
    }
    fputs(operation->is_serializable ? " serializable" : "", to);
    if (is_txn) {
        fputs(!is_done ? "" : operation->has_succeeded ? " succeeded" : " failed", to);
        fputs(" txn", to);
    }
    fputs(operation->kind == OPERATION_RESTART ? " restart" : "", to);
    for (uint32_t i = 0; i < count; i++) {
        const struct step *step = &history->steps[operation->first_step + i];
        if (is_txn) {
            fprintf(to, " %s", PLACES[step->place]);
        }
        print_request(step, to);
        if (is_done && step->place == taken) {
            print_answer(history, step, to);
        }
    }
}

static void print_state(const struct state_report *report, FILE *to)
{
    fprintf(to, "state %" PRIu64 " m%" PRIu32 " r%" PRId64, report->at_us, report->member,
            report->revision);
    if (report->compacted >= 0) {
        fprintf(to, " compacted %" PRId64, report->compacted);
    }
    fprintf(to, " hash %016" PRIx64 "\n", report->hash);
}

int chronicle_write(const struct chronicle *history, FILE *to)
{
    fprintf(to, "# synod history, base %" PRId64 "\n", history->base);
    for (size_t i = 0; i < history->operation_count; i++) {
        chronicle_print(history, i, to);
        fputc('\n', to);
    }
    for (size_t i = 0; i < history->state_count; i++) {
        print_state(&history->states[i], to);
    }
    return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}

/* -- Reading -------------------------------------------------------------------------------- */

/* A line that is being read, word by word. What it says of the operation is gathered first. */
struct reading {
    struct chronicle *history;
    char *next;                 /* The rest of the line. */
    const char *word;           /* The word in hand; NULL after the last. */
    const char *wrong;          /* What was wrong with it, or NULL. */
    struct operation operation; /* What the words before its kind said. */
    size_t index;               /* Of the operation, once it was begun. */
    size_t step;                /* The last one. */
    uint32_t line;
};

static void advance(struct reading *reading)
{
    char *word = reading->next + strspn(reading->next, " \t\n");
    const size_t size = strcspn(word, " \t\n");
    reading->word = size == 0 ? NULL : word;
    reading->next = word + size;
    if (word[size] != '\0') {
        word[size] = '\0';
        reading->next++;
    }
}

static int is_word(const struct reading *reading, const char *word)
{
    return reading->word != NULL && strcmp(reading->word, word) == 0;
}

/* The first thing that is wrong is the one to tell. */
static void complain(struct reading *reading, const char *what)
{
    reading->wrong = reading->wrong == NULL ? what : reading->wrong;
}

/* A number at `*text`, behind `prefix`; `*text` is then what follows it. */
static uint64_t number_at(struct reading *reading, const char **text, const char *prefix)
{
    const size_t size = strlen(prefix);
    char *end = NULL;
    if (*text == NULL || strncmp(*text, prefix, size) != 0 || (*text)[size] < '0' ||
        (*text)[size] > '9') {
        complain(reading, "a number is missing");
        return 0;
    }
    const uint64_t number = strtoull(*text + size, &end, 10);
    *text = end;
    return number;
}

/* The word in hand is `prefix` and a number, and no more. */
static uint64_t take_number(struct reading *reading, const char *prefix)
{
    const char *text = reading->word;
    const uint64_t number = number_at(reading, &text, prefix);
    if (reading->wrong == NULL && *text != '\0') {
        complain(reading, "more than a number");
    }
    advance(reading);
    return number;
}

/* Revisions have a sign, as etcd's have: one below zero could be written, and not be read. */
static int64_t revision_of(struct reading *reading, uint64_t number)
{
    if (number > INT64_MAX) {
        complain(reading, "not a revision");
    }
    return (int64_t)number;
}

/* Which of these words is in hand; 0: none. */
static uint8_t find_word(const struct reading *reading, const char *const *words, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (is_word(reading, words[i])) {
            return (uint8_t)i;
        }
    }
    return 0;
}

static void take_keys(struct reading *reading, struct step *step)
{
    const char *text = reading->word;
    const uint64_t key = number_at(reading, &text, "k");
    uint64_t end = key + 1;
    if (reading->wrong == NULL && *text != '\0') {
        end = number_at(reading, &text, "..k");
    }
    if (reading->wrong == NULL &&
        (*text != '\0' || key >= CHRONICLE_KEYS_MAX || end > UINT32_MAX)) {
        complain(reading, "not a key");
    }
    step->key = (uint32_t)key;
    step->end = (uint32_t)end;
    advance(reading);
}

/* What a put writes and what a compare compares with: a sign, then a number. */
static void take_operand(struct reading *reading, struct step *step)
{
    step->relation = find_word(reading, RELATIONS, 5);
    if (step->relation == 0) {
        complain(reading, "no relation");
    }
    advance(reading);
    step->number = take_number(reading, "");
}

static struct step take_request(struct reading *reading, uint8_t place)
{
    struct step step = {.place = place, .kind = STEP_COMPARE};
    step.target = find_word(reading, TARGETS, 5);
    if (step.target == 0) {
        step.kind = is_word(reading, "put")       ? STEP_PUT
                    : is_word(reading, "delete")  ? STEP_DELETE
                    : is_word(reading, "get")     ? STEP_GET
                    : is_word(reading, "compact") ? STEP_COMPACT
                                                  : 0;
    }
    if (step.kind == 0) {
        complain(reading, "not a step");
    }
    advance(reading);
    step.wants_items = step.kind == STEP_GET;
    if (step.kind == STEP_COMPACT) {
        step.number = take_number(reading, "");
    } else if (reading->wrong == NULL) {
        take_keys(reading, &step);
    }
    if (reading->wrong == NULL && (step.kind == STEP_PUT || step.kind == STEP_COMPARE)) {
        take_operand(reading, &step);
        step.relation = step.kind == STEP_PUT ? 0 : step.relation;
    }
    return step;
}

static void take_items(struct reading *reading)
{
    while (reading->wrong == NULL && reading->word != NULL && reading->word[0] == 'k') {
        struct seen_item item = {0};
        const char *text = reading->word;
        const uint64_t key = number_at(reading, &text, "k");
        item.value = number_at(reading, &text, "=");
        item.create = revision_of(reading, number_at(reading, &text, "@"));
        item.mod = revision_of(reading, number_at(reading, &text, "/"));
        item.version = (uint32_t)number_at(reading, &text, "/");
        item.key = (uint32_t)key;
        if (key >= CHRONICLE_KEYS_MAX) {
            complain(reading, "not a key");
        }
        if (reading->wrong == NULL) {
            chronicle_see(reading->history, reading->step, &item);
        }
        advance(reading);
    }
}

/* What may follow a step: how it is asked, and its answer. */
static void take_details(struct reading *reading)
{
    struct step *step = &reading->history->steps[reading->step];
    int is_detail = 1;
    while (is_detail && reading->wrong == NULL && reading->word != NULL) {
        if (is_word(reading, "prev") || is_word(reading, "counting")) {
            step->wants_items = (uint8_t)is_word(reading, "prev");
            advance(reading);
        } else if (is_word(reading, "more")) {
            step->has_more = 1;
            advance(reading);
        } else if (is_word(reading, "at")) {
            advance(reading);
            step->number = take_number(reading, "");
        } else if (is_word(reading, "limit")) {
            advance(reading);
            step->limit = (uint32_t)take_number(reading, "");
        } else if (is_word(reading, "count")) {
            advance(reading);
            step->count = (uint32_t)take_number(reading, "");
        } else if (is_word(reading, "saw")) {
            advance(reading);
            take_items(reading);
        } else {
            is_detail = 0;
        }
    }
}

/* A step that stands where it may: compares, then, else. */
static int is_in_place(const struct reading *reading, const struct step *step)
{
    const struct operation *operation = &reading->history->operations[reading->index];
    if (step->kind == STEP_COMPARE || step->place == PLACE_IF) {
        return step->kind == STEP_COMPARE && step->place == PLACE_IF &&
               operation->then_count + operation->else_count == 0;
    }
    return step->place == PLACE_ELSE || operation->else_count == 0;
}

/* Whether an operation may have one step more in that place. */
static int has_room(const struct reading *reading, uint8_t place)
{
    const struct operation *operation = &reading->history->operations[reading->index];
    const uint16_t count = place == PLACE_IF     ? operation->compare_count
                           : place == PLACE_THEN ? operation->then_count
                                                 : operation->else_count;
    return count < CHRONICLE_STEPS_MAX;
}

static void take_step(struct reading *reading, uint8_t place)
{
    const struct step step = take_request(reading, place);
    if (reading->wrong == NULL && !is_in_place(reading, &step)) {
        complain(reading, "a step where it cannot be");
    }
    if (reading->wrong == NULL && !has_room(reading, place)) {
        complain(reading, "more steps than an operation may have");
    }
    if (reading->wrong == NULL) {
        reading->step = chronicle_add(reading->history, &step);
        take_details(reading);
    }
}

static enum operation_kind kind_in_hand(const struct reading *reading)
{
    static const char *const KINDS[] = {"", "put", "delete", "get", "txn", "compact", "restart"};
    return (enum operation_kind)find_word(reading, KINDS, 7);
}

static void take_header(struct reading *reading)
{
    struct operation *operation = &reading->operation;
    operation->begin_us = take_number(reading, "");
    if (is_word(reading, "-")) {
        advance(reading);
    } else {
        operation->end_us = take_number(reading, "");
    }
    operation->client = (uint32_t)take_number(reading, "c");
    operation->member = (uint32_t)take_number(reading, "m");
    if (reading->wrong == NULL && operation->member >= CHRONICLE_MEMBERS_MAX) {
        complain(reading, "not a member");
    }
    operation->outcome = find_word(reading, OUTCOMES, 6);
    if (operation->outcome == 0) {
        complain(reading, "no outcome");
    }
    advance(reading);
    if (reading->word != NULL && reading->word[0] == 'r' && reading->word[1] != 'e') {
        operation->revision = revision_of(reading, take_number(reading, "r"));
    }
    if (is_word(reading, "serializable")) {
        operation->is_serializable = 1;
        advance(reading);
    }
    operation->has_succeeded = !is_word(reading, "failed");
    if (is_word(reading, "succeeded") || is_word(reading, "failed")) {
        advance(reading);
    }
    operation->kind = (uint8_t)kind_in_hand(reading);
    if (operation->kind == 0) {
        complain(reading, "no kind of operation");
    }
}

static void take_txn(struct reading *reading)
{
    while (reading->wrong == NULL && reading->word != NULL) {
        const uint8_t place = find_word(reading, PLACES, 4);
        if (place == 0) {
            complain(reading, "no if, then or else");
        }
        advance(reading);
        if (reading->wrong == NULL) {
            take_step(reading, place);
        }
    }
}

static void take_operation(struct reading *reading)
{
    struct chronicle *history = reading->history;
    take_header(reading);
    if (reading->wrong != NULL) {
        return;
    }
    const struct operation *said = &reading->operation;
    const struct chronicle_who who = {said->client, said->member, said->begin_us};
    reading->index = chronicle_begin(history, (enum operation_kind)said->kind, &who);
    struct operation *operation = &history->operations[reading->index];
    operation->line = reading->line;
    operation->end_us = said->end_us;
    operation->outcome = said->outcome;
    operation->revision = said->revision;
    operation->is_serializable = said->is_serializable;
    operation->has_succeeded =
        said->kind != OPERATION_TXN || (said->outcome == OUTCOME_DONE && said->has_succeeded);
    if (said->kind == OPERATION_RESTART) {
        advance(reading);
    } else if (said->kind != OPERATION_TXN) {
        take_step(reading, PLACE_THEN);
    } else {
        advance(reading);
        take_txn(reading);
    }
    if (reading->wrong == NULL && reading->word != NULL) {
        complain(reading, "more than an operation");
    }
}

static void take_hash(struct reading *reading, struct state_report *report)
{
    char *end = NULL;
    if (reading->word == NULL || strspn(reading->word, "0123456789abcdef") != 16) {
        complain(reading, "no hash of 16 digits");
        return;
    }
    report->hash = strtoull(reading->word, &end, 16);
    if (*end != '\0') {
        complain(reading, "more than a hash");
    }
    advance(reading);
}

static void take_state(struct reading *reading)
{
    struct state_report report = {.compacted = -1, .line = reading->line};
    advance(reading);
    report.at_us = take_number(reading, "");
    report.member = (uint32_t)take_number(reading, "m");
    report.revision = revision_of(reading, take_number(reading, "r"));
    if (is_word(reading, "compacted")) {
        advance(reading);
        report.compacted = revision_of(reading, take_number(reading, ""));
    }
    if (!is_word(reading, "hash")) {
        complain(reading, "no hash");
    }
    advance(reading);
    take_hash(reading, &report);
    if (reading->wrong == NULL && report.member >= CHRONICLE_MEMBERS_MAX) {
        complain(reading, "not a member");
    }
    if (reading->wrong == NULL && reading->word != NULL) {
        complain(reading, "more than a state");
    }
    if (reading->wrong == NULL) {
        chronicle_report(reading->history, &report);
    }
}

int chronicle_read(struct chronicle *history, FILE *from, char *text, size_t size)
{
    char *line = NULL;
    size_t capacity = 0;
    size_t number = 0;
    struct reading reading = {.history = history};
    static const char TITLE[] = "# synod history, base ";

    while (reading.wrong == NULL && getline(&line, &capacity, from) >= 0) {
        number++;
        if (number == 1 && strncmp(line, TITLE, sizeof TITLE - 1) == 0) {
            history->base = (int64_t)strtoll(line + sizeof TITLE - 1, NULL, 10);
        }
        reading = (struct reading){.history = history, .next = line, .line = (uint32_t)number};
        advance(&reading);
        if (is_word(&reading, "state")) {
            take_state(&reading);
        } else if (reading.word != NULL && reading.word[0] != '#') {
            take_operation(&reading);
        }
    }
    if (reading.wrong != NULL) {
        snprintf(text, size, "line %zu: %s, at \"%.40s\"", number, reading.wrong,
                 reading.word == NULL ? "the end of the line" : reading.word);
    }
    free(line);
    return reading.wrong != NULL || ferror(from) ? -1 : 0;
}
