/* sanitized.h -- whether the address sanitizer watches over this build.
 *
 * It makes everything slower, and brings an allocator that cannot be stood in for; and it sees who
 * reads behind the end of a thing only where that is the end of its memory. */
#ifndef BASE_SANITIZED_H
#define BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#endif /* BASE_SANITIZED_H */
