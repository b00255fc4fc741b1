// The byte forms that TiKV, PD and TiDB share: big-endian integers, memcomparable bytes, varints.
//
//   enc(key)   groups of 8 bytes, the last padded with zeros, each followed by a marker 0xFF - (number of pad bytes);
//              a multiple of 8 gets one more, empty group. Order of enc(a), enc(b) is the order of a, b, and no
//              enc(a) is a prefix of another: so a timestamp can follow.
//   ts suffix  8 bytes big-endian of ~ts: the newest version of a key sorts first.
//
// Encoders append to `out`. Decoders take a view by reference, consume what they read and return false, consuming
// nothing, if the bytes are not of the form. Tests: codec_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::codec {

void put_u16_le(Bytes& out, uint16_t v);
void put_u32_le(Bytes& out, uint32_t v);
void put_u64_le(Bytes& out, uint64_t v);
void put_u64_be(Bytes& out, uint64_t v);
void put_u64_be_desc(Bytes& out, uint64_t v);    // every bit inverted
void put_i64_be(Bytes& out, int64_t v);          // sign bit flipped: memcomparable
void put_f64_be(Bytes& out, double v);           // memcomparable
void put_var_u64(Bytes& out, uint64_t v);        // LEB128
void put_var_i64(Bytes& out, int64_t v);         // zig-zag, then LEB128
void put_compact_bytes(Bytes& out, ByteView v);  // length like put_var_i64, then the bytes

[[nodiscard]] bool get_u8(ByteView& in, uint8_t& v);
[[nodiscard]] bool get_u16_le(ByteView& in, uint16_t& v);
[[nodiscard]] bool get_u32_le(ByteView& in, uint32_t& v);
[[nodiscard]] bool get_u64_le(ByteView& in, uint64_t& v);
[[nodiscard]] bool get_u64_be(ByteView& in, uint64_t& v);
[[nodiscard]] bool get_u64_be_desc(ByteView& in, uint64_t& v);
[[nodiscard]] bool get_i64_be(ByteView& in, int64_t& v);
[[nodiscard]] bool get_f64_be(ByteView& in, double& v);
[[nodiscard]] bool get_var_u64(ByteView& in, uint64_t& v);
[[nodiscard]] bool get_var_i64(ByteView& in, int64_t& v);
[[nodiscard]] bool get_compact_bytes(ByteView& in, ByteView& v);

// Memcomparable bytes.
void put_encoded_bytes(Bytes& out, ByteView user_key);
Bytes encode_bytes(ByteView user_key);
size_t encoded_bytes_size(size_t user_key_size);
// Consumes one encoded string; pad bytes must be zero.
[[nodiscard]] bool get_encoded_bytes(ByteView& in, Bytes& user_key);
// The whole of `in` is one encoded string.
std::optional<Bytes> decode_bytes(ByteView in);
// The length of the encoded string at the start of `in`, without decoding it; 0 if it is not one.
size_t encoded_bytes_prefix(ByteView in);

// enc(user_key) + ~ts, the form of keys in the default and write column families.
inline constexpr size_t kTimestampSize = 8;
Bytes append_ts(ByteView encoded_key, Timestamp ts);
// Splits off the timestamp; nothing if `key` is shorter than one.
struct KeyWithTs {
  ByteView encoded_key;
  Timestamp ts;
};
std::optional<KeyWithTs> split_ts(ByteView key);

}  // namespace cairn::codec
