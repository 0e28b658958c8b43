// Camera HAL: takes raw frames through tone mapping and hands the buffers back.
#include "component.h"

namespace hmd::camera {

struct Plane {
  uint16_t* pixels;
  uint32_t width;
  uint32_t height;
  uint32_t stride;
};

struct FrameBuffer {
  Plane planes[3];
  uint64_t timestamp_ns;
  FrameBuffer* next;
  uint32_t references;
};

class ToneCurve {
 public:
  HELPER uint16_t at(uint32_t level) const {
    uint32_t bucket = (level * scale_) >> 16;
    return table_[bucket];  // @tone_at
  }
  uint16_t* table_;
  uint32_t scale_;
};

class FrameQueue {
 public:
  FRAME FrameBuffer* take();
  FRAME void recycle(FrameBuffer* buffer);
  FRAME void flush(uint64_t before_ns);

 private:
  FrameBuffer* head_ = nullptr;
  FrameBuffer* free_ = nullptr;
  uint32_t depth_ = 0;
};

FrameBuffer* FrameQueue::take() {
  FrameBuffer* first = head_;
  if (first) {
    head_ = first->next;
    --depth_;
  }
  return first;
}

void FrameQueue::recycle(FrameBuffer* buffer) {
  if (--buffer->references == 0) {  // @recycle_reference
    buffer->next = free_;
    free_ = buffer;
  }
}

void FrameQueue::flush(uint64_t before_ns) {
  while (FrameBuffer* buffer = take()) {
    if (buffer->timestamp_ns >= before_ns) break;
    recycle(buffer);  // @flush_recycle
  }
}

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  FRAME virtual int apply(FrameBuffer* frame, const ToneCurve& curve);

 private:
  FRAME void mapRow(uint16_t* row, uint32_t width, const ToneCurve& curve);
};

void PostProcessor::mapRow(uint16_t* row, uint32_t width, const ToneCurve& curve) {
  for (uint32_t x = 0; x < width; ++x) {
    row[x] = curve.at(row[x]);  // @map_row_at
  }
}

int PostProcessor::apply(FrameBuffer* frame, const ToneCurve& curve) {
  Plane& luma = frame->planes[0];
  for (uint32_t y = 0; y < luma.height; ++y) {
    mapRow(luma.pixels + y * luma.stride, luma.width, curve);  // @apply_map_row
  }
  return static_cast<int>(luma.height);
}

class Pipeline {
 public:
  FRAME int processFrame(FrameBuffer* frame);
  FRAME void handleFlush(uint64_t now_ns);
  FRAME void loop();

  FrameQueue queue_;
  ToneCurve curve_;
  PostProcessor* stages_[4];
  volatile bool running_;
  uint64_t deadline_ns_;
};

int Pipeline::processFrame(FrameBuffer* frame) {
  int rows = 0;
  for (PostProcessor* stage : stages_) {
    if (stage) rows += stage->apply(frame, curve_);  // @process_apply
  }
#if UXP_GENERATION == 3
  if (frame->timestamp_ns > deadline_ns_) handleFlush(frame->timestamp_ns);  // @process_flush
#endif
  return rows;
}

void Pipeline::handleFlush(uint64_t now_ns) {
  queue_.flush(now_ns - 33000000);  // @handle_flush
  deadline_ns_ = now_ns + 33000000;
}

void Pipeline::loop() {
  while (running_) {
    FrameBuffer* frame = queue_.take();
    if (frame && processFrame(frame)) queue_.recycle(frame);  // @loop_process
#if UXP_GENERATION != 3
    if (frame && frame->timestamp_ns > deadline_ns_) handleFlush(frame->timestamp_ns);
#endif
  }
}

}  // namespace hmd::camera

extern "C" EXPORT void* hmd_camera_pipeline_main(void* context) {
  static_cast<hmd::camera::Pipeline*>(context)->loop();  // @camera_main
  return nullptr;
}
