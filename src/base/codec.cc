#include "base/codec.h"

#include <bit>
#include <cstring>

namespace cairn::codec {
namespace {

constexpr size_t kGroup = 8;
constexpr unsigned char kFullMarker = 0xFF;
constexpr uint64_t kSignBit = uint64_t{1} << 63;

template <class T>
void put_le(Bytes& out, T v) {
  static_assert(std::endian::native == std::endian::little);
  char buffer[sizeof(T)];
  std::memcpy(buffer, &v, sizeof(T));
  out.append(buffer, sizeof(T));
}

template <class T>
bool get_le(ByteView& in, T& v) {
  if (in.size() < sizeof(T)) return false;
  std::memcpy(&v, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return true;
}

// The number of pad bytes of the group at `group` (8 bytes and a marker), or -1 if it is not a group.
int group_padding(const char* group) {
  const auto marker = static_cast<unsigned char>(group[kGroup]);
  const int pad = kFullMarker - marker;
  if (pad > static_cast<int>(kGroup)) return -1;
  for (size_t i = kGroup - static_cast<size_t>(pad); i < kGroup; ++i) {
    if (group[i] != 0) return -1;
  }
  return pad;
}

}  // namespace

void put_u16_le(Bytes& out, uint16_t v) { put_le(out, v); }
void put_u32_le(Bytes& out, uint32_t v) { put_le(out, v); }
void put_u64_le(Bytes& out, uint64_t v) { put_le(out, v); }
void put_u64_be(Bytes& out, uint64_t v) { put_le(out, __builtin_bswap64(v)); }
void put_u64_be_desc(Bytes& out, uint64_t v) { put_u64_be(out, ~v); }
void put_i64_be(Bytes& out, int64_t v) { put_u64_be(out, static_cast<uint64_t>(v) ^ kSignBit); }
void put_f64_be(Bytes& out, double v) {
  const auto bits = std::bit_cast<uint64_t>(v);
  put_u64_be(out, (bits & kSignBit) != 0 ? ~bits : bits | kSignBit);
}
void put_var_u64(Bytes& out, uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out.push_back(static_cast<char>(v));
}
void put_var_i64(Bytes& out, int64_t v) {
  put_var_u64(out, (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
}
void put_compact_bytes(Bytes& out, ByteView v) {
  put_var_i64(out, static_cast<int64_t>(v.size()));
  out.append(v);
}

bool get_u8(ByteView& in, uint8_t& v) { return get_le(in, v); }
bool get_u16_le(ByteView& in, uint16_t& v) { return get_le(in, v); }
bool get_u32_le(ByteView& in, uint32_t& v) { return get_le(in, v); }
bool get_u64_le(ByteView& in, uint64_t& v) { return get_le(in, v); }
bool get_u64_be(ByteView& in, uint64_t& v) {
  if (!get_le(in, v)) return false;
  v = __builtin_bswap64(v);
  return true;
}
bool get_u64_be_desc(ByteView& in, uint64_t& v) {
  if (!get_u64_be(in, v)) return false;
  v = ~v;
  return true;
}
bool get_i64_be(ByteView& in, int64_t& v) {
  uint64_t u = 0;
  if (!get_u64_be(in, u)) return false;
  v = static_cast<int64_t>(u ^ kSignBit);
  return true;
}
bool get_f64_be(ByteView& in, double& v) {
  uint64_t u = 0;
  if (!get_u64_be(in, u)) return false;
  v = std::bit_cast<double>((u & kSignBit) != 0 ? u ^ kSignBit : ~u);
  return true;
}
bool get_var_u64(ByteView& in, uint64_t& v) {
  uint64_t out = 0;
  for (size_t i = 0; i < in.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(in[i]);
    if (i == 9 && byte > 1) return false;
    out |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      v = out;
      in.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}
bool get_var_i64(ByteView& in, int64_t& v) {
  uint64_t u = 0;
  if (!get_var_u64(in, u)) return false;
  v = static_cast<int64_t>((u >> 1) ^ (~(u & 1) + 1));
  return true;
}
bool get_compact_bytes(ByteView& in, ByteView& v) {
  ByteView rest = in;
  int64_t size = 0;
  if (!get_var_i64(rest, size) || size < 0 || static_cast<uint64_t>(size) > rest.size()) return false;
  v = rest.substr(0, static_cast<size_t>(size));
  rest.remove_prefix(static_cast<size_t>(size));
  in = rest;
  return true;
}

size_t encoded_bytes_size(size_t user_key_size) { return (user_key_size / kGroup + 1) * (kGroup + 1); }

void put_encoded_bytes(Bytes& out, ByteView user_key) {
  out.reserve(out.size() + encoded_bytes_size(user_key.size()));
  while (user_key.size() >= kGroup) {
    out.append(user_key.substr(0, kGroup));
    out.push_back(static_cast<char>(kFullMarker));
    user_key.remove_prefix(kGroup);
  }
  const size_t pad = kGroup - user_key.size();
  out.append(user_key);
  out.append(pad, '\0');
  out.push_back(static_cast<char>(kFullMarker - pad));
}

Bytes encode_bytes(ByteView user_key) {
  Bytes out;
  put_encoded_bytes(out, user_key);
  return out;
}

size_t encoded_bytes_prefix(ByteView in) {
  for (size_t at = 0; at + kGroup < in.size(); at += kGroup + 1) {
    const int pad = group_padding(in.data() + at);
    if (pad < 0) return 0;
    if (pad > 0) return at + kGroup + 1;
  }
  return 0;
}

bool get_encoded_bytes(ByteView& in, Bytes& user_key) {
  const size_t size = encoded_bytes_prefix(in);
  if (size == 0) return false;
  // Whole groups: only the last is padded.
  const size_t groups = size / (kGroup + 1);
  user_key.resize(groups * kGroup);
  for (size_t i = 0; i < groups; ++i) std::memcpy(user_key.data() + i * kGroup, in.data() + i * (kGroup + 1), kGroup);
  user_key.resize(groups * kGroup - static_cast<size_t>(group_padding(in.data() + (groups - 1) * (kGroup + 1))));
  in.remove_prefix(size);
  return true;
}

std::optional<Bytes> decode_bytes(ByteView in) {
  Bytes out;
  if (!get_encoded_bytes(in, out) || !in.empty()) return std::nullopt;
  return out;
}

Bytes append_ts(ByteView encoded_key, Timestamp ts) {
  Bytes out;
  out.reserve(encoded_key.size() + kTimestampSize);
  out.append(encoded_key);
  put_u64_be_desc(out, ts.value);
  return out;
}

std::optional<KeyWithTs> split_ts(ByteView key) {
  if (key.size() < kTimestampSize) return std::nullopt;
  ByteView suffix = key.substr(key.size() - kTimestampSize);
  uint64_t ts = 0;
  if (!get_u64_be_desc(suffix, ts)) return std::nullopt;
  return KeyWithTs{key.substr(0, key.size() - kTimestampSize), Timestamp(ts)};
}

}  // namespace cairn::codec
