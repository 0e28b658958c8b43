// Font renderer: finds glyphs in a cache and composites them into a texture atlas.
#include "component.h"

namespace hmd::text {

struct Glyph {
  uint32_t code;
  uint16_t width;
  uint16_t height;
  const uint8_t* coverage;
  Glyph* next;
};

class GlyphCache {
 public:
  FRAME const Glyph* find(uint32_t code) const;

 private:
  static inline bool matches(const Glyph* glyph, uint32_t code) {
    return glyph->code == code;  // @matches_code
  }
  Glyph* buckets_[64];
};

const Glyph* GlyphCache::find(uint32_t code) const {
  const Glyph* glyph = buckets_[code & 63];
  while (glyph) {
    if (matches(glyph, code)) break;
    glyph = glyph->next;
  }
  return glyph;
}

class Atlas {
 public:
  FRAME void blit(const Glyph& glyph, uint32_t x, uint32_t y);

 private:
  HELPER void blend(uint8_t* to, uint8_t coverage) {
    *to = static_cast<uint8_t>(*to + ((255 - *to) * coverage >> 8));  // @blend
  }
  uint8_t* pixels_;
  uint32_t stride_;
};

void Atlas::blit(const Glyph& glyph, uint32_t x, uint32_t y) {
  for (uint32_t row = 0; row < glyph.height; ++row) {
    for (uint32_t column = 0; column < glyph.width; ++column) {
      blend(pixels_ + (y + row) * stride_ + x + column,  // @blit_blend
            glyph.coverage[row * glyph.width + column]);
    }
  }
}

class TextRun {
 public:
  FRAME uint32_t draw(Atlas* atlas, GlyphCache* cache);

 private:
  const uint32_t* codes_;
  uint32_t length_;
  uint32_t pen_;
};

uint32_t TextRun::draw(Atlas* atlas, GlyphCache* cache) {
  uint32_t drawn = 0;
  for (uint32_t i = 0; i < length_; ++i) {
    const Glyph* glyph = cache->find(codes_[i]);  // @draw_find
    if (!glyph) continue;
    atlas->blit(*glyph, pen_, 0);  // @draw_blit
    pen_ += glyph->width;
    ++drawn;
  }
  return drawn;
}

}  // namespace hmd::text

extern "C" EXPORT uint32_t hmd_text_draw(void* run, void* atlas, void* cache) {
  auto* text = static_cast<hmd::text::TextRun*>(run);
  return 1 + text->draw(static_cast<hmd::text::Atlas*>(atlas),  // @text_draw
                        static_cast<hmd::text::GlyphCache*>(cache));
}
