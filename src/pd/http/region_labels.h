// Region label rules: names that operators and SQL servers put on ranges of keys. Pure: the records as they stand go
// in, a decision and its writes come out. Labels that would have to be obeyed, and are not, are refused in words;
// merging is not done at all, so that a range that must not be merged is not. Tests: pages_test.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pd/http/pages.h"
#include "pd/meta/keys.h"
#include "pd/meta/own_records.h"

namespace cairn::pd {

inline constexpr size_t kLabelRulesMax = 10'000;
inline constexpr size_t kLabelRuleBytesMax = 64 << 10;

// One rule, or all in the order of their ids.
std::optional<Json> find_label_rule(const OwnRecords& records, const Keys& keys, const std::string& id);
std::vector<Json> list_label_rules(const OwnRecords& records, const Keys& keys);
// The value of a label for a region that lies wholly in a rule's range; empty if it has none. Rules of a higher index
// go before.
std::vector<std::pair<std::string, std::string>> labels_of(const OwnRecords& records, const Keys& keys, ByteView start,
                                                           ByteView end);

// The writes that delete rules and then set others. The error says which one is refused and why.
Result<MetaTxn, std::string> change_label_rules(const OwnRecords& records, const Keys& keys,
                                                const std::vector<std::string>& deletions,
                                                const std::vector<Json>& sets);

}  // namespace cairn::pd
