// Entries of indexes. The key holds the columns' datums, then the handle if the index is not unique (or a column is
// NULL). The value, up to nine bytes: nothing, or an int handle. Longer:
//
//   tail length | [7D version] | [7F length u16 common handle] | [7E partition id] | [80.. restored row] | tail
//
// where the tail is padding, an int handle of eight bytes, and a mark. Restored values are those of columns whose
// datum lost something to its collation: all columns without a version, only those with version 1; there a _bin
// collation's is the number of blanks that were cut.
#include <fmt/format.h>

#include "base/codec.h"
#include "base/redact.h"
#include "coprocessor/rows/datum.h"
#include "coprocessor/rows/row_decoder.h"
#include "coprocessor/rows/row_v2.h"
#include "coprocessor/rows/table_key.h"
#include "tipb/executor.pb.h"

namespace cairn::coprocessor {
namespace {

constexpr size_t kOldValueMax = 9;
constexpr uint8_t kCommonHandle = 0x7F, kPartition = 0x7E, kVersion = 0x7D;

bool starts_with(ByteView bytes, uint8_t mark) { return !bytes.empty() && static_cast<uint8_t>(bytes[0]) == mark; }

// A partition's id behind its mark, consumed if it is there. False: it is cut off.
bool take_partition(ByteView& in, std::optional<int64_t>& partition) {
  if (!starts_with(in, kPartition)) return true;
  in.remove_prefix(1);
  int64_t id = 0;
  if (!codec::get_i64_be(in, id)) return false;
  partition = id;
  return true;
}

}  // namespace

struct IndexDecoder::Parts {
  bool has_version = false;
  ByteView tail;
  ByteView common_handle;  // empty: it is in the key
  std::optional<int64_t> partition;
  ByteView restored;  // empty: nothing is

  // False: the bytes are no value of an entry.
  bool open(ByteView value) {
    if (value.size() <= kOldValueMax) {
      if (value.size() >= 8) tail = value;
      return true;
    }
    const size_t tail_size = static_cast<uint8_t>(value[0]);
    if (tail_size >= value.size()) return false;
    tail = value.substr(value.size() - tail_size);
    ByteView in = value.substr(1, value.size() - 1 - tail_size);
    if (tail_size <= 1 && in.size() >= 2 && starts_with(in, kVersion)) {
      has_version = in[1] == 1;
      in.remove_prefix(2);
    }
    if (starts_with(in, kCommonHandle)) {
      if (in.size() < 3) return false;
      const size_t size = static_cast<size_t>(static_cast<uint8_t>(in[1])) << 8 | static_cast<uint8_t>(in[2]);
      if (in.size() < 3 + size) return false;
      common_handle = in.substr(3, size);
      in.remove_prefix(3 + size);
    }
    if (!take_partition(in, partition)) return false;
    if (starts_with(in, RowV2::kMark)) {
      restored = in;
      in = {};
    }
    return in.empty();
  }
};

Result<IndexDecoder> IndexDecoder::make(const tipb::IndexScan& scan) {
  IndexDecoder decoder;
  size_t end = static_cast<size_t>(scan.columns_size());
  const auto id_at = [&](size_t i) { return scan.columns(static_cast<int>(i)).column_id(); };
  if (end > 0 && id_at(end - 1) == kPhysicalTableColumn) {
    decoder.has_table_ = true;
    --end;
  }
  if (end > 0 && id_at(end - 1) == kPartitionColumn) {
    decoder.has_partition_ = true;
    --end;
  }
  decoder.handle_end_ = end;
  const bool is_int = end > 0 && scan.columns(static_cast<int>(end) - 1).pk_handle();
  const auto common = static_cast<size_t>(scan.primary_column_ids_size());
  if (is_int && common > 0) return fail(PlanError{"an index scan with both an int and a common handle"});
  if (common > end) return fail(PlanError{"an index scan with more handle columns than columns"});
  decoder.handle_ = is_int ? Handle::kInt : common > 0 ? Handle::kCommon : Handle::kNone;
  decoder.columns_ = end - (is_int ? 1 : common);
  for (const auto& info : scan.columns()) {
    auto type = FieldType::from(info);
    EvalType eval_type{};
    if (!eval_type_of(type, eval_type)) {
      return fail(PlanError{fmt::format("column {} has type {}, which is not supported", info.column_id(), info.tp())});
    }
    decoder.ids_.push_back(info.column_id());
    decoder.schema_.push_back(std::move(type));
    decoder.eval_types_.push_back(eval_type);
  }
  // These are numbers whatever the plan says.
  if (is_int) decoder.eval_types_[end - 1] = EvalType::kInt;
  for (size_t i = end; i < decoder.eval_types_.size(); ++i) decoder.eval_types_[i] = EvalType::kInt;
  return decoder;
}

void IndexDecoder::prepare(Batch& batch, size_t rows) const {
  batch.columns.resize(schema_.size());
  for (size_t i = 0; i < schema_.size(); ++i) batch.columns[i].reset(eval_types_[i], rows);
}

bool IndexDecoder::take_columns(const EvalContext& context, ByteView& datums, size_t first, size_t end, Batch& batch,
                                size_t row) {
  for (size_t i = first; i < end; ++i) {
    ByteView bytes;
    if (!split_datum(datums, bytes)) return false;
    // Where the datum is only a sort key, its value comes later.
    const ByteView kept = batch.columns[i].is_bytes() && static_cast<uint8_t>(bytes[0]) != datum::kBytes
                              ? batch.arena.copy(bytes)
                              : bytes;
    if (!decode_datum(kept, schema_[i], context, batch.arena, batch.columns[i], row)) return false;
  }
  return true;
}

bool IndexDecoder::restore_columns(const EvalContext& context, ByteView restored, bool has_all, Batch& batch,
                                   size_t row) {
  RowV2 values;
  if (!values.open(restored)) return false;
  const size_t end = has_all ? columns_ : handle_ == Handle::kCommon ? handle_end_ : columns_;
  for (size_t i = 0; i < end; ++i) {
    Column& column = batch.columns[i];
    if (!has_all && (!schema_[i].needs_restored_data() || column.nulls[row])) continue;
    ByteView value;
    switch (values.find(ids_[i], value)) {
      case RowV2::Found::kValue:
        break;
      case RowV2::Found::kNull:
        if (!has_all) return false;
        column.nulls.set(row);
        continue;
      default:
        return false;
    }
    if (!has_all && schema_[i].has_padding_bin_collation()) {
      const auto blanks = v2_uint(value);
      if (!blanks || *blanks > UINT16_MAX * size_t{256} || column.type != EvalType::kBytes) return false;
      const ByteView text = column.bytes[row];
      char* whole = batch.arena.allocate(text.size() + *blanks);
      std::memcpy(whole, text.data(), text.size());
      std::memset(whole + text.size(), ' ', *blanks);
      column.bytes[row] = {whole, text.size() + *blanks};
    } else if (!decode_v2_value(value, schema_[i], context, batch.arena, column, row)) {
      return false;
    }
  }
  return true;
}

bool IndexDecoder::decode_int_handle(ByteView rest_of_key, const Parts& parts, Batch& batch, size_t row) {
  int64_t& out = batch.columns[handle_end_ - 1].ints[row];
  if (!rest_of_key.empty()) {
    const auto flag = static_cast<uint8_t>(rest_of_key[0]);
    ByteView in = rest_of_key.substr(1);
    uint64_t number = 0;
    if (flag == datum::kInt) return codec::get_i64_be(in, out);
    if (flag != datum::kUint || !codec::get_u64_be(in, number)) return false;
    out = static_cast<int64_t>(number);
    return true;
  }
  ByteView in = parts.tail;
  uint64_t number = 0;
  if (!codec::get_u64_be(in, number)) return false;
  out = static_cast<int64_t>(number);
  return true;
}

bool IndexDecoder::decode_entry(const EvalContext& context, const Pair& pair, Batch& batch, size_t row) {
  auto datums = table_key::index_values(pair.key);
  Parts parts;
  if (!datums || !parts.open(pair.value)) return false;
  const bool has_all = !parts.restored.empty() && !parts.has_version;
  if (has_all) {
    for (size_t i = 0; i < columns_; ++i) {
      ByteView skipped;
      if (!split_datum(*datums, skipped)) return false;
    }
  } else if (!take_columns(context, *datums, 0, columns_, batch, row)) {
    return false;
  }
  std::optional<int64_t> partition = parts.partition;
  if (handle_ == Handle::kInt) {
    std::optional<int64_t> of_key;
    if (!take_partition(*datums, of_key)) return false;
    if (!partition) partition = of_key;
    if (!decode_int_handle(*datums, parts, batch, row)) return false;
  } else if (handle_ == Handle::kCommon) {
    ByteView handle = parts.common_handle.empty() ? *datums : parts.common_handle;
    if (!take_columns(context, handle, columns_, handle_end_, batch, row)) return false;
  }
  if (!parts.restored.empty() && !restore_columns(context, parts.restored, has_all, batch, row)) return false;
  const auto table = partition ? partition : table_key::table_id(pair.key);
  if (!table) return false;
  for (size_t i = handle_end_; i < schema_.size(); ++i) batch.columns[i].ints[row] = *table;
  return true;
}

Result<void> IndexDecoder::decode(const EvalContext& context, const Pair& pair, Batch& batch, size_t row) {
  if (decode_entry(context, pair, batch, row)) return {};
  return corrupt(fmt::format("the index entry of key {} does not decode", log::user_text(pair.key)));
}

}  // namespace cairn::coprocessor
