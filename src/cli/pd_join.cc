#include "cli/pd_join.h"

#include <chrono>
#include <future>
#include <thread>

#include "base/log.h"
#include "cairnpb.pb.h"
#include "pd/member/identity.h"
#include "pd/member/member_records.h"
#include "pdpb.pb.h"
#include "rpc/client.h"
#include "runtime/random.h"

namespace cairn::cli {
namespace {

constexpr Duration kCallTimeout = 3s;
constexpr Duration kPause = 500ms;
constexpr int kTries = 60;  // half a minute, where the cluster has no leader

template <class Resp, class Req>
api::Reply<Resp> ask(rpc::ClientLoop& loop, const std::string& address, const char* method, const Req& request) {
  auto promise = std::make_shared<std::promise<api::Reply<Resp>>>();
  auto future = promise->get_future();
  rpc::call_unary<Resp>(*loop.channel(address), method, request, kCallTimeout,
                        [promise](api::Reply<Resp> reply) { promise->set_value(std::move(reply)); });
  return future.get();
}

std::vector<std::string> split(const std::string& urls) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < urls.size();) {
    const size_t end = std::min(urls.find(',', at), urls.size());
    if (end > at) parts.push_back(urls.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Where the cluster's leader is heard; or why that is not known.
config::Parsed<std::string> find_leader(rpc::ClientLoop& loop, const std::vector<std::string>& urls) {
  std::string why = "no URL";
  for (const auto& url : urls) {
    const auto members = ask<pdpb::GetMembersResponse>(loop, url, "/pdpb.PD/GetMembers", pdpb::GetMembersRequest());
    if (members.ok() && !members->leader().client_urls().empty()) return members->leader().client_urls(0);
    why = members.ok() ? "there is no leader" : members.error().message;
  }
  return Err(why);
}

config::Parsed<void> join(config::PdConfig& config, const std::shared_ptr<net::Tls>& tls) {
  rpc::ClientLoop loop(tls);
  const auto& self = config.node.members.front();
  cairnpb::JoinGroupRequest request;
  request.set_name(config.name);
  for (const auto& url : self.client_urls) request.add_client_urls(url);
  for (const auto& url : self.peer_urls) request.add_peer_urls(url);
  std::string why;
  for (int tries = 0; tries < kTries; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kPause);
    const auto leader = find_leader(loop, split(config.join));
    if (!leader.ok()) {
      why = leader.error();
      continue;
    }
    const auto place = ask<cairnpb::JoinGroupResponse>(loop, *leader, "/cairnpb.Members/JoinGroup", request);
    if (!place.ok()) {
      why = place.error().message;
      continue;
    }
    if (place->header().has_error())
      return Err("the cluster refuses this member: " + place->header().error().message());
    pd::Identity identity{.member_id = place->member_id(),
                          .group_id = place->group_id(),
                          .data_id = runtime::entropy_seed() | 1,
                          .initial = {}};
    for (const auto& member : place->members()) identity.initial.push_back(pd::info_of(member));
    identity.put_into(config.node);
    return {};
  }
  return Err("the cluster at " + config.join + " cannot be joined: " + why);
}

}  // namespace

config::Parsed<void> find_place(config::PdConfig& config, engine::KvEngine& kv, const std::shared_ptr<net::Tls>& tls) {
  TRY_ASSIGN(const auto known, pd::read_identity(kv));
  if (known) {
    known->put_into(config.node);
    return {};
  }
  TRY_ASSIGN(const bool is_new, pd::is_empty(kv));
  if (!is_new) {
    // It began alone, and so its id is the one of those.
    auto self = config.node.members.front();
    for (const auto& member : config.node.members) {
      if (member.id == config.node.member_id) self = member;
    }
    self.id = pd::Options().member_id;
    config.node.member_id = self.id;
    config.node.group_id = 0;
    config.node.members = {std::move(self)};
    return {};
  }
  if (!config.join.empty()) return join(config, tls);
  if (config.node.group_id != 0) config.node.data_id = runtime::entropy_seed() | 1;
  return {};
}

}  // namespace cairn::cli
