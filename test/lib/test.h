/* test.h -- tests are claims: TEST(noun, what_it_does) { ... }.
 *
 * Each folder of test/unit is one program. A test registers itself; test.c runs them all with
 * cmocka, in the order of the files. Use cmocka's assert_* inside. */
#ifndef TEST_TEST_H
#define TEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct test {
    const char *name;
    void (*run)(void **state);
    struct test *next;
};

void test_register(struct test *test);

#define TEST(noun, claim)                                                                          \
    static void noun##_##claim(void **state);                                                      \
    static struct test test_of_##noun##_##claim = {#noun ": " #claim, noun##_##claim, NULL};       \
    __attribute__((constructor)) static void register_##noun##_##claim(void)                       \
    {                                                                                              \
        test_register(&test_of_##noun##_##claim);                                                  \
    }                                                                                              \
    static void noun##_##claim(__attribute__((unused)) void **state)

#endif /* TEST_TEST_H */
