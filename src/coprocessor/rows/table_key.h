// Keys of tables: 't' | table id | "_r" | handle, and 't' | table id | "_i" | index id | datums. Ids are memcomparable.
// With API V2 mode and keyspace stand before them: 'x' | three bytes.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/codec.h"

namespace cairn::coprocessor::table_key {

inline constexpr size_t kTableSize = 9;                      // 't' and the table's id
inline constexpr size_t kRecordPrefixSize = kTableSize + 2;  // with "_r" or "_i"
inline constexpr size_t kIndexPrefixSize = kRecordPrefixSize + 8;

inline ByteView without_keyspace(ByteView key) {
  constexpr size_t kKeyspaceSize = 4;
  return key.size() >= kKeyspaceSize && key[0] == 'x' ? key.substr(kKeyspaceSize) : key;
}

inline std::optional<int64_t> table_id(ByteView key) {
  key = without_keyspace(key);
  if (key.size() < kTableSize || key[0] != 't') return std::nullopt;
  key.remove_prefix(1);
  int64_t id = 0;
  return codec::get_i64_be(key, id) ? std::optional(id) : std::nullopt;
}

// What follows "_r": an int handle of eight bytes, or the datums of a common one.
inline std::optional<ByteView> handle(ByteView key) {
  key = without_keyspace(key);
  if (key.size() <= kRecordPrefixSize || key[0] != 't' || key.substr(kTableSize, 2) != "_r") return std::nullopt;
  return key.substr(kRecordPrefixSize);
}

inline std::optional<int64_t> int_handle(ByteView key) {
  auto bytes = handle(key);
  int64_t id = 0;
  if (!bytes || bytes->size() != 8 || !codec::get_i64_be(*bytes, id)) return std::nullopt;
  return id;
}

// What follows the index's id: its columns' datums, and more.
inline std::optional<ByteView> index_values(ByteView key) {
  key = without_keyspace(key);
  if (key.size() < kIndexPrefixSize || key[0] != 't' || key.substr(kTableSize, 2) != "_i") return std::nullopt;
  return key.substr(kIndexPrefixSize);
}

}  // namespace cairn::coprocessor::table_key
