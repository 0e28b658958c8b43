/* Sensor hub: copies batches of samples out of shared memory and fuses them. */
#include "component.h"

struct sample {
  int32_t axis[3];
  uint32_t sensor;
  uint64_t timestamp_ns;
};

struct channel {
  struct sample* ring;
  uint32_t write_at;
  uint32_t size;
};

struct hub {
  struct channel* channels[6];
  int64_t gravity[3];
  uint32_t calibrated;
};

static inline void low_pass(int64_t* gravity, const int32_t* axis) {
  for (int i = 0; i < 3; ++i) {
    gravity[i] += (((int64_t)axis[i] << 8) - gravity[i]) >> 5; /* @low_pass */
  }
}

FRAME static void fuse(struct hub* hub, const struct sample* sample) {
  low_pass(hub->gravity, sample->axis);
  if (sample->sensor == 2) hub->calibrated++;
}

FRAME static uint32_t drain_channel(struct hub* hub, uint32_t which, uint32_t wanted) {
  struct channel* channel = hub->channels[which];
  uint32_t drained = 0;
  while (drained < wanted) {
    fuse(hub, &channel->ring[(channel->write_at + drained) % channel->size]); /* @drain_fuse */
    ++drained;
  }
  return drained;
}

EXPORT uint32_t hmd_sensors_poll(struct hub* hub, uint32_t wanted) {
  uint32_t total = 0;
  for (uint32_t which = 0; which < 6; ++which) {
#if UXP_GENERATION >= 2
    if (!hub->channels[which]) continue;
#endif
    total += drain_channel(hub, which, wanted); /* @poll_drain */
  }
  return total;
}
