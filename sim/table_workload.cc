#include "sim/table_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "client/effort.h"
#include "client/locks.h"
#include "client/oracle.h"
#include "coprocessor/types/decimal.h"
#include "runtime/async.h"
#include "tipb/select.pb.h"

namespace cairn::sim {
namespace {

constexpr int64_t kTable = 7;
constexpr int64_t kIndex = 1;
constexpr int64_t kBalanceColumn = 2;
constexpr int64_t kDagRequest = 103;  // Request.tp
constexpr int kTriesMax = 60;
// Of a datum: what kind of value follows.
enum class Flag : uint8_t { kInt = 3, kUint = 4, kDecimal = 6, kVarInt = 8, kVarUint = 9 };

// Keys without mode and keyspace.
Bytes table_prefix(const char* separator) {
  Bytes key(1, 't');
  codec::put_i64_be(key, kTable);
  return key + separator;
}
Bytes row_key(int64_t handle) {
  Bytes key = table_prefix("_r");
  codec::put_i64_be(key, handle);
  return key;
}
Bytes index_prefix() {
  Bytes key = table_prefix("_i");
  codec::put_i64_be(key, kIndex);
  return key;
}
Bytes index_key(int64_t balance, int64_t handle) {
  Bytes key = index_prefix();
  for (const int64_t value : {balance, handle}) {
    key.push_back(static_cast<char>(Flag::kInt));
    codec::put_i64_be(key, value);
  }
  return key;
}

// A row of the second format with one column of eight bytes.
Bytes encode_row(int64_t balance) {
  Bytes row = {'\x80', 0};
  codec::put_u16_le(row, 1);
  codec::put_u16_le(row, 0);
  row.push_back(static_cast<char>(kBalanceColumn));
  codec::put_u16_le(row, sizeof balance);
  codec::put_u64_le(row, static_cast<uint64_t>(balance));
  return row;
}
std::optional<int64_t> decode_row(ByteView row) {
  constexpr size_t kHead = 9;
  uint64_t value = 0;
  if (row.size() != kHead + sizeof value) return std::nullopt;
  row.remove_prefix(kHead);
  if (!codec::get_u64_le(row, value)) return std::nullopt;
  return static_cast<int64_t>(value);
}

void put_int_type(tipb::FieldType& type) {
  type.set_tp(8);  // BIGINT
  type.set_flen(20);
  type.set_collate(63);
}

void add_column(google::protobuf::RepeatedPtrField<tipb::ColumnInfo>& columns, int64_t id) {
  auto& column = *columns.Add();
  column.set_column_id(id);
  column.set_tp(8);
  column.set_columnlen(20);
  column.set_collation(63);
  column.set_pk_handle(id != kBalanceColumn);
}

// Balance and handle of each row, or their number and total.
Bytes plan_of(bool of_index, bool is_backward, bool is_total) {
  tipb::DAGRequest plan;
  plan.set_encode_type(tipb::TypeDefault);
  auto& scan = *plan.add_executors();
  if (of_index) {
    scan.set_tp(tipb::TypeIndexScan);
    auto& index = *scan.mutable_idx_scan();
    index.set_table_id(kTable);
    index.set_index_id(kIndex);
    for (const int64_t id : {kBalanceColumn, int64_t{1}}) add_column(*index.mutable_columns(), id);
  } else {
    scan.set_tp(tipb::TypeTableScan);
    auto& table = *scan.mutable_tbl_scan();
    table.set_table_id(kTable);
    table.set_desc(is_backward);
    for (const int64_t id : {kBalanceColumn, int64_t{1}}) add_column(*table.mutable_columns(), id);
  }
  if (is_total) {
    auto& aggregation = *plan.add_executors();
    aggregation.set_tp(tipb::TypeStreamAgg);
    for (const auto kind : {tipb::Count, tipb::Sum}) {
      auto& function = *aggregation.mutable_aggregation()->add_agg_func();
      function.set_tp(kind);
      put_int_type(*function.mutable_field_type());
      if (kind == tipb::Sum) function.mutable_field_type()->set_tp(246);  // DECIMAL
      auto& column = *function.add_children();
      column.set_tp(tipb::ColumnRef);
      Bytes offset;
      codec::put_i64_be(offset, 0);
      column.set_val(offset);
      put_int_type(*column.mutable_field_type());
    }
  }
  plan.add_output_offsets(0);
  plan.add_output_offsets(1);
  return plan.SerializeAsString();
}

// The next number of an answer.
bool take_number(ByteView& in, int64_t& value) {
  uint8_t flag = 0;
  if (!codec::get_u8(in, flag)) return false;
  switch (static_cast<Flag>(flag)) {
    case Flag::kInt:
      return codec::get_i64_be(in, value);
    case Flag::kVarInt:
      return codec::get_var_i64(in, value);
    case Flag::kUint:
    case Flag::kVarUint: {
      uint64_t number = 0;
      const bool is_whole = flag == static_cast<uint8_t>(Flag::kUint);
      if (!(is_whole ? codec::get_u64_be(in, number) : codec::get_var_u64(in, number))) return false;
      value = static_cast<int64_t>(number);
      return true;
    }
    case Flag::kDecimal: {
      coprocessor::Decimal decimal;
      if (!coprocessor::Decimal::decode(in, decimal)) return false;
      value = decimal.to_int().value;
      return true;
    }
  }
  return false;
}

}  // namespace

runtime::Task<void> TableWorkload::run(client::Client* client, client::CorePtr core, ReplicaReader* reader) {
  runtime::Random& dice = reader->dice();
  if (!std::exchange(is_opening_, true)) co_await open(client, reader);
  while (!is_stopping_) {
    if (is_open_ && dice.chance(0.6)) {
      co_await transfer(client, reader);
    } else if (is_open_) {
      co_await read(core, reader);
    }
    co_await runtime::sleep(reader->executor(), dice.between(1ms, options_.pause_max));
  }
}

runtime::Task<void> TableWorkload::open(client::Client* client, ReplicaReader* reader) {
  while (!is_open_ && !is_stopping_) {
    auto txn = co_await client->begin();
    if (txn.ok()) {
      for (int64_t handle = 1; handle <= options_.rows; ++handle) {
        txn->put(options_.before + row_key(handle), encode_row(options_.initial));
        txn->put(options_.before + index_key(options_.initial, handle), "0");
      }
      const auto committed = co_await txn->commit();
      // It may have come about all the same; the same again does no harm, as nobody else writes yet.
      is_open_ = committed.ok();
    }
    if (!is_open_) co_await runtime::sleep(reader->executor(), 200ms);
  }
}

runtime::Task<void> TableWorkload::transfer(client::Client* client, ReplicaReader* reader) {
  runtime::Random& dice = reader->dice();
  Hold hold(options_.safe_point);
  auto txn = co_await client->begin(
      {.is_pessimistic = false, .use_async_commit = dice.chance(0.4), .try_one_pc = dice.chance(0.3)});
  if (!txn.ok() || !hold.move_to(txn->start_ts())) co_return;
  const auto rows = static_cast<uint64_t>(options_.rows);
  const uint64_t from = dice.below(rows), to = (from + 1 + dice.below(rows - 1)) % rows;
  const auto amount = static_cast<int64_t>(dice.between(1, 10));
  for (const auto& [row, change] : {std::pair(from, -amount), std::pair(to, amount)}) {
    const auto handle = static_cast<int64_t>(row) + 1;
    const auto value = co_await txn->get(options_.before + row_key(handle));
    if (!value.ok()) {
      txn->rollback();
      co_return;
    }
    const auto balance = *value ? decode_row(**value) : std::nullopt;
    if (!balance) {
      fail_(fmt::format("table: row {} is missing at timestamp {}", handle, txn->start_ts()));
      co_return;
    }
    txn->put(options_.before + row_key(handle), encode_row(*balance + change));
    txn->del(options_.before + index_key(*balance, handle));
    txn->put(options_.before + index_key(*balance + change, handle), "0");
  }
  const auto committed = co_await txn->commit();
  if (committed.ok()) ++transfers_;
}

runtime::Task<void> TableWorkload::read(client::CorePtr core, ReplicaReader* reader) {
  runtime::Random& dice = reader->dice();
  Hold hold(options_.safe_point);
  const auto fresh = co_await client::fresh_timestamp(core);
  if (!fresh.ok() || !hold.move_to(*fresh)) co_return;
  // Two plans at the same timestamp see the same.
  std::optional<std::map<int64_t, int64_t>> before;
  for (int i = 0; i < 2; ++i) {
    Question question{.plan = static_cast<Plan>(dice.below(4)), .ts = *fresh, .page = dice.below(3) * 20};
    if (!co_await ask(core, reader, &question)) co_return;
    judge(question);
    ++reads_;
    if (question.plan == Plan::kTotal) continue;
    if (before && *before != question.balances) {
      fail_(fmt::format("table: two plans at timestamp {} see different rows", *fresh));
    }
    before = std::move(question.balances);
  }
}

runtime::Task<bool> TableWorkload::ask(client::CorePtr core, ReplicaReader* reader, Question* question) {
  const Bytes prefix = options_.before + (question->plan == Plan::kIndex ? index_prefix() : table_prefix("_r"));
  std::pair<Bytes, Bytes> left(prefix, prefix_end(prefix));
  for (int tries = 0; tries < kTriesMax && !is_stopping_; ++tries) {
    const auto before = left;
    co_await ask_for_page(core, reader, question, &left);
    if (left.first >= left.second) co_return true;
    if (left == before) co_await runtime::sleep(reader->executor(), reader->dice().between(1ms, 100ms));
  }
  co_return false;
}

runtime::Task<void> TableWorkload::ask_for_page(client::CorePtr core, ReplicaReader* reader, Question* question,
                                                std::pair<Bytes, Bytes>* left) {
  const bool is_backward = question->plan == Plan::kRowsBackward;
  Bytes at = left->first;
  if (is_backward) {  // where the last row is that is left
    int64_t handle = options_.rows;
    while (handle > 0 && options_.before + row_key(handle) >= left->second) --handle;
    if (handle == 0) {
      left->second = left->first;
      co_return;
    }
    at = options_.before + row_key(handle);
  }
  auto target = reader->draw(codec::encode_bytes(at));
  if (!target) co_return;
  const auto range = part_in(target->region, *left);
  if (!range || range->first >= range->second) co_return;
  ::coprocessor::Request request;
  *request.mutable_context() = target->context;
  for (const Timestamp ts : question->passed) request.mutable_context()->add_resolved_locks(ts.value);
  request.set_tp(kDagRequest);
  request.set_start_ts(question->ts.value);
  request.set_data(plan_of(question->plan == Plan::kIndex, is_backward, question->plan == Plan::kTotal));
  request.set_paging_size(question->page);
  request.add_ranges()->set_start(range->first);
  request.mutable_ranges(0)->set_end(range->second);
  auto reply = co_await reader->ask<::coprocessor::Request, ::coprocessor::Response>(
      std::move(*target), std::move(request), &api::Tikv::coprocessor);
  if (!reply) co_return;
  if (reply->has_locked()) {
    auto effort = std::make_shared<client::Effort>(*core, client::Effect::kRead);
    const auto resolved = co_await client::resolve_locks(core, effort, question->ts, {reply->locked()});
    if (!resolved.ok()) co_return;
    question->passed.insert(question->passed.end(), resolved->passable.begin(), resolved->passable.end());
    co_return;
  }
  if (!reply->other_error().empty()) {
    fail_(fmt::format("table: a plan at timestamp {} ended as {}", question->ts, reply->other_error()));
    co_return;
  }
  take(*reply, *question);
  const bool is_page = reply->has_range() && !reply->range().end().empty();
  if (is_backward) {
    left->second = is_page ? reply->range().start() : range->first;
  } else {
    left->first = is_page ? reply->range().end() : range->second;
  }
}

void TableWorkload::take(const ::coprocessor::Response& response, Question& question) {
  tipb::SelectResponse answer;
  if (!answer.ParseFromString(response.data()) || answer.has_error()) {
    return fail_(fmt::format("table: a plan at timestamp {} answers {}", question.ts, answer.ShortDebugString()));
  }
  for (const auto& chunk : answer.chunks()) {
    ByteView in = chunk.rows_data();
    while (!in.empty()) {
      int64_t first = 0, second = 0;
      // Of no rows there is no sum.
      const bool is_nothing = question.plan == Plan::kTotal && take_number(in, first) && first == 0;
      if (is_nothing) {
        in.remove_prefix(std::min<size_t>(1, in.size()));
        continue;
      }
      const bool is_read = (question.plan == Plan::kTotal || take_number(in, first)) && take_number(in, second);
      if (!is_read) return fail_(fmt::format("table: a row at timestamp {} does not decode", question.ts));
      if (question.plan == Plan::kTotal) {
        question.count += first;
        question.total += second;
        continue;
      }
      if (!question.balances.emplace(second, first).second) {
        fail_(fmt::format("table: row {} comes twice at timestamp {}", second, question.ts));
      }
      ++question.count;
      question.total += first;
    }
  }
}

void TableWorkload::judge(const Question& question) {
  if (question.count == options_.rows && question.total == options_.rows * options_.initial) return;
  std::string rows;
  for (const auto& [handle, balance] : question.balances) rows += fmt::format(" {}:{}", handle, balance);
  fail_(fmt::format("table: at timestamp {} plan {} with pages of {} finds {} rows of {} in total:{}", question.ts,
                    static_cast<int>(question.plan), question.page, question.count, question.total, rows));
}

}  // namespace cairn::sim
