// Resource groups: names with a rate of request units that SQL servers keep to. They stand among the keys of the etcd
// API, where clients watch them ("resource_group/settings/NAME", a ResourceGroup); so what is read back may be
// anything. `default` is there from the start, without a limit. Pure. Tests: resource_groups_test.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "pd/meta/meta_store.h"
#include "pd/resource/token_bucket.h"
#include "resource_manager.pb.h"

namespace cairn::pd {

inline const std::string kDefaultGroup = "default";
inline constexpr size_t kGroupsMax = 4096;

// The groups of a keyspace other than the null one have a prefix of their own.
struct GroupPlace {
  uint32_t keyspace = UINT32_MAX;
  Bytes key(const std::string& name) const;
  Bytes prefix() const;
};
GroupPlace place_of(const resource_manager::KeyspaceIDValue& keyspace);

std::optional<resource_manager::ResourceGroup> find_group(const MetaStore& store, const GroupPlace& place,
                                                          const std::string& name);
// In the order of names, with the default.
std::vector<resource_manager::ResourceGroup> list_groups(const MetaStore& store, const GroupPlace& place);

// Why it cannot be a group; empty if it can.
std::string refuse_group(const resource_manager::ResourceGroup& group);
// `group` with the settings that `change` names.
Result<resource_manager::ResourceGroup, std::string> patch_group(resource_manager::ResourceGroup group,
                                                                 const resource_manager::ResourceGroup& change);
TokenBucket::Settings bucket_settings(const resource_manager::ResourceGroup& group);
std::string no_such_group(const std::string& name);

}  // namespace cairn::pd
