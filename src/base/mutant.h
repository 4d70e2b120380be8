/* mutant.h -- bugs that can be switched on, to prove that the tests would find them.
 *
 * `if (MUTANT(2)) { the bug }`: the number is the row of test/mutants/catalogue.txt, where the
 * bug is told in a line. A bug has one site where it can, and no assertion lets it through: if
 * one aborts, that is how whatever ran it has found the bug. With SYNOD_MUTE set in the environment
 * the assertions of src/ let everything through, in builds that have bugs: what else would find it?
 * Release objects hold none of it: without SYNOD_MUTATIONS the condition is the constant 0,
 * and `make tidy` checks that no object names mutant_selected. */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#ifdef SYNOD_MUTATIONS
extern int mutant_selected; /* The row that is on; 0: none. Set by the test program, which is told
                             * by its option --mutant or, in test/lib, by SYNOD_MUTANT. */
#define MUTANT(row) (mutant_selected == (row))
#else
#define MUTANT(row) 0
#endif

#endif /* BASE_MUTANT_H */
