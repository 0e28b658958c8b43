// A game's engine, as its maker ships it: no debug file ever reaches the phone's maker.
#include "component.h"

namespace tilt {

struct Body {
  float position[3];
  float velocity[3];
  Body* contact;
};

class World {
 public:
  FRAME void resolve(Body* body);
  FRAME uint32_t step(float seconds);

  Body* bodies_[128];
  uint32_t count_;
};

void World::resolve(Body* body) {
  for (int i = 0; i < 3; ++i) {
    body->velocity[i] = -body->contact->velocity[i] * 0.5f;  // @resolve
  }
}

uint32_t World::step(float seconds) {
  for (uint32_t i = 0; i < count_; ++i) {
    Body* body = bodies_[i];
    for (int axis = 0; axis < 3; ++axis) body->position[axis] += body->velocity[axis] * seconds;
    if (body->position[1] < 0) resolve(body);  // @step_resolve
  }
  return count_;
}

}  // namespace tilt

extern "C" EXPORT uint32_t Java_com_pixelforge_tilt_Engine_nativeStep(void*, void*, void* world,
                                                                      float seconds) {
  return 1 + static_cast<tilt::World*>(world)->step(seconds);  // @native_step
}
