// Audio mixer: resamples tracks and adds them up in a ring that the driver reads.
#include "component.h"

namespace hmd::audio {

class Ring {
 public:
  inline void push(int32_t left, int32_t right) {
    if (count_ + 2 > capacity_) overrun();  // @push_overrun
    data_[(head_ + count_) % capacity_] = left;
    data_[(head_ + count_ + 1) % capacity_] = right;
    count_ += 2;
  }
  FRAME void overrun() const;

  int32_t* data_;
  uint32_t head_;
  uint32_t count_;
  uint32_t capacity_;
};

void Ring::overrun() const {
  __android_log_assert("count_ + 2 <= capacity_", "HmdMixer",  // @overrun_assert
                       "ring buffer overrun: %u of %u", count_, capacity_);
}

class Resampler {
 public:
  HELPER int32_t tap(const int16_t* samples, uint32_t position) const {
    int32_t low = samples[position];  // @tap_sample
    int32_t high = samples[position + 1];
    return low + (((high - low) * static_cast<int32_t>(fraction_)) >> 15);
  }
  uint32_t fraction_;
  uint32_t step_;
};

class Track {
 public:
  FRAME virtual uint32_t resampleInto(Ring* ring, uint32_t frames);
  virtual ~Track() = default;

  const int16_t* samples_;
  uint32_t length_;
  uint32_t position_;
  int32_t gain_;
  Resampler resampler_;
};

uint32_t Track::resampleInto(Ring* ring, uint32_t frames) {
  for (uint32_t done = 0; done < frames; ++done) {
    int32_t left = resampler_.tap(samples_, position_) * gain_;  // @resample_tap
    int32_t right = resampler_.tap(samples_, position_ + 1) * gain_;
    ring->push(left >> 12, right >> 12);  // @resample_push
    position_ += resampler_.step_;
  }
  return frames;
}

class Mixer {
 public:
  FRAME uint32_t mixOnce();
  FRAME void threadLoop();

  Track* tracks_[8];
  Ring ring_;
  uint32_t period_;
  volatile bool standby_;
};

uint32_t Mixer::mixOnce() {
  uint32_t mixed = 0;
  for (Track* track : tracks_) {
    if (track) mixed += track->resampleInto(&ring_, period_);  // @mix_resample
  }
  return mixed;
}

void Mixer::threadLoop() {
  while (!standby_) {
#if UXP_GENERATION == 1
    if (mixOnce() == 0) break;  // @loop_mix
#else
    uint32_t mixed = mixOnce();  // @loop_mix
    if (mixed == 0) break;
#endif
  }
}

}  // namespace hmd::audio

extern "C" EXPORT void* hmd_mixer_thread(void* mixer) {
  static_cast<hmd::audio::Mixer*>(mixer)->threadLoop();  // @mixer_thread
  return nullptr;
}
