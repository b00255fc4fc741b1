#include "coprocessor/request.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/crc.h"
#include "coprocessor/analyze.h"
#include "coprocessor/rows/chunk.h"
#include "coprocessor/rows/datum.h"
#include "tipb/checksum.pb.h"
#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

using Direction = mvcc::ViewScanner::Direction;

template <class Message>
bool parse(ByteView bytes, Message& message) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  in.SetRecursionLimit(Request::kMessageDepthMax);
  return message.ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

const char* name_of(const tipb::Executor& executor) {
  switch (executor.tp()) {
    case tipb::TypeTableScan:
      return "batch_table_scan";
    case tipb::TypeIndexScan:
      return "batch_index_scan";
    case tipb::TypeSelection:
      return "batch_selection";
    case tipb::TypeAggregation:
      return executor.aggregation().group_by_size() > 0 ? "batch_fast_hash_aggr" : "batch_simple_aggr";
    case tipb::TypeStreamAgg:
      return executor.aggregation().group_by_size() > 0 ? "batch_stream_aggr" : "batch_simple_aggr";
    case tipb::TypeTopN:
      return "batch_top_n";
    case tipb::TypeLimit:
      return "batch_limit";
    case tipb::TypeProjection:
      return "batch_projection";
    default:
      return "others";
  }
}

// What all kinds hold on to while they run.
struct Held {
  Question question;
  engine::RegionSnapshotPtr snapshot;
  mvcc::ReadOptions options;
};

class DagRequest final : public Request {
 public:
  explicit DagRequest(Held held) : held_(std::move(held)) {}

  Result<void> prepare() {
    if (!parse(held_.question.plan, plan_)) return fail(PlanError{"the plan does not decode"});
    TRY_ASSIGN(context_, EvalContext::from(plan_));
    context_.set_now_micros(held_.question.now_micros);
    context_.set_batch_bytes_max(held_.question.memory_max);
    TRY_ASSIGN(const auto chain, chain_of(plan_));
    for (const auto* executor : chain) shape_.executors.push_back(name_of(*executor));
    shape_.is_over_index = chain.front()->tp() == tipb::TypeIndexScan;
    TRY_ASSIGN(const auto shape, shape_of_scan(*chain.front()));
    TRY(check_ranges(held_.question.ranges));
    is_paged_ = can_be_paged(chain) &&
                (held_.question.page_rows > 0 || held_.question.page_bytes > 0 || held_.question.keys_max > 0);
    if (!held_.question.ranges.empty()) {
      const auto direction = shape.is_descending ? Direction::kBackward : Direction::kForward;
      reader_.emplace(*held_.snapshot, held_.options, held_.question.ranges, direction, shape.is_key_only);
    } else {
      is_through_ = true;
      reader_.emplace(*held_.snapshot, held_.options, kNoRange, Direction::kForward, true);
    }
    auto* summaries = plan_.collect_execution_summaries() ? &summaries_ : nullptr;
    TRY_ASSIGN(executor_, build(chain, *reader_, context_, summaries, held_.question.stopwatch));
    if (static_cast<size_t>(plan_.output_offsets_size()) > kColumnsMax) {
      return fail(PlanError{fmt::format("{} output offsets", plan_.output_offsets_size())});
    }
    for (const uint32_t offset : plan_.output_offsets()) {
      if (offset >= executor_->schema().size()) {
        return fail(PlanError{fmt::format("output offset {} of {} columns", offset, executor_->schema().size())});
      }
    }
    if (plan_.encode_type() != tipb::TypeDefault && plan_.encode_type() != tipb::TypeChunk) {
      return fail(PlanError{fmt::format("encoding {} is not supported", tipb::EncodeType_Name(plan_.encode_type()))});
    }
    response_.set_encode_type(plan_.encode_type());
    return {};
  }

  Result<bool> step() override {
    TRY_ASSIGN(const Yield yield, executor_->next(batch_rows_));
    batch_rows_ = std::min(batch_rows_ * 2, kBatchRowsMax);
    rows_ += yield.batch->count();
    if (yield.batch->count() > 0) TRY(encode(*yield.batch));
    if (memory() > held_.question.memory_max) return Err(Failure(QuotaExceeded{}));
    if (bytes_ > held_.question.answer_bytes_max) {
      return fail(PlanError{fmt::format("the answer is larger than {} bytes", held_.question.answer_bytes_max)});
    }
    is_through_ = yield.is_last;
    return is_through_ || ends_page();
  }

  Answer finish() override {
    for (const int64_t count : reader_->counts()) response_.add_output_counts(count);
    for (const auto& summary : summaries_) {
      auto& out = *response_.add_execution_summaries();
      out.set_time_processed_ns(summary.nanos);
      out.set_num_produced_rows(summary.rows);
      out.set_num_iterations(summary.calls);
    }
    for (const auto& warning : context_.warnings()) {
      auto& out = *response_.add_warnings();
      out.set_code(warning.code);
      out.set_msg(warning.text);
    }
    response_.set_warning_count(static_cast<int64_t>(context_.warning_count()));
    Answer answer;
    answer.data = response_.SerializeAsString();
    if (!is_through_) answer.consumed = reader_->consumed();
    // Who reads with RC does not look at locks; later readers, who may have the answer instead, do.
    const bool saw_all = held_.options.isolation == mvcc::IsolationLevel::kSi && !reader_->met_newer_data();
    answer.can_be_cached = is_through_ && saw_all;
    return answer;
  }

  const mvcc::ReadFigures& figures() const override { return reader_->figures(); }
  const Shape& shape() const override { return shape_; }
  size_t memory() const override { return executor_->memory() + bytes_; }

 private:
  // A reader must have a range; this one is empty, and never read.
  static inline const std::vector<KeyRange> kNoRange{KeyRange{Bytes(1, '\0'), Bytes(2, '\0')}};

  bool ends_page() const {
    if (!is_paged_) return false;
    const Question& q = held_.question;
    uint64_t keys = 0;
    for (const int64_t count : reader_->counts()) keys += static_cast<uint64_t>(count);
    return (q.page_rows > 0 && rows_ >= q.page_rows) || (q.keys_max > 0 && keys >= q.keys_max) ||
           (q.page_bytes > 0 && reader_->figures().found_bytes >= q.page_bytes);
  }

  Result<void> encode(const Batch& batch) {
    Bytes& out = *response_.add_chunks()->mutable_rows_data();
    const auto& schema = executor_->schema();
    if (plan_.encode_type() == tipb::TypeChunk) {
      for (const uint32_t offset : plan_.output_offsets()) {
        append_chunk_column(batch.columns[offset], batch, schema[offset], out);
      }
    } else {
      for (size_t i = 0; i < batch.count(); ++i) {
        for (const uint32_t offset : plan_.output_offsets()) {
          if (!append_datum(batch.columns[offset], batch.row(i), schema[offset], context_, out)) {
            return fail(EvalError{code::kTruncatedWrongValue, "a TIMESTAMP that the time zone does not have"});
          }
        }
      }
    }
    bytes_ += out.size();
    return {};
  }

  const Held held_;
  tipb::DAGRequest plan_;
  EvalContext context_;
  std::optional<RangeReader> reader_;
  std::vector<Summary> summaries_;
  std::unique_ptr<Executor> executor_;
  Shape shape_;
  tipb::SelectResponse response_;
  size_t batch_rows_ = kBatchRowsFirst;
  uint64_t rows_ = 0;
  size_t bytes_ = 0;
  bool is_paged_ = false;
  bool is_through_ = false;
};

// The XOR of the CRC-64 of all pairs, their keys under the prefix that the rule tells.
class ChecksumRequest final : public Request {
 public:
  explicit ChecksumRequest(Held held) : held_(std::move(held)) {}

  Result<void> prepare() {
    if (!parse(held_.question.plan, plan_)) return fail(PlanError{"the checksum's request does not decode"});
    if (plan_.algorithm() != tipb::Crc64_Xor) return fail(PlanError{"an unknown algorithm of checksums"});
    shape_.is_over_index = plan_.scan_on() == tipb::Index;
    TRY(check_ranges(held_.question.ranges));
    if (held_.question.ranges.empty()) return fail(PlanError{"a checksum of no range"});
    reader_.emplace(*held_.snapshot, held_.options, held_.question.ranges, Direction::kForward, false);
    prefix_crc_ = crc64(plan_.rule().old_prefix());
    return {};
  }

  Result<bool> step() override {
    for (size_t i = 0; i < kBatchRowsMax; ++i) {
      Pair pair;
      TRY_ASSIGN(const bool has_pair, reader_->next(pair));
      if (!has_pair) return true;
      const std::string& new_prefix = plan_.rule().new_prefix();
      if (!pair.key.starts_with(new_prefix)) {
        return fail(PlanError{fmt::format("key {} has another prefix than {}", to_hex(pair.key), to_hex(new_prefix))});
      }
      const ByteView rest = pair.key.substr(new_prefix.size());
      response_.set_checksum(response_.checksum() ^ crc64(pair.value, crc64(rest, prefix_crc_)));
      response_.set_total_kvs(response_.total_kvs() + 1);
      response_.set_total_bytes(response_.total_bytes() + plan_.rule().old_prefix().size() + rest.size() +
                                pair.value.size());
    }
    return false;
  }

  Answer finish() override {
    // Fields are there even if they are 0.
    response_.set_checksum(response_.checksum());
    response_.set_total_kvs(response_.total_kvs());
    response_.set_total_bytes(response_.total_bytes());
    return {response_.SerializeAsString(), std::nullopt, false};
  }
  const mvcc::ReadFigures& figures() const override { return reader_->figures(); }
  const Shape& shape() const override { return shape_; }
  size_t memory() const override { return 0; }

 private:
  const Held held_;
  tipb::ChecksumRequest plan_;
  std::optional<RangeReader> reader_;
  Shape shape_;
  uint64_t prefix_crc_ = 0;
  tipb::ChecksumResponse response_;
};

template <class Kind>
Result<std::unique_ptr<Request>> prepared(Held held) {
  auto request = std::make_unique<Kind>(std::move(held));
  TRY(request->prepare());
  return std::unique_ptr<Request>(std::move(request));
}

}  // namespace

Result<std::unique_ptr<Request>> Request::begin(Question question, engine::RegionSnapshotPtr snapshot,
                                                const mvcc::ReadOptions& options) {
  const auto kind = static_cast<Kind>(question.kind);
  Held held{std::move(question), std::move(snapshot), options};
  switch (kind) {
    case Kind::kDag:
      return prepared<DagRequest>(std::move(held));
    case Kind::kChecksum:
      return prepared<ChecksumRequest>(std::move(held));
    case Kind::kAnalyze:
      return begin_analyze(std::move(held.question), std::move(held.snapshot), options);
  }
  return fail(PlanError{fmt::format("unsupported tp: {}", static_cast<int64_t>(kind))});
}

Bytes answer_of(const EvalError& error) {
  tipb::SelectResponse response;
  response.mutable_error()->set_code(error.code);
  response.mutable_error()->set_msg(error.text);
  return response.SerializeAsString();
}

}  // namespace cairn::coprocessor
