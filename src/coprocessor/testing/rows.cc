#include "coprocessor/testing/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "coprocessor/testing/values.h"
#include "engine/memory/memory_engine.h"
#include "mvcc/lock.h"
#include "mvcc/write.h"

namespace cairn::coprocessor::testing {

Bytes v2_int(int64_t value) {
  const auto put = [&]<class T>(T number) {
    Bytes out(sizeof(T), '\0');
    std::memcpy(out.data(), &number, sizeof(T));
    return out;
  };
  if (value >= INT8_MIN && value <= INT8_MAX) return put(static_cast<int8_t>(value));
  if (value >= INT16_MIN && value <= INT16_MAX) return put(static_cast<int16_t>(value));
  if (value >= INT32_MIN && value <= INT32_MAX) return put(static_cast<int32_t>(value));
  return put(value);
}

Bytes v2_row(std::vector<RowValue> values, bool with_checksum) {
  std::sort(values.begin(), values.end());
  const bool is_big = std::any_of(values.begin(), values.end(), [](const auto& v) { return v.first > 255; });
  Bytes ids, null_ids, offsets, data;
  uint16_t count = 0, nulls = 0;
  const auto put = [is_big](Bytes& out, uint64_t small_bytes, uint64_t number) {
    if (is_big)
      codec::put_u32_le(out, static_cast<uint32_t>(number));
    else if (small_bytes == 1)
      out.push_back(static_cast<char>(number));
    else
      codec::put_u16_le(out, static_cast<uint16_t>(number));
  };
  for (const auto& [id, value] : values) {
    if (!value) {
      put(null_ids, 1, static_cast<uint64_t>(id));
      ++nulls;
      continue;
    }
    data += *value;
    put(ids, 1, static_cast<uint64_t>(id));
    put(offsets, 2, data.size());
    ++count;
  }
  Bytes row(1, '\x80');
  row.push_back(static_cast<char>((is_big ? 1 : 0) | (with_checksum ? 2 : 0)));
  codec::put_u16_le(row, count);
  codec::put_u16_le(row, nulls);
  row += ids + null_ids + offsets + data;
  if (with_checksum) row += Bytes("\x00\x01\x02\x03\x04", 5);
  return row;
}

namespace {

Bytes table_prefix(int64_t table, const char* separator) {
  Bytes key(1, 't');
  codec::put_i64_be(key, table);
  return key + separator;
}

KeyRange range_with(const Bytes& prefix) { return {prefix, prefix_end(prefix)}; }

}  // namespace

Bytes record_key(int64_t table, int64_t handle) {
  Bytes key = table_prefix(table, "_r");
  codec::put_i64_be(key, handle);
  return key;
}
Bytes index_key(int64_t table, int64_t index, ByteView datums) {
  Bytes key = table_prefix(table, "_i");
  codec::put_i64_be(key, index);
  return key.append(datums);
}
KeyRange records_of(int64_t table) { return range_with(table_prefix(table, "_r")); }
KeyRange entries_of(int64_t table, int64_t index) { return range_with(index_key(table, index, {})); }

Bytes int_datum(int64_t value) {
  Bytes out(1, 3);
  codec::put_i64_be(out, value);
  return out;
}
Bytes bytes_datum(ByteView value) {
  Bytes out(1, 1);
  codec::put_encoded_bytes(out, value);
  return out;
}

tipb::ColumnInfo column(int64_t id, const std::string& name) {
  const auto type = type_named(name);
  tipb::ColumnInfo info;
  info.set_column_id(id);
  info.set_tp(type.tp());
  info.set_flag(static_cast<int32_t>(type.flag()));
  info.set_columnlen(type.flen());
  info.set_decimal(type.decimal());
  info.set_collation(type.collate());
  for (const auto& element : type.elems()) info.add_elems(element);
  return info;
}

Region::Region() : Region(engine::open_memory_kv(std::make_shared<engine::MemoryDisk>())) {}
Region::Region(std::shared_ptr<engine::KvEngine> engine) : store_(std::move(engine), *executor_) {}

void Region::put(const Bytes& user_key, const Bytes& value, uint64_t commit_ts) {
  const Bytes key = codec::encode_bytes(user_key);
  mvcc::Write write;
  write.start_ts = Timestamp(commit_ts - 1);
  engine::WriteData data;
  if (value.size() <= mvcc::kShortValueBytesMax) {
    write.short_value = value;
  } else {
    data.changes.push_back(engine::Modify::put(engine::Cf::kDefault, codec::append_ts(key, write.start_ts), value));
  }
  data.changes.push_back(
      engine::Modify::put(engine::Cf::kWrite, codec::append_ts(key, Timestamp(commit_ts)), write.encode()));
  ASSERT_TRUE(store_.write_now(data).ok());
}

void Region::del(const Bytes& user_key, uint64_t commit_ts) {
  mvcc::Write write;
  write.kind = mvcc::WriteKind::kDelete;
  write.start_ts = Timestamp(commit_ts - 1);
  engine::WriteData data;
  data.changes.push_back(engine::Modify::put(
      engine::Cf::kWrite, codec::append_ts(codec::encode_bytes(user_key), Timestamp(commit_ts)), write.encode()));
  ASSERT_TRUE(store_.write_now(data).ok());
}

void Region::lock(const Bytes& user_key, uint64_t start_ts) {
  mvcc::Lock lock;
  lock.primary = user_key;
  lock.start_ts = Timestamp(start_ts);
  engine::WriteData data;
  data.changes.push_back(engine::Modify::put(engine::Cf::kLock, codec::encode_bytes(user_key), lock.encode()));
  ASSERT_TRUE(store_.write_now(data).ok());
}

}  // namespace cairn::coprocessor::testing
