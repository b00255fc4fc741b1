// What a row costs: plans over a million rows of six columns in RocksDB's block cache, as a store runs them, beside the
// bare iteration over the same keys. Time is that of one thread; `ns/row` is what to look at, `x bare` what it is of
// the bare iteration. Built on request: ninja cairn_coprocessor_bench.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/codec.h"
#include "coprocessor/eval_context.h"
#include "coprocessor/request.h"
#include "coprocessor/testing/rows.h"
#include "coprocessor/testing/values.h"
#include "coprocessor/types/decimal.h"
#include "coprocessor/types/time.h"
#include "engine/rocks/rocks_engine.h"
#include "runtime/random.h"
#include "tipb/select.pb.h"

namespace cairn::coprocessor {
namespace {

using namespace testing;

constexpr int64_t kTable = 42;
constexpr int64_t kIndex = 1;
constexpr int64_t kRows = 1'000'000;
constexpr uint64_t kGroups = 1000;
constexpr uint64_t kRange = 1'000'000;  // of column a

double bare_ns = 0;  // a row

// Rows of handle, a, b (ints), c (decimal), d (datetime), e, f (strings of 20 bytes), and an index on b.
class Table {
 public:
  static Table& get() {
    static Table table;
    return table;
  }
  engine::RegionSnapshotPtr snapshot() const { return region_->snapshot(); }

 private:
  Table() {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("cairn-bench-{}", getpid());
    engine::RocksKvOptions options;
    options.block_cache_bytes = uint64_t{2} << 30;
    auto opened = engine::open_rocks_kv(folder_, options);
    if (!opened.ok()) std::abort();
    engine_ = std::move(*opened);
    region_.emplace(engine_);
    fill();
    if (!engine_->flush().ok()) std::abort();
  }
  ~Table() {
    region_.reset();
    engine_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void fill() {
    runtime::Random dice(1);
    const EvalContext context;
    for (int64_t handle = 0; handle < kRows; ++handle) {
      const auto a = static_cast<int64_t>(dice.below(kRange));
      const auto b = static_cast<int64_t>(dice.below(kGroups));
      const auto price = Decimal::parse(fmt::format("{}.{:02}", dice.below(100'000), dice.below(100)))->value;
      Bytes decimal;
      price.encode(decimal, 12, 2);
      EvalContext parsing;
      const auto when = parse_time(parsing, fmt::format("2026-{:02}-{:02} 12:30:15", 1 + handle % 12, 1 + handle % 28),
                                   TimeKind::kDateTime, 0);
      Bytes packed;
      codec::put_u64_le(packed, *time_to_packed(context, *when));
      region_->put(record_key(kTable, handle), v2_row({{2, v2_int(a)},
                                                       {3, v2_int(b)},
                                                       {4, decimal},
                                                       {5, packed},
                                                       {6, fmt::format("name-of-row-{:08}", handle)},
                                                       {7, fmt::format("text-of-row-{:08}", dice.below(kRange))}}));
      region_->put(index_key(kTable, kIndex, int_datum(b) + int_datum(handle)), "0");
    }
  }

  std::filesystem::path folder_;
  std::shared_ptr<engine::KvEngine> engine_;
  std::optional<Region> region_;
};

tipb::Expr column_ref(int64_t offset, const std::string& type) {
  tipb::Expr expr;
  expr.set_tp(tipb::ColumnRef);
  Bytes value;
  codec::put_i64_be(value, offset);
  expr.set_val(value);
  *expr.mutable_field_type() = type_named(type);
  return expr;
}

tipb::Expr aggregate(tipb::ExprType kind, const std::string& type, tipb::Expr arg) {
  tipb::Expr expr;
  expr.set_tp(kind);
  *expr.mutable_field_type() = type_named(type);
  *expr.add_children() = std::move(arg);
  return expr;
}

// A plan that begins with a scan of these columns of the table.
class Plan {
 public:
  explicit Plan(const std::vector<int64_t>& columns) {
    const std::vector<std::string> types = {"int", "int", "int", "dec(12,2)", "datetime", "str", "str"};
    auto& scan = add(tipb::TypeTableScan);
    scan.mutable_tbl_scan()->set_table_id(kTable);
    for (const int64_t id : columns) {
      auto info = column(id, types[static_cast<size_t>(id) - 1]);
      info.set_pk_handle(id == 1);
      *scan.mutable_tbl_scan()->add_columns() = info;
    }
  }
  // Of the index on b.
  struct OfIndex {};
  explicit Plan(OfIndex) {
    auto& scan = add(tipb::TypeIndexScan);
    scan.mutable_idx_scan()->set_table_id(kTable);
    scan.mutable_idx_scan()->set_index_id(kIndex);
    *scan.mutable_idx_scan()->add_columns() = column(3, "int");
    auto handle = column(1, "int");
    handle.set_pk_handle(true);
    *scan.mutable_idx_scan()->add_columns() = handle;
  }

  tipb::Executor& add(tipb::ExecType type) {
    auto& executor = *plan_.add_executors();
    executor.set_tp(type);
    return executor;
  }
  Plan& where_less(int64_t offset, int64_t bound) {
    auto& condition = *add(tipb::TypeSelection).mutable_selection()->add_conditions();
    condition.set_tp(tipb::ScalarFunc);
    condition.set_sig(tipb::LTInt);
    *condition.mutable_field_type() = type_named("int");
    *condition.add_children() = column_ref(offset, "int");
    *condition.add_children() = constant(fmt::format("int:{}", bound));
    return *this;
  }
  Plan& count_all() {
    *add(tipb::TypeStreamAgg).mutable_aggregation()->add_agg_func() = aggregate(tipb::Count, "int", constant("int:1"));
    return *this;
  }
  const tipb::DAGRequest& with_outputs(uint32_t count, tipb::EncodeType encoding) {
    for (uint32_t i = 0; i < count; ++i) plan_.add_output_offsets(i);
    plan_.set_encode_type(encoding);
    return plan_;
  }

 private:
  tipb::DAGRequest plan_;
};

// Runs `once` as often as it is asked for; it says how many rows it went through, 0 if it failed.
template <class Once>
double measure(benchmark::State& state, Once once) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  };
  double nanos = 0, rows = 0;
  for (auto _ : state) {
    const double began = now();
    const int64_t seen = once();
    if (seen == 0) {
      state.SkipWithError("it fails");
      return 0;
    }
    nanos += now() - began;
    rows += static_cast<double>(seen);
  }
  const double each = nanos / rows;
  state.counters["ns_a_row"] = each;
  if (bare_ns > 0) state.counters["x_bare"] = each / bare_ns;
  return each;
}

void bare(benchmark::State& state) {
  const auto snapshot = Table::get().snapshot();
  const KeyRange range = records_of(kTable);
  engine::IterOptions options;
  options.lower = codec::encode_bytes(range.start);
  options.upper = codec::encode_bytes(range.end);
  bare_ns = measure(state, [&] {
    int64_t seen = 0;
    const auto it = snapshot->iterator(engine::Cf::kWrite, options);
    for (it->seek_to_first(); it->valid(); it->next(), ++seen) {
      benchmark::DoNotOptimize(it->key().data());
      benchmark::DoNotOptimize(it->value().data());
    }
    return seen;
  });
}

void run(benchmark::State& state, const tipb::DAGRequest& plan, const KeyRange& range) {
  const auto snapshot = Table::get().snapshot();
  const Bytes bytes = plan.SerializeAsString();
  mvcc::ReadOptions options;
  options.read_ts = Timestamp(100);
  measure(state, [&]() -> int64_t {
    Question question;
    question.kind = static_cast<int64_t>(Kind::kDag);
    question.plan = bytes;
    question.ranges = {range};
    auto request = Request::begin(std::move(question), snapshot, options);
    if (!request.ok()) return 0;
    for (bool is_through = false; !is_through;) {
      auto step = (*request)->step();
      if (!step.ok()) return 0;
      is_through = *step;
    }
    benchmark::DoNotOptimize((*request)->finish().data.data());
    return kRows;
  });
}

void count_of_rows(benchmark::State& state) {
  run(state, Plan({1}).count_all().with_outputs(1, tipb::TypeChunk), records_of(kTable));
}
void scan_of_index(benchmark::State& state) {
  run(state, Plan(Plan::OfIndex{}).with_outputs(2, tipb::TypeChunk), entries_of(kTable, kIndex));
}
void filtered_sum(benchmark::State& state) {
  Plan plan({2, 4});
  plan.where_less(0, kRange / 2);
  *plan.add(tipb::TypeStreamAgg).mutable_aggregation()->add_agg_func() =
      aggregate(tipb::Sum, "dec(34,2)", column_ref(1, "dec(12,2)"));
  run(state, plan.with_outputs(1, tipb::TypeChunk), records_of(kTable));
}
void filtered_sum_of_ints(benchmark::State& state) {
  Plan plan({2, 3});
  plan.where_less(0, kRange / 2);
  *plan.add(tipb::TypeStreamAgg).mutable_aggregation()->add_agg_func() =
      aggregate(tipb::Sum, "dec(34,0)", column_ref(1, "int"));
  run(state, plan.with_outputs(1, tipb::TypeChunk), records_of(kTable));
}
void thousand_groups(benchmark::State& state) {
  Plan plan({2, 3});
  auto& aggregation = *plan.add(tipb::TypeAggregation).mutable_aggregation();
  *aggregation.add_agg_func() = aggregate(tipb::Sum, "dec(34,0)", column_ref(0, "int"));
  *aggregation.add_group_by() = column_ref(1, "int");
  run(state, plan.with_outputs(2, tipb::TypeChunk), records_of(kTable));
}
void top_hundred(benchmark::State& state) {
  Plan plan({1, 2, 6});
  auto& top = *plan.add(tipb::TypeTopN).mutable_topn();
  top.set_limit(100);
  auto& order = *top.add_order_by();
  *order.mutable_expr() = column_ref(1, "int");
  order.set_desc(true);
  run(state, plan.with_outputs(3, tipb::TypeChunk), records_of(kTable));
}
void all_columns(benchmark::State& state) {
  run(state, Plan({1, 2, 3, 4, 5, 6, 7}).with_outputs(7, tipb::TypeChunk), records_of(kTable));
}
void three_columns(benchmark::State& state) {
  run(state, Plan({1, 2, 6}).with_outputs(3, tipb::TypeChunk), records_of(kTable));
}

BENCHMARK(bare)->Unit(benchmark::kMillisecond);
BENCHMARK(count_of_rows)->Unit(benchmark::kMillisecond);
BENCHMARK(scan_of_index)->Unit(benchmark::kMillisecond);
BENCHMARK(filtered_sum)->Unit(benchmark::kMillisecond);
BENCHMARK(filtered_sum_of_ints)->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_groups)->Unit(benchmark::kMillisecond);
BENCHMARK(top_hundred)->Unit(benchmark::kMillisecond);
BENCHMARK(three_columns)->Unit(benchmark::kMillisecond);
BENCHMARK(all_columns)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cairn::coprocessor

BENCHMARK_MAIN();
