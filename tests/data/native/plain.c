/* A small C library: an exported function, a static one that is inlined, a static one that is not. */
static int __attribute__((noinline)) hidden(int value) {
  __asm__ volatile("");
  return value * 31;
}

static inline int doubled(int value) {
  __asm__ volatile("");
  return value + value;
}

int plain_entry(int value) {
  int twice = doubled(value);
  return hidden(twice) + doubled(hidden(value));
}

int plain_other(int value) { return hidden(value + 1); }
