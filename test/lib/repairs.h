/* repairs.h -- how often a log says that it has made damage good from a second copy. */
#ifndef TEST_REPAIRS_H
#define TEST_REPAIRS_H

#include <stdint.h>

/* From now on warnings are listened to, and shown nowhere; how much was logged is forgotten, so
 * that none is left out. */
void repairs_listen(void);

/* Flushes of which every record was saved, told since the start of the process. */
uint64_t repairs_told(void);

#endif /* TEST_REPAIRS_H */
