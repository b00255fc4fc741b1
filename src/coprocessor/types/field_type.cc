#include "coprocessor/types/field_type.h"

#include "tipb/expression.pb.h"
#include "tipb/schema.pb.h"

namespace cairn::coprocessor {
namespace {

bool is_known(int type) { return (type >= 0 && type <= 16) || type == 0xe1 || (type >= 0xf5 && type <= 0xff); }

template <class Names>
void put_elements(FieldType& type, const Names& names) {
  if (names.empty()) return;
  type.elements = std::make_shared<const std::vector<std::string>>(names.begin(), names.end());
}

}  // namespace

const char* name_of(EvalType type) {
  switch (type) {
    case EvalType::kInt:
      return "Int";
    case EvalType::kReal:
      return "Real";
    case EvalType::kDecimal:
      return "Decimal";
    case EvalType::kBytes:
      return "Bytes";
    case EvalType::kTime:
      return "Time";
    case EvalType::kDuration:
      return "Duration";
    case EvalType::kJson:
      return "Json";
    case EvalType::kEnum:
      return "Enum";
    case EvalType::kSet:
      return "Set";
    case EvalType::kVector:
      return "Vector";
  }
  return "?";
}

bool FieldType::is_string() const {
  switch (type) {
    case Type::kVarchar:
    case Type::kVarString:
    case Type::kString:
    case Type::kTinyBlob:
    case Type::kMediumBlob:
    case Type::kBlob:
    case Type::kLongBlob:
    case Type::kUnspecified:
      return true;
    default:
      return false;
  }
}

bool FieldType::has_binary_collation() const {
  return collation_number == 63 || collation_number == -63 || collation_number == 47;
}

bool FieldType::has_padding_bin_collation() const {
  switch (collation_number) {
    case -46:
    case -83:
    case -65:
    case -47:
    case -309:
      return true;
    default:
      return false;
  }
}

bool FieldType::needs_restored_data() const {
  const bool is_text = is_string() && !has_binary_collation();
  return is_text && (!has_padding_bin_collation() || is_varchar()) && collation_number != -309;
}

FieldType FieldType::of(Type type, uint32_t flags) {
  FieldType result;
  result.type = type;
  result.flags = flags;
  return result;
}

FieldType FieldType::from(const tipb::FieldType& proto) {
  FieldType result;
  if (is_known(proto.tp())) result.type = static_cast<Type>(proto.tp());
  result.flags = proto.flag();
  result.length = proto.flen();
  result.decimal = proto.decimal();
  result.collation_number = proto.collate();
  result.charset = proto.charset();
  put_elements(result, proto.elems());
  return result;
}

FieldType FieldType::from(const tipb::ColumnInfo& proto) {
  FieldType result;
  if (is_known(proto.tp())) result.type = static_cast<Type>(proto.tp());
  result.flags = static_cast<uint32_t>(proto.flag());
  result.length = proto.columnlen();
  result.decimal = proto.decimal();
  result.collation_number = proto.collation();
  put_elements(result, proto.elems());
  return result;
}

bool eval_type_of(const FieldType& type, EvalType& out) {
  switch (type.type) {
    case Type::kTiny:
    case Type::kShort:
    case Type::kInt24:
    case Type::kLong:
    case Type::kLongLong:
    case Type::kBit:
    case Type::kYear:
      out = EvalType::kInt;
      return true;
    case Type::kFloat:
    case Type::kDouble:
      out = EvalType::kReal;
      return true;
    case Type::kNewDecimal:
      out = EvalType::kDecimal;
      return true;
    case Type::kTimestamp:
    case Type::kDate:
    case Type::kDateTime:
    case Type::kNewDate:
      out = EvalType::kTime;
      return true;
    case Type::kDuration:
      out = EvalType::kDuration;
      return true;
    case Type::kJson:
      out = EvalType::kJson;
      return true;
    case Type::kVector:
      out = EvalType::kVector;
      return true;
    case Type::kVarchar:
    case Type::kTinyBlob:
    case Type::kMediumBlob:
    case Type::kLongBlob:
    case Type::kBlob:
    case Type::kVarString:
    case Type::kString:
    case Type::kNull:
      out = EvalType::kBytes;
      return true;
    case Type::kEnum:
      out = EvalType::kEnum;
      return true;
    case Type::kSet:
      out = EvalType::kSet;
      return true;
    case Type::kUnspecified:
    case Type::kGeometry:
      return false;
  }
  return false;
}

bool collation_of(const FieldType& type, Collation& out) {
  switch (type.collation_number) {
    case 63:
    case -63:
    case 47:
      out = Collation::kBinary;
      return true;
    case -46:
    case -83:
    case -65:
      out = Collation::kUtf8Bin;
      return true;
    case -309:
      out = Collation::kUtf8BinNoPadding;
      return true;
    case -33:
    case -45:
      out = Collation::kUtf8GeneralCi;
      return true;
    case -192:
    case -224:
      out = Collation::kUtf8UnicodeCi;
      return true;
    case -255:
      out = Collation::kUtf80900AiCi;
      return true;
    case -47:
      out = Collation::kLatin1Bin;
      return true;
    default:
      out = Collation::kUtf8BinNoPadding;
      return type.collation_number >= 0;
  }
}

}  // namespace cairn::coprocessor
