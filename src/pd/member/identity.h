// Who a member is: the ids that it and its group were given when they began, and the record that keeps them.
//
// A member's id comes from its peer URLs, a group's id from those of all members that began it, so that all of them
// know both without asking. Messages carry the group's id: members of two groups that were mixed up refuse one another.
// They carry the id of the sender's data, too: a member that comes back without its data has forgotten what it voted
// for, and is refused. Pure, but for read_identity(). Tests: identity_test.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/kv_engine.h"
#include "pd/config.h"

namespace cairn::pd {

// In the engine beside the image of the meta store.
inline const Bytes kIdentityKey = "n";

struct Identity {
  uint64_t member_id = 1;
  uint64_t group_id = 0;
  uint64_t data_id = 0;
  std::vector<MemberInfo> initial;

  // As `options` have it.
  static Identity of(const Options& options);
  void put_into(Options& options) const;
};

uint64_t member_id_of(const std::vector<std::string>& peer_urls);
// Of those that began it together.
uint64_t group_id_of(const std::vector<MemberInfo>& members);
// Of one that began alone, once others join.
uint64_t group_id_of(uint64_t cluster_id);

Bytes encode_identity(const Identity& identity);
// The error says what is wrong with the bytes.
Result<Identity, std::string> decode_identity(ByteView bytes);

// What the data directory says. Nothing: it holds no member of a group of several.
Result<std::optional<Identity>, std::string> read_identity(engine::KvEngine& kv);

// Whether there are no data yet.
Result<bool, std::string> is_empty(engine::KvEngine& kv);

// "name=url,name=url,...": the members that begin a group together. A name may come more than once, with a URL each.
Result<std::vector<MemberInfo>, std::string> parse_initial_cluster(const std::string& text);

}  // namespace cairn::pd
