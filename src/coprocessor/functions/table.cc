// Each signature of tipb stands here once, and the compiler tells of a missing one.
#include "coprocessor/functions/table.h"

#include "coprocessor/functions/families.h"

namespace cairn::coprocessor {

std::optional<Function> find_cast(EvalType from, EvalType to, const CallType& type) {
  switch (to) {
    case EvalType::kInt:
      return find_cast_to_int(from, type);
    case EvalType::kReal:
      return find_cast_to_real(from, type);
    case EvalType::kDecimal:
      return find_cast_to_decimal(from, type);
    case EvalType::kBytes:
    case EvalType::kEnum:
    case EvalType::kSet:
      return find_cast_to_string(from, type);
    case EvalType::kTime:
      return find_cast_to_time(from, type);
    case EvalType::kDuration:
      return find_cast_to_duration(from, type);
    case EvalType::kJson:
      return find_cast_to_json(from, type);
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

namespace {

// The families, and where none has a signature yet.
enum class Family : uint8_t {
  kCompare,
  kExtremum,
  kArithmetic,
  kMath,
  kLogic,
  kControl,
  kIn,
  kLike,
  kString,
  kStringSearch,
  kStringCode,
  kTime,
  kTimeArithmetic,
  kJson,
  kRegexp,
  kDigest,
  kMiscellaneous,
  kCast,
  kNotYet,
};

Family family_of(tipb::ScalarFuncSig signature) {
  switch (signature) {
    case tipb::LTInt:
    case tipb::LTReal:
    case tipb::LTDecimal:
    case tipb::LTString:
    case tipb::LTTime:
    case tipb::LTDuration:
    case tipb::LTJson:
    case tipb::LEInt:
    case tipb::LEReal:
    case tipb::LEDecimal:
    case tipb::LEString:
    case tipb::LETime:
    case tipb::LEDuration:
    case tipb::LEJson:
    case tipb::GTInt:
    case tipb::GTReal:
    case tipb::GTDecimal:
    case tipb::GTString:
    case tipb::GTTime:
    case tipb::GTDuration:
    case tipb::GTJson:
    case tipb::GEInt:
    case tipb::GEReal:
    case tipb::GEDecimal:
    case tipb::GEString:
    case tipb::GETime:
    case tipb::GEDuration:
    case tipb::GEJson:
    case tipb::EQInt:
    case tipb::EQReal:
    case tipb::EQDecimal:
    case tipb::EQString:
    case tipb::EQTime:
    case tipb::EQDuration:
    case tipb::EQJson:
    case tipb::NEInt:
    case tipb::NEReal:
    case tipb::NEDecimal:
    case tipb::NEString:
    case tipb::NETime:
    case tipb::NEDuration:
    case tipb::NEJson:
    case tipb::NullEQInt:
    case tipb::NullEQReal:
    case tipb::NullEQDecimal:
    case tipb::NullEQString:
    case tipb::NullEQTime:
    case tipb::NullEQDuration:
    case tipb::NullEQJson:
    case tipb::LTVectorFloat32:
    case tipb::LEVectorFloat32:
    case tipb::GTVectorFloat32:
    case tipb::GEVectorFloat32:
    case tipb::EQVectorFloat32:
    case tipb::NEVectorFloat32:
    case tipb::NullEQVectorFloat32:
      return Family::kCompare;
    case tipb::GreatestInt:
    case tipb::GreatestReal:
    case tipb::GreatestDecimal:
    case tipb::GreatestString:
    case tipb::GreatestTime:
    case tipb::LeastInt:
    case tipb::LeastReal:
    case tipb::LeastDecimal:
    case tipb::LeastString:
    case tipb::LeastTime:
    case tipb::IntervalInt:
    case tipb::IntervalReal:
    case tipb::GreatestVectorFloat32:
    case tipb::LeastVectorFloat32:
    case tipb::GreatestDuration:
    case tipb::GreatestCmpStringAsTime:
    case tipb::LeastDuration:
    case tipb::LeastCmpStringAsTime:
    case tipb::GreatestCmpStringAsDate:
    case tipb::LeastCmpStringAsDate:
    case tipb::GreatestDate:
    case tipb::LeastDate:
      return Family::kExtremum;
    case tipb::PlusReal:
    case tipb::PlusDecimal:
    case tipb::PlusInt:
    case tipb::MinusReal:
    case tipb::MinusDecimal:
    case tipb::MinusInt:
    case tipb::MultiplyReal:
    case tipb::MultiplyDecimal:
    case tipb::MultiplyInt:
    case tipb::DivideReal:
    case tipb::DivideDecimal:
    case tipb::IntDivideInt:
    case tipb::IntDivideDecimal:
    case tipb::ModReal:
    case tipb::ModDecimal:
    case tipb::ModInt:
    case tipb::MultiplyIntUnsigned:
    case tipb::PlusIntUnsignedUnsigned:
    case tipb::PlusIntUnsignedSigned:
    case tipb::PlusIntSignedUnsigned:
    case tipb::PlusIntSignedSigned:
    case tipb::ModIntUnsignedUnsigned:
    case tipb::ModIntUnsignedSigned:
    case tipb::ModIntSignedUnsigned:
    case tipb::ModIntSignedSigned:
    case tipb::MinusIntUnsignedUnsigned:
    case tipb::MinusIntUnsignedSigned:
    case tipb::MinusIntSignedUnsigned:
    case tipb::MinusIntSignedSigned:
    case tipb::MinusIntForcedUnsignedUnsigned:
    case tipb::MinusIntForcedUnsignedSigned:
    case tipb::MinusIntForcedSignedUnsigned:
    case tipb::IntDivideIntUnsignedUnsigned:
    case tipb::IntDivideIntUnsignedSigned:
    case tipb::IntDivideIntSignedSigned:
    case tipb::IntDivideIntSignedUnsigned:
    case tipb::UnaryMinusInt:
    case tipb::UnaryMinusReal:
    case tipb::UnaryMinusDecimal:
    case tipb::PlusVectorFloat32:
    case tipb::MinusVectorFloat32:
    case tipb::MultiplyVectorFloat32:
      return Family::kArithmetic;
    case tipb::AbsInt:
    case tipb::AbsUInt:
    case tipb::AbsReal:
    case tipb::AbsDecimal:
    case tipb::CeilIntToDec:
    case tipb::CeilIntToInt:
    case tipb::CeilDecToInt:
    case tipb::CeilDecToDec:
    case tipb::CeilReal:
    case tipb::FloorIntToDec:
    case tipb::FloorIntToInt:
    case tipb::FloorDecToInt:
    case tipb::FloorDecToDec:
    case tipb::FloorReal:
    case tipb::RoundReal:
    case tipb::RoundInt:
    case tipb::RoundDec:
    case tipb::RoundWithFracReal:
    case tipb::RoundWithFracInt:
    case tipb::RoundWithFracDec:
    case tipb::Log1Arg:
    case tipb::Log2Args:
    case tipb::Log2:
    case tipb::Log10:
    case tipb::RandWithSeedFirstGen:
    case tipb::Pow:
    case tipb::Conv:
    case tipb::CRC32:
    case tipb::Sign:
    case tipb::Sqrt:
    case tipb::Acos:
    case tipb::Asin:
    case tipb::Atan1Arg:
    case tipb::Atan2Args:
    case tipb::Cos:
    case tipb::Cot:
    case tipb::Degrees:
    case tipb::Exp:
    case tipb::PI:
    case tipb::Radians:
    case tipb::Sin:
    case tipb::Tan:
    case tipb::TruncateInt:
    case tipb::TruncateReal:
    case tipb::TruncateDecimal:
    case tipb::TruncateUint:
      return Family::kMath;
    case tipb::LogicalAnd:
    case tipb::LogicalOr:
    case tipb::LogicalXor:
    case tipb::UnaryNotInt:
    case tipb::UnaryNotDecimal:
    case tipb::UnaryNotReal:
    case tipb::UnaryNotJSON:
    case tipb::DecimalIsNull:
    case tipb::DurationIsNull:
    case tipb::RealIsNull:
    case tipb::StringIsNull:
    case tipb::TimeIsNull:
    case tipb::IntIsNull:
    case tipb::JsonIsNull:
    case tipb::BitAndSig:
    case tipb::BitOrSig:
    case tipb::BitXorSig:
    case tipb::BitNegSig:
    case tipb::IntIsTrue:
    case tipb::RealIsTrue:
    case tipb::DecimalIsTrue:
    case tipb::IntIsFalse:
    case tipb::RealIsFalse:
    case tipb::DecimalIsFalse:
    case tipb::LeftShift:
    case tipb::RightShift:
    case tipb::IntIsTrueWithNull:
    case tipb::RealIsTrueWithNull:
    case tipb::DecimalIsTrueWithNull:
    case tipb::IntIsFalseWithNull:
    case tipb::RealIsFalseWithNull:
    case tipb::DecimalIsFalseWithNull:
    case tipb::BitCount:
    case tipb::VectorFloat32IsNull:
    case tipb::VectorFloat32IsTrue:
    case tipb::VectorFloat32IsFalse:
    case tipb::VectorFloat32IsTrueWithNull:
    case tipb::VectorFloat32IsFalseWithNull:
      return Family::kLogic;
    case tipb::CoalesceInt:
    case tipb::CoalesceReal:
    case tipb::CoalesceDecimal:
    case tipb::CoalesceString:
    case tipb::CoalesceTime:
    case tipb::CoalesceDuration:
    case tipb::CoalesceJson:
    case tipb::IfNullInt:
    case tipb::IfNullReal:
    case tipb::IfNullDecimal:
    case tipb::IfNullString:
    case tipb::IfNullTime:
    case tipb::IfNullDuration:
    case tipb::IfInt:
    case tipb::IfReal:
    case tipb::IfDecimal:
    case tipb::IfString:
    case tipb::IfTime:
    case tipb::IfDuration:
    case tipb::IfNullJson:
    case tipb::IfJson:
    case tipb::CaseWhenInt:
    case tipb::CaseWhenReal:
    case tipb::CaseWhenDecimal:
    case tipb::CaseWhenString:
    case tipb::CaseWhenTime:
    case tipb::CaseWhenDuration:
    case tipb::CaseWhenJson:
    case tipb::DecimalAnyValue:
    case tipb::DurationAnyValue:
    case tipb::IntAnyValue:
    case tipb::JSONAnyValue:
    case tipb::RealAnyValue:
    case tipb::StringAnyValue:
    case tipb::TimeAnyValue:
    case tipb::VectorFloat32AnyValue:
    case tipb::CoalesceVectorFloat32:
    case tipb::IfNullVectorFloat32:
    case tipb::IfVectorFloat32:
    case tipb::CaseWhenVectorFloat32:
      return Family::kControl;
    case tipb::InInt:
    case tipb::InReal:
    case tipb::InDecimal:
    case tipb::InString:
    case tipb::InTime:
    case tipb::InDuration:
    case tipb::InJson:
      return Family::kIn;
    case tipb::IlikeSig:
    case tipb::LikeSig:
      return Family::kLike;
    case tipb::Concat:
    case tipb::ConcatWS:
    case tipb::Elt:
    case tipb::ExportSet3Arg:
    case tipb::ExportSet4Arg:
    case tipb::ExportSet5Arg:
    case tipb::InsertUTF8:
    case tipb::Insert:
    case tipb::LTrim:
    case tipb::LeftUTF8:
    case tipb::Left:
    case tipb::Lower:
    case tipb::LpadUTF8:
    case tipb::Lpad:
    case tipb::MakeSet:
    case tipb::Quote:
    case tipb::RTrim:
    case tipb::Repeat:
    case tipb::Replace:
    case tipb::ReverseUTF8:
    case tipb::Reverse:
    case tipb::RightUTF8:
    case tipb::Right:
    case tipb::RpadUTF8:
    case tipb::Rpad:
    case tipb::Space:
    case tipb::Substring2ArgsUTF8:
    case tipb::Substring3ArgsUTF8:
    case tipb::Substring2Args:
    case tipb::Substring3Args:
    case tipb::SubstringIndex:
    case tipb::Trim1Arg:
    case tipb::Trim2Args:
    case tipb::Trim3Args:
    case tipb::UpperUTF8:
    case tipb::Upper:
    case tipb::LowerUTF8:
      return Family::kString;
    case tipb::BitLength:
    case tipb::ASCII:
    case tipb::CharLengthUTF8:
    case tipb::FieldInt:
    case tipb::FieldReal:
    case tipb::FieldString:
    case tipb::FindInSet:
    case tipb::InstrUTF8:
    case tipb::Instr:
    case tipb::Length:
    case tipb::Locate2ArgsUTF8:
    case tipb::Locate3ArgsUTF8:
    case tipb::Locate2Args:
    case tipb::Locate3Args:
    case tipb::Ord:
    case tipb::Strcmp:
    case tipb::CharLength:
      return Family::kStringSearch;
    case tipb::InetAton:
    case tipb::InetNtoa:
    case tipb::Inet6Aton:
    case tipb::Inet6Ntoa:
    case tipb::IsIPv4:
    case tipb::IsIPv4Compat:
    case tipb::IsIPv4Mapped:
    case tipb::IsIPv6:
    case tipb::IsUUID:
    case tipb::Bin:
    case tipb::FromBase64:
    case tipb::HexIntArg:
    case tipb::HexStrArg:
    case tipb::OctInt:
    case tipb::OctString:
    case tipb::ToBase64:
    case tipb::UnHex:
    case tipb::ToBinary:
    case tipb::FromBinary:
      return Family::kStringCode;
    case tipb::DateFormatSig:
    case tipb::DateDiff:
    case tipb::Date:
    case tipb::Hour:
    case tipb::Minute:
    case tipb::Second:
    case tipb::MicroSecond:
    case tipb::Month:
    case tipb::MonthName:
    case tipb::DayName:
    case tipb::DayOfMonth:
    case tipb::DayOfWeek:
    case tipb::DayOfYear:
    case tipb::WeekWithMode:
    case tipb::WeekWithoutMode:
    case tipb::WeekDay:
    case tipb::WeekOfYear:
    case tipb::Year:
    case tipb::YearWeekWithMode:
    case tipb::YearWeekWithoutMode:
    case tipb::UnixTimestampInt:
    case tipb::UnixTimestampDec:
    case tipb::MakeDate:
    case tipb::MakeTime:
    case tipb::PeriodAdd:
    case tipb::PeriodDiff:
    case tipb::Quarter:
    case tipb::SecToTime:
    case tipb::TimeToSec:
    case tipb::ToDays:
    case tipb::ToSeconds:
    case tipb::LastDay:
    case tipb::StrToDateDate:
    case tipb::StrToDateDatetime:
    case tipb::StrToDateDuration:
    case tipb::FromUnixTime1Arg:
    case tipb::FromUnixTime2Arg:
    case tipb::FromDays:
      return Family::kTime;
    case tipb::NullTimeDiff:
    case tipb::TimeStringTimeDiff:
    case tipb::DurationStringTimeDiff:
    case tipb::DurationDurationTimeDiff:
    case tipb::StringTimeTimeDiff:
    case tipb::StringDurationTimeDiff:
    case tipb::StringStringTimeDiff:
    case tipb::TimeTimeTimeDiff:
    case tipb::AddDatetimeAndDuration:
    case tipb::AddDatetimeAndString:
    case tipb::AddTimeDateTimeNull:
    case tipb::AddStringAndDuration:
    case tipb::AddTimeStringNull:
    case tipb::AddDurationAndDuration:
    case tipb::AddDurationAndString:
    case tipb::AddTimeDurationNull:
    case tipb::SubDatetimeAndDuration:
    case tipb::SubDatetimeAndString:
    case tipb::SubTimeDateTimeNull:
    case tipb::SubStringAndDuration:
    case tipb::SubTimeStringNull:
    case tipb::SubDurationAndDuration:
    case tipb::SubDurationAndString:
    case tipb::SubTimeDurationNull:
    case tipb::ExtractDatetime:
    case tipb::ExtractDuration:
    case tipb::AddDateStringString:
    case tipb::AddDateStringInt:
    case tipb::AddDateStringDecimal:
    case tipb::AddDateIntString:
    case tipb::AddDateIntInt:
    case tipb::AddDateDatetimeString:
    case tipb::AddDateDatetimeInt:
    case tipb::SubDateStringString:
    case tipb::SubDateStringInt:
    case tipb::SubDateStringDecimal:
    case tipb::SubDateIntString:
    case tipb::SubDateIntInt:
    case tipb::SubDateDatetimeString:
    case tipb::SubDateDatetimeInt:
    case tipb::TimestampDiff:
    case tipb::SubDateStringReal:
    case tipb::SubDateIntReal:
    case tipb::SubDateIntDecimal:
    case tipb::SubDateDatetimeReal:
    case tipb::SubDateDatetimeDecimal:
    case tipb::SubDateDurationString:
    case tipb::SubDateDurationInt:
    case tipb::SubDateDurationReal:
    case tipb::SubDateDurationDecimal:
    case tipb::AddDateStringReal:
    case tipb::AddDateIntReal:
    case tipb::AddDateIntDecimal:
    case tipb::AddDateDatetimeReal:
    case tipb::AddDateDatetimeDecimal:
    case tipb::AddDateDurationString:
    case tipb::AddDateDurationInt:
    case tipb::AddDateDurationReal:
    case tipb::AddDateDurationDecimal:
    case tipb::AddDateRealString:
    case tipb::AddDateRealInt:
    case tipb::AddDateRealReal:
    case tipb::AddDateRealDecimal:
    case tipb::AddDateDecimalString:
    case tipb::AddDateDecimalInt:
    case tipb::AddDateDecimalReal:
    case tipb::AddDateDecimalDecimal:
    case tipb::SubDateRealString:
    case tipb::SubDateRealInt:
    case tipb::SubDateRealReal:
    case tipb::SubDateRealDecimal:
    case tipb::SubDateDecimalString:
    case tipb::SubDateDecimalInt:
    case tipb::SubDateDecimalReal:
    case tipb::SubDateDecimalDecimal:
    case tipb::AddDateDurationStringDatetime:
    case tipb::AddDateDurationIntDatetime:
    case tipb::AddDateDurationRealDatetime:
    case tipb::AddDateDurationDecimalDatetime:
    case tipb::SubDateDurationStringDatetime:
    case tipb::SubDateDurationIntDatetime:
    case tipb::SubDateDurationRealDatetime:
    case tipb::SubDateDurationDecimalDatetime:
      return Family::kTimeArithmetic;
    case tipb::JsonExtractSig:
    case tipb::JsonUnquoteSig:
    case tipb::JsonTypeSig:
    case tipb::JsonSetSig:
    case tipb::JsonInsertSig:
    case tipb::JsonReplaceSig:
    case tipb::JsonRemoveSig:
    case tipb::JsonMergeSig:
    case tipb::JsonObjectSig:
    case tipb::JsonArraySig:
    case tipb::JsonValidJsonSig:
    case tipb::JsonContainsSig:
    case tipb::JsonArrayAppendSig:
    case tipb::JsonMergePatchSig:
    case tipb::JsonMergePreserveSig:
    case tipb::JsonContainsPathSig:
    case tipb::JsonPrettySig:
    case tipb::JsonQuoteSig:
    case tipb::JsonStorageSizeSig:
    case tipb::JsonDepthSig:
    case tipb::JsonKeysSig:
    case tipb::JsonLengthSig:
    case tipb::JsonKeys2ArgsSig:
    case tipb::JsonValidStringSig:
    case tipb::JsonValidOthersSig:
    case tipb::JsonStorageFreeSig:
    case tipb::JsonMemberOfSig:
      return Family::kJson;
    case tipb::RegexpSig:
    case tipb::RegexpUTF8Sig:
    case tipb::RegexpLikeSig:
    case tipb::RegexpLikeUTF8Sig:
    case tipb::RegexpInStrSig:
    case tipb::RegexpInStrUTF8Sig:
    case tipb::RegexpReplaceSig:
    case tipb::RegexpReplaceUTF8Sig:
    case tipb::RegexpSubstrSig:
    case tipb::RegexpSubstrUTF8Sig:
      return Family::kRegexp;
    case tipb::MD5:
    case tipb::SHA1:
    case tipb::SHA2:
    case tipb::SM3:
      return Family::kDigest;
    case tipb::VecAsTextSig:
    case tipb::VecDimsSig:
    case tipb::VecL1DistanceSig:
    case tipb::VecL2DistanceSig:
    case tipb::VecNegativeInnerProductSig:
    case tipb::VecCosineDistanceSig:
    case tipb::VecL2NormSig:
      return Family::kMiscellaneous;
    case tipb::CastIntAsInt:
    case tipb::CastIntAsReal:
    case tipb::CastIntAsString:
    case tipb::CastIntAsDecimal:
    case tipb::CastIntAsTime:
    case tipb::CastIntAsDuration:
    case tipb::CastIntAsJson:
    case tipb::CastRealAsInt:
    case tipb::CastRealAsReal:
    case tipb::CastRealAsString:
    case tipb::CastRealAsDecimal:
    case tipb::CastRealAsTime:
    case tipb::CastRealAsDuration:
    case tipb::CastRealAsJson:
    case tipb::CastDecimalAsInt:
    case tipb::CastDecimalAsReal:
    case tipb::CastDecimalAsString:
    case tipb::CastDecimalAsDecimal:
    case tipb::CastDecimalAsTime:
    case tipb::CastDecimalAsDuration:
    case tipb::CastDecimalAsJson:
    case tipb::CastStringAsInt:
    case tipb::CastStringAsReal:
    case tipb::CastStringAsString:
    case tipb::CastStringAsDecimal:
    case tipb::CastStringAsTime:
    case tipb::CastStringAsDuration:
    case tipb::CastStringAsJson:
    case tipb::CastTimeAsInt:
    case tipb::CastTimeAsReal:
    case tipb::CastTimeAsString:
    case tipb::CastTimeAsDecimal:
    case tipb::CastTimeAsTime:
    case tipb::CastTimeAsDuration:
    case tipb::CastTimeAsJson:
    case tipb::CastDurationAsInt:
    case tipb::CastDurationAsReal:
    case tipb::CastDurationAsString:
    case tipb::CastDurationAsDecimal:
    case tipb::CastDurationAsTime:
    case tipb::CastDurationAsDuration:
    case tipb::CastDurationAsJson:
    case tipb::CastJsonAsInt:
    case tipb::CastJsonAsReal:
    case tipb::CastJsonAsString:
    case tipb::CastJsonAsDecimal:
    case tipb::CastJsonAsTime:
    case tipb::CastJsonAsDuration:
    case tipb::CastJsonAsJson:
    case tipb::CastVectorFloat32AsString:
      return Family::kCast;
    case tipb::Unspecified:
    case tipb::Rand:
    case tipb::GetParamString:
    case tipb::GetVar:
    case tipb::RowSig:
    case tipb::SetVar:
    case tipb::ValuesDecimal:
    case tipb::ValuesDuration:
    case tipb::ValuesInt:
    case tipb::ValuesJSON:
    case tipb::ValuesReal:
    case tipb::ValuesString:
    case tipb::ValuesTime:
    case tipb::AesDecrypt:
    case tipb::AesEncrypt:
    case tipb::Compress:
    case tipb::Password:
    case tipb::RandomBytes:
    case tipb::Uncompress:
    case tipb::UncompressedLength:
    case tipb::AesDecryptIV:
    case tipb::AesEncryptIV:
    case tipb::Encode:
    case tipb::Decode:
    case tipb::Database:
    case tipb::FoundRows:
    case tipb::CurrentUser:
    case tipb::User:
    case tipb::ConnectionID:
    case tipb::LastInsertID:
    case tipb::LastInsertIDWithID:
    case tipb::Version:
    case tipb::TiDBVersion:
    case tipb::RowCount:
    case tipb::Sleep:
    case tipb::Lock:
    case tipb::ReleaseLock:
    case tipb::UUID:
    case tipb::VitessHash:
    case tipb::TiDBShard:
    case tipb::GroupingSig:
    case tipb::UUIDv4:
    case tipb::UUIDv7:
    case tipb::UUIDVersion:
    case tipb::UUIDTimestamp:
    case tipb::JsonArrayInsertSig:
    case tipb::JsonSearchSig:
    case tipb::VecFromTextSig:
    case tipb::CastStringAsVectorFloat32:
    case tipb::CastVectorFloat32AsInt:
    case tipb::CastVectorFloat32AsReal:
    case tipb::CastVectorFloat32AsDecimal:
    case tipb::CastVectorFloat32AsTime:
    case tipb::CastVectorFloat32AsDuration:
    case tipb::CastVectorFloat32AsJson:
    case tipb::CastVectorFloat32AsVectorFloat32:
    case tipb::FTSMatchWord:
    case tipb::FTSMatchExpression:
    case tipb::FTSMatchPrefix:
    case tipb::FTSMatchRegexp:
    case tipb::FTSMatchPhrase:
    case tipb::DateLiteral:
    case tipb::NowWithArg:
    case tipb::NowWithoutArg:
    case tipb::GetFormat:
    case tipb::SysDateWithFsp:
    case tipb::SysDateWithoutFsp:
    case tipb::CurrentDate:
    case tipb::CurrentTime0Arg:
    case tipb::CurrentTime1Arg:
    case tipb::Time:
    case tipb::TimeLiteral:
    case tipb::UTCDate:
    case tipb::UTCTimestampWithArg:
    case tipb::UTCTimestampWithoutArg:
    case tipb::AddStringAndString:
    case tipb::AddDateAndDuration:
    case tipb::AddDateAndString:
    case tipb::SubStringAndString:
    case tipb::SubDateAndDuration:
    case tipb::SubDateAndString:
    case tipb::UnixTimestampCurrent:
    case tipb::ConvertTz:
    case tipb::TimestampAdd:
    case tipb::UTCTimeWithArg:
    case tipb::UTCTimeWithoutArg:
    case tipb::Timestamp1Arg:
    case tipb::Timestamp2Args:
    case tipb::TimestampLiteral:
    case tipb::TimeFormat:
    case tipb::ExtractDatetimeFromString:
    case tipb::Char:
    case tipb::Convert:
    case tipb::Format:
    case tipb::FormatWithLocale:
      return Family::kNotYet;
  }
  return Family::kNotYet;
}

// The types that a cast's name states.
std::optional<Function> find_named_cast(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::CastIntAsInt:
      return find_cast(EvalType::kInt, EvalType::kInt, type);
    case tipb::CastIntAsReal:
      return find_cast(EvalType::kInt, EvalType::kReal, type);
    case tipb::CastIntAsString:
      return find_cast(EvalType::kInt, EvalType::kBytes, type);
    case tipb::CastIntAsDecimal:
      return find_cast(EvalType::kInt, EvalType::kDecimal, type);
    case tipb::CastIntAsTime:
      return find_cast(EvalType::kInt, EvalType::kTime, type);
    case tipb::CastIntAsDuration:
      return find_cast(EvalType::kInt, EvalType::kDuration, type);
    case tipb::CastIntAsJson:
      return find_cast(EvalType::kInt, EvalType::kJson, type);
    case tipb::CastRealAsInt:
      return find_cast(EvalType::kReal, EvalType::kInt, type);
    case tipb::CastRealAsReal:
      return find_cast(EvalType::kReal, EvalType::kReal, type);
    case tipb::CastRealAsString:
      return find_cast(EvalType::kReal, EvalType::kBytes, type);
    case tipb::CastRealAsDecimal:
      return find_cast(EvalType::kReal, EvalType::kDecimal, type);
    case tipb::CastRealAsTime:
      return find_cast(EvalType::kReal, EvalType::kTime, type);
    case tipb::CastRealAsDuration:
      return find_cast(EvalType::kReal, EvalType::kDuration, type);
    case tipb::CastRealAsJson:
      return find_cast(EvalType::kReal, EvalType::kJson, type);
    case tipb::CastDecimalAsInt:
      return find_cast(EvalType::kDecimal, EvalType::kInt, type);
    case tipb::CastDecimalAsReal:
      return find_cast(EvalType::kDecimal, EvalType::kReal, type);
    case tipb::CastDecimalAsString:
      return find_cast(EvalType::kDecimal, EvalType::kBytes, type);
    case tipb::CastDecimalAsDecimal:
      return find_cast(EvalType::kDecimal, EvalType::kDecimal, type);
    case tipb::CastDecimalAsTime:
      return find_cast(EvalType::kDecimal, EvalType::kTime, type);
    case tipb::CastDecimalAsDuration:
      return find_cast(EvalType::kDecimal, EvalType::kDuration, type);
    case tipb::CastDecimalAsJson:
      return find_cast(EvalType::kDecimal, EvalType::kJson, type);
    case tipb::CastStringAsInt:
      return find_cast(EvalType::kBytes, EvalType::kInt, type);
    case tipb::CastStringAsReal:
      return find_cast(EvalType::kBytes, EvalType::kReal, type);
    case tipb::CastStringAsString:
      return find_cast(EvalType::kBytes, EvalType::kBytes, type);
    case tipb::CastStringAsDecimal:
      return find_cast(EvalType::kBytes, EvalType::kDecimal, type);
    case tipb::CastStringAsTime:
      return find_cast(EvalType::kBytes, EvalType::kTime, type);
    case tipb::CastStringAsDuration:
      return find_cast(EvalType::kBytes, EvalType::kDuration, type);
    case tipb::CastStringAsJson:
      return find_cast(EvalType::kBytes, EvalType::kJson, type);
    case tipb::CastTimeAsInt:
      return find_cast(EvalType::kTime, EvalType::kInt, type);
    case tipb::CastTimeAsReal:
      return find_cast(EvalType::kTime, EvalType::kReal, type);
    case tipb::CastTimeAsString:
      return find_cast(EvalType::kTime, EvalType::kBytes, type);
    case tipb::CastTimeAsDecimal:
      return find_cast(EvalType::kTime, EvalType::kDecimal, type);
    case tipb::CastTimeAsTime:
      return find_cast(EvalType::kTime, EvalType::kTime, type);
    case tipb::CastTimeAsDuration:
      return find_cast(EvalType::kTime, EvalType::kDuration, type);
    case tipb::CastTimeAsJson:
      return find_cast(EvalType::kTime, EvalType::kJson, type);
    case tipb::CastDurationAsInt:
      return find_cast(EvalType::kDuration, EvalType::kInt, type);
    case tipb::CastDurationAsReal:
      return find_cast(EvalType::kDuration, EvalType::kReal, type);
    case tipb::CastDurationAsString:
      return find_cast(EvalType::kDuration, EvalType::kBytes, type);
    case tipb::CastDurationAsDecimal:
      return find_cast(EvalType::kDuration, EvalType::kDecimal, type);
    case tipb::CastDurationAsTime:
      return find_cast(EvalType::kDuration, EvalType::kTime, type);
    case tipb::CastDurationAsDuration:
      return find_cast(EvalType::kDuration, EvalType::kDuration, type);
    case tipb::CastDurationAsJson:
      return find_cast(EvalType::kDuration, EvalType::kJson, type);
    case tipb::CastJsonAsInt:
      return find_cast(EvalType::kJson, EvalType::kInt, type);
    case tipb::CastJsonAsReal:
      return find_cast(EvalType::kJson, EvalType::kReal, type);
    case tipb::CastJsonAsString:
      return find_cast(EvalType::kJson, EvalType::kBytes, type);
    case tipb::CastJsonAsDecimal:
      return find_cast(EvalType::kJson, EvalType::kDecimal, type);
    case tipb::CastJsonAsTime:
      return find_cast(EvalType::kJson, EvalType::kTime, type);
    case tipb::CastJsonAsDuration:
      return find_cast(EvalType::kJson, EvalType::kDuration, type);
    case tipb::CastJsonAsJson:
      return find_cast(EvalType::kJson, EvalType::kJson, type);
    case tipb::CastVectorFloat32AsString:
      return find_cast(EvalType::kVector, EvalType::kBytes, type);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Function> find_function(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (family_of(signature)) {
    case Family::kCompare:
      return find_compare(signature, type);
    case Family::kExtremum:
      return find_extremum(signature, type);
    case Family::kArithmetic:
      return find_arithmetic(signature, type);
    case Family::kMath:
      return find_math(signature, type);
    case Family::kLogic:
      return find_logic(signature, type);
    case Family::kControl:
      return find_control(signature, type);
    case Family::kIn:
      return find_in(signature, type);
    case Family::kLike:
      return find_like(signature, type);
    case Family::kString:
      return find_string(signature, type);
    case Family::kStringSearch:
      return find_string_search(signature, type);
    case Family::kStringCode:
      return find_string_code(signature, type);
    case Family::kTime:
      return find_time(signature, type);
    case Family::kTimeArithmetic:
      return find_time_arithmetic(signature, type);
    case Family::kJson:
      return find_json(signature, type);
    case Family::kRegexp:
      return find_regexp(signature, type);
    case Family::kDigest:
      return find_digest(signature, type);
    case Family::kMiscellaneous:
      return find_miscellaneous(signature, type);
    case Family::kCast:
      return find_named_cast(signature, type);
    case Family::kNotYet:
      return std::nullopt;
  }
  return std::nullopt;
}

bool has_function(tipb::ScalarFuncSig signature) { return family_of(signature) != Family::kNotYet; }

}  // namespace cairn::coprocessor
