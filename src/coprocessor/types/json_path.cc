#include "coprocessor/types/json_path.h"

#include <algorithm>

namespace cairn::coprocessor::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class PathParser {
 public:
  explicit PathParser(ByteView text) : in_(text) {}

  std::optional<Path> parse() {
    skip_blanks();
    if (!take('$')) return std::nullopt;
    Path path;
    while (true) {
      skip_blanks();
      if (in_.empty()) break;
      const bool ok = take('.') ? parse_member(path) : take('[') ? parse_element(path) : parse_any_depth(path);
      if (!ok) return std::nullopt;
    }
    if (!path.legs.empty() && path.legs.back().kind == Leg::Kind::kAnyDepth) return std::nullopt;
    return path;
  }

 private:
  void skip_blanks() {
    while (!in_.empty() && is_blank(in_.front())) in_.remove_prefix(1);
  }
  bool take(char c) {
    if (in_.empty() || in_.front() != c) return false;
    in_.remove_prefix(1);
    return true;
  }
  bool take_word(ByteView word) {
    if (!in_.starts_with(word)) return false;
    in_.remove_prefix(word.size());
    return true;
  }

  bool parse_any_depth(Path& path) {
    if (!take_word("**") || in_.starts_with('*')) return false;
    path.legs.push_back({Leg::Kind::kAnyDepth, {}, {}, {}});
    return true;
  }

  bool parse_member(Path& path) {
    skip_blanks();
    if (take('*')) {
      path.legs.push_back({Leg::Kind::kAnyKey, {}, {}, {}});
      return true;
    }
    if (in_.starts_with('"')) {
      size_t end = 1;
      while (end < in_.size() && in_[end] != '"') end += in_[end] == '\\' ? 2 : 1;
      if (end >= in_.size()) return false;
      const auto key = json::parse(in_.substr(0, end + 1));
      if (!key) return false;
      path.legs.push_back({Leg::Kind::kKey, Bytes(view(*key).as_string()), {}, {}});
      in_.remove_prefix(end + 1);
      return true;
    }
    size_t n = 0;
    while (n < in_.size() && in_[n] != '.' && in_[n] != '[' && in_[n] != '*' && !is_blank(in_[n])) ++n;
    if (n == 0 || is_digit(in_[0])) return false;
    path.legs.push_back({Leg::Kind::kKey, Bytes(in_.substr(0, n)), {}, {}});
    in_.remove_prefix(n);
    return true;
  }

  bool parse_index(Leg::Index& index) {
    skip_blanks();
    if (take_word("last")) {
      index.is_from_end = true;
      skip_blanks();
      if (!take('-')) return true;
      skip_blanks();
    }
    if (in_.empty() || !is_digit(in_.front())) return false;
    uint64_t number = 0;
    while (!in_.empty() && is_digit(in_.front())) {
      number = number * 10 + static_cast<uint64_t>(in_.front() - '0');
      if (number > UINT32_MAX) return false;
      in_.remove_prefix(1);
    }
    index.number = static_cast<uint32_t>(number);
    return true;
  }

  bool parse_element(Path& path) {
    skip_blanks();
    Leg leg;
    if (take('*')) {
      leg.kind = Leg::Kind::kAnyIndex;
    } else {
      leg.kind = Leg::Kind::kIndex;
      if (!parse_index(leg.index)) return false;
      skip_blanks();
      if (take_word("to ")) {
        leg.kind = Leg::Kind::kRange;
        if (!parse_index(leg.end)) return false;
      }
    }
    skip_blanks();
    if (!take(']')) return false;
    path.legs.push_back(std::move(leg));
    return true;
  }

  ByteView in_;
};

// What is not an array is one of a single element, to an index.
size_t count_as_array(const View& value) { return value.code == kArray ? value.count() : 1; }
View element_as_array(const View& value, size_t i) { return value.code == kArray ? value.element(i) : value; }

void extract_into(const View& value, const std::vector<Leg>& legs, size_t at, int depth_left, std::vector<View>& out) {
  if (depth_left == 0) return;
  if (at == legs.size()) return out.push_back(value);
  const Leg& leg = legs[at];
  switch (leg.kind) {
    case Leg::Kind::kKey:
      if (const auto member = value.find(leg.key)) extract_into(*member, legs, at + 1, depth_left - 1, out);
      return;
    case Leg::Kind::kAnyKey:
      if (value.code != kObject) return;
      for (size_t i = 0; i < value.count(); ++i) extract_into(value.member(i), legs, at + 1, depth_left - 1, out);
      return;
    case Leg::Kind::kIndex: {
      const size_t count = count_as_array(value);
      const auto index = leg.index.at(count);
      if (index && *index < count) extract_into(element_as_array(value, *index), legs, at + 1, depth_left - 1, out);
      return;
    }
    case Leg::Kind::kRange: {
      const size_t count = count_as_array(value);
      const size_t begin = leg.index.at(count).value_or(0);
      const auto end = leg.end.at(count);
      for (size_t i = begin; end && i <= *end && i < count; ++i) {
        extract_into(element_as_array(value, i), legs, at + 1, depth_left - 1, out);
      }
      return;
    }
    case Leg::Kind::kAnyIndex:
      if (value.code != kArray) return;
      for (size_t i = 0; i < value.count(); ++i) extract_into(value.element(i), legs, at + 1, depth_left - 1, out);
      return;
    case Leg::Kind::kAnyDepth:
      extract_into(value, legs, at + 1, depth_left - 1, out);
      for (size_t i = 0; i < value.count(); ++i) {
        extract_into(value.code == kObject ? value.member(i) : value.element(i), legs, at, depth_left - 1, out);
      }
      return;
  }
}

using Members = std::vector<std::pair<Bytes, Bytes>>;

std::vector<Bytes> elements_of(const View& value) {
  std::vector<Bytes> elements;
  for (size_t i = 0; i < value.count(); ++i) elements.push_back(value.element(i).bytes());
  return elements;
}
Members members_of(const View& value) {
  Members members;
  for (size_t i = 0; i < value.count(); ++i) members.emplace_back(value.key(i), value.member(i).bytes());
  return members;
}

Bytes appended(const View& value, const Bytes& with) {
  auto elements = value.code == kArray ? elements_of(value) : std::vector<Bytes>{value.bytes()};
  elements.push_back(with);
  return of_array(elements);
}

Bytes change_at(const View& value, const std::vector<Leg>& legs, size_t at, Change change, const Bytes& with) {
  if (at == legs.size()) {
    if (change == Change::kAppend) return appended(value, with);
    return change == Change::kInsert ? value.bytes() : with;
  }
  const Leg& leg = legs[at];
  const bool is_last = at + 1 == legs.size();
  const bool may_add = change == Change::kInsert || change == Change::kSet;
  if (leg.kind == Leg::Kind::kKey && value.code == kObject) {
    auto members = members_of(value);
    if (const auto member = value.find(leg.key)) {
      members.emplace_back(leg.key, change_at(*member, legs, at + 1, change, with));
    } else if (is_last && may_add) {
      members.emplace_back(leg.key, with);
    }
    return of_object(std::move(members));
  }
  if (leg.kind != Leg::Kind::kIndex) return value.bytes();
  const size_t count = count_as_array(value);
  const auto index = leg.index.at(count);
  if (!index) return value.bytes();
  if (*index >= count) return is_last && may_add ? appended(value, with) : value.bytes();
  if (value.code != kArray) return change_at(value, legs, at + 1, change, with);
  auto elements = elements_of(value);
  elements[*index] = change_at(value.element(*index), legs, at + 1, change, with);
  return of_array(elements);
}

Bytes remove_at(const View& value, const std::vector<Leg>& legs, size_t at) {
  const Leg& leg = legs[at];
  const bool is_last = at + 1 == legs.size();
  if (leg.kind == Leg::Kind::kKey && value.code == kObject) {
    Members members;
    for (auto& [key, member] : members_of(value)) {
      if (key != leg.key)
        members.emplace_back(key, member);
      else if (!is_last)
        members.emplace_back(key, remove_at(view(member), legs, at + 1));
    }
    return of_object(std::move(members));
  }
  if (leg.kind == Leg::Kind::kIndex && value.code == kArray) {
    auto elements = elements_of(value);
    const auto index = leg.index.at(elements.size());
    if (!index || *index >= elements.size()) return value.bytes();
    const auto position = elements.begin() + static_cast<std::ptrdiff_t>(*index);
    if (is_last)
      elements.erase(position);
    else
      *position = remove_at(view(*position), legs, at + 1);
    return of_array(elements);
  }
  return value.bytes();
}

}  // namespace

bool Path::has_wildcards() const {
  return std::any_of(legs.begin(), legs.end(),
                     [](const Leg& leg) { return leg.kind != Leg::Kind::kKey && leg.kind != Leg::Kind::kIndex; });
}

std::optional<Path> parse_path(ByteView text) { return PathParser(text).parse(); }

std::vector<View> extract(const View& document, const Path& path) {
  std::vector<View> found;
  extract_into(document, path.legs, 0, 2 * kDepthMax + static_cast<int>(path.legs.size()), found);
  return found;
}

Bytes with_value(const View& document, const Path& path, Change change, const Bytes& value) {
  return change_at(document, path.legs, 0, change, value);
}

Bytes without(const View& document, const Path& path) {
  return path.legs.empty() ? document.bytes() : remove_at(document, path.legs, 0);
}

Bytes merge(const View& a, const View& b) {
  if (a.code == kObject && b.code == kObject) {
    auto members = members_of(a);
    for (size_t i = 0; i < b.count(); ++i) {
      const auto there = a.find(b.key(i));
      members.emplace_back(b.key(i), there ? merge(*there, b.member(i)) : b.member(i).bytes());
    }
    return of_object(std::move(members));
  }
  std::vector<Bytes> elements;
  for (const View* value : {&a, &b}) {
    if (value->code != kArray) {
      elements.push_back(value->bytes());
      continue;
    }
    for (size_t i = 0; i < value->count(); ++i) elements.push_back(value->element(i).bytes());
  }
  return of_array(elements);
}

Bytes merge_patch(const View& target, const View& patch) {
  if (patch.code != kObject) return patch.bytes();
  Members members;
  if (target.code == kObject) {
    for (auto& member : members_of(target)) {
      const auto change = patch.find(member.first);
      if (!change || !change->is_null()) members.push_back(std::move(member));
    }
  }
  for (size_t i = 0; i < patch.count(); ++i) {
    const View change = patch.member(i);
    if (change.is_null()) continue;
    const auto there = target.code == kObject ? target.find(patch.key(i)) : std::nullopt;
    members.emplace_back(patch.key(i), merge_patch(there.value_or(View()), change));
  }
  return of_object(std::move(members));
}

bool contains(const View& target, const View& candidate) {
  if (target.code == kObject) {
    if (candidate.code != kObject) return false;
    for (size_t i = 0; i < candidate.count(); ++i) {
      const auto there = target.find(candidate.key(i));
      if (!there || !contains(*there, candidate.member(i))) return false;
    }
    return true;
  }
  if (target.code != kArray) return compare(target, candidate) == 0;
  if (candidate.code == kArray) {
    for (size_t i = 0; i < candidate.count(); ++i) {
      if (!contains(target, candidate.element(i))) return false;
    }
    return true;
  }
  for (size_t i = 0; i < target.count(); ++i) {
    if (contains(target.element(i), candidate)) return true;
  }
  return false;
}

int depth(const View& value) {
  int deepest = 0;
  for (size_t i = 0; i < value.count(); ++i) {
    deepest = std::max(deepest, depth(value.code == kObject ? value.member(i) : value.element(i)));
  }
  return deepest + 1;
}

}  // namespace cairn::coprocessor::json
