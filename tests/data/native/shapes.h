// Code that every unit including it compiles again: the linker keeps one copy and discards the rest.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace shapes {

struct Shape {
  virtual ~Shape() = default;
  virtual int area() const = 0;
};

template <class T>
struct Box : Shape {
  explicit Box(T side) : side(side) {}
  int area() const override { return static_cast<int>(side * side); }
  T side;
};

inline int clamp(int value, int low, int high) {
  if (value < low) return low;
  return value > high ? high : value;
}

inline int scaled(int value, int factor) {
  int product = value * factor;
  return clamp(product, -1000, 1000);
}

// Large and thrown from: compilers put the unlikely half into a section of its own.
template <class Key>
__attribute__((noinline)) int census(const std::vector<Key>& keys, std::map<Key, int>& seen) {
  int most = 0;
  for (const Key& key : keys) {
    int count = ++seen[key];
    if (__builtin_expect(count > 1 << 20, 0)) throw std::string("too many of one kind");
    most = scaled(count > most ? count : most, 1);
  }
  return most;
}

}  // namespace shapes
