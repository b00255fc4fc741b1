// What members say to one another: whose word is taken, who is there, and who is to lead next.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "pd/member/identity.h"
#include "pd/member/member_records.h"
#include "pd/member/peer_transport.h"
#include "pd/meta/keys.h"
#include "pd/meta/meta_group.h"

namespace cairn::pd {
namespace {

constexpr Duration kTellEvery = std::chrono::seconds(10);  // of the same refusal
constexpr size_t kRefusedMax = 64;                         // members that are told apart
constexpr uint64_t kBehindMax = 256;                       // entries, of a member that keeps up

}  // namespace

uint64_t MetaGroup::group_id() const {
  if (options_.group_id != 0) return options_.group_id;
  const uint64_t cluster_id = number_of(store_.own().value(kClusterIdKey));
  return cluster_id == 0 ? 0 : group_id_of(cluster_id);
}

void MetaGroup::send_to(uint64_t member, cairnpb::PeerMessage message) {
  if (world_.transport == nullptr) return;
  message.set_group_id(group_id());
  message.set_cluster_id(number_of(store_.own().value(kClusterIdKey)));
  message.set_from(options_.member_id);
  message.set_to(member);
  message.set_data_id(options_.data_id);
  world_.transport->send(member, message.SerializeAsString());
}

void MetaGroup::announce(const cairnpb::MemberRecord& self) {
  cairnpb::PeerMessage message;
  *message.mutable_announced() = self;
  for (const auto* ids : {&conf_.voters, &conf_.learners}) {
    for (const auto id : *ids) {
      if (id.value != options_.member_id) send_to(id.value, message);
    }
  }
}

std::optional<cairnpb::Refusal> MetaGroup::judge(const cairnpb::PeerMessage& message) const {
  cairnpb::Refusal refusal;
  const auto refuse = [&](cairnpb::Refusal::Kind kind, std::string text) {
    refusal.set_kind(kind);
    refusal.set_text(std::move(text));
    return refusal;
  };
  const uint64_t own_cluster = number_of(store_.own().value(kClusterIdKey));
  if (message.group_id() != group_id()) {
    return refuse(
        cairnpb::Refusal::OTHER_GROUP,
        fmt::format("cluster ID mismatch: member {:x} is of the group {:x}, member {:x} of the group {:x}; the "
                    "peer-urls of two clusters are mixed up",
                    message.from(), message.group_id(), options_.member_id, group_id()));
  }
  if (own_cluster != 0 && message.cluster_id() != 0 && message.cluster_id() != own_cluster) {
    return refuse(cairnpb::Refusal::OTHER_GROUP,
                  fmt::format("cluster ID mismatch: member {:x} is of the cluster {}, member {:x} of the cluster {}",
                              message.from(), message.cluster_id(), options_.member_id, own_cluster));
  }
  if (store_.own().value(removed_member_key(message.from()))) {
    return refuse(cairnpb::Refusal::REMOVED,
                  fmt::format("the member {:x} has been removed from the cluster; to come back it must join with an "
                              "empty data directory and other peer-urls",
                              message.from()));
  }
  const auto known = find_member(store_.own(), message.from());
  if (known && known->data_id() != 0 && known->data_id() != message.data_id()) {
    return refuse(cairnpb::Refusal::DATA_LOST,
                  fmt::format("the member {} has already been bootstrapped, and comes with other data: what it voted "
                              "for is lost. Remove it from the cluster, and let it join anew",
                              known->name()));
  }
  return std::nullopt;
}

void MetaGroup::on_refused(uint64_t by, const cairnpb::Refusal& refusal) {
  auto& told = refused_at_[by];
  const auto now = world_.clock.now();
  const bool is_final = refusal.kind() == cairnpb::Refusal::DATA_LOST || refusal.kind() == cairnpb::Refusal::REMOVED;
  if (is_final) return fatal(refusal.text());
  if (told != Instant{} && now - told < kTellEvery) return;
  told = now;
  LOG_ERROR("member {:x} refuses this one: {}", by, refusal.text());
}

void MetaGroup::receive(ByteView bytes) {
  cairnpb::PeerMessage message;
  if (raft_ == nullptr || stopping_ || failed_) return;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (message.to() != options_.member_id || message.from() == options_.member_id || message.from() == 0) return;
  if (auto refusal = judge(message)) {
    if (refused_at_.size() >= kRefusedMax) refused_at_.clear();
    auto& told = refused_at_[message.from()];
    const auto now = world_.clock.now();
    if (message.has_refusal() || (told != Instant{} && now - told < kTellEvery)) return;
    told = now;
    LOG_WARN("a message of member {:x} is refused: {}", message.from(), refusal->text());
    cairnpb::PeerMessage answer;
    *answer.mutable_refusal() = std::move(*refusal);
    return send_to(message.from(), std::move(answer));
  }
  if (world_.transport != nullptr) world_.transport->on_heard_of(message.from());
  if (message.has_refusal()) return on_refused(message.from(), message.refusal());
  if (message.has_announced() && message.announced().id() == message.from()) {
    if (world_.transport != nullptr) world_.transport->set_address(info_of(message.announced()));
    if (listener_.on_announced) listener_.on_announced(message.announced());
  }
  if (message.has_raft()) receive_raft(message.from(), message.raft());
}

void MetaGroup::report_unreachable(uint64_t member) {
  if (raft_ == nullptr || stopping_ || failed_) return;
  raft_->report_unreachable(PeerId(member));
  schedule();
}

bool MetaGroup::keeps_up(uint64_t member) const {
  if (raft_ == nullptr || !raft_->is_leader()) return false;
  const auto status = raft_->status();
  return std::any_of(status.progress.begin(), status.progress.end(), [&](const raft::PeerProgress& progress) {
    return progress.id == PeerId(member) && progress.state == raft::PeerProgress::State::kReplicate &&
           progress.recently_active && progress.matched + kBehindMax >= status.last_index;
  });
}

bool MetaGroup::can_do_without(uint64_t member) const {
  if (raft_ == nullptr || !raft_->is_leader()) return false;
  const auto status = raft_->status();
  size_t voters = 0;
  size_t present = 0;
  bool is_voter = false;
  for (const auto& progress : status.progress) {
    if (progress.is_learner) continue;
    if (progress.id == PeerId(member)) {
      is_voter = true;
      continue;
    }
    ++voters;
    if (progress.recently_active) ++present;
  }
  return !is_voter || present > voters / 2;
}

void MetaGroup::transfer_leader(uint64_t member) {
  if (raft_ == nullptr || stopping_ || failed_ || !raft_->is_leader()) return;
  PeerId to(member);
  if (member == 0) {
    const auto status = raft_->status();
    LogIndex most;
    for (const auto& progress : status.progress) {
      const bool is_other = progress.id != PeerId(options_.member_id) && !progress.is_learner;
      if (!is_other || !progress.recently_active || progress.matched < most) continue;
      most = progress.matched;
      to = progress.id;
    }
  }
  if (!to.is_set()) return;
  raft_->transfer_leader(to);
  schedule();
}

}  // namespace cairn::pd
