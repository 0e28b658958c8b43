// A second unit with the same templates; its copies of them are the ones to be discarded.
#include "shapes.h"

int more(const std::vector<std::string>& words) {
  std::map<std::string, int> seen;
  std::map<int, int> lengths;
  std::vector<int> sizes;
  for (const std::string& word : words) sizes.push_back(static_cast<int>(word.size()));
  shapes::Box<int> box(shapes::census(sizes, lengths));
  return shapes::census(words, seen) + box.area();
}
