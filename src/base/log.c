/* log.c -- what the program tells its operator, one line at a time.
 *
 *     2026-11-21 10:00:00.000 INFO  became leader round=3 why="no leader heard"
 *     {"level":"info","ts":"2026-11-21T10:00:00.000Z","msg":"became leader","round":3,...}
 *
 * What is logged came from everywhere, peers and clients included, so nothing of it may break
 * a line or an object: control characters and bytes that are not UTF-8 are replaced, and text
 * that does not fit is cut with "..." and the line is still closed in good order. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

enum {
    LINE_SIZE_MAX = 8192,  /* One line, with its newline. */
    TAIL_SIZE = 8,         /* Kept free for "..." and the closing quote, brace and newline. */
    MESSAGE_COUNT = 128,   /* Messages whose rate is watched at one time. */
    MESSAGES_A_SECOND = 20 /* Of one text; the rest is counted. */
};

/* A line while it is written. What does not fit is left out, and so is all that follows it,
 * but for what closes the line: the tail is kept free for that. */
struct line {
    char text[LINE_SIZE_MAX];
    size_t size;
    int is_cut;
    int is_json;
};

/* How often one message came in the second that began at second_started. */
struct message {
    uint64_t hash; /* Of its text; 0 where the place is free. */
    uint64_t second_started;
    uint32_t written;
    uint32_t suppressed;
};

static atomic_int least_level = LOG_INFO;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* Guards all that follows. */
static int is_json;
static log_sink sink;
static log_clock clock_us;
static struct message messages[MESSAGE_COUNT];

void log_configure(const struct log_options *options)
{
    assert(options->level >= LOG_DEBUG && options->level <= LOG_ERROR);
    pthread_mutex_lock(&mutex);
    atomic_store(&least_level, (int)options->level);
    is_json = options->is_json;
    sink = options->sink;
    clock_us = options->clock_us;
    memset(messages, 0, sizeof messages);
    pthread_mutex_unlock(&mutex);
}

int log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

/* -- The words -------------------------------------------------------------------------- */

static void put(struct line *line, const char *text, size_t size)
{
    if (line->is_cut || line->size + size > LINE_SIZE_MAX - TAIL_SIZE) {
        line->is_cut = 1;
        return;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

/* Put what must not be missing, out of the tail. */
static void put_closing(struct line *line, const char *text)
{
    const size_t size = strlen(text);
    assert(size <= LINE_SIZE_MAX - line->size);
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The decimal digits of `number`, at least `width` of them. */
static void put_number(struct line *line, uint64_t number, size_t width)
{
    char digits[24];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof digits - start < width);
    put(line, digits + start, sizeof digits - start);
}

/* How many bytes the UTF-8 character at `text` has (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF), or 0 where there is none. */
static size_t character_size(const unsigned char *text)
{
    const unsigned char first = text[0];
    if (first < 0x80) {
        return 1;
    }
    const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0; /* The terminator stops us here, too. */
        }
    }
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return size;
}

/* One character that cannot stand as it is. JSON's escapes serve plain text as well. */
static void put_escaped(struct line *line, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    switch (byte) {
    case '"':
    case '\\':
        escape[1] = (char)byte;
        put(line, escape, 2);
        break;
    case '\n':
        put_text(line, "\\n");
        break;
    case '\t':
        put_text(line, "\\t");
        break;
    default:
        put(line, escape, sizeof escape);
    }
}

/* The inside of a JSON string. Text that does not fit ends in "...". */
static void put_string(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0' && !line->is_cut) {
        const size_t size = character_size(at);
        if (size == 0) {
            put_text(line, "\\ufffd");
            at++;
        } else if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f) {
            put_escaped(line, *at);
            at++;
        } else {
            put(line, (const char *)at, size);
            at += size;
        }
    }
    if (line->is_cut) {
        put_closing(line, "...");
    }
}

/* True if plain text can show the value without quotation marks. */
static int is_plain_word(const char *text)
{
    const char *at = text;
    while (*at > ' ' && *at < 0x7f && *at != '"' && *at != '\\' && *at != '=') {
        at++;
    }
    return *at == '\0' && at > text;
}

/* One field, or nothing where not even its beginning fits. */
static void put_field(struct line *line, const struct log_field *field)
{
    if (line->is_cut) {
        return;
    }
    const size_t start = line->size;
    const int is_quoted = field->text != NULL && (line->is_json || !is_plain_word(field->text));
    put_text(line, line->is_json ? ",\"" : " ");
    put_text(line, field->name);
    put_text(line, line->is_json ? "\":" : "=");
    put_text(line, is_quoted ? "\"" : "");
    if (field->text == NULL) {
        put_number(line, field->number, 1);
    }
    if (line->is_cut) {
        line->size = start;
        return;
    }
    if (field->text != NULL) {
        put_string(line, field->text);
        put_closing(line, is_quoted ? "\"" : "");
    }
}

/* -- The line --------------------------------------------------------------------------- */

static uint64_t now_us(clockid_t which)
{
    struct timespec now;
    if (clock_us != NULL) {
        return clock_us();
    }
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void put_time(struct line *line, char between)
{
    const uint64_t now = now_us(CLOCK_REALTIME);
    const time_t second = (time_t)(now / 1000000);
    struct tm calendar;
    gmtime_r(&second, &calendar);
    put_number(line, (uint64_t)calendar.tm_year + 1900, 4);
    put_text(line, "-");
    put_number(line, (uint64_t)calendar.tm_mon + 1, 2);
    put_text(line, "-");
    put_number(line, (uint64_t)calendar.tm_mday, 2);
    put(line, &between, 1);
    put_number(line, (uint64_t)calendar.tm_hour, 2);
    put_text(line, ":");
    put_number(line, (uint64_t)calendar.tm_min, 2);
    put_text(line, ":");
    put_number(line, (uint64_t)calendar.tm_sec, 2);
    put_text(line, ".");
    put_number(line, now / 1000 % 1000, 3);
}

static void put_head(struct line *line, enum log_level level, const char *message)
{
    static const char *const json_names[] = {"", "debug", "info", "warn", "error"};
    static const char *const plain_names[] = {"", "DEBUG", "INFO ", "WARN ", "ERROR"};
    if (line->is_json) {
        put_text(line, "{\"level\":\"");
        put_text(line, json_names[level]);
        put_text(line, "\",\"ts\":\"");
        put_time(line, 'T');
        put_text(line, "Z\",\"msg\":\"");
        put_string(line, message);
        put_closing(line, "\"");
    } else {
        put_time(line, ' ');
        put_text(line, " ");
        put_text(line, plain_names[level]);
        put_text(line, " ");
        put_string(line, message);
    }
}

static void put_tail(struct line *line, uint32_t suppressed)
{
    if (suppressed > 0) {
        put_field(line, &(struct log_field){.name = "suppressed", .number = suppressed});
    }
    put_closing(line, line->is_json ? "}\n" : "\n");
}

/* -- How often -------------------------------------------------------------------------- */

static uint64_t hash_of(const char *message)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a. */
    for (; *message != '\0'; message++) {
        hash = (hash ^ (unsigned char)*message) * 0x100000001b3u;
    }
    return hash | 1;
}

/* Count one more `message`. True if it may be written; *suppressed is then how many before it
 * were not. Two messages that share a place in the table take it from each other, which lets
 * more through, never less. */
static int may_write(const char *message, uint32_t *suppressed)
{
    const uint64_t second = now_us(CLOCK_MONOTONIC) / 1000000;
    const uint64_t hash = hash_of(message);
    struct message *place = &messages[(hash >> 1) % MESSAGE_COUNT];

    if (place->hash != hash) {
        *place = (struct message){.hash = hash, .second_started = second};
    }
    *suppressed = 0;
    if (place->second_started != second) {
        *suppressed = place->suppressed;
        place->second_started = second;
        place->written = 0;
        place->suppressed = 0;
    }
    if (place->written == MESSAGES_A_SECOND) {
        place->suppressed++;
        return 0;
    }
    place->written++;
    return 1;
}

/* A line leaves in one write, so that lines of several processes do not mix. Where it cannot
 * be written there is nobody left to tell. */
static void write_to_standard_error(const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, text, size);
        if (written < 0 && errno != EINTR) {
            return;
        }
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    assert(level >= LOG_DEBUG && level <= LOG_ERROR);
    if (!log_is_on(level)) {
        return;
    }
    pthread_mutex_lock(&mutex);
    uint32_t suppressed;
    if (may_write(message, &suppressed)) {
        struct line line;
        line.size = 0; /* Not all of it is set to zero: it is large. */
        line.is_cut = 0;
        line.is_json = is_json;
        put_head(&line, level, message);
        for (const struct log_field *field = fields; field != NULL && field->name != NULL;
             field++) {
            put_field(&line, field);
        }
        put_tail(&line, suppressed);
        if (sink != NULL) {
            sink(line.text, (uint32_t)line.size);
        } else {
            write_to_standard_error(line.text, line.size);
        }
    }
    pthread_mutex_unlock(&mutex);
}
