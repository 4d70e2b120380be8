/* render.c -- the answers of a server on standard output, in the words of etcdctl. */
#include "cli/render.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/xmalloc.h"

/* -- Bytes ---------------------------------------------------------------------------- */

static void print_bytes(ProtobufCBinaryData bytes)
{
    if (bytes.len > 0) {
        fwrite(bytes.data, 1, bytes.len, stdout);
    }
}

static void print_base64(ProtobufCBinaryData bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.len; at += 3) {
        const size_t left = bytes.len - at;
        const uint32_t group = (uint32_t)bytes.data[at] << 16 |
                               (left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0) |
                               (left > 2 ? (uint32_t)bytes.data[at + 2] : 0);
        putchar(digits[group >> 18]);
        putchar(digits[group >> 12 & 63]);
        putchar(left > 1 ? digits[group >> 6 & 63] : '=');
        putchar(left > 2 ? digits[group & 63] : '=');
    }
}

/* The size of the UTF-8 character at the front, 0 if there is none. Overlong forms and surrogates
 * pass; they are only shown. */
static size_t character_size(const uint8_t *data, size_t size)
{
    const uint8_t first = data[0];
    const size_t wanted = first < 0x80   ? 1
                          : first < 0xc2 ? 0
                          : first < 0xe0 ? 2
                          : first < 0xf0 ? 3
                          : first < 0xf5 ? 4
                                         : 0;
    if (wanted > size) {
        return 0;
    }
    for (size_t i = 1; i < wanted; i++) {
        if ((data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return wanted;
}

void render_quoted(const uint8_t *data, size_t size)
{
    static const char letters[] = "abtnvfr"; /* Of the characters 7 to 13. */
    putchar('"');
    while (size > 0) {
        const size_t taken = character_size(data, size);
        if (taken > 1) {
            fwrite(data, 1, taken, stdout);
        } else if (taken == 1 && *data >= 7 && *data <= 13) {
            printf("\\%c", letters[*data - 7]);
        } else if (taken == 0 || *data < ' ' || *data == 0x7f) {
            printf("\\x%02x", *data);
        } else {
            printf(*data == '"' || *data == '\\' ? "\\%c" : "%c", *data);
        }
        const size_t step = taken == 0 ? 1 : taken;
        data += step;
        size -= step;
    }
    putchar('"');
}

/* -- JSON: fields that are zero are left out, as Go does it --------------------------- */

/* The separator before a member of an object: nothing before the first. */
static void print_name(int *count, const char *name)
{
    printf("%s\"%s\":", (*count)++ > 0 ? "," : "", name);
}

static void print_json_number(int *count, const char *name, int64_t value)
{
    if (value != 0) {
        print_name(count, name);
        printf("%" PRId64, value);
    }
}

static void print_json_bytes(int *count, const char *name, ProtobufCBinaryData value)
{
    if (value.len > 0) {
        print_name(count, name);
        putchar('"');
        print_base64(value);
        putchar('"');
    }
}

void render_header_json(const Etcdserverpb__ResponseHeader *header)
{
    int count = 0;
    putchar('{');
    if (header->cluster_id != 0) {
        print_name(&count, "cluster_id");
        printf("%" PRIu64, header->cluster_id);
    }
    if (header->member_id != 0) {
        print_name(&count, "member_id");
        printf("%" PRIu64, header->member_id);
    }
    print_json_number(&count, "revision", header->revision);
    if (header->raft_term != 0) {
        print_name(&count, "raft_term");
        printf("%" PRIu64, header->raft_term);
    }
    putchar('}');
}

static void print_json_header(int *count, const Etcdserverpb__ResponseHeader *header)
{
    if (header != NULL) {
        print_name(count, "header");
        render_header_json(header);
    }
}

static void print_json_pair(const Mvccpb__KeyValue *pair)
{
    int count = 0;
    putchar('{');
    print_json_bytes(&count, "key", pair->key);
    print_json_number(&count, "create_revision", pair->create_revision);
    print_json_number(&count, "mod_revision", pair->mod_revision);
    print_json_number(&count, "version", pair->version);
    print_json_bytes(&count, "value", pair->value);
    print_json_number(&count, "lease", pair->lease);
    putchar('}');
}

static void print_json_pairs(int *count, const char *name, Mvccpb__KeyValue **pairs, size_t size)
{
    if (size == 0) {
        return;
    }
    print_name(count, name);
    for (size_t i = 0; i < size; i++) {
        putchar(i == 0 ? '[' : ',');
        print_json_pair(pairs[i]);
    }
    putchar(']');
}

static void print_json_put(const Etcdserverpb__PutResponse *answer)
{
    int count = 0;
    putchar('{');
    print_json_header(&count, answer->header);
    if (answer->prev_kv != NULL) {
        print_name(&count, "prev_kv");
        print_json_pair(answer->prev_kv);
    }
    putchar('}');
}

static void print_json_range(const Etcdserverpb__RangeResponse *answer)
{
    int count = 0;
    putchar('{');
    print_json_header(&count, answer->header);
    print_json_pairs(&count, "kvs", answer->kvs, answer->n_kvs);
    if (answer->more) {
        print_name(&count, "more");
        printf("true");
    }
    print_json_number(&count, "count", answer->count);
    putchar('}');
}

static void print_json_delete(const Etcdserverpb__DeleteRangeResponse *answer)
{
    int count = 0;
    putchar('{');
    print_json_header(&count, answer->header);
    print_json_number(&count, "deleted", answer->deleted);
    print_json_pairs(&count, "prev_kvs", answer->prev_kvs, answer->n_prev_kvs);
    putchar('}');
}

static void print_json_op(const Etcdserverpb__ResponseOp *op)
{
    printf("{\"Response\":{");
    switch (op->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        printf("\"ResponseRange\":");
        print_json_range(op->response_range);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        printf("\"ResponsePut\":");
        print_json_put(op->response_put);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        printf("\"ResponseDeleteRange\":");
        print_json_delete(op->response_delete_range);
        break;
    default:
        break; /* `synod txn` cannot ask for a nested one. */
    }
    printf("}}");
}

static void print_json_txn(const Etcdserverpb__TxnResponse *answer)
{
    int count = 0;
    putchar('{');
    print_json_header(&count, answer->header);
    if (answer->succeeded) {
        print_name(&count, "succeeded");
        printf("true");
    }
    for (size_t i = 0; i < answer->n_responses; i++) {
        if (i == 0) {
            print_name(&count, "responses");
        }
        putchar(i == 0 ? '[' : ',');
        print_json_op(answer->responses[i]);
    }
    printf("%s}", answer->n_responses > 0 ? "]" : "");
}

/* -- Fields --------------------------------------------------------------------------- */

void render_header_fields(const Etcdserverpb__ResponseHeader *header)
{
    static const Etcdserverpb__ResponseHeader none = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    const Etcdserverpb__ResponseHeader *shown = header == NULL ? &none : header;
    printf("\"ClusterID\" : %" PRIu64 "\n\"MemberID\" : %" PRIu64 "\n\"Revision\" : %" PRId64
           "\n\"RaftTerm\" : %" PRIu64 "\n",
           shown->cluster_id, shown->member_id, shown->revision, shown->raft_term);
}

static void print_pair_fields(const char *prefix, const Mvccpb__KeyValue *pair)
{
    printf("\"%sKey\" : ", prefix);
    render_quoted(pair->key.data, pair->key.len);
    printf("\n\"%sCreateRevision\" : %" PRId64 "\n\"%sModRevision\" : %" PRId64
           "\n\"%sVersion\" : %" PRId64 "\n\"%sValue\" : ",
           prefix, pair->create_revision, prefix, pair->mod_revision, prefix, pair->version,
           prefix);
    render_quoted(pair->value.data, pair->value.len);
    printf("\n\"%sLease\" : %" PRId64 "\n", prefix, pair->lease);
}

static void print_put_fields(const Etcdserverpb__PutResponse *answer)
{
    render_header_fields(answer->header);
    if (answer->prev_kv != NULL) {
        print_pair_fields("Prev", answer->prev_kv);
    }
}

static void print_range_fields(const Etcdserverpb__RangeResponse *answer)
{
    render_header_fields(answer->header);
    for (size_t i = 0; i < answer->n_kvs; i++) {
        print_pair_fields("", answer->kvs[i]);
    }
    printf("\"More\" : %s\n\"Count\" : %" PRId64 "\n", answer->more ? "true" : "false",
           answer->count);
}

static void print_delete_fields(const Etcdserverpb__DeleteRangeResponse *answer)
{
    render_header_fields(answer->header);
    printf("\"Deleted\" : %" PRId64 "\n", answer->deleted);
    for (size_t i = 0; i < answer->n_prev_kvs; i++) {
        print_pair_fields("Prev", answer->prev_kvs[i]);
    }
}

/* -- Simple --------------------------------------------------------------------------- */

static void print_pair(const Mvccpb__KeyValue *pair, int is_value_only)
{
    if (!is_value_only) {
        print_bytes(pair->key);
        putchar('\n');
    }
    print_bytes(pair->value);
    putchar('\n');
}

static void print_put(const Etcdserverpb__PutResponse *answer)
{
    printf("OK\n");
    if (answer->prev_kv != NULL) {
        print_pair(answer->prev_kv, 0);
    }
}

static void print_range(const Etcdserverpb__RangeResponse *answer, const struct render_range *how)
{
    if (how->is_count_only) {
        printf("%" PRId64 "\n", answer->count);
    }
    for (size_t i = 0; i < answer->n_kvs; i++) {
        print_pair(answer->kvs[i], how->is_value_only);
    }
}

static void print_delete(const Etcdserverpb__DeleteRangeResponse *answer)
{
    printf("%" PRId64 "\n", answer->deleted);
    for (size_t i = 0; i < answer->n_prev_kvs; i++) {
        print_pair(answer->prev_kvs[i], 0);
    }
}

/* -- A table -------------------------------------------------------------------------- */

static void add_bytes(struct table *table, ProtobufCBinaryData bytes)
{
    char *text = xstrndup((const char *)bytes.data, bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        text[i] = text[i] == '\0' ? '.' : text[i];
    }
    table_add(table, text);
    free(text);
}

static void add_number(struct table *table, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    table_add(table, text);
}

static void print_range_table(const Etcdserverpb__RangeResponse *answer)
{
    static const char *const titles[] = {"KEY", "VALUE", "CREATED", "MODIFIED", "VERSION", "LEASE"};
    struct table *table = table_new(titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < answer->n_kvs; i++) {
        const Mvccpb__KeyValue *pair = answer->kvs[i];
        add_bytes(table, pair->key);
        add_bytes(table, pair->value);
        add_number(table, pair->create_revision);
        add_number(table, pair->mod_revision);
        add_number(table, pair->version);
        add_number(table, pair->lease);
    }
    table_print(table, stdout);
    printf("%zu of %" PRId64 " keys at revision %" PRId64 "\n", answer->n_kvs, answer->count,
           answer->header == NULL ? 0 : answer->header->revision);
}

/* -- The answers ---------------------------------------------------------------------- */

void render_put(enum output_format format, const Etcdserverpb__PutResponse *answer)
{
    if (format == OUTPUT_JSON) {
        print_json_put(answer);
        putchar('\n');
    } else if (format == OUTPUT_FIELDS) {
        print_put_fields(answer);
    } else {
        print_put(answer);
    }
}

void render_range(enum output_format format, const Etcdserverpb__RangeResponse *answer,
                  const struct render_range *how)
{
    if (format == OUTPUT_JSON) {
        print_json_range(answer);
        putchar('\n');
    } else if (format == OUTPUT_FIELDS) {
        print_range_fields(answer);
    } else if (format == OUTPUT_TABLE && !how->is_count_only) {
        print_range_table(answer);
    } else {
        print_range(answer, how);
    }
}

void render_delete(enum output_format format, const Etcdserverpb__DeleteRangeResponse *answer)
{
    if (format == OUTPUT_JSON) {
        print_json_delete(answer);
        putchar('\n');
    } else if (format == OUTPUT_FIELDS) {
        print_delete_fields(answer);
    } else {
        print_delete(answer);
    }
}

static void print_op(enum output_format format, const Etcdserverpb__ResponseOp *op)
{
    static const struct render_range all = {0, 0};
    const int is_simple = format != OUTPUT_FIELDS;
    if (is_simple) {
        putchar('\n');
    }
    switch (op->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        is_simple ? print_range(op->response_range, &all) : print_range_fields(op->response_range);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        is_simple ? print_put(op->response_put) : print_put_fields(op->response_put);
        break;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        is_simple ? print_delete(op->response_delete_range)
                  : print_delete_fields(op->response_delete_range);
        break;
    default:
        break; /* `synod txn` cannot ask for a nested one. */
    }
}

void render_txn(enum output_format format, const Etcdserverpb__TxnResponse *answer)
{
    if (format == OUTPUT_JSON) {
        print_json_txn(answer);
        putchar('\n');
        return;
    }
    if (format == OUTPUT_FIELDS) {
        render_header_fields(answer->header);
        printf("\"Succeeded\" : %s\n", answer->succeeded ? "true" : "false");
    } else {
        printf("%s\n", answer->succeeded ? "SUCCESS" : "FAILURE");
    }
    for (size_t i = 0; i < answer->n_responses; i++) {
        print_op(format, answer->responses[i]);
    }
}

void render_compaction(enum output_format format, const Etcdserverpb__CompactionResponse *answer,
                       int64_t revision)
{
    if (format == OUTPUT_JSON) {
        int count = 0;
        putchar('{');
        print_json_header(&count, answer->header);
        printf("}\n");
    } else if (format == OUTPUT_FIELDS) {
        render_header_fields(answer->header);
    } else {
        printf("compacted revision %" PRId64 "\n", revision);
    }
}

int render_end(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "synod: cannot write the output: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    return CLI_DONE;
}
