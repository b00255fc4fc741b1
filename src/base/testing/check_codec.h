// What must hold of the decoders of base/codec.h whatever bytes they are given: they consume what they read or nothing,
// and what they accept says the same when it is encoded and read again.
#pragma once

#include "base/check.h"
#include "base/codec.h"

namespace cairn::testing {

template <class T>
void check_decoder(ByteView bytes, bool (*get)(ByteView&, T&), void (*put)(Bytes&, T)) {
  ByteView rest = bytes;
  T value{};
  if (!get(rest, value)) {
    CHECK(rest == bytes, "a failed decoder consumed {} bytes", bytes.size() - rest.size());
    return;
  }
  CHECK(rest.size() < bytes.size() && bytes.ends_with(rest), "a decoder left {} of {} bytes", rest.size(),
        bytes.size());
  Bytes again;
  put(again, value);
  ByteView in = again;
  T same{};
  CHECK(get(in, same) && in.empty(), "{} is not read back", to_hex(again));
  Bytes third;
  put(third, same);
  CHECK(third == again, "{} is read back as {}", to_hex(again), to_hex(third));
}

inline void check_codec(ByteView bytes) {
  check_decoder<uint16_t>(bytes, codec::get_u16_le, codec::put_u16_le);
  check_decoder<uint32_t>(bytes, codec::get_u32_le, codec::put_u32_le);
  check_decoder<uint64_t>(bytes, codec::get_u64_le, codec::put_u64_le);
  check_decoder<uint64_t>(bytes, codec::get_u64_be, codec::put_u64_be);
  check_decoder<uint64_t>(bytes, codec::get_u64_be_desc, codec::put_u64_be_desc);
  check_decoder<int64_t>(bytes, codec::get_i64_be, codec::put_i64_be);
  check_decoder<double>(bytes, codec::get_f64_be, codec::put_f64_be);
  check_decoder<uint64_t>(bytes, codec::get_var_u64, codec::put_var_u64);
  check_decoder<int64_t>(bytes, codec::get_var_i64, codec::put_var_i64);
  check_decoder<ByteView>(bytes, codec::get_compact_bytes, codec::put_compact_bytes);

  // Memcomparable bytes have one form only.
  const auto user_key = codec::decode_bytes(bytes);
  if (user_key) CHECK(codec::encode_bytes(*user_key) == bytes, "{} has two forms", to_hex(*user_key));
  ByteView rest = bytes;
  Bytes prefix;
  if (codec::get_encoded_bytes(rest, prefix)) {
    const size_t size = bytes.size() - rest.size();
    CHECK(codec::encoded_bytes_size(prefix.size()) == size && codec::encoded_bytes_prefix(bytes) == size,
          "an encoded string of {} bytes", size);
    CHECK(codec::encode_bytes(prefix) == bytes.substr(0, size), "{} has two forms", to_hex(prefix));
  } else {
    CHECK(rest == bytes && !user_key, "a failed decoder consumed {} bytes", bytes.size() - rest.size());
  }
  if (const auto split = codec::split_ts(bytes)) {
    CHECK(codec::append_ts(split->encoded_key, split->ts) == bytes, "{} has two timestamps", to_hex(bytes));
  }
  CHECK(codec::decode_bytes(codec::encode_bytes(bytes)) == Bytes(bytes), "{} is not read back", to_hex(bytes));
}

}  // namespace cairn::testing
