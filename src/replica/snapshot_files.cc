#include "replica/snapshot_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "base/crc.h"
#include "replica/apply.h"
#include "replica/keys.h"

namespace cairn::replica {
namespace {

constexpr size_t kReadBytes = 1 << 20;
// In the order of the meta: TiKV's.
constexpr engine::Cf kSnapshotCfs[] = {engine::Cf::kDefault, engine::Cf::kLock, engine::Cf::kWrite};

engine::Error invalid(std::string message) { return {engine::Error::Kind::kInvalid, std::move(message)}; }
engine::Error corrupt(std::string message) { return {engine::Error::Kind::kCorruption, std::move(message)}; }

std::string file_name(engine::Cf cf, int number) {
  return fmt::format("{}_{:04}.{}", engine::cf_name(cf), number, cf == engine::Cf::kLock ? "plain" : "sst");
}

engine::Result<uint32_t> checksum_of(engine::FileStore& files, const std::string& path, uint64_t bytes) {
  uint32_t crc = 0;
  for (uint64_t offset = 0; offset < bytes;) {
    TRY_ASSIGN(Bytes part, files.read(path, offset, kReadBytes));
    if (part.empty()) return Err(corrupt(path + " is shorter than it was written"));
    crc = crc32(part, crc);
    offset += part.size();
  }
  return crc;
}

struct Source {
  engine::Result<void> check() const {
    if (options.is_canceled && *options.is_canceled) return Err(invalid("the store stops"));
    return {};
  }

  engine::KvEngine& kv;
  const engine::Snapshot& snapshot;
  engine::IterOptions range;
  const MakeOptions& options;
};

engine::Result<void> add_file(Source& source, engine::Cf cf, const std::string& path, std::vector<SnapshotFile>& out) {
  auto& files = source.kv.files();
  TRY_ASSIGN(uint64_t bytes, files.size(path));
  TRY_ASSIGN(uint32_t checksum, checksum_of(files, path, bytes));
  out.push_back({cf, path, bytes, checksum});
  return {};
}

engine::Result<void> make_ssts(Source source, engine::Cf cf, MadeSnapshot& out) {
  auto iterator = source.snapshot.iterator(cf, source.range);
  int number = 0;
  for (iterator->seek_to_first(); iterator->valid();) {
    std::string path = source.options.folder + "/" + file_name(cf, number++);
    TRY_ASSIGN(auto writer, source.kv.new_sst(cf, path));
    for (; iterator->valid() && writer->bytes() < source.options.sst_bytes_max; iterator->next()) {
      TRY(source.check());
      TRY(writer->put(iterator->key(), iterator->value()));
      ++out.pairs;
    }
    TRY(writer->finish());
    TRY(add_file(source, cf, path, out.files));
  }
  return iterator->status();
}

engine::Result<void> make_plain(Source source, engine::Cf cf, MadeSnapshot& out) {
  auto iterator = source.snapshot.iterator(cf, source.range);
  iterator->seek_to_first();
  if (!iterator->valid()) return iterator->status();
  std::string path = source.options.folder + "/" + file_name(cf, 0);
  TRY_ASSIGN(auto writer, source.kv.files().create(path));
  Bytes buffer;
  for (; iterator->valid(); iterator->next()) {
    codec::put_compact_bytes(buffer, iterator->key());
    codec::put_compact_bytes(buffer, iterator->value());
    ++out.pairs;
    if (buffer.size() >= kReadBytes) {
      TRY(writer->append(buffer));
      buffer.clear();
    }
  }
  TRY(iterator->status());
  codec::put_compact_bytes(buffer, {});
  TRY(writer->append(buffer));
  TRY(writer->sync_and_close());
  return add_file(source, cf, path, out.files);
}

engine::Result<void> read_plain(engine::FileStore& files, const SnapshotFile& file, engine::Cf cf,
                                engine::WriteBatch& batch) {
  TRY_ASSIGN(Bytes bytes, files.read(file.path, 0, file.bytes));
  ByteView in = bytes;
  while (true) {
    ByteView key, value;
    if (!codec::get_compact_bytes(in, key)) return Err(corrupt(file.path + " has no end"));
    if (key.empty()) return {};
    if (!codec::get_compact_bytes(in, value)) return Err(corrupt(file.path + " ends within a pair"));
    batch.put(cf, key, value);
  }
}

}  // namespace

engine::Result<MadeSnapshot> make_snapshot(engine::KvEngine& kv, const MakeOptions& options) {
  auto snapshot = kv.snapshot();
  TRY_ASSIGN(auto region_bytes, snapshot->get(engine::Cf::kRaft, region_state_key(options.region)));
  TRY_ASSIGN(auto apply_bytes, snapshot->get(engine::Cf::kRaft, apply_state_key(options.region)));
  auto region = region_bytes ? decode_region_state(*region_bytes) : std::nullopt;
  auto apply = apply_bytes ? decode_apply_state(*apply_bytes) : std::nullopt;
  if (!region || !apply || region->state() != raft_serverpb::Normal) {
    return Err(invalid(fmt::format("region {} is not here", options.region)));
  }

  MadeSnapshot made;
  engine::IterOptions range;
  range.lower = data_key(region->region().start_key());
  range.upper = data_end_key(region->region().end_key());
  range.fill_cache = false;
  Source source{kv, *snapshot, range, options};
  for (engine::Cf cf : kSnapshotCfs) {
    if (cf == engine::Cf::kLock) {
      TRY(make_plain(source, cf, made));
    } else {
      TRY(make_ssts(source, cf, made));
    }
  }

  raft_serverpb::RaftSnapshotData data;
  *data.mutable_region() = region->region();
  data.set_version(2);
  data.mutable_meta()->set_start(options.now.seconds());
  uint64_t total = 0;
  for (engine::Cf cf : kSnapshotCfs) {
    bool any = false;
    for (const auto& file : made.files) {
      if (file.cf != cf) continue;
      auto& entry = *data.mutable_meta()->add_cf_files();
      entry.set_cf(engine::cf_name(cf));
      entry.set_size(file.bytes);
      entry.set_checksum(file.checksum);
      total += file.bytes;
      any = true;
    }
    if (!any) data.mutable_meta()->add_cf_files()->set_cf(engine::cf_name(cf));  // named, with no bytes
  }
  data.set_file_size(total);
  made.snapshot.meta = {apply->applied, apply->applied_term, conf_state_of(region->region())};
  made.snapshot.data = SharedBytes(serialize(data));
  return made;
}

std::vector<SnapshotFile> files_of(const raft_serverpb::RaftSnapshotData& data, const std::string& folder) {
  std::vector<SnapshotFile> files;
  int numbers[engine::kCfCount] = {};
  for (const auto& entry : data.meta().cf_files()) {
    auto cf = engine::cf_from_name(entry.cf());
    if (!cf || entry.size() == 0) continue;
    int number = numbers[static_cast<size_t>(*cf)]++;
    files.push_back({*cf, folder + "/" + file_name(*cf, number), entry.size(), entry.checksum()});
  }
  return files;
}

namespace {

engine::Result<std::optional<raft_serverpb::RegionLocalState>> record_of(engine::KvEngine& kv, RegionId region) {
  TRY_ASSIGN(auto bytes, kv.get(engine::Cf::kRaft, region_state_key(region)));
  if (!bytes) return std::optional<raft_serverpb::RegionLocalState>();
  auto record = decode_region_state(*bytes);
  if (!record) return Err(corrupt(fmt::format("region {}: a region state that cannot be read", region)));
  return record;
}

engine::Result<void> clear(engine::KvEngine& kv, const metapb::Region& region) {
  return kv.clear_range(data_key(region.start_key()), data_end_key(region.end_key()));
}

bool covers(const metapb::Region& outer, const metapb::Region& inner) {
  bool ends_later = outer.end_key().empty() || (!inner.end_key().empty() && inner.end_key() <= outer.end_key());
  return outer.start_key() <= inner.start_key() && ends_later;
}

engine::Result<void> mark_cleared(engine::KvEngine& kv, const metapb::Region& region) {
  auto batch = kv.new_batch();
  write_region_state(*batch, region, raft_serverpb::Applying);
  TRY(kv.write(*batch));
  return kv.flush();
}

}  // namespace

engine::Result<void> install_snapshot(engine::KvEngine& kv, const raft_serverpb::RaftSnapshotData& data,
                                      const ApplyState& state, const std::string& folder) {
  const auto& region = data.region();
  TRY_ASSIGN(const auto record, record_of(kv, RegionId(region.id())));
  const bool is_cleared = record && record->state() == raft_serverpb::Applying;
  auto files = files_of(data, folder);
  TRY_ASSIGN(auto names, kv.files().list(folder));
  auto is_there = [&](const SnapshotFile& file) {
    std::string name = file.path.substr(folder.size() + 1);
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& file : files) {
    bool may_be_consumed = is_cleared && file.cf != engine::Cf::kLock;
    if (!may_be_consumed && !is_there(file)) return Err(corrupt(file.path + " of a received snapshot is missing"));
  }
  if (!is_cleared) {
    // A clear overtakes what is not flushed. A crash after it must not bring back records of before, by which the
    // range would still be another's.
    TRY(kv.flush());
    // A snapshot may be narrower than what the region was here: what lies between would belong to nobody.
    const bool had_data = record && record->state() == raft_serverpb::Normal;
    if (had_data) TRY(clear(kv, record->region()));
    if (!had_data || !covers(record->region(), region)) TRY(clear(kv, region));
    TRY(mark_cleared(kv, region));
  }
  auto records = kv.new_batch();
  for (engine::Cf cf : kSnapshotCfs) {
    std::vector<std::string> paths;
    for (const auto& file : files) {
      if (file.cf != cf || !is_there(file)) continue;
      if (cf == engine::Cf::kLock) {
        TRY(read_plain(kv.files(), file, cf, *records));
      } else {
        paths.push_back(file.path);
      }
    }
    if (!paths.empty()) TRY(kv.ingest(cf, paths));
  }
  write_region_state(*records, region, raft_serverpb::Normal);
  write_apply_state(*records, RegionId(region.id()), state);
  TRY(kv.write(*records));
  TRY(kv.flush());
  return kv.files().remove_tree(folder);
}

Bytes encode(const PendingSnapshot& pending) {
  Bytes out;
  codec::put_compact_bytes(out, serialize(pending.data));
  codec::put_compact_bytes(out, encode(pending.state));
  codec::put_compact_bytes(out, pending.folder);
  return out;
}

std::optional<PendingSnapshot> decode_pending_snapshot(ByteView bytes) {
  ByteView data, state, folder;
  if (!codec::get_compact_bytes(bytes, data) || !codec::get_compact_bytes(bytes, state) ||
      !codec::get_compact_bytes(bytes, folder)) {
    return std::nullopt;
  }
  PendingSnapshot out;
  auto apply = decode_apply_state(state);
  if (!apply || !out.data.ParseFromArray(data.data(), static_cast<int>(data.size()))) return std::nullopt;
  out.state = *apply;
  out.folder = Bytes(folder);
  return out;
}

}  // namespace cairn::replica
