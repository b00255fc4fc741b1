#include <fmt/format.h>

#include <algorithm>

#include "base/codec.h"
#include "base/redact.h"
#include "coprocessor/rows/datum.h"
#include "coprocessor/rows/row_decoder.h"
#include "coprocessor/rows/row_v2.h"
#include "coprocessor/rows/table_key.h"
#include "tipb/executor.pb.h"

namespace cairn::coprocessor {
namespace {

template <class Ids>
bool contains(const Ids& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Result<RecordDecoder> RecordDecoder::make(const tipb::TableScan& scan) {
  RecordDecoder decoder;
  decoder.primary_ids_.assign(scan.primary_column_ids().begin(), scan.primary_column_ids().end());
  for (int i = 0; i < scan.columns_size(); ++i) {
    const auto& info = scan.columns(i);
    const auto column = static_cast<size_t>(i);
    auto type = FieldType::from(info);
    EvalType eval_type{};
    if (!eval_type_of(type, eval_type)) {
      return fail(PlanError{fmt::format("column {} has type {}, which is not supported", info.column_id(), info.tp())});
    }
    decoder.defaults_.push_back(info.default_val());
    if (info.pk_handle() || info.column_id() == kHandleColumn) {
      decoder.handle_columns_.push_back(column);
      eval_type = EvalType::kInt;
    } else if (info.column_id() == kPhysicalTableColumn) {
      decoder.table_column_ = column;
    } else if (info.column_id() == kCommitTsColumn) {
      decoder.commit_ts_column_ = column;
    } else {
      const bool is_in_key = contains(scan.primary_column_ids(), info.column_id()) &&
                             !contains(scan.primary_prefix_column_ids(), info.column_id()) &&
                             !type.needs_restored_data();
      if (!is_in_key) decoder.is_key_only_ = false;
      decoder.sources_.push_back({info.column_id(), column});
    }
    decoder.schema_.push_back(std::move(type));
    decoder.eval_types_.push_back(eval_type);
  }
  std::sort(decoder.sources_.begin(), decoder.sources_.end(),
            [](const Source& a, const Source& b) { return a.id != b.id ? a.id < b.id : a.column < b.column; });
  decoder.filled_.resize(decoder.schema_.size());
  return decoder;
}

void RecordDecoder::prepare(Batch& batch, size_t rows) const {
  batch.columns.resize(schema_.size());
  for (size_t i = 0; i < schema_.size(); ++i) batch.columns[i].reset(eval_types_[i], rows);
}

bool RecordDecoder::decode_v1(const EvalContext& context, ByteView value, Batch& batch, size_t row) {
  while (!value.empty()) {
    int64_t id = 0;
    ByteView bytes;
    if (static_cast<uint8_t>(value[0]) != datum::kVarInt) return false;
    value.remove_prefix(1);
    if (!codec::get_var_i64(value, id) || !split_datum(value, bytes)) return false;
    for (const Source& source : sources_) {
      if (source.id != id || is_filled(source.column)) continue;
      const ByteView kept = batch.columns[source.column].is_bytes() ? batch.arena.copy(bytes) : bytes;
      if (!decode_datum(kept, schema_[source.column], context, batch.arena, batch.columns[source.column], row)) {
        return false;
      }
      filled_[source.column] = 1;
      --missing_;
    }
  }
  return true;
}

bool RecordDecoder::decode_v2(const EvalContext& context, ByteView value, Batch& batch, size_t row) {
  RowV2 row_v2;
  if (!row_v2.open(value)) return false;
  for (const Source& source : sources_) {
    ByteView bytes;
    Column& column = batch.columns[source.column];
    switch (row_v2.find(source.id, bytes)) {
      case RowV2::Found::kValue:
        if (!decode_v2_value(bytes, schema_[source.column], context, batch.arena, column, row)) return false;
        break;
      case RowV2::Found::kNull:
        column.nulls.set(row);
        break;
      case RowV2::Found::kMissing:
        continue;
      case RowV2::Found::kDamaged:
        return false;
    }
    filled_[source.column] = 1;
    --missing_;
  }
  return true;
}

bool RecordDecoder::decode_handle(const EvalContext& context, ByteView key, Batch& batch, size_t row) {
  if (!handle_columns_.empty()) {
    const auto handle = table_key::int_handle(key);
    if (!handle) return false;
    for (const size_t column : handle_columns_) {
      batch.columns[column].ints[row] = *handle;
      filled_[column] = 1;
      --missing_;
    }
    return true;
  }
  if (primary_ids_.empty()) return table_key::handle(key).has_value();
  if (missing_ == 0) return true;
  auto datums = table_key::handle(key);
  if (!datums) return false;
  for (const int64_t id : primary_ids_) {
    ByteView bytes;
    if (!split_datum(*datums, bytes)) return false;
    for (const Source& source : sources_) {
      if (source.id != id || is_filled(source.column)) continue;
      if (!decode_datum(bytes, schema_[source.column], context, batch.arena, batch.columns[source.column], row)) {
        return false;
      }
      filled_[source.column] = 1;
      --missing_;
    }
  }
  return true;
}

bool RecordDecoder::decode_defaults(const EvalContext& context, Batch& batch, size_t row) {
  for (size_t column = 0; column < schema_.size(); ++column) {
    if (is_filled(column)) continue;
    const std::string& bytes = defaults_[column];
    if (!bytes.empty()) {
      if (!decode_datum(bytes, schema_[column], context, batch.arena, batch.columns[column], row)) return false;
    } else if (schema_[column].is_not_null()) {
      return false;
    } else {
      batch.columns[column].nulls.set(row);
    }
  }
  return true;
}

Result<void> RecordDecoder::decode(const EvalContext& context, const Pair& pair, Batch& batch, size_t row) {
  std::fill(filled_.begin(), filled_.end(), uint8_t{0});
  missing_ = schema_.size();
  bool ok = true;
  const bool is_empty = pair.value.empty() || (pair.value.size() == 1 && pair.value[0] == datum::kNull);
  if (!is_empty && !sources_.empty()) {
    ok = static_cast<uint8_t>(pair.value[0]) == RowV2::kMark ? decode_v2(context, pair.value, batch, row)
                                                             : decode_v1(context, pair.value, batch, row);
  }
  ok = ok && decode_handle(context, pair.key, batch, row);
  if (ok && table_column_ != kNone) {
    const auto id = table_key::table_id(pair.key);
    ok = id.has_value();
    batch.columns[table_column_].ints[row] = id.value_or(0);
    filled_[table_column_] = 1;
    --missing_;
  }
  if (ok && commit_ts_column_ != kNone) {
    batch.columns[commit_ts_column_].ints[row] = static_cast<int64_t>(pair.commit_ts.value);
    filled_[commit_ts_column_] = 1;
    --missing_;
  }
  if (ok && missing_ > 0) ok = decode_defaults(context, batch, row);
  if (ok) return {};
  return corrupt(fmt::format("the row of key {} does not decode", log::user_text(pair.key)));
}

}  // namespace cairn::coprocessor
