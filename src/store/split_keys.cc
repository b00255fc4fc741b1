#include "store/split_keys.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "replica/keys.h"

namespace cairn::store {
namespace {

struct Sample {
  uint64_t bytes_before = 0;
  Bytes key;  // engine key without timestamp
};

struct Scan {
  std::vector<Sample> samples;  // thinned out as they grow in number
  uint64_t bytes = 0;
};

constexpr size_t kSamplesMax = 4096;

// Keeps every other sample: the rest still part the data evenly.
void thin_out(std::vector<Sample>& samples) {
  size_t kept = 0;
  for (size_t i = 0; i < samples.size(); i += 2) samples[kept++] = std::move(samples[i]);
  samples.resize(kept);
}

enum class Keys : uint8_t { kPlain, kWithTimestamp };

engine::Result<Scan> scan(const engine::Snapshot& snapshot, engine::Cf cf, Keys keys, const metapb::Region& region) {
  Scan out;
  engine::IterOptions range;
  range.lower = replica::data_key(region.start_key());
  range.upper = replica::data_end_key(region.end_key());
  range.fill_cache = false;
  auto iterator = snapshot.iterator(cf, range);
  uint64_t every = 1, skipped = 0;
  Bytes last;
  for (iterator->seek_to_first(); iterator->valid(); iterator->next()) {
    ByteView key = iterator->key().substr(1);
    if (keys == Keys::kWithTimestamp && key.size() > codec::kTimestampSize) key.remove_suffix(codec::kTimestampSize);
    if (key != last && ++skipped >= every) {
      skipped = 0;
      out.samples.push_back({out.bytes, Bytes(key)});
      if (out.samples.size() > kSamplesMax) {
        thin_out(out.samples);
        every *= 2;
      }
    }
    if (key != last) last = Bytes(key);
    out.bytes += iterator->key().size() + iterator->value().size();
  }
  TRY(iterator->status());
  return out;
}

}  // namespace

engine::Result<std::vector<Bytes>> find_split_keys(const engine::KvEngine& kv, rawkv::ApiVersion version,
                                                   const metapb::Region& region, uint64_t pieces) {
  auto snapshot = kv.snapshot();
  const bool is_v2 = version == rawkv::ApiVersion::kV2;
  TRY_ASSIGN(Scan found, scan(*snapshot, engine::Cf::kWrite, Keys::kWithTimestamp, region));
  if (found.samples.empty() || is_v2) {
    TRY_ASSIGN(Scan raw, scan(*snapshot, engine::Cf::kDefault, is_v2 ? Keys::kWithTimestamp : Keys::kPlain, region));
    if (raw.bytes > found.bytes) found = std::move(raw);
  }
  std::vector<Bytes> keys;
  for (uint64_t piece = 1; piece < pieces; ++piece) {
    uint64_t target = found.bytes / pieces * piece;
    auto at = std::lower_bound(found.samples.begin(), found.samples.end(), target,
                               [](const Sample& sample, uint64_t bytes) { return sample.bytes_before < bytes; });
    if (at == found.samples.end() || at->key <= region.start_key()) continue;
    if (keys.empty() || at->key > keys.back()) keys.push_back(at->key);
  }
  return keys;
}

}  // namespace cairn::store
