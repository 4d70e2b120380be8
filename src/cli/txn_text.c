/* txn_text.c -- from etcdctl's way to write a txn to the message. */
#include "cli/txn_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/requests.h"

enum {
    LINES_MAX = 4096,
    WORDS_MAX = 32
};

/* The text while it is read. */
struct reader {
    struct txn_text *txn;
    const char *next;
    const char *end;
    unsigned line; /* Number of the line read last. */
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *reader, const char *format,
                                                        ...)
{
    char *to = reader->txn->error;
    va_list arguments;
    const int size = snprintf(to, TXN_TEXT_ERROR_SIZE, "line %u: ", reader->line);
    va_start(arguments, format);
    vsnprintf(to + size, TXN_TEXT_ERROR_SIZE - (size_t)size, format, arguments);
    va_end(arguments);
    return -1;
}

/* Memory of the txn's, or the end of the program. */
static void *take(struct reader *reader, size_t size)
{
    void *memory = arena_allocate(&reader->txn->arena, size);
    if (memory == NULL) {
        fprintf(stderr, "synod: out of memory\n");
        exit(CLI_FAILED);
    }
    return memory;
}

/* The next line, without its end. False at the end of the text and at an empty line, which ends
 * a block. */
static int read_line(struct reader *reader, struct bytes *line)
{
    if (reader->next == reader->end) {
        return 0;
    }
    const char *start = reader->next;
    const char *newline = memchr(start, '\n', (size_t)(reader->end - start));
    const char *stop = newline == NULL ? reader->end : newline;
    reader->next = newline == NULL ? reader->end : newline + 1;
    reader->line++;
    while (stop > start && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) {
        stop--;
    }
    while (start < stop && (*start == ' ' || *start == '\t')) {
        start++;
    }
    *line = bytes_of(start, (size_t)(stop - start));
    return line->size > 0;
}

/* -- Quoted text ---------------------------------------------------------------------- */

static int hex_value(uint8_t digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* What follows a backslash at the front of `rest`; consumed. Returns the byte, or -1. */
static int read_escape(struct bytes *rest)
{
    static const char names[] = "abtnvfr"; /* Of the bytes 7 to 13. */
    if (rest->size == 0) {
        return -1;
    }
    const uint8_t letter = rest->data[0];
    *rest = bytes_of(rest->data + 1, rest->size - 1);
    if (letter == '"' || letter == '\'' || letter == '\\') {
        return letter;
    }
    if (letter == 'x' && rest->size >= 2 && hex_value(rest->data[0]) >= 0 &&
        hex_value(rest->data[1]) >= 0) {
        const int value = hex_value(rest->data[0]) << 4 | hex_value(rest->data[1]);
        *rest = bytes_of(rest->data + 2, rest->size - 2);
        return value;
    }
    const char *name = letter == '\0' ? NULL : strchr(names, letter);
    return name == NULL ? -1 : 7 + (int)(name - names);
}

/* Text in double quotes at the front of `rest`; consumed, and copied without them and with a NUL
 * after it that does not count. */
static int read_quoted(struct reader *reader, struct bytes *rest, ProtobufCBinaryData *to)
{
    uint8_t *copy = take(reader, rest->size + 1);
    size_t size = 0;
    assert(rest->size > 0 && rest->data[0] == '"');
    *rest = bytes_of(rest->data + 1, rest->size - 1);
    while (rest->size > 0 && rest->data[0] != '"') {
        int byte = rest->data[0];
        *rest = bytes_of(rest->data + 1, rest->size - 1);
        if (byte == '\\') {
            byte = read_escape(rest);
        }
        if (byte < 0) {
            return refuse(reader, "after a backslash comes one of \" \\ n t r x00 ...");
        }
        copy[size++] = (uint8_t)byte;
    }
    if (rest->size == 0) {
        return refuse(reader, "a closing \" is missing");
    }
    *rest = bytes_of(rest->data + 1, rest->size - 1);
    copy[size] = '\0';
    *to = (ProtobufCBinaryData){.len = size, .data = copy};
    return 0;
}

static void skip_spaces(struct bytes *rest)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        *rest = bytes_of(rest->data + 1, rest->size - 1);
    }
}

/* -- Compares ------------------------------------------------------------------------- */

static const struct target {
    const char *name;
    Etcdserverpb__Compare__CompareTarget target;
    Etcdserverpb__Compare__TargetUnionCase field;
} targets[] = {
    {"ver", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION},
    {"version", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION},
    {"c", ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION},
    {"create", ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION},
    {"m", ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD,
     ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION},
    {"mod", ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD,
     ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION},
    {"val", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE},
    {"value", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE},
    {"lease", ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE},
};

static const struct target *find_target(struct bytes name)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (bytes_equal(name, bytes_of_text(targets[i].name))) {
            return &targets[i];
        }
    }
    return NULL;
}

/* One of = != > < at the front of `rest`; consumed. */
static int read_operator(struct bytes *rest, Etcdserverpb__Compare__CompareResult *to)
{
    static const struct {
        const char *text;
        Etcdserverpb__Compare__CompareResult result;
    } operators[] = {
        {"=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL},
        {"!=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL},
        {">", ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER},
        {"<", ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS},
    };
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        const size_t size = strlen(operators[i].text);
        if (rest->size >= size && memcmp(rest->data, operators[i].text, size) == 0) {
            *to = operators[i].result;
            *rest = bytes_of(rest->data + size, rest->size - size);
            return 0;
        }
    }
    return -1;
}

/* The value of a compare, as a number or as bytes. A lease is written in hexadecimal. */
static int set_value(struct reader *reader, const struct target *target, ProtobufCBinaryData value,
                     Etcdserverpb__Compare *to)
{
    to->target_union_case = target->field;
    if (target->field == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE) {
        to->value = value;
        return 0;
    }
    const char *text = (const char *)value.data; /* Has a NUL. */
    char *end;
    errno = 0;
    const int64_t number =
        strtoll(text, &end, target->field == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE ? 16 : 10);
    if (errno != 0 || end == text || end != text + value.len) {
        return refuse(reader, "\"%.40s\" must be a number to be compared with %s", text,
                      target->name);
    }
    switch (target->field) {
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION:
        to->version = number;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
        to->create_revision = number;
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
        to->mod_revision = number;
        break;
    default:
        to->lease = number;
        break;
    }
    return 0;
}

static int parse_compare(struct reader *reader, struct bytes line, Etcdserverpb__Compare *to)
{
    static const char shape[] = "a compare looks like mod(\"key\") > \"0\"";
    const uint8_t *paren = memchr(line.data, '(', line.size);
    ProtobufCBinaryData value;
    etcdserverpb__compare__init(to);
    if (paren == NULL) {
        return refuse(reader, "%s", shape);
    }
    const struct target *target = find_target(bytes_of(line.data, (size_t)(paren - line.data)));
    if (target == NULL) {
        return refuse(reader, "one compares ver, create, mod, val or lease");
    }
    to->target = target->target;
    struct bytes rest = bytes_of(paren + 1, line.size - (size_t)(paren + 1 - line.data));
    if (rest.size == 0 || rest.data[0] != '"') {
        return refuse(reader, "%s", shape);
    }
    if (read_quoted(reader, &rest, &to->key) != 0) {
        return -1;
    }
    if (rest.size == 0 || rest.data[0] != ')') {
        return refuse(reader, "%s", shape);
    }
    rest = bytes_of(rest.data + 1, rest.size - 1);
    skip_spaces(&rest);
    if (read_operator(&rest, &to->result) != 0) {
        return refuse(reader, "after the key comes one of = != > <");
    }
    skip_spaces(&rest);
    if (rest.size == 0 || rest.data[0] != '"') {
        return refuse(reader, "%s", shape);
    }
    if (read_quoted(reader, &rest, &value) != 0) {
        return -1;
    }
    if (rest.size > 0) {
        return refuse(reader, "there is something after the compare's value");
    }
    return set_value(reader, target, value, to);
}

/* -- Operations ----------------------------------------------------------------------- */

/* A word of an operation: quoted either way, or up to the next space; as a C text. */
static int read_word(struct reader *reader, struct bytes *rest, char **to)
{
    ProtobufCBinaryData quoted;
    if (rest->data[0] == '"') {
        if (read_quoted(reader, rest, &quoted) != 0) {
            return -1;
        }
        *to = (char *)quoted.data;
        return memchr(quoted.data, '\0', quoted.len) == NULL
                   ? 0
                   : refuse(reader, "\\x00 cannot be part of an operation");
    }
    const int is_quoted = rest->data[0] == '\'';
    const uint8_t *start = rest->data + is_quoted;
    size_t size = 0;
    const size_t left = rest->size - (size_t)is_quoted;
    while (size < left &&
           (is_quoted ? start[size] != '\'' : start[size] != ' ' && start[size] != '\t')) {
        size++;
    }
    if (is_quoted && size == left) {
        return refuse(reader, "a closing ' is missing");
    }
    *to = take(reader, size + 1);
    memcpy(*to, start, size);
    (*to)[size] = '\0';
    const size_t taken = size + 2 * (size_t)is_quoted;
    *rest = bytes_of(rest->data + taken, rest->size - taken);
    return 0;
}

/* An operation, as its words; then its arguments, once the options are read out of it. */
struct operation {
    char *words[WORDS_MAX];
    int count;
    const char *arguments[2];
    int argument_count;
};

static int read_words(struct reader *reader, struct bytes line, struct operation *operation)
{
    operation->count = 0;
    while (line.size > 0) {
        if (operation->count == WORDS_MAX) {
            return refuse(reader, "more than %d words", WORDS_MAX);
        }
        if (read_word(reader, &line, &operation->words[operation->count]) != 0) {
            return -1;
        }
        operation->count++;
        skip_spaces(&line);
    }
    return 0;
}

/* Options and arguments of an operation, as its command has them. */
static int read_options(struct reader *reader, struct operation *operation, const char *usage,
                        const struct option_row *rows, size_t row_count)
{
    const struct options options = {usage, "", rows, row_count, 1, 2};
    if (options_read(&options, operation->count, operation->words, operation->arguments,
                     &operation->argument_count) != OPTIONS_READ) {
        return refuse(reader, "not understood");
    }
    return 0;
}

static int parse_put(struct reader *reader, struct operation *operation,
                     Etcdserverpb__RequestOp *to)
{
    struct put_words put = {.lease = ""};
    struct option_row rows[PUT_ROWS];
    const size_t row_count = requests_put_rows(&put, rows);
    if (read_options(reader, operation, "put [options] KEY VALUE", rows, row_count) != 0) {
        return -1;
    }
    if (operation->argument_count == 1 && !put.ignores_value) {
        return refuse(reader, "put needs a key and a value");
    }
    to->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    to->request_put = take(reader, sizeof *to->request_put);
    return requests_put(&put, operation->arguments, operation->argument_count, to->request_put) == 0
               ? 0
               : refuse(reader, "not understood");
}

static int parse_get(struct reader *reader, struct operation *operation,
                     Etcdserverpb__RequestOp *to)
{
    struct get_words get = {.sort_by = "", .order = "", .consistency = ""};
    struct option_row rows[GET_ROWS];
    const size_t row_count = requests_get_rows(&get, rows);
    if (read_options(reader, operation, "get [options] KEY [RANGE_END]", rows, row_count) != 0) {
        return -1;
    }
    to->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    to->request_range = take(reader, sizeof *to->request_range);
    return requests_get(&get, operation->arguments, operation->argument_count, &reader->txn->arena,
                        to->request_range) == 0
               ? 0
               : refuse(reader, "not understood");
}

static int parse_del(struct reader *reader, struct operation *operation,
                     Etcdserverpb__RequestOp *to)
{
    struct del_words del = {0};
    struct option_row rows[DEL_ROWS];
    const size_t row_count = requests_del_rows(&del, rows);
    if (read_options(reader, operation, "del [options] KEY [RANGE_END]", rows, row_count) != 0) {
        return -1;
    }
    to->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    to->request_delete_range = take(reader, sizeof *to->request_delete_range);
    return requests_del(&del, operation->arguments, operation->argument_count, &reader->txn->arena,
                        to->request_delete_range) == 0
               ? 0
               : refuse(reader, "not understood");
}

static int parse_operation(struct reader *reader, struct bytes line, Etcdserverpb__RequestOp *to)
{
    struct operation operation;
    if (read_words(reader, line, &operation) != 0) {
        return -1;
    }
    const char *name = operation.words[0];
    etcdserverpb__request_op__init(to);
    if (strcmp(name, "put") == 0) {
        return parse_put(reader, &operation, to);
    }
    if (strcmp(name, "get") == 0) {
        return parse_get(reader, &operation, to);
    }
    if (strcmp(name, "del") == 0) {
        return parse_del(reader, &operation, to);
    }
    return refuse(reader, "an operation is put, get or del, not %.40s", name);
}

/* -- Blocks --------------------------------------------------------------------------- */

static int parse_compares(struct reader *reader)
{
    Etcdserverpb__TxnRequest *request = &reader->txn->request;
    struct bytes line;
    request->compare = take(reader, LINES_MAX * sizeof(void *));
    while (read_line(reader, &line)) {
        if (request->n_compare == LINES_MAX) {
            return refuse(reader, "more than %d lines", LINES_MAX);
        }
        Etcdserverpb__Compare *compare = take(reader, sizeof *compare);
        if (parse_compare(reader, line, compare) != 0) {
            return -1;
        }
        request->compare[request->n_compare++] = compare;
    }
    return 0;
}

static int parse_operations(struct reader *reader, Etcdserverpb__RequestOp ***list, size_t *count)
{
    struct bytes line;
    *list = take(reader, LINES_MAX * sizeof(void *));
    *count = 0;
    while (read_line(reader, &line)) {
        if (*count == LINES_MAX) {
            return refuse(reader, "more than %d lines", LINES_MAX);
        }
        Etcdserverpb__RequestOp *op = take(reader, sizeof *op);
        if (parse_operation(reader, line, op) != 0) {
            return -1;
        }
        (*list)[(*count)++] = op;
    }
    return 0;
}

int txn_text_parse(struct txn_text *txn, const char *text, size_t size)
{
    struct reader reader = {.txn = txn, .next = text, .end = text + size};
    struct bytes line;
    *txn = (struct txn_text){.error = ""};
    etcdserverpb__txn_request__init(&txn->request);
    if (parse_compares(&reader) != 0 ||
        parse_operations(&reader, &txn->request.success, &txn->request.n_success) != 0 ||
        parse_operations(&reader, &txn->request.failure, &txn->request.n_failure) != 0) {
        return -1;
    }
    return read_line(&reader, &line) ? refuse(&reader, "there is a fourth block") : 0;
}

void txn_text_deinit(struct txn_text *txn)
{
    arena_deinit(&txn->arena);
}
