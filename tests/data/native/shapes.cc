// The library's entry: inlined calls, templates, a lambda, a static function.
#include "shapes.h"

namespace {
__attribute__((noinline)) int private_sum(const std::vector<int>& values) {
  int sum = 0;
  for (int value : values) sum += shapes::scaled(value, 3);
  return sum;
}
}  // namespace

int more(const std::vector<std::string>& words);

extern "C" __attribute__((noinline)) int shapes_entry(int count, const char* word) {
  std::vector<int> values;
  for (int i = 0; i < count; i++) values.push_back(i * 7);
  std::map<int, int> seen;
  auto weigh = [&](int by) { return shapes::clamp(private_sum(values) / by, 0, 99); };
  shapes::Box<int> small(count);
  shapes::Box<double> large(count * 2.5);
  const shapes::Shape* both[] = {&small, &large};
  int total = weigh(count | 1) + shapes::census(values, seen);
  for (const shapes::Shape* shape : both) total += shape->area();
  return total + more({word, word + (*word != 0)});
}
