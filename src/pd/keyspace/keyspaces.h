// Keyspaces: named parts of the key space of API V2, each with an id that its keys begin with. Ids come from an
// allocator of their own and are never given out again; DEFAULT has id 0 and is there from the bootstrap on.
//
//   ENABLED ⇄ DISABLED → ARCHIVED → TOMBSTONE        DEFAULT stays ENABLED
//
// Pure: the records as they stand go in, a decision and its writes come out; the owner lets one decision follow
// another. Tests: keyspaces_test.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "keyspacepb.pb.h"
#include "pd/meta/keys.h"
#include "pd/meta/own_records.h"

namespace cairn::pd {

inline constexpr uint32_t kDefaultKeyspaceId = 0;
inline const std::string kDefaultKeyspaceName = "DEFAULT";
inline constexpr uint32_t kKeyspaceIdMax = (1u << 24) - 1;  // three bytes of a key

// The values of the records; nothing if the bytes are not of the form.
std::optional<keyspacepb::KeyspaceMeta> parse_keyspace(ByteView value);
std::optional<uint32_t> parse_keyspace_id(ByteView value);

// A read of the records.
std::optional<keyspacepb::KeyspaceMeta> find_keyspace(const OwnRecords& records, const Keys& keys, uint32_t id);
std::optional<keyspacepb::KeyspaceMeta> find_keyspace(const OwnRecords& records, const Keys& keys,
                                                      const std::string& name);
// From `start` on, in the order of ids; `limit` 0: all.
std::vector<keyspacepb::KeyspaceMeta> list_keyspaces(const OwnRecords& records, const Keys& keys, uint32_t start,
                                                     uint32_t limit);

// Why it cannot be a name; empty if it can.
std::string refuse_keyspace_name(const std::string& name);

// Values of a keyspace's config; nothing takes a key out.
using KeyspaceConfigChange = std::map<std::string, std::optional<std::string>>;

struct KeyspaceChange {
  keyspacepb::KeyspaceMeta keyspace;  // as it then stands
  MetaTxn writes;                     // none if nothing changes
};
// A new keyspace of that name. The error says why not.
Result<KeyspaceChange, std::string> create_keyspace(const OwnRecords& records, const Keys& keys,
                                                    const std::string& name, uint64_t now_s,
                                                    const std::map<std::string, std::string>& config = {});
// Of a keyspace that was found in the records. The writes hold only if the record has stayed as it is, byte by byte:
// the same config may be written in more than one order.
Result<KeyspaceChange, std::string> change_keyspace_state(const OwnRecords& records, const Keys& keys,
                                                          keyspacepb::KeyspaceMeta keyspace,
                                                          keyspacepb::KeyspaceState to, uint64_t now_s);
Result<KeyspaceChange, std::string> change_keyspace_config(const OwnRecords& records, const Keys& keys,
                                                           keyspacepb::KeyspaceMeta keyspace,
                                                           const KeyspaceConfigChange& changes);

}  // namespace cairn::pd
