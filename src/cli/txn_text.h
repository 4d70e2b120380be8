/* txn_text.h -- etcdctl's way to write a txn: three blocks of lines, an empty line after each.
 *
 *     mod("key1") > "0"          compares: all must hold; none: true
 *     val("key2") = "x"
 *
 *     put key1 "value 1"         done if they hold
 *     get key2
 *
 *     del key1 --prefix          done if not
 *
 * A compare is TARGET("KEY") OP "VALUE". Targets: ver version c create m mod val value lease;
 * operators: = != > <. An operation is put, get or del with the options that the commands of
 * these names have. Text in "" may have \n \t \" \\ \xNN in it, text in '' is as it is. */
#ifndef CLI_TXN_TEXT_H
#define CLI_TXN_TEXT_H

#include <stddef.h>

#include "base/arena.h"
#include "kv.pb-c.h"

enum {
    TXN_TEXT_ERROR_SIZE = 256
};

struct txn_text {
    Etcdserverpb__TxnRequest request; /* Its parts are in the arena, or views of the text. */
    struct arena arena;
    char error[TXN_TEXT_ERROR_SIZE]; /* What is wrong, with the line's number. */
};

/* Read a txn from `size` bytes of text, which are borrowed while it lives. Returns 0, or -1 with
 * an error. Either way it is to be freed with txn_text_deinit(). */
int txn_text_parse(struct txn_text *txn, const char *text, size_t size);

void txn_text_deinit(struct txn_text *txn);

#endif /* CLI_TXN_TEXT_H */
