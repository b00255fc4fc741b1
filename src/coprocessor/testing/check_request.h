// What must hold of any bytes that are given to the coprocessor: a plan is answered or refused, a row is read or is an
// error, and nothing else happens. For the fuzzers, and for the tests that replay damaged bytes.
#pragma once

#include "base/bytes.h"

namespace cairn::coprocessor::testing {

// As a plan (of each kind) over a small table.
void check_plan_bytes(ByteView bytes);
// As the value of a row, and of an index entry, that columns of every type are read from.
void check_row_bytes(ByteView bytes);
// As the key of an index entry, behind the index's id.
void check_index_key_bytes(ByteView bytes);

}  // namespace cairn::coprocessor::testing
