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

bool batch_begins_behind(ByteView log, size_t at) {
  for (size_t i = at + 1; i + kHeaderSize <= log.size(); ++i) {
    auto type = static_cast<uint8_t>(log[i + kHeaderSize - 1]);
    if (type != kFull && type != kFirst) continue;
    if (record_at(log, i)) return true;
  }
  return false;
}

bool has_zero_sector(ByteView log, size_t from) {
  for (size_t sector = from / kSectorSize * kSectorSize; sector < log.size(); sector += kSectorSize) {
    size_t begin = std::max(sector, from);
    ByteView bytes = log.substr(begin, sector + kSectorSize - begin);
    if (bytes.size() >= kHeaderSize && bytes.find_first_not_of('\0') == ByteView::npos) return true;
  }
  return false;
}

}  // namespace

WalTail examine_wal(ByteView log) {
  WalTail tail;
  size_t at = 0;
  bool inside_batch = false;
  while (at < log.size()) {
    size_t left_in_block = kBlockSize - at % kBlockSize;
    if (left_in_block < kHeaderSize) {
      at += left_in_block;  // a trailer of zeros
      continue;
    }
    std::optional<Record> record = record_at(log, at);
    bool begins = record && (record->type == kFull || record->type == kFirst);
    if (!record || begins == inside_batch) break;
    at += record->size;
    inside_batch = record->type == kFirst || record->type == kMiddle;
    if (!inside_batch) tail.good_bytes = at;
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
  if (batch_begins_behind(log, at)) {
    tail.kind = WalTail::Kind::kDamaged;
  } else if (has_zero_sector(log, tail.good_bytes)) {
    tail.kind = WalTail::Kind::kUnwritten;
  } else {
    tail.kind = claimed > rest.size() ? WalTail::Kind::kShort : WalTail::Kind::kDamaged;
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
      LOG_WARN("{}: the last batch was never wholly written: cut at byte {} of {}", path, tail.good_bytes, size);
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
