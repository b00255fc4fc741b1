// Table and index scans: the pairs of the ranges become rows. The decoder is a template parameter, so that a row costs
// no virtual call.
#pragma once

#include "coprocessor/executors/executor.h"
#include "coprocessor/rows/range_reader.h"

namespace cairn::coprocessor {

template <class Decoder>
class Scan final : public Executor {
 public:
  Scan(Decoder decoder, RangeReader& reader, const EvalContext& context)
      : decoder_(std::move(decoder)), reader_(reader), context_(context) {}

  const std::vector<FieldType>& schema() const override { return decoder_.schema(); }
  size_t memory() const override { return batch_.arena.bytes(); }

  Result<Yield> next(size_t rows) override {
    batch_.arena.reset();
    batch_.select_all();
    decoder_.prepare(batch_, rows);
    size_t row = 0;
    bool is_last = false;
    for (; row < rows && (row == 0 || batch_.arena.bytes() < kBatchBytesMax); ++row) {
      Pair pair;
      TRY_ASSIGN(const bool has_pair, reader_.next(pair));
      if (!has_pair) {
        is_last = true;
        break;
      }
      TRY(decoder_.decode(context_, pair, batch_, row));
    }
    for (auto& column : batch_.columns) column.truncate(row);
    batch_.rows = row;
    return Yield{&batch_, is_last};
  }

 private:
  Decoder decoder_;
  RangeReader& reader_;
  const EvalContext& context_;
  Batch batch_;
};

}  // namespace cairn::coprocessor
