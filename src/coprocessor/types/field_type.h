// The type of a column or an expression, as a plan states it, and the type of its values in vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tipb {
class ColumnInfo;
class FieldType;
}  // namespace tipb

namespace cairn::coprocessor {

// MySQL's type codes.
enum class Type : uint8_t {
  kUnspecified = 0,
  kTiny = 1,
  kShort = 2,
  kLong = 3,
  kFloat = 4,
  kDouble = 5,
  kNull = 6,
  kTimestamp = 7,
  kLongLong = 8,
  kInt24 = 9,
  kDate = 10,
  kDuration = 11,
  kDateTime = 12,
  kYear = 13,
  kNewDate = 14,
  kVarchar = 15,
  kBit = 16,
  kVector = 0xe1,
  kJson = 0xf5,
  kNewDecimal = 0xf6,
  kEnum = 0xf7,
  kSet = 0xf8,
  kTinyBlob = 0xf9,
  kMediumBlob = 0xfa,
  kLongBlob = 0xfb,
  kBlob = 0xfc,
  kVarString = 0xfd,
  kString = 0xfe,
  kGeometry = 0xff,
};

// How values of a type stand in a vector.
enum class EvalType : uint8_t { kInt, kReal, kDecimal, kBytes, kTime, kDuration, kJson, kEnum, kSet, kVector };
const char* name_of(EvalType type);

// Only the collations that this store has; numbers as in TiDB, whose padding forms are negative.
enum class Collation : uint8_t {
  kBinary,
  kUtf8Bin,           // trailing blanks do not count
  kUtf8BinNoPadding,  // bytes decide
  kUtf8GeneralCi,     // trailing blanks do not count
  kUtf8UnicodeCi,     // likewise
  kUtf80900AiCi,
  kLatin1Bin,  // trailing blanks do not count
};

inline constexpr int kUnspecifiedLength = -1;

struct FieldType {
  static constexpr uint32_t kNotNull = 1;
  static constexpr uint32_t kUnsigned = 1 << 5;
  static constexpr uint32_t kBinaryFlag = 1 << 7;
  static constexpr uint32_t kParseToJson = 1 << 18;
  static constexpr uint32_t kIsBoolean = 1 << 19;
  static constexpr uint32_t kEnumSetAsInt = 1 << 21;

  Type type = Type::kUnspecified;
  uint32_t flags = 0;
  int length = kUnspecifiedLength;   // characters or digits
  int decimal = kUnspecifiedLength;  // digits behind the point; of seconds for times
  int collation_number = 0;          // as the plan states it
  std::string charset;
  std::shared_ptr<const std::vector<std::string>> elements;  // of ENUM and SET; null: none

  bool is_unsigned() const { return (flags & kUnsigned) != 0; }
  bool is_not_null() const { return (flags & kNotNull) != 0; }
  bool is_boolean() const { return (flags & kIsBoolean) != 0; }
  bool is_string() const;  // CHAR, VARCHAR and the BLOBs
  bool is_varchar() const { return type == Type::kVarchar || type == Type::kVarString; }
  bool is_char() const { return type == Type::kVarchar || type == Type::kString; }
  bool is_binary_string() const { return is_string() && has_binary_collation(); }
  bool has_binary_collation() const;
  // Digits of seconds that values show.
  int fsp() const { return decimal < 0 || decimal > 6 ? 0 : decimal; }
  // Whether an index holds less than the column's value, which is restored from the index's value then.
  bool needs_restored_data() const;
  bool has_padding_bin_collation() const;  // one of the _bin collations that ignore trailing blanks

  static FieldType of(Type type, uint32_t flags = 0);
  static FieldType from(const tipb::FieldType& proto);
  static FieldType from(const tipb::ColumnInfo& proto);
};

// False: no vector holds such values.
[[nodiscard]] bool eval_type_of(const FieldType& type, EvalType& out);
// False: this store does not have the collation.
[[nodiscard]] bool collation_of(const FieldType& type, Collation& out);

}  // namespace cairn::coprocessor
