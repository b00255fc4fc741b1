#include "pd/resource/resource_groups.h"

#include <fmt/format.h>

namespace cairn::pd {
namespace {

namespace rm = resource_manager;

constexpr size_t kNameMax = 32;
constexpr uint32_t kPriorityMax = 16;
constexpr uint32_t kPriorityDefault = 8;
constexpr uint32_t kNullKeyspace = UINT32_MAX;

std::string invalid(const char* what) {
  return fmt::format("[PD:resourcemanager:ErrInvalidGroup]invalid group settings, please check {}", what);
}

rm::ResourceGroup default_group(const GroupPlace& place) {
  rm::ResourceGroup group;
  group.set_name(kDefaultGroup);
  group.set_mode(rm::RUMode);
  group.set_priority(kPriorityDefault);
  auto& settings = *group.mutable_r_u_settings()->mutable_r_u()->mutable_settings();
  settings.set_fill_rate(INT32_MAX);
  settings.set_burst_limit(-1);
  if (place.keyspace != kNullKeyspace) group.mutable_keyspace_id()->set_value(place.keyspace);
  return group;
}

std::optional<rm::ResourceGroup> parse(ByteView value) {
  rm::ResourceGroup group;
  if (!group.ParseFromArray(value.data(), static_cast<int>(value.size())) || !refuse_group(group).empty()) {
    return std::nullopt;
  }
  return group;
}

}  // namespace

Bytes GroupPlace::prefix() const {
  return keyspace == kNullKeyspace ? Bytes("resource_group/settings/")
                                   : fmt::format("resource_group/keyspace/settings/{}/", keyspace);
}
Bytes GroupPlace::key(const std::string& name) const { return prefix() + name; }

GroupPlace place_of(const rm::KeyspaceIDValue& keyspace) {
  return keyspace.has_value() ? GroupPlace{keyspace.value()} : GroupPlace{};
}

std::optional<rm::ResourceGroup> find_group(const MetaStore& store, const GroupPlace& place, const std::string& name) {
  if (const auto value = store.value(place.key(name))) {
    auto group = parse(*value);
    if (group && group->name() == name) return group;
  }
  if (name == kDefaultGroup) return default_group(place);
  return std::nullopt;
}

std::vector<rm::ResourceGroup> list_groups(const MetaStore& store, const GroupPlace& place) {
  std::vector<rm::ResourceGroup> out;
  bool has_default = false;
  store.visit(KeyRange::of_prefix(place.prefix()), [&](const Bytes&, const MetaRecord& record) {
    auto group = parse(record.value);
    if (!group) return true;
    has_default |= group->name() == kDefaultGroup;
    out.push_back(std::move(*group));
    return out.size() < kGroupsMax;
  });
  if (!has_default) out.insert(out.begin(), default_group(place));
  return out;
}

std::string refuse_group(const rm::ResourceGroup& group) {
  if (group.name().empty() || group.name().size() > kNameMax) return invalid("the group name");
  if (group.priority() > kPriorityMax) return invalid("the priority");
  if (group.mode() != rm::RUMode) return invalid("the group mode: only the RU mode is supported");
  if (!group.has_r_u_settings() || !group.r_u_settings().has_r_u() || !group.r_u_settings().r_u().has_settings()) {
    return invalid("the RU settings");
  }
  return {};
}

Result<rm::ResourceGroup, std::string> patch_group(rm::ResourceGroup group, const rm::ResourceGroup& change) {
  if (change.mode() != group.mode())
    return Err(std::string("only support reconfigure in same mode, maybe you should delete and create a new one"));
  if (change.has_r_u_settings()) *group.mutable_r_u_settings() = change.r_u_settings();
  group.set_priority(change.priority());
  group.clear_runaway_settings();
  if (change.has_runaway_settings()) *group.mutable_runaway_settings() = change.runaway_settings();
  group.clear_background_settings();
  if (change.has_background_settings()) *group.mutable_background_settings() = change.background_settings();
  if (auto why = refuse_group(group); !why.empty()) return Err(std::move(why));
  return group;
}

TokenBucket::Settings bucket_settings(const rm::ResourceGroup& group) {
  const auto& settings = group.r_u_settings().r_u().settings();
  return {.fill_rate = settings.fill_rate(), .burst_limit = settings.burst_limit()};
}

std::string no_such_group(const std::string& name) {
  return fmt::format("[PD:resourcemanager:ErrGroupNotExists]the {} resource group does not exist", name);
}

}  // namespace cairn::pd
