#include "coprocessor/testing/check_request.h"

#include "coprocessor/request.h"
#include "coprocessor/rows/row_decoder.h"
#include "coprocessor/testing/rows.h"
#include "coprocessor/testing/values.h"
#include "tipb/executor.pb.h"

namespace cairn::coprocessor::testing {
namespace {

constexpr int64_t kTable = 42;
constexpr const char* kTypes[] = {"int", "uint", "real", "float", "dec(10,2)", "str",      "ci",     "datetime(6)",
                                  "ts",  "date", "dur",  "json",  "enum{a,b}", "set{a,b}", "bit(8)", "vec"};

const Region& region() {
  static const auto* filled = [] {
    auto* made = new Region;
    for (int64_t handle = 0; handle < 40; ++handle) {
      made->put(record_key(kTable, handle), v2_row({{1, v2_int(handle)}, {6, Bytes("text")}, {2, std::nullopt}}));
    }
    return made;
  }();
  return *filled;
}

template <class Scan>
void add_columns(Scan& scan) {
  int64_t id = 1;
  for (const char* type : kTypes) *scan.add_columns() = column(id++, type);
}

template <class Decoder>
void decode(Decoder& decoder, ByteView key, ByteView value) {
  const EvalContext context;
  Batch batch;
  decoder.prepare(batch, 1);
  static_cast<void>(decoder.decode(context, Pair{key, value, Timestamp(1)}, batch, 0).ok());
}

}  // namespace

void check_plan_bytes(ByteView bytes) {
  for (const int64_t kind : {103, 104, 105}) {
    Question question;
    question.kind = kind;
    question.plan = bytes;
    question.ranges = {records_of(kTable)};
    question.memory_max = size_t{1} << 24;
    question.answer_bytes_max = size_t{1} << 24;
    mvcc::ReadOptions options;
    options.read_ts = Timestamp(100);
    auto request = Request::begin(std::move(question), region().snapshot(), options);
    if (!request.ok()) continue;
    for (int i = 0; i < 100; ++i) {
      const auto is_through = (*request)->step();
      if (!is_through.ok()) break;
      if (!*is_through) continue;
      static_cast<void>((*request)->finish());
      break;
    }
  }
}

void check_row_bytes(ByteView bytes) {
  tipb::TableScan scan;
  add_columns(scan);
  auto records = RecordDecoder::make(scan);
  CHECK(records.ok(), "the columns of the check");
  decode(*records, record_key(kTable, 1), bytes);
  tipb::IndexScan index;
  *index.add_columns() = column(6, "str");
  *index.add_columns() = column(7, "ci");
  auto handle = column(-1, "int");
  handle.set_pk_handle(true);
  *index.add_columns() = handle;
  auto entries = IndexDecoder::make(index);
  CHECK(entries.ok(), "the columns of the check");
  decode(*entries, index_key(kTable, 1, bytes_datum("a") + bytes_datum("b")), bytes);
  decode(*entries, index_key(kTable, 1, bytes_datum("a") + bytes_datum("b") + int_datum(5)), bytes);
}

void check_index_key_bytes(ByteView bytes) {
  tipb::IndexScan index;
  add_columns(index);
  index.add_primary_column_ids(15);
  index.add_primary_column_ids(16);
  auto entries = IndexDecoder::make(index);
  CHECK(entries.ok(), "the columns of the check");
  decode(*entries, index_key(kTable, 1, bytes), "0");
}

}  // namespace cairn::coprocessor::testing
