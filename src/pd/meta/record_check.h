// What PD's own records look like: read once, whole, before a member serves. Later readers rely on it, and a damaged
// record ends the start with its name instead of a crash at every start. Pure. Tests: record_check_test.cc.
#pragma once

#include <string>

#include "base/result.h"
#include "pd/meta/keys.h"
#include "pd/meta/own_records.h"

namespace cairn::pd {

// A key for people: as it stands if it is text.
std::string printable_key(ByteView key);

// The words in which a damaged record is told.
std::string damaged_record(ByteView key);

// The error names the first record of the cluster that is not of its form.
Result<void, std::string> check_records(const OwnRecords& records, const Keys& keys);

}  // namespace cairn::pd
