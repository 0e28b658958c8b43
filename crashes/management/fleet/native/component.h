// What the demo's system components share. UXP_GENERATION (1, 2, 3) is the OS generation that a
// component is built for: its code differs a little between them, as real code does.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifndef UXP_GENERATION
#define UXP_GENERATION 1
#endif

// Every OS build links its own copy, as a release build does.
__attribute__((used)) static const char hmd_generation[] = {'0' + UXP_GENERATION, '\0'};

// A function with a frame of its own; everything else may be inlined.
#define FRAME __attribute__((noinline))
#define EXPORT __attribute__((visibility("default"), noinline))

// A helper that older generations kept out of line and newer ones inline.
#if UXP_GENERATION < 2
#define HELPER __attribute__((noinline))
#else
#define HELPER inline __attribute__((always_inline))
#endif

#ifdef __cplusplus
extern "C" {
#endif
void __android_log_assert(const char* condition, const char* tag, const char* format, ...)
    __attribute__((noreturn));
void abort(void) __attribute__((noreturn));
int ioctl(int fd, unsigned long request, ...);
#ifdef __cplusplus
}
#endif
