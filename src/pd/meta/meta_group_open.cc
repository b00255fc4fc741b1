// How a member comes to its data when it starts: the store, the log behind it, and what a crash has cut short.
#include <algorithm>
#include <utility>

#include "pd/member/identity.h"
#include "pd/member/member_records.h"
#include "pd/meta/meta_group.h"
#include "pd/meta/meta_group_places.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {

using namespace places;

namespace {

std::string lost_log(LogIndex applied, LogIndex last) {
  return fmt::format(
      "PD's raft log (the folder raft of the data directory) ends at {}, but PD's data stand at {}: the log was "
      "removed, "
      "cut short or is an older copy. To go on would lose what was acknowledged. Put back the log that belongs to the "
      "data, or the whole data directory from one backup",
      last, applied);
}

}  // namespace

Result<void, std::string> MetaGroup::open() {
  TRY(load_store());
  conf_ = conf_of(store_.own(), options_.members);
  TRY(load_log());
  if (!has_mark_) TRY(leave_first_mark());
  if (!has_format_) TRY(write_format());
  if (installed_) TRY(finish_install());
  raft::Config config;
  config.id = PeerId(options_.member_id);
  config.applied = applied_.index;
  config.election_ticks = options_.raft_election_ticks;
  config.election_ticks_max = options_.raft_election_ticks * 2;
  // A leader's lease may rest on what this member promised before its restart. What it has applied may be of a time
  // when it was alone.
  was_alone_ = is_alone() && !log_.has_conf_change_behind(applied_.index);
  if (!was_alone_) config.vote_grace_ticks = options_.raft_election_ticks;
  config.seed = world_.seed;
  raft_ = std::make_unique<raft::RawNode>(config, log_);
  (void)follow_members();
  return {};
}

Result<void, std::string> MetaGroup::load_store() {
  auto snapshot = world_.kv.snapshot();
  auto iterator = snapshot->iterator(kCf, {});
  for (iterator->seek_to_first(); iterator->valid(); iterator->next()) {
    const bool is_own =
        iterator->key() == kAppliedKey || iterator->key() == kInstalledKey || iterator->key() == kIdentityKey;
    bool good = false;
    if (iterator->key() == MetaStore::image_format_key()) {
      TRY(MetaStore::check_format(iterator->value()));
      has_format_ = good = iterator->value() == MetaStore::image_format_value();
    } else if (iterator->key() == kAppliedKey) {
      has_mark_ = true;
      good = decode_position(iterator->value(), applied_);
    } else if (iterator->key() == kInstalledKey) {
      good = decode_position(iterator->value(), installed_.emplace());
    } else if (iterator->key() == kIdentityKey) {
      const auto identity = decode_identity(iterator->value());
      if (!identity.ok()) return Err("the record of who this member is: " + identity.error());
      good = identity->member_id == options_.member_id && identity->group_id == options_.group_id;
    } else {
      good = store_.load_pair(iterator->key(), iterator->value());
    }
    if (good) continue;
    const std::string key = printable_key(iterator->key());
    if (is_own || MetaStore::is_image_key(iterator->key())) return Err(damaged_record(key));
    return Err(fmt::format("the data directory is not PD's: it holds the key {}, perhaps of a store", key));
  }
  if (auto status = iterator->status(); !status.ok()) return Err(status.error().message);
  return store_.finish_load();
}

Result<void, std::string> MetaGroup::load_log() {
  auto describe = [](const engine::Error& error) { return "reading PD's raft log: " + error.message; };
  LogPosition truncated;
  auto meta = world_.raft_log.meta(kGroup, kTruncatedSlot);
  if (!meta.ok()) return Err(describe(meta.error()));
  if (*meta && !decode_position(**meta, truncated))
    return Err(std::string("PD's raft log: damaged truncated position"));
  auto state = world_.raft_log.state(kGroup);
  if (!state.ok()) return Err(describe(state.error()));
  LogIndex last;
  if (*state && !decode_local_state(**state, hard_state_, last))
    return Err(std::string("PD's raft log: damaged state"));
  if (!*state && has_mark_) return Err(lost_log(applied_.index, last));
  log_.reset(truncated);
  if (installed_ && truncated.index < installed_->index) {
    // A crash came before the log was told of the snapshot. What it holds is not the group's, however long it is.
    log_.reset(applied_);
    hard_state_.commit = applied_.index;
    hard_state_.term = std::max(hard_state_.term, applied_.term);
    forgotten_ = std::pair(truncated.index.next(), last);
  } else if (applied_.index > std::max(last, truncated.index)) {
    return Err(lost_log(applied_.index, last));
  } else if (last > truncated.index) {
    std::vector<Bytes> encoded;
    auto got = world_.raft_log.entries(kGroup, truncated.index.next(), last.next(), SIZE_MAX, encoded);
    if (!got.ok()) return Err(describe(got.error()));
    if (encoded.size() != last - truncated.index) return Err(std::string("PD's raft log has a gap"));
    std::vector<raft::Entry> entries(encoded.size());
    for (size_t i = 0; i < encoded.size(); ++i) {
      const LogIndex index = truncated.index + (i + 1);
      if (!decode_entry(encoded[i], entries[i]) || entries[i].index != index) {
        return Err(fmt::format("PD's raft log: damaged entry {}", index));
      }
    }
    log_.append(entries);
  }
  if (applied_.index < log_.truncated().index) return Err(std::string("PD's raft log was cut behind its data"));
  hard_state_.commit = std::max(hard_state_.commit, applied_.index);
  if (hard_state_.commit > log_.last_index()) {
    return Err(fmt::format("PD's raft log ends at {}, but {} is committed", log_.last_index(), hard_state_.commit));
  }
  log_.set_initial(hard_state_, conf_);
  return {};
}

// From then on a start without a log is known to have lost it.
Result<void, std::string> MetaGroup::leave_first_mark() {
  auto log = world_.raft_log.new_batch();
  log->put_state(kGroup, encode_local_state(hard_state_, log_.last_index()));
  if (auto done = world_.raft_log.write(*log, engine::Sync::kYes); !done.ok()) return Err(done.error().message);
  auto batch = world_.kv.new_batch();
  batch->put(kCf, kAppliedKey, encode_position(applied_));
  if (options_.group_id != 0) batch->put(kCf, kIdentityKey, encode_identity(Identity::of(options_)));
  if (auto done = world_.kv.write(*batch); !done.ok()) return Err(done.error().message);
  if (auto done = world_.kv.flush(); !done.ok()) return Err(done.error().message);
  return {};
}

Result<void, std::string> MetaGroup::write_format() {
  auto batch = world_.kv.new_batch();
  batch->put(kCf, MetaStore::image_format_key(), MetaStore::image_format_value());
  if (auto done = world_.kv.write(*batch); !done.ok()) return Err(done.error().message);
  if (auto done = world_.kv.flush(); !done.ok()) return Err(done.error().message);
  return {};
}

// What a crash cut short.
Result<void, std::string> MetaGroup::finish_install() {
  if (forgotten_) {
    auto log = world_.raft_log.new_batch();
    const auto& [first, last] = *forgotten_;
    if (last >= first) log->cut_suffix(kGroup, first, last);
    log->put_meta(kGroup, kTruncatedSlot, encode_position(applied_));
    log->put_state(kGroup, encode_local_state(hard_state_, log_.last_index()));
    if (auto done = world_.raft_log.write(*log, engine::Sync::kYes); !done.ok()) return Err(done.error().message);
  }
  if (auto done = forget_install(); !done.ok()) return Err(done.error().message);
  return {};
}

}  // namespace cairn::pd
