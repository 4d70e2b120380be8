/* script.h -- a few lines of plain words, played by the real core.
 *
 *     members A B C D E         one letter each; the first line
 *     played P Q                of these, members without a core: the script speaks for them
 *     window 4                  slots that a member remembers beyond the chosen prefix
 *     heartbeats                the members' questions about each other are messages, too
 *     clock                     the cluster runs by itself; nothing happens but by time
 *
 *     A stands                  its heartbeats say that a quorum is there, and nobody leads
 *     A proposes blue           in the next slot; it must lead
 *     A reads
 *     A crashes, A restarts     what is not on its disk is lost
 *     A writes slowly           its records wait for: A flushes
 *     P tells A prepare 17      a message from a member without a core: prepare BALLOT,
 *     P tells A accept 17 blue  accept BALLOT VALUE; slot 1, unless `slot N` follows
 *     A -> B C arrives          messages under way on these links, in the order of sending; a
 *     A -> B accept is lost     type may follow the names; `all` stands for every member
 *     A -> B arrives twice
 *     time passes               long enough for everybody to repeat what was not answered
 *     cut A - B, cut A -> B     messages are lost there, in both directions or in one
 *     mend A - B, mend A -> B
 *     run 3000                  with `clock`: milliseconds
 *
 * A member's messages to itself arrive as soon as its disk allows. */
#ifndef TEST_SCENARIO_SCRIPT_H
#define TEST_SCENARIO_SCRIPT_H

#include <stdio.h>

/* Play a script, and write what happens to `transcript`. Returns 0, or -1 after writing what is
 * wrong with the script, and in which of its lines, to `error`. */
int script_play(const char *script, FILE *transcript, char *error, size_t error_size);

#endif /* TEST_SCENARIO_SCRIPT_H */
