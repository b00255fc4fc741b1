// Pairs of keys and values become rows of columns: one of a table's records, one of an index's entries. Both look at
// each pair once, write what the plan asks for and nothing else.
//
// Special columns: -1 the handle, -2 the partition, -3 the physical table, -5 the commit timestamp.
// Tests: request_test.cc.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "coprocessor/eval_context.h"
#include "coprocessor/expr/batch.h"

namespace tipb {
class IndexScan;
class TableScan;
}  // namespace tipb

namespace cairn::coprocessor {

struct Pair {
  ByteView key;    // user key
  ByteView value;  // both are good until the next pair is read
  Timestamp commit_ts;
};

inline constexpr int64_t kHandleColumn = -1;
inline constexpr int64_t kPartitionColumn = -2;
inline constexpr int64_t kPhysicalTableColumn = -3;
inline constexpr int64_t kCommitTsColumn = -5;

class RecordDecoder {
 public:
  static Result<RecordDecoder> make(const tipb::TableScan& scan);
  RecordDecoder(RecordDecoder&&) = default;

  const std::vector<FieldType>& schema() const { return schema_; }
  // Whether the columns are all in keys.
  bool is_key_only() const { return is_key_only_; }
  bool needs_commit_ts() const { return commit_ts_column_ != kNone; }
  // Makes the batch's columns for so many rows.
  void prepare(Batch& batch, size_t rows) const;
  // Writes row `row`.
  Result<void> decode(const EvalContext& context, const Pair& pair, Batch& batch, size_t row);

 private:
  static constexpr size_t kNone = SIZE_MAX;
  struct Source {
    int64_t id;
    size_t column;
  };

  RecordDecoder() = default;
  bool decode_v1(const EvalContext& context, ByteView value, Batch& batch, size_t row);
  bool decode_v2(const EvalContext& context, ByteView value, Batch& batch, size_t row);
  bool decode_handle(const EvalContext& context, ByteView key, Batch& batch, size_t row);
  bool decode_defaults(const EvalContext& context, Batch& batch, size_t row);
  bool is_filled(size_t column) const { return filled_[column] != 0; }

  std::vector<FieldType> schema_;
  std::vector<EvalType> eval_types_;
  std::vector<std::string> defaults_;  // datums; empty: none
  std::vector<Source> sources_;        // columns of values, by id
  std::vector<size_t> handle_columns_;
  std::vector<int64_t> primary_ids_;  // of a common handle, in its order
  size_t table_column_ = kNone;
  size_t commit_ts_column_ = kNone;
  bool is_key_only_ = true;
  std::vector<uint8_t> filled_;  // of the row that is decoded
  size_t missing_ = 0;           // columns that are not filled
};

class IndexDecoder {
 public:
  static Result<IndexDecoder> make(const tipb::IndexScan& scan);
  IndexDecoder(IndexDecoder&&) = default;

  const std::vector<FieldType>& schema() const { return schema_; }
  void prepare(Batch& batch, size_t rows) const;
  Result<void> decode(const EvalContext& context, const Pair& pair, Batch& batch, size_t row);

 private:
  enum class Handle : uint8_t { kNone, kInt, kCommon };
  struct Parts;  // of an entry's value

  IndexDecoder() = default;
  bool decode_entry(const EvalContext& context, const Pair& pair, Batch& batch, size_t row);
  bool take_columns(const EvalContext& context, ByteView& datums, size_t first, size_t end, Batch& batch, size_t row);
  bool restore_columns(const EvalContext& context, ByteView restored, bool has_all, Batch& batch, size_t row);
  bool decode_int_handle(ByteView rest_of_key, const Parts& parts, Batch& batch, size_t row);

  std::vector<FieldType> schema_;
  std::vector<EvalType> eval_types_;
  std::vector<int64_t> ids_;
  Handle handle_ = Handle::kNone;
  size_t columns_ = 0;     // of the index
  size_t handle_end_ = 0;  // behind them, the handle's
  bool has_partition_ = false;
  bool has_table_ = false;
};

}  // namespace cairn::coprocessor
