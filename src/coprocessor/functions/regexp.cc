// Regular expressions, by RE2: its time is linear in the text, whatever the pattern. Positions and lengths are in
// characters.
#include <re2/re2.h>

#include <algorithm>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"

namespace cairn::coprocessor {
namespace {

constexpr int kGroupsMax = 10;  // \0 to \9
constexpr int64_t kPatternBytesMax = 8 << 20;

// Where the flags of the match stand among the arguments; behind the last: the function has none here.
constexpr size_t kLikeFlags = 2, kSubstrFlags = 4, kInstrFlags = 5, kReplaceFlags = 5;

struct Pattern {
  std::unique_ptr<const RE2> regexp;
  std::string error;  // if there is none
};

Pattern compile(const FieldType& type, ByteView pattern, ByteView flags) {
  if (pattern.empty()) return {nullptr, "Empty pattern is invalid in regexp"};
  Collation collation{};
  bool ignores_case = collation_of(type, collation) && !compares_bytes(collation);
  std::string others;
  for (const char flag : flags) {
    if (flag == 'i' || flag == 'c') {
      ignores_case = flag == 'i';
    } else if (flag == 'm' || flag == 's') {
      others += flag;
    } else {
      return {nullptr, fmt::format("Invalid match type: {} in regexp", flag)};
    }
  }
  if (ignores_case) others += 'i';
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytesMax);
  std::string text(pattern);
  if (!others.empty()) text.insert(0, fmt::format("(?{})", others));
  auto regexp = std::make_unique<const RE2>(text, options);
  if (!regexp->ok()) return {nullptr, fmt::format("Invalid regexp pattern: {}", regexp->error())};
  return {std::move(regexp), ""};
}

// Done once a request if the pattern and the flags are constants.
template <size_t kFlags>
std::shared_ptr<const void> prepare(const CallType& type, std::span<const Operand> args) {
  const auto is_known = [&](size_t i) { return args[i].column != nullptr && !args[i].column->nulls[0]; };
  if (!is_known(1) || (args.size() > kFlags && !is_known(kFlags))) return nullptr;
  const ByteView flags = args.size() > kFlags ? args[kFlags].column->bytes[0] : ByteView();
  return std::make_shared<const Pattern>(compile(type.result, args[1].column->bytes[0], flags));
}

// One row's call: its arguments, the pattern, and the part of the text that is looked at.
class Call {
 public:
  Call(Frame& f, size_t row) : f_(f), row_(row) {}

  // False: an argument is NULL, or the evaluation has failed.
  bool begin(size_t flags) {
    for (size_t i = 0; i < f_.args.size(); ++i) {
      if (f_.is_null(i, row_)) return false;
    }
    text_ = f_.get<ByteView>(0, row_);
    pattern_ = static_cast<const Pattern*>(f_.prepared);
    if (pattern_ == nullptr) {
      own_ = compile(f_.type.result, f_.get<ByteView>(1, row_),
                     f_.args.size() > flags ? f_.get<ByteView>(flags, row_) : ByteView());
      pattern_ = &own_;
    }
    return pattern_->regexp != nullptr || fail(pattern_->error);
  }
  bool fail(std::string text) { return f_.context.raise(code::kRegexp, std::move(text)); }

  int64_t integer(size_t arg, int64_t otherwise) const {
    return f_.args.size() > arg ? f_.get<int64_t>(arg, row_) : otherwise;
  }
  // Looks at the text from that character on, counted from 1.
  bool start_at(int64_t position) {
    const auto chars = static_cast<int64_t>(count_chars(text_));
    if (position < 1 || (position > chars && position != 1)) {
      return fail(fmt::format("Invalid pos: {} in regexp, count: {}", position, chars));
    }
    before_ = text_.substr(0, prefix_of_chars(text_, static_cast<size_t>(position - 1)));
    text_.remove_prefix(before_.size());
    return true;
  }

  // The next match: an empty one does not stand at the end of the one before it.
  bool next() {
    while (from_ <= text_.size()) {
      const re2::StringPiece text(text_.data(), text_.size());
      if (!pattern_->regexp->Match(text, from_, text_.size(), RE2::UNANCHORED, groups_, groups())) return false;
      const size_t start = this->start(), end = this->end();
      const bool is_new = end > start || !has_last_ || start != last_end_;
      if (end > start) {
        from_ = end;
      } else {
        ByteView rest = text_.substr(end);
        if (!rest.empty()) take_char(rest);
        from_ = rest.data() == text_.data() + end ? text_.size() + 1 : static_cast<size_t>(rest.data() - text_.data());
      }
      if (!is_new) continue;
      has_last_ = true;
      last_end_ = end;
      return true;
    }
    return false;
  }
  // The match of that number, counted from 1.
  bool nth(int64_t number) {
    bool found = true;
    for (int64_t i = 0; i < std::max<int64_t>(number, 1) && found; ++i) found = next();
    return found;
  }
  size_t start() const { return static_cast<size_t>(groups_[0].data() - text_.data()); }
  size_t end() const { return start() + groups_[0].size(); }
  // A group of the match; nothing: it is none of the pattern's, or has no part in the match.
  std::optional<ByteView> group(int number) const {
    if (number >= groups() || groups_[number].data() == nullptr) return std::nullopt;
    return ByteView(groups_[number].data(), groups_[number].size());
  }
  ByteView before() const { return before_; }
  ByteView text() const { return text_; }
  bool is_match() const { return RE2::PartialMatch(re2::StringPiece(text_.data(), text_.size()), *pattern_->regexp); }

 private:
  int groups() const { return std::min(pattern_->regexp->NumberOfCapturingGroups() + 1, kGroupsMax); }

  Frame& f_;
  const size_t row_;
  Pattern own_;
  const Pattern* pattern_ = nullptr;
  ByteView before_, text_;
  size_t from_ = 0, last_end_ = 0;
  bool has_last_ = false;
  re2::StringPiece groups_[kGroupsMax];
};

std::optional<int64_t> regexp_like(Frame& f, size_t row) {
  Call call(f, row);
  if (!call.begin(kLikeFlags)) return std::nullopt;
  return call.is_match() ? 1 : 0;
}

std::optional<ByteView> regexp_substr(Frame& f, size_t row) {
  Call call(f, row);
  if (!call.begin(kSubstrFlags) || !call.start_at(call.integer(2, 1)) || !call.nth(call.integer(3, 1))) {
    return std::nullopt;
  }
  return f.keep(*call.group(0));
}

std::optional<int64_t> regexp_instr(Frame& f, size_t row) {
  Call call(f, row);
  const bool has_begun = call.begin(kInstrFlags) && call.start_at(call.integer(2, 1));
  if (!has_begun) return std::nullopt;
  const int64_t option = call.integer(4, 0);
  if (option != 0 && option != 1) {
    call.fail(fmt::format("Invalid regexp return option: {}", option));
    return std::nullopt;
  }
  if (!call.nth(call.integer(3, 1))) return 0;
  const ByteView passed = call.text().substr(0, option == 0 ? call.start() : call.end());
  return static_cast<int64_t>(count_chars(passed)) + call.integer(2, 1);
}

// Appends what stands for the match: `\1` is a group, `\x` any other character itself.
bool append_replacement(Call& call, ByteView replacement, Bytes& out) {
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '\\') {
      out += replacement[i];
      continue;
    }
    if (++i == replacement.size()) break;
    const char c = replacement[i];
    if (c < '0' || c > '9') {
      out += c;
      continue;
    }
    const auto group = call.group(c - '0');
    if (!group) return call.fail(fmt::format("Substitution number is out of range: {}", c));
    out += *group;
  }
  return true;
}

std::optional<ByteView> regexp_replace(Frame& f, size_t row) {
  Call call(f, row);
  if (!call.begin(kReplaceFlags) || !call.start_at(call.integer(3, 1))) return std::nullopt;
  int64_t occurrence = call.integer(4, 0);
  if (occurrence < 0) occurrence = 1;
  const ByteView replacement = f.get<ByteView>(2, row);
  Bytes out(call.before());
  size_t copied = 0;
  for (int64_t number = 1; call.next(); ++number) {
    if (occurrence != 0 && number < occurrence) continue;
    out += call.text().substr(copied, call.start() - copied);
    copied = call.end();
    if (!append_replacement(call, replacement, out)) return std::nullopt;
    if (occurrence != 0) break;
  }
  out += call.text().substr(copied);
  return f.keep(out);
}

// The function with as many of its arguments as the call has.
template <auto F, size_t kFlags>
Found found(const CallType& call, size_t least, std::vector<EvalType> args) {
  if (call.args.size() < least || call.args.size() > args.size()) return std::nullopt;
  args.resize(call.args.size());
  Function function = variadic<F>(std::move(args));
  function.prepare = &prepare<kFlags>;
  return function;
}

}  // namespace

Found find_regexp(tipb::ScalarFuncSig signature, const CallType& type) {
  constexpr auto kText = EvalType::kBytes;
  constexpr auto kNumber = EvalType::kInt;
  Collation collation{};
  if (!collation_of(type.result, collation)) return std::nullopt;
  switch (signature) {
    case tipb::RegexpSig:
    case tipb::RegexpUTF8Sig:
    case tipb::RegexpLikeSig:
    case tipb::RegexpLikeUTF8Sig:
      return found<&regexp_like, kLikeFlags>(type, 2, {kText, kText, kText});
    case tipb::RegexpSubstrSig:
    case tipb::RegexpSubstrUTF8Sig:
      return found<&regexp_substr, kSubstrFlags>(type, 2, {kText, kText, kNumber, kNumber, kText});
    case tipb::RegexpInStrSig:
    case tipb::RegexpInStrUTF8Sig:
      return found<&regexp_instr, kInstrFlags>(type, 2, {kText, kText, kNumber, kNumber, kNumber, kText});
    case tipb::RegexpReplaceSig:
    case tipb::RegexpReplaceUTF8Sig:
      return found<&regexp_replace, kReplaceFlags>(type, 3, {kText, kText, kText, kNumber, kNumber, kText});
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
