#include "engine/rocks/wal_tail.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/codec.h"
#include "base/log.h"
#include "engine/rocks/posix_files.h"

namespace cairn::engine::rocks {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlockSize = 32 << 10;
constexpr size_t kHeaderSize = 7;
constexpr size_t kSectorSize = 512;
enum RecordType : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// CRC-32C (Castagnoli), reflected.
uint32_t crc32c(ByteView bytes) {
  static const std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
      table[i] = crc;
    }
    return table;
  }();
  uint32_t crc = ~uint32_t{0};
  for (char c : bytes) crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

struct Record {
  uint8_t type = kZero;
  size_t size = 0;  // with its header
};

// The good record at `at`, if there is one.
std::optional<Record> record_at(ByteView log, size_t at) {
  size_t left_in_block = kBlockSize - at % kBlockSize;
  if (left_in_block < kHeaderSize || at + kHeaderSize > log.size()) return std::nullopt;
  ByteView header = log.substr(at, kHeaderSize);
  uint32_t masked = 0;
  uint16_t length = 0;
  uint8_t type = kZero;
  if (!codec::get_u32_le(header, masked) || !codec::get_u16_le(header, length) || !codec::get_u8(header, type)) {
    return std::nullopt;
  }
  Record record{type, kHeaderSize + length};
  if (type < kFull || type > kLast || record.size > left_in_block || at + record.size > log.size()) return std::nullopt;
  uint32_t crc = crc32c(log.substr(at + kHeaderSize - 1, size_t{1} + length));
  if (((crc >> 15) | (crc << 17)) + 0xa282ead8 != masked) return std::nullopt;
  return record;
}

struct Batch {
  uint64_t first = 0, last = 0;  // sequence numbers
  std::optional<SyncClaim> claim;
};

// Of a batch's bytes: sequence number u64le, count u32le, changes.
std::optional<Batch> parse_batch(ByteView bytes) {
  Batch batch;
  ByteView in = bytes;
  uint32_t count = 0;
  if (!codec::get_u64_le(in, batch.first) || !codec::get_u32_le(in, count)) return std::nullopt;
  batch.last = batch.first + count - 1;
  batch.claim = SyncClaim::at_end_of(bytes);
  return batch;
}

// The whole batch that begins at `at`, if there is one.
std::optional<Batch> batch_at(ByteView log, size_t at) {
  auto record = record_at(log, at);
  if (!record || (record->type != kFull && record->type != kFirst)) return std::nullopt;
  Bytes bytes(log.substr(at + kHeaderSize, record->size - kHeaderSize));
  bool is_whole = record->type == kFull;
  while (!is_whole) {
    at = (at / kBlockSize + 1) * kBlockSize;  // a part that is not the last fills its block
    record = record_at(log, at);
    if (!record || (record->type != kMiddle && record->type != kLast)) return std::nullopt;
    bytes += log.substr(at + kHeaderSize, record->size - kHeaderSize);
    is_whole = record->type == kLast;
  }
  return parse_batch(bytes);
}

// What the whole batches behind a bad place tell of it.
enum class Behind : uint8_t { kNothing, kUnsynced, kSynced };
// `last_good`: of the last batch before the place; nothing if the log begins with it, and then only what came directly
// before a batch can be told.
Behind look_behind(ByteView log, size_t at, std::optional<uint64_t> last_good) {
  Behind found = Behind::kNothing;
  for (size_t i = at + 1; i + kHeaderSize <= log.size(); ++i) {
    auto type = static_cast<uint8_t>(log[i + kHeaderSize - 1]);
    if (type != kFull && type != kFirst) continue;
    auto batch = batch_at(log, i);
    if (!batch) continue;
    // Without a claim: of a version that synced each batch before the next.
    if (!batch->claim || batch->claim->synced > last_good.value_or(batch->first - 2)) return Behind::kSynced;
    found = Behind::kUnsynced;
  }
  return found;
}

// Whether a sector holds nothing but zeros from `from` on.
bool has_zero_sector(ByteView log, size_t from) {
  for (size_t sector = from / kSectorSize * kSectorSize; sector < log.size(); sector += kSectorSize) {
    size_t begin = std::max(sector, from);
    ByteView bytes = log.substr(begin, sector + kSectorSize - begin);
    if (bytes.find_first_not_of('\0') == ByteView::npos) return true;
  }
  return false;
}

constexpr ByteView kClaimTag("\x03\x0cSYNC", 6);
constexpr size_t kClaimSize = 14;

}  // namespace

Bytes SyncClaim::blob() const {
  Bytes out(kClaimTag.substr(2));
  codec::put_u64_le(out, synced);
  return out;
}

std::optional<SyncClaim> SyncClaim::at_end_of(ByteView batch) {
  if (batch.size() < kClaimSize) return std::nullopt;
  ByteView end = batch.substr(batch.size() - kClaimSize);
  SyncClaim claim;
  if (!end.starts_with(kClaimTag)) return std::nullopt;
  end.remove_prefix(kClaimTag.size());
  if (!codec::get_u64_le(end, claim.synced)) return std::nullopt;
  return claim;
}

WalTail examine_wal(ByteView log) {
  WalTail tail;
  size_t at = 0, batch_begin = 0;
  bool inside_batch = false;
  std::optional<uint64_t> last_good;
  while (at < log.size()) {
    size_t left_in_block = kBlockSize - at % kBlockSize;
    if (left_in_block < kHeaderSize) {
      at += left_in_block;  // a trailer of zeros
      continue;
    }
    std::optional<Record> record = record_at(log, at);
    bool begins = record && (record->type == kFull || record->type == kFirst);
    if (!record || begins == inside_batch) break;
    if (begins) batch_begin = at;
    at += record->size;
    inside_batch = record->type == kFirst || record->type == kMiddle;
    if (inside_batch) continue;
    tail.good_bytes = at;
    if (auto batch = batch_at(log, batch_begin)) last_good = batch->last;
  }
  if (at >= log.size()) {
    tail.kind = inside_batch ? WalTail::Kind::kShort : WalTail::Kind::kWhole;
    return tail;
  }
  tail.bad_at = at;
  ByteView rest = log.substr(at);
  uint64_t claimed = rest.size() < kHeaderSize
                         ? UINT64_MAX
                         : kHeaderSize + static_cast<uint8_t>(rest[4]) + (uint64_t{static_cast<uint8_t>(rest[5])} << 8);
  const Behind behind = look_behind(log, at, last_good);
  if (behind == Behind::kSynced) {
    tail.kind = WalTail::Kind::kDamaged;
  } else if (has_zero_sector(log, tail.good_bytes)) {
    tail.kind = WalTail::Kind::kUnwritten;
  } else {
    bool is_short = behind == Behind::kNothing && claimed > rest.size();
    tail.kind = is_short ? WalTail::Kind::kShort : WalTail::Kind::kDamaged;
  }
  return tail;
}

Result<void> check_wal_tail(const std::string& directory) {
  PosixFiles files(directory);
  TRY_ASSIGN(std::vector<std::string> names, files.list(""));
  std::string newest;  // names are numbers of one width, then longer ones
  for (const std::string& name : names) {
    if (!name.ends_with(".log")) continue;
    if (newest.size() < name.size() || (newest.size() == name.size() && newest < name)) newest = name;
  }
  if (newest.empty()) return {};
  TRY_ASSIGN(uint64_t size, files.size(newest));
  TRY_ASSIGN(Bytes log, files.read(newest, 0, size));
  WalTail tail = examine_wal(log);
  std::string path = directory + "/" + newest;
  switch (tail.kind) {
    case WalTail::Kind::kWhole:
      return {};
    case WalTail::Kind::kShort:
      LOG_WARN("{}: the last batch is torn at byte {} of {}: dropped", path, tail.good_bytes, size);
      return {};
    case WalTail::Kind::kUnwritten: {
      LOG_WARN("{}: what was written last never reached the disk as a whole: cut at byte {} of {}", path,
               tail.good_bytes, size);
      std::error_code code;
      fs::resize_file(path, tail.good_bytes, code);
      if (code) return Err(Error{Error::Kind::kIo, "cutting " + path + ": " + code.message()});
      return {};
    }
    case WalTail::Kind::kDamaged:
      break;
  }
  return Err(Error{Error::Kind::kCorruption,
                   path + " is damaged at byte " + std::to_string(tail.bad_at) + " of " + std::to_string(size)});
}

}  // namespace cairn::engine::rocks
