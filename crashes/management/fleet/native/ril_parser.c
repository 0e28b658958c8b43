/* Modem messages: nested type-length-value records, and the replies to requests. */
#include "component.h"

enum { kNested = 0x80, kSignalReport = 0x11, kCellInfo = 0x12 };

struct cursor {
  const uint8_t* at;
  const uint8_t* end;
};

struct request {
  uint32_t token;
  void (*done)(struct request* self, int status);
  struct request* next;
};

struct modem {
  struct request* pending;
  int16_t* signal_history;
  uint32_t signal_count;
  volatile uint32_t visited;
};

HELPER static uint16_t read_length(struct cursor* cursor) {
  uint16_t length = (uint16_t)(cursor->at[1] << 8 | cursor->at[2]); /* @read_length */
  cursor->at += 3;
  return length;
}

FRAME static int store_signal(struct modem* modem, int16_t dbm) {
  modem->signal_history[modem->signal_count++ & 31] = dbm; /* @store_signal */
  return 1;
}

FRAME static int parse_cell_info(struct modem* modem, struct cursor value) {
  int cells = 0;
  while (value.at < value.end) {
    cells += store_signal(modem, (int16_t)(value.at[0] - 140)); /* @cell_store */
    value.at += 4;
  }
  return cells;
}

FRAME static int parse_tlv(struct modem* modem, struct cursor cursor, int depth) {
  int found = 0;
  while (cursor.at < cursor.end) {
    uint8_t type = cursor.at[0];
    uint16_t length = read_length(&cursor); /* @tlv_length */
    struct cursor value = {cursor.at, cursor.at + length};
    if (type & kNested) found += parse_tlv(modem, value, depth + 1); /* @tlv_nested */
    if (type == kCellInfo) found += parse_cell_info(modem, value);   /* @tlv_cell */
    cursor.at += length;
    modem->visited += (uint32_t)depth;
  }
  return found;
}

FRAME static int complete_request(struct modem* modem, uint32_t token) {
  for (struct request* one = modem->pending; one; one = one->next) {
    if (one->token != token) continue; /* @complete_token */
    one->done(one, 0);
    return 1;
  }
  return 0;
}

EXPORT int hmd_ril_on_message(struct modem* modem, const uint8_t* data, size_t size) {
  struct cursor cursor = {data + 4, data + size};
  int found = parse_tlv(modem, cursor, 0); /* @message_tlv */
  return found + (int)modem->signal_count;
}

/* Replies are matched to their requests on a thread of their own. */
EXPORT void* hmd_ril_dispatcher(void* context) {
  struct modem* modem = (struct modem*)context;
  uint32_t token = 0;
  while (ioctl(3, 0x5202u, &token) >= 0) {
    if (!complete_request(modem, token)) break; /* @dispatch_complete */
  }
  return 0;
}

EXPORT void* hmd_ril_reader(void* context) {
  struct modem* modem = (struct modem*)context;
  static uint8_t buffer[512];
  while (ioctl(3, 0x5201u, buffer) >= 0) {
    modem->visited += (uint32_t)hmd_ril_on_message(modem, buffer, sizeof buffer); /* @reader */
  }
  return 0;
}
