// TiDB's chunks: a batch column by column.
//
//   rows u32 | NULLs u32 | bitmap, 1: not NULL, if there are NULLs | offsets i64, rows + 1, if of variable length |
//   values
//
// Integers, doubles, times and durations have eight bytes, FLOATs four, decimals forty (their struct); all else has a
// variable length. A NULL of a fixed length takes its room. Tests: request_test.cc.
#pragma once

#include "coprocessor/expr/batch.h"

namespace cairn::coprocessor {

// Appends the rows of the batch that count.
void append_chunk_column(const Column& column, const Batch& batch, const FieldType& type, Bytes& out);

}  // namespace cairn::coprocessor
