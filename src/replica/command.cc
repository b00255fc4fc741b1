#include "replica/command.h"

#include <utility>

namespace cairn::replica {
namespace {

constexpr uint64_t kOnePcFlag = 1;

raft_cmdpb::RaftCmdRequest with_header(const metapb::Region& region, const metapb::Peer& peer, Term term) {
  raft_cmdpb::RaftCmdRequest command;
  auto& header = *command.mutable_header();
  header.set_region_id(region.id());
  *header.mutable_peer() = peer;
  *header.mutable_region_epoch() = region.region_epoch();
  header.set_term(term.value);
  return command;
}

// The default column family is not named on the wire.
std::string cf_on_wire(engine::Cf cf) { return cf == engine::Cf::kDefault ? std::string() : engine::cf_name(cf); }

}  // namespace

raft_cmdpb::RaftCmdRequest make_write(const metapb::Region& region, const metapb::Peer& peer, Term term,
                                      engine::WriteData&& data) {
  auto command = with_header(region, peer, term);
  if (data.one_pc) command.mutable_header()->set_flags(kOnePcFlag);
  for (auto& change : data.changes) {
    auto& request = *command.add_requests();
    switch (change.op) {
      case engine::Modify::Op::kPut:
        request.set_cmd_type(raft_cmdpb::Put);
        request.mutable_put()->set_cf(cf_on_wire(change.cf));
        request.mutable_put()->set_key(std::move(change.key));
        request.mutable_put()->set_value(std::move(change.value));
        break;
      case engine::Modify::Op::kDelete:
        request.set_cmd_type(raft_cmdpb::Delete);
        request.mutable_delete_()->set_cf(cf_on_wire(change.cf));
        request.mutable_delete_()->set_key(std::move(change.key));
        break;
      case engine::Modify::Op::kDeleteRange:
        request.set_cmd_type(raft_cmdpb::DeleteRange);
        request.mutable_delete_range()->set_cf(cf_on_wire(change.cf));
        request.mutable_delete_range()->set_start_key(std::move(change.key));
        request.mutable_delete_range()->set_end_key(std::move(change.value));
        request.mutable_delete_range()->set_notify_only(change.notify_only);
        break;
    }
  }
  return command;
}

raft_cmdpb::RaftCmdRequest make_admin(const metapb::Region& region, const metapb::Peer& peer, Term term,
                                      raft_cmdpb::AdminRequest admin) {
  auto command = with_header(region, peer, term);
  *command.mutable_admin_request() = std::move(admin);
  return command;
}

}  // namespace cairn::replica
