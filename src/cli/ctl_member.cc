#include "cli/ctl_member.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cairnpb.pb.h"
#include "cli/pd_leader.h"

namespace cairn::cli {
namespace {

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& urls) {
  std::string out;
  for (const auto& url : urls) out += (out.empty() ? "" : ",") + PdLeader::quoted(url);
  return "[" + out + "]";
}

int list_members(PdLeader& pd) {
  const auto response = pd.ask<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest());
  if (!response.ok()) return PdLeader::complain(response.error());
  for (const auto& member : response->members()) {
    fmt::print(R"({{"name":{},"member_id":{},"peer_urls":{},"client_urls":{},"binary_version":{},"is_leader":{}}})"
               "\n",
               PdLeader::quoted(member.name()), member.member_id(), joined(member.peer_urls()),
               joined(member.client_urls()), PdLeader::quoted(member.binary_version()),
               member.member_id() == response->leader().member_id());
  }
  return 0;
}

template <class Resp, class Req>
int change(PdLeader& pd, const char* method, const Req& request) {
  const auto response = pd.ask<Resp>(method, request);
  if (!response.ok()) return PdLeader::complain(response.error());
  fmt::print("Success!\n");
  return 0;
}

}  // namespace

void add_ctl_member_command(CLI::App& ctl, int& exit_code) {
  auto* command = ctl.add_subcommand("member", "PD's members, a JSON line each; takes one out, hands over leadership");
  command->require_subcommand(0, 1);
  auto pd = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  auto security = std::make_shared<net::TlsOptions>();
  PdLeader::add_options(*command, *pd, *security);
  auto* list = command->add_subcommand("list", "shows them, as without a word");
  auto* remove = command->add_subcommand("delete", "takes a member out, whose data may be lost");
  remove->add_option("name", *name, "the member's name")->required();
  auto* resign = command->add_subcommand("resign", "the leader gives leadership to any other member");
  auto* transfer = command->add_subcommand("transfer", "the leader gives leadership to that member");
  transfer->add_option("name", *name, "the member's name")->required();
  // Options may stand behind the inner subcommand, too.
  for (auto* inner : {list, remove, resign, transfer}) inner->fallthrough();
  command->callback([=, &exit_code] {
    const auto tls = PdLeader::tls_for(*pd, *security);
    if (!tls.ok()) {
      exit_code = PdLeader::complain(tls.error());
      return;
    }
    PdLeader leader(*pd, *tls);
    if (remove->parsed()) {
      cairnpb::RemoveMemberRequest request;
      request.set_name(*name);
      exit_code = change<cairnpb::RemoveMemberResponse>(leader, "/cairnpb.Members/RemoveMember", request);
    } else if (resign->parsed() || transfer->parsed()) {
      cairnpb::TransferLeaderRequest request;
      request.set_name(*name);
      exit_code = change<cairnpb::TransferLeaderResponse>(leader, "/cairnpb.Members/TransferLeader", request);
    } else {
      exit_code = list_members(leader);
    }
  });
}

}  // namespace cairn::cli
