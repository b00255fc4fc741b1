#include "coprocessor/analyze.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc.h"
#include "coprocessor/executors/scan.h"
#include "coprocessor/rows/datum.h"
#include "coprocessor/rows/table_key.h"
#include "coprocessor/statistics/histogram.h"
#include "coprocessor/statistics/row_sample.h"
#include "coprocessor/statistics/sketches.h"
#include "coprocessor/types/collation.h"
#include "tipb/analyze.pb.h"
#include "tipb/executor.pb.h"

namespace cairn::coprocessor {
namespace {

using Direction = mvcc::ViewScanner::Direction;

// Counters of one sketch. TiDB asks for 5 rows of 2048.
constexpr size_t kSketchCountersMax = size_t{1} << 22;
// The statistics of TiDB since 4.0 have a number of distinct values in each bucket, and the most frequent apart.
constexpr int32_t kVersionWithTop = 2;

struct Held {
  Question question;
  engine::RegionSnapshotPtr snapshot;
  mvcc::ReadOptions options;
};

// Every region dices for itself.
uint64_t seed_of(const Question& question) {
  return crc64(question.ranges.front().start, static_cast<uint64_t>(question.now_micros));
}

// What is counted of a column, or of several together.
struct Counted {
  int64_t nulls = 0;
  int64_t bytes = 0;  // without those that tell the types
  FmSketch distinct;
};

class TableStatistics final : public Request {
 public:
  TableStatistics(Held held, const tipb::AnalyzeColumnsReq& plan)
      : held_(std::move(held)),
        plan_(plan),
        sample_(static_cast<size_t>(std::max<int64_t>(plan.sample_size(), 0)), plan.sample_rate(),
                seed_of(held_.question)) {}

  Result<void> prepare() {
    const int columns = plan_.columns_info_size();
    if (columns == 0) return fail(PlanError{"statistics of no column"});
    if (static_cast<size_t>(columns) > kColumnsMax || static_cast<size_t>(plan_.column_groups_size()) > kColumnsMax) {
      return fail(PlanError{"statistics of more columns than a table has"});
    }
    for (const auto& group : plan_.column_groups()) {
      for (const int64_t offset : group.column_offsets()) {
        if (offset < 0 || offset >= columns) return fail(PlanError{fmt::format("column {} of {}", offset, columns)});
      }
    }
    tipb::TableScan scan;
    *scan.mutable_columns() = plan_.columns_info();
    *scan.mutable_primary_column_ids() = plan_.primary_column_ids();
    *scan.mutable_primary_prefix_column_ids() = plan_.primary_prefix_column_ids();
    TRY_ASSIGN(auto decoder, RecordDecoder::make(scan));
    reader_.emplace(*held_.snapshot, held_.options, held_.question.ranges, Direction::kForward, decoder.is_key_only());
    scan_.emplace(std::move(decoder), *reader_, context_);
    const auto sketch_max = static_cast<size_t>(std::max<int64_t>(plan_.sketch_size(), 0));
    const auto parts = static_cast<size_t>(columns + plan_.column_groups_size());
    counted_.resize(parts, Counted{0, 0, FmSketch(sketch_max)});
    values_.resize(static_cast<size_t>(columns));
    sort_keys_.resize(static_cast<size_t>(columns));
    keys_.resize(static_cast<size_t>(columns));
    return {};
  }

  Result<bool> step() override {
    TRY_ASSIGN(const Yield yield, scan_->next(kBatchRowsMax));
    for (size_t i = 0; i < yield.batch->count(); ++i) TRY(take(*yield.batch, yield.batch->row(i)));
    if (memory() > held_.question.memory_max) return Err(Failure(QuotaExceeded{}));
    return yield.is_last;
  }

  Answer finish() override {
    // A group of one column is that column.
    for (int i = 0; i < plan_.column_groups_size(); ++i) {
      const auto& offsets = plan_.column_groups(i).column_offsets();
      if (offsets.size() == 1)
        counted_[values_.size() + static_cast<size_t>(i)] = counted_[static_cast<size_t>(offsets[0])];
    }
    tipb::AnalyzeColumnsResp response;
    auto& out = *response.mutable_row_collector();
    sample_.write(out);
    out.set_count(rows_);
    for (const auto& counted : counted_) {
      out.add_null_counts(counted.nulls);
      out.add_total_size(counted.bytes);
      counted.distinct.write(*out.add_fm_sketch());
    }
    return {response.SerializeAsString(), std::nullopt, false};
  }

  const mvcc::ReadFigures& figures() const override { return reader_->figures(); }
  const Shape& shape() const override { return shape_; }
  size_t memory() const override {
    size_t bytes = scan_->memory() + sample_.memory();
    for (const auto& counted : counted_) bytes += counted.distinct.memory();
    return bytes;
  }

 private:
  static bool is_null(const Bytes& value) { return static_cast<uint8_t>(value[0]) == datum::kNull; }

  // Writes the row's datum of a column, and what counts as one with it: of strings the sort key. Where this store does
  // not have the collation, the string: more are counted then than TiDB tells apart.
  Result<void> read(const Batch& batch, size_t row, size_t i) {
    const FieldType& type = scan_->schema()[i];
    const Column& column = batch.columns[i];
    values_[i].clear();
    if (!append_datum(column, row, type, context_, values_[i])) return corrupt("a time that no zone has");
    keys_[i] = values_[i];
    Collation collation{};
    if (column.type != EvalType::kBytes || column.nulls[row] || !collation_of(type, collation)) return {};
    sort_keys_[i].clear();
    append_sort_key(collation, column.bytes[row], sort_keys_[i]);
    keys_[i] = sort_keys_[i];
    return {};
  }

  Result<void> take(const Batch& batch, size_t row) {
    ++rows_;
    for (size_t i = 0; i < values_.size(); ++i) {
      TRY(read(batch, row, i));
      Counted& counted = counted_[i];
      if (is_null(values_[i])) {
        ++counted.nulls;
        continue;
      }
      counted.bytes += static_cast<int64_t>(values_[i].size()) - 1;
      counted.distinct.insert(keys_[i]);
    }
    for (int i = 0; i < plan_.column_groups_size(); ++i) take_group(i);
    sample_.offer(values_);
    return {};
  }

  void take_group(int group) {
    const auto& offsets = plan_.column_groups(group).column_offsets();
    if (offsets.size() == 1) return;
    Counted& counted = counted_[values_.size() + static_cast<size_t>(group)];
    group_key_.clear();
    for (const int64_t offset : offsets) {
      const auto column = static_cast<size_t>(offset);
      group_key_ += keys_[column];
      if (!is_null(values_[column])) counted.bytes += static_cast<int64_t>(values_[column].size()) - 1;
    }
    counted.distinct.insert(group_key_);
  }

  const Shape shape_{};
  const Held held_;
  const tipb::AnalyzeColumnsReq plan_;
  const EvalContext context_;
  std::optional<RangeReader> reader_;
  std::optional<Scan<RecordDecoder>> scan_;
  RowSample sample_;
  int64_t rows_ = 0;
  std::vector<Counted> counted_;  // of each column, then of each group
  // Of the row at hand.
  std::vector<Bytes> values_;  // datums
  std::vector<Bytes> sort_keys_;
  std::vector<ByteView> keys_;  // the one or the other
  Bytes group_key_;
};

// Of the first columns of an index, or of a common handle: all that is needed is in the keys.
class IndexStatistics final : public Request {
 public:
  IndexStatistics(Held held, const tipb::AnalyzeIndexReq& plan, bool is_common_handle)
      : held_(std::move(held)),
        is_common_handle_(is_common_handle),
        columns_(plan.num_columns()),
        tells_top_(plan.version() >= kVersionWithTop),
        top_max_(static_cast<size_t>(std::max(plan.top_n_size(), 0))),
        histogram_(static_cast<size_t>(std::max<int64_t>(plan.bucket_size(), 0)), tells_top_),
        distinct_(static_cast<size_t>(std::max<int64_t>(plan.sketch_size(), 0))) {
    reader_.emplace(*held_.snapshot, held_.options, held_.question.ranges, Direction::kForward, true);
  }

  Result<void> prepare(const tipb::AnalyzeIndexReq& plan) {
    const auto depth = static_cast<size_t>(std::max(plan.cmsketch_depth(), 0));
    const auto width = static_cast<size_t>(std::max(plan.cmsketch_width(), 0));
    if (depth == 0 || width == 0) return {};
    if (depth > kSketchCountersMax / width) return fail(PlanError{fmt::format("a sketch of {} x {}", depth, width)});
    counts_.emplace(depth, width);
    return {};
  }

  Result<bool> step() override {
    bool is_through = false;
    for (size_t i = 0; i < kBatchRowsMax && !is_through; ++i) {
      Pair pair;
      TRY_ASSIGN(const bool has_pair, reader_->next(pair));
      if (has_pair) {
        TRY(take(pair.key));
      } else {
        is_through = true;
      }
    }
    if (memory() > held_.question.memory_max) return Err(Failure(QuotaExceeded{}));
    return is_through;
  }

  Answer finish() override {
    end_run();
    if (counts_) {
      for (const auto& run : top_) counts_->move_to_top(run.value, run.times);
    }
    tipb::AnalyzeIndexResp response;
    histogram_.write(*response.mutable_hist());
    if (counts_) counts_->write(*response.mutable_cms());
    distinct_.write(*response.mutable_collector()->mutable_fm_sketch());
    return {response.SerializeAsString(), std::nullopt, false};
  }

  const mvcc::ReadFigures& figures() const override { return reader_->figures(); }
  const Shape& shape() const override { return shape_; }
  size_t memory() const override {
    return histogram_.memory() + distinct_.memory() + (counts_ ? counts_->memory() : 0) + top_bytes_;
  }

 private:
  // Entries of one value, which follow one another.
  struct Run {
    Bytes value;
    uint64_t times = 0;
    // The rarest first in a heap.
    bool operator<(const Run& other) const { return times != other.times ? times > other.times : value > other.value; }
  };

  Result<void> take(ByteView key) {
    auto rest = is_common_handle_ ? table_key::handle(key) : table_key::index_values(key);
    if (!rest) return fail(PlanError{fmt::format("key {} is of another kind", to_hex(key))});
    const ByteView values = *rest;
    for (int32_t i = 0; i < columns_; ++i) {
      ByteView datum;
      if (!split_datum(*rest, datum)) return corrupt(fmt::format("column {} is missing in key {}", i, to_hex(key)));
      if (counts_) counts_->insert(values.substr(0, values.size() - rest->size()));
    }
    const ByteView value = values.substr(0, values.size() - rest->size());
    distinct_.insert(value);
    histogram_.append(value);
    if (!tells_top_ || top_max_ == 0) return {};
    if (run_.value != value || run_.times == 0) {
      end_run();
      run_ = {Bytes(value), 0};
    }
    ++run_.times;
    return {};
  }

  void end_run() {
    if (run_.times == 0) return;
    top_bytes_ += sizeof(Run) + run_.value.size();
    top_.push_back(std::move(run_));
    std::push_heap(top_.begin(), top_.end());
    run_ = {};
    if (top_.size() <= top_max_) return;
    std::pop_heap(top_.begin(), top_.end());
    top_bytes_ -= sizeof(Run) + top_.back().value.size();
    top_.pop_back();
  }

  const Shape shape_{.is_over_index = true, .executors = {}};
  const Held held_;
  const bool is_common_handle_;
  const int32_t columns_;
  const bool tells_top_;
  const size_t top_max_;
  std::optional<RangeReader> reader_;
  Histogram histogram_;
  FmSketch distinct_;
  std::optional<CmSketch> counts_;
  Run run_;
  std::vector<Run> top_;
  size_t top_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<Request>> begin_analyze(Question question, engine::RegionSnapshotPtr snapshot,
                                               const mvcc::ReadOptions& options) {
  tipb::AnalyzeReq plan;
  if (!plan.ParseFromArray(question.plan.data(), static_cast<int>(question.plan.size()))) {
    return fail(PlanError{"the request for statistics does not decode"});
  }
  TRY(check_ranges(question.ranges));
  if (question.ranges.empty()) return fail(PlanError{"statistics of no range"});
  Held held{std::move(question), std::move(snapshot), options};
  switch (plan.tp()) {
    case tipb::TypeFullSampling: {
      auto request = std::make_unique<TableStatistics>(std::move(held), plan.col_req());
      TRY(request->prepare());
      return std::unique_ptr<Request>(std::move(request));
    }
    case tipb::TypeIndex:
    case tipb::TypeCommonHandle: {
      auto request =
          std::make_unique<IndexStatistics>(std::move(held), plan.idx_req(), plan.tp() == tipb::TypeCommonHandle);
      TRY(request->prepare(plan.idx_req()));
      return std::unique_ptr<Request>(std::move(request));
    }
    // Statistics of version 1, which current TiDBs ask for no more; and a kind that TiKV has not either.
    case tipb::TypeColumn:
    case tipb::TypeMixed:
    case tipb::TypeSampleIndex:
      break;
  }
  return fail(PlanError{fmt::format("ANALYZE of kind {} is not supported", tipb::AnalyzeType_Name(plan.tp()))});
}

}  // namespace cairn::coprocessor
