// Thumbnail codec: decodes a progressive image row by row into a caller's buffer.
#include "component.h"

namespace hmd::thumb {

struct Huffman {
  uint16_t first[17];
  uint8_t lengths[256];
};

class BitReader {
 public:
  inline uint32_t bits(uint32_t count) {
    while (held_ < count) {
      window_ = window_ << 8 | *at_++;  // @bits_next
      held_ += 8;
    }
    held_ -= count;
    return window_ >> held_ & ((1u << count) - 1);
  }
  const uint8_t* at_;
  uint32_t window_;
  uint32_t held_;
};

class Decoder {
 public:
  FRAME int decodeBlock(int16_t* block);
  FRAME int decodeRow(int16_t* row, uint32_t blocks);
  FRAME int decode(int16_t* out, uint32_t width, uint32_t height);

 private:
  FRAME void corrupt(uint32_t code) const;
  BitReader reader_;
  const Huffman* tables_[4];
};

void Decoder::corrupt(uint32_t code) const {
  __android_log_assert("code < 240", "ThumbCodec", "bad code %u", code);  // @corrupt_assert
}

int Decoder::decodeBlock(int16_t* block) {
  int written = 0;
  for (int k = 0; k < 64; ++k) {
    uint32_t code = reader_.bits(8);  // @block_bits
    if (code == 0) break;
#if UXP_GENERATION == 3
    if (code >= 240) break;
#else
    if (code >= 240) corrupt(code);  // @block_corrupt
#endif
    k += static_cast<int>(code >> 4);
    block[k] = static_cast<int16_t>(tables_[0]->lengths[code] << 1);  // @block_store
    ++written;
  }
  return written;
}

int Decoder::decodeRow(int16_t* row, uint32_t blocks) {
  int written = 0;
  for (uint32_t i = 0; i < blocks; ++i) written += decodeBlock(row + 64 * i);  // @row_block
  return written;
}

int Decoder::decode(int16_t* out, uint32_t width, uint32_t height) {
  int written = 0;
  for (uint32_t y = 0; y < height; y += 8) {
    written += decodeRow(out + y * width, width / 8);  // @decode_row
  }
  return written;
}

}  // namespace hmd::thumb

extern "C" EXPORT int hmd_thumb_decode(void* decoder, int16_t* out, uint32_t width,
                                       uint32_t height) {
  return 1 + static_cast<hmd::thumb::Decoder*>(decoder)->decode(out, width, height);  // @thumb
}
