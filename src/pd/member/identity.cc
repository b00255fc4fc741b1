#include "pd/member/identity.h"

#include <algorithm>

#include "base/crc.h"
#include "pd/member/member_records.h"

namespace cairn::pd {
namespace {

constexpr uint32_t kFormat = 1;
constexpr engine::Cf kCf = engine::Cf::kDefault;

// Never 0, which stands for none, and apart from the small ids of groups that began with one member.
uint64_t id_of(ByteView bytes) { return crc64(bytes) | (uint64_t{1} << 32); }

}  // namespace

uint64_t member_id_of(const std::vector<std::string>& peer_urls) {
  auto urls = peer_urls;
  std::sort(urls.begin(), urls.end());
  Bytes all = "member";
  for (const auto& url : urls) all += "\n" + url;
  return id_of(all);
}

uint64_t group_id_of(const std::vector<MemberInfo>& members) {
  std::vector<std::string> parts;
  for (const auto& member : members) parts.push_back(fmt::format("{}={:016x}", member.name, member.id));
  std::sort(parts.begin(), parts.end());
  Bytes all = "group";
  for (const auto& part : parts) all += "\n" + part;
  return id_of(all);
}

uint64_t group_id_of(uint64_t cluster_id) { return id_of(fmt::format("group of {}", cluster_id)); }

Identity Identity::of(const Options& options) {
  return {.member_id = options.member_id,
          .group_id = options.group_id,
          .data_id = options.data_id,
          .initial = options.members};
}

void Identity::put_into(Options& options) const {
  options.member_id = member_id;
  options.group_id = group_id;
  options.data_id = data_id;
  const auto self = std::find_if(options.members.begin(), options.members.end(),
                                 [](const MemberInfo& member) { return !member.client_urls.empty(); });
  const auto own_urls = self == options.members.end() ? std::vector<std::string>() : self->client_urls;
  options.members = initial;
  for (auto& member : options.members) {
    if (member.id == member_id) member.client_urls = own_urls;
  }
}

Bytes encode_identity(const Identity& identity) {
  cairnpb::MemberIdentity out;
  out.set_format(kFormat);
  out.set_member_id(identity.member_id);
  out.set_group_id(identity.group_id);
  out.set_data_id(identity.data_id);
  for (const auto& member : identity.initial) *out.add_initial() = record_of(member);
  return out.SerializeAsString();
}

Result<Identity, std::string> decode_identity(ByteView bytes) {
  cairnpb::MemberIdentity in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Err(std::string("it is damaged"));
  if (in.format() > kFormat) {
    return Err(fmt::format("it is of format {}, and this version knows {}: it was written by a newer one", in.format(),
                           kFormat));
  }
  Identity identity{.member_id = in.member_id(), .group_id = in.group_id(), .data_id = in.data_id(), .initial = {}};
  for (const auto& member : in.initial()) identity.initial.push_back(info_of(member));
  const bool is_one_of_them = std::any_of(identity.initial.begin(), identity.initial.end(),
                                          [&](const MemberInfo& member) { return member.id == identity.member_id; });
  if (in.format() == 0 || identity.group_id == 0 || !is_one_of_them) return Err(std::string("it is damaged"));
  return identity;
}

Result<std::optional<Identity>, std::string> read_identity(engine::KvEngine& kv) {
  const auto found = kv.snapshot()->get(kCf, kIdentityKey);
  if (!found.ok()) return Err(found.error().message);
  if (!*found) return std::optional<Identity>();
  auto identity = decode_identity(**found);
  if (!identity.ok()) return Err("the record of who this member is: " + identity.error());
  return std::optional(std::move(*identity));
}

Result<bool, std::string> is_empty(engine::KvEngine& kv) {
  const auto snapshot = kv.snapshot();
  const auto iterator = snapshot->iterator(kCf, {});
  iterator->seek_to_first();
  if (auto status = iterator->status(); !status.ok()) return Err(status.error().message);
  return !iterator->valid();
}

Result<std::vector<MemberInfo>, std::string> parse_initial_cluster(const std::string& text) {
  std::vector<MemberInfo> members;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string part = text.substr(at, end - at);
    at = end + 1;
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == part.size()) {
      return Err("\"" + part + "\" is not of the form name=URL");
    }
    const std::string name = part.substr(0, equals);
    const std::string url = part.substr(equals + 1);
    auto known = std::find_if(members.begin(), members.end(), [&](const MemberInfo& m) { return m.name == name; });
    for (const auto& member : members) {
      if (std::count(member.peer_urls.begin(), member.peer_urls.end(), url) > 0) {
        return Err("the URL " + url + " stands twice");
      }
    }
    if (known == members.end()) known = members.insert(members.end(), MemberInfo{.name = name});
    known->peer_urls.push_back(url);
  }
  for (auto& member : members) member.id = member_id_of(member.peer_urls);
  return members;
}

}  // namespace cairn::pd
