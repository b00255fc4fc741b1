// Small pieces that the lock and write records share. Internal to mvcc/.
#pragma once

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"
#include "base/redact.h"
#include "engine/error.h"
#include "mvcc/last_change.h"

namespace cairn::mvcc::record {

inline engine::Error corruption(const char* what, ByteView bytes) {
  return {engine::Error::Kind::kCorruption, fmt::format("{}: {}", what, log::user_text(bytes))};
}

inline void put_tag(Bytes& out, char tag) { out.push_back(tag); }

inline void put_short_value(Bytes& out, ByteView value) {
  CHECK(value.size() <= 255, "a short value of {} bytes", value.size());
  out.push_back('v');
  out.push_back(static_cast<char>(static_cast<uint8_t>(value.size())));
  out.append(value);
}

inline bool get_short_value(ByteView& in, std::optional<Bytes>& value) {
  uint8_t size = 0;
  if (!codec::get_u8(in, size) || in.size() < size) return false;
  value.emplace(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

inline void put_tagged_u64(Bytes& out, char tag, uint64_t v) {
  out.push_back(tag);
  codec::put_u64_be(out, v);
}

inline bool get_ts(ByteView& in, Timestamp& ts) { return codec::get_u64_be(in, ts.value); }
inline bool get_var_ts(ByteView& in, Timestamp& ts) { return codec::get_var_u64(in, ts.value); }

inline void put_last_change(Bytes& out, const LastChange& last_change) {
  if (last_change.is_unknown()) return;
  put_tagged_u64(out, 'l', last_change.commit_ts.value);
  codec::put_var_u64(out, last_change.versions);
}

inline bool get_last_change(ByteView& in, LastChange& last_change) {
  return get_ts(in, last_change.commit_ts) && codec::get_var_u64(in, last_change.versions);
}

}  // namespace cairn::mvcc::record
