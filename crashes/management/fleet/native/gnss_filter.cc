// GNSS filter: weighs satellites and solves for a position.
#include "component.h"

namespace hmd::gnss {

struct Satellite {
  uint16_t id;
  int16_t elevation;
  double range;
};

template <int N>
class Matrix {
 public:
  inline double& cell(uint32_t row, uint32_t column) {
    return rows_[row][column];
  }
  double* rows_[N];
};

class Solver {
 public:
  FRAME double weigh(const Satellite* satellites, uint32_t count);
  FRAME int solve(const Satellite* satellites, uint32_t count);

  Matrix<4> normal_;
};

double Solver::weigh(const Satellite* satellites, uint32_t count) {
  double total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    normal_.cell(i & 3, i & 1) += satellites[i].range * satellites[i].elevation;  // @weigh
    total += satellites[i].range;
  }
  return total;
}

int Solver::solve(const Satellite* satellites, uint32_t count) {
  double total = weigh(satellites, count);  // @solve_weigh
  return total > 0 ? static_cast<int>(count) : -1;
}

}  // namespace hmd::gnss

extern "C" EXPORT int hmd_gnss_update(void* solver, const void* satellites, uint32_t count) {
  auto* own = static_cast<hmd::gnss::Solver*>(solver);
  return 1 + own->solve(static_cast<const hmd::gnss::Satellite*>(satellites), count);  // @update
}
