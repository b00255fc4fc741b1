// What the executors of a plan have in common: each yields batches of rows that it makes of its child's. One call makes
// one batch; nothing virtual happens a row. Used by one thread.
#pragma once

#include <memory>
#include <vector>

#include "coprocessor/eval_context.h"
#include "coprocessor/expr/batch.h"
#include "coprocessor/expr/frame.h"

namespace cairn::coprocessor {

struct Yield {
  Batch* batch = nullptr;  // the executor's, until the next call; never null
  bool is_last = false;
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual const std::vector<FieldType>& schema() const = 0;
  // The next batch, which may be empty; of a scan at most `rows` rows. Not to be called after the last.
  virtual Result<Yield> next(size_t rows) = 0;
  // Bytes held from batch to batch.
  virtual size_t memory() const { return 0; }
};

class Program;

// Rows kept beyond the batch that they came in.
class RowStore {
 public:
  // Of these types, in this order.
  void add_column(EvalType type);
  void append(const Operand& operand, size_t row, size_t column);
  size_t rows() const { return columns_.empty() ? 0 : columns_.front().rows; }
  const Column& column(size_t i) const { return columns_[i]; }
  size_t columns() const { return columns_.size(); }
  void clear();
  size_t memory() const { return arena_.bytes() + rows() * row_bytes_; }

 private:
  std::vector<Column> columns_;
  Arena arena_;
  size_t row_bytes_ = 0;
};

// Appends bytes that are equal for values that GROUP BY takes for the same; with an end, so that a row's columns may
// follow one another.
void append_group_key(const Operand& operand, size_t row, const FieldType& type, Bytes& out);
// Refuses a key of strings whose collation this store does not have. `what`: whose key it is.
Result<void> check_key(const Program& program, const char* what);
// Whether ORDER BY may be of that type: JSON and vectors have no such bytes.
[[nodiscard]] bool can_sort(EvalType type);
// Appends bytes whose order is that of ORDER BY, NULLs first; all inverted if descending.
void append_order_key(const Operand& operand, size_t row, const FieldType& type, bool is_descending, Bytes& out);

}  // namespace cairn::coprocessor
