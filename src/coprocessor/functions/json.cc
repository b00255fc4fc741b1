// Functions of JSON documents. Paths that are constants are taken apart once.
#include <fmt/format.h>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/json_path.h"

namespace cairn::coprocessor {
namespace {

using json::View;

View view_of(const Frame& f, size_t arg, size_t row) { return json::view(f.get<Json>(arg, row).bytes); }
Json document(Frame& f, const Bytes& bytes) { return {f.keep(bytes)}; }

// Paths of constant arguments; none where it is no constant, or no path.
struct Paths {
  std::vector<std::optional<json::Path>> of_args;
};
std::shared_ptr<const void> prepare_paths(const CallType&, std::span<const Operand> args) {
  auto paths = std::make_shared<Paths>();
  for (const auto& arg : args) {
    const bool is_text = arg.column != nullptr && arg.column->type == EvalType::kBytes && !arg.column->nulls[0];
    paths->of_args.push_back(is_text ? json::parse_path(arg.column->bytes[0]) : std::nullopt);
  }
  return paths;
}
// Nothing: the evaluation failed.
std::optional<json::Path> path_of(Frame& f, size_t arg, size_t row) {
  const auto& paths = *static_cast<const Paths*>(f.prepared);
  if (paths.of_args[arg]) return paths.of_args[arg];
  const ByteView text = f.get<ByteView>(arg, row);
  auto path = json::parse_path(text);
  if (!path) {
    f.context.raise(code::kInvalidJsonPath,
                    fmt::format("Invalid JSON path expression. The error is around '{}'.", text));
  }
  return path;
}

bool has_null(const Frame& f, size_t row) {
  for (size_t i = 0; i < f.args.size(); ++i) {
    if (f.is_null(i, row)) return true;
  }
  return false;
}

ByteView type_of(Json v) { return json::type_name(json::view(v.bytes)); }

std::optional<Json> extract(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  std::vector<View> found;
  bool is_single = f.args.size() == 2;
  for (size_t arg = 1; arg < f.args.size(); ++arg) {
    const auto path = path_of(f, arg, row);
    if (!path) return std::nullopt;
    is_single = is_single && !path->has_wildcards();
    for (const auto& value : json::extract(view_of(f, 0, row), *path)) found.push_back(value);
  }
  if (found.empty()) return std::nullopt;
  if (is_single) return document(f, found.front().bytes());
  std::vector<Bytes> elements;
  for (const auto& value : found) elements.push_back(value.bytes());
  return document(f, json::of_array(elements));
}

std::optional<ByteView> unquote(Frame& f, ByteView text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  std::string error;
  const auto parsed = json::parse(text, &error);
  if (parsed && json::view(*parsed).code == json::kString) return f.keep(json::view(*parsed).as_string());
  f.context.raise(code::kInvalidJson, "Invalid JSON text: " + error);
  return std::nullopt;
}
ByteView quoted(Frame& f, ByteView text) {
  std::string out;
  json::append_quoted(text, out);
  return f.keep(out);
}

template <json::Change kChange>
std::optional<Json> changed(Frame& f, size_t row) {
  if (f.is_null(0, row)) return std::nullopt;
  Bytes bytes(f.get<Json>(0, row).bytes);
  for (size_t arg = 1; arg + 1 < f.args.size(); arg += 2) {
    if (f.is_null(arg, row)) return std::nullopt;
    const auto path = path_of(f, arg, row);
    if (!path) return std::nullopt;
    if (path->has_wildcards()) {
      f.context.raise(3149,
                      "In this situation, path expressions may not contain the * and ** tokens or an array range.");
      return std::nullopt;
    }
    const Bytes value =
        f.is_null(arg + 1, row) ? json::of_literal(json::kNull) : Bytes(f.get<Json>(arg + 1, row).bytes);
    // An append to what is not there changes nothing.
    if (kChange == json::Change::kAppend && json::extract(json::view(bytes), *path).empty()) continue;
    bytes = json::with_value(json::view(bytes), *path, kChange, value);
  }
  return document(f, bytes);
}

std::optional<Json> removed(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  Bytes bytes(f.get<Json>(0, row).bytes);
  for (size_t arg = 1; arg < f.args.size(); ++arg) {
    const auto path = path_of(f, arg, row);
    if (!path) return std::nullopt;
    if (path->legs.empty() || path->has_wildcards()) {
      f.context.raise(3153, "The path expression '$' is not allowed in this context.");
      return std::nullopt;
    }
    bytes = json::without(json::view(bytes), *path);
  }
  return document(f, bytes);
}

std::optional<Json> merged(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  Bytes bytes(f.get<Json>(0, row).bytes);
  for (size_t arg = 1; arg < f.args.size(); ++arg) bytes = json::merge(json::view(bytes), view_of(f, arg, row));
  return document(f, bytes);
}
std::optional<Json> patched(Frame& f, size_t row) {
  // What comes before a NULL is lost, unless the patch after it is no object.
  std::optional<Bytes> bytes;
  if (!f.is_null(0, row)) bytes = Bytes(f.get<Json>(0, row).bytes);
  for (size_t arg = 1; arg < f.args.size(); ++arg) {
    if (f.is_null(arg, row)) {
      bytes.reset();
    } else if (!bytes) {
      if (view_of(f, arg, row).code != json::kObject) bytes = Bytes(f.get<Json>(arg, row).bytes);
    } else {
      bytes = json::merge_patch(json::view(*bytes), view_of(f, arg, row));
    }
  }
  if (!bytes) return std::nullopt;
  return document(f, *bytes);
}

Json array(Frame& f, size_t row) {
  std::vector<Bytes> elements;
  for (size_t i = 0; i < f.args.size(); ++i) {
    elements.push_back(f.is_null(i, row) ? json::of_literal(json::kNull) : Bytes(f.get<Json>(i, row).bytes));
  }
  return document(f, json::of_array(elements));
}
std::optional<Json> object(Frame& f, size_t row) {
  std::vector<std::pair<Bytes, Bytes>> members;
  for (size_t i = 0; i + 1 < f.args.size(); i += 2) {
    if (f.is_null(i, row)) {
      f.context.raise(3158, "JSON documents may not contain NULL member names.");
      return std::nullopt;
    }
    members.emplace_back(f.get<ByteView>(i, row),
                         f.is_null(i + 1, row) ? json::of_literal(json::kNull) : Bytes(f.get<Json>(i + 1, row).bytes));
  }
  return document(f, json::of_object(std::move(members)));
}

// The value that the path in argument `arg` leads to, if there is such an argument.
std::optional<View> at_path(Frame& f, size_t arg, size_t row) {
  if (f.args.size() <= arg) return view_of(f, 0, row);
  const auto path = path_of(f, arg, row);
  if (!path) return std::nullopt;
  if (path->has_wildcards()) {
    f.context.raise(3149, "In this situation, path expressions may not contain the * and ** tokens or an array range.");
    return std::nullopt;
  }
  const auto found = json::extract(view_of(f, 0, row), *path);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

std::optional<int64_t> contains(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  const auto target = at_path(f, 2, row);
  if (!target) return std::nullopt;
  return json::contains(*target, view_of(f, 1, row));
}
std::optional<int64_t> length(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  const auto value = at_path(f, 1, row);
  if (!value) return std::nullopt;
  return value->is_container() ? static_cast<int64_t>(value->count()) : 1;
}
std::optional<Json> keys(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  const auto value = at_path(f, 1, row);
  if (!value || value->code != json::kObject) return std::nullopt;
  std::vector<Bytes> names;
  for (size_t i = 0; i < value->count(); ++i) names.push_back(json::of_string(value->key(i)));
  return document(f, json::of_array(names));
}
// JSON_CONTAINS_PATH: whether one of the paths, or all, lead anywhere.
std::optional<int64_t> contains_path(Frame& f, size_t row) {
  if (has_null(f, row)) return std::nullopt;
  std::string mode(f.get<ByteView>(1, row));
  for (char& c : mode) c = static_cast<char>(c | 32);
  if (mode != "one" && mode != "all") {
    f.context.raise(3154, "The oneOrAll argument to json_contains_path may take these values: 'one' or 'all'.");
    return std::nullopt;
  }
  for (size_t arg = 2; arg < f.args.size(); ++arg) {
    const auto path = path_of(f, arg, row);
    if (!path) return std::nullopt;
    const bool is_there = !json::extract(view_of(f, 0, row), *path).empty();
    if (is_there != (mode == "all")) return is_there;
  }
  return mode == "all";
}
int64_t depth(Json v) { return json::depth(json::view(v.bytes)); }
int64_t member_of(Json value, Json list) {
  const View array = json::view(list.bytes), wanted = json::view(value.bytes);
  if (array.code != json::kArray) return json::compare(array, wanted) == 0;
  for (size_t i = 0; i < array.count(); ++i) {
    if (json::compare(array.element(i), wanted) == 0) return 1;
  }
  return 0;
}
ByteView pretty(Frame& f, Json v) { return f.keep(json::to_pretty_text(json::view(v.bytes))); }
int64_t storage_size(Json v) { return static_cast<int64_t>(v.bytes.size()); }
int64_t storage_free(Json) { return 0; }
int64_t valid_json(Json) { return 1; }
int64_t valid_string(ByteView text) { return json::parse(text).has_value(); }
std::optional<int64_t> valid_other(Frame& f, size_t row) {
  return f.is_null(0, row) ? std::nullopt : std::optional<int64_t>(0);
}

// A document, then pairs of a path and a document.
template <auto F>
Found of_pairs(const CallType& type) {
  if (type.args.size() < 3 || type.args.size() % 2 == 0) return std::nullopt;
  std::vector<EvalType> args(type.args.size(), EvalType::kJson);
  for (size_t i = 1; i < args.size(); i += 2) args[i] = EvalType::kBytes;
  Function function = variadic<F>(std::move(args));
  function.prepare = &prepare_paths;
  return function;
}
// Documents, then paths.
template <auto F>
Found of_paths(const CallType& type, size_t documents, size_t paths_min) {
  if (type.args.size() < documents + paths_min) return std::nullopt;
  std::vector<EvalType> args(type.args.size(), EvalType::kBytes);
  for (size_t i = 0; i < documents; ++i) args[i] = EvalType::kJson;
  Function function = variadic<F>(std::move(args));
  function.prepare = &prepare_paths;
  return function;
}

Found find_change(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::JsonSetSig:
      return of_pairs<&changed<json::Change::kSet>>(type);
    case tipb::JsonInsertSig:
      return of_pairs<&changed<json::Change::kInsert>>(type);
    case tipb::JsonReplaceSig:
      return of_pairs<&changed<json::Change::kReplace>>(type);
    case tipb::JsonArrayAppendSig:
      return of_pairs<&changed<json::Change::kAppend>>(type);
    case tipb::JsonRemoveSig:
      return of_paths<&removed>(type, 1, 1);
    case tipb::JsonMergeSig:
    case tipb::JsonMergePreserveSig:
      if (type.args.size() < 2) return std::nullopt;
      return variadic<&merged>(EvalType::kJson, type);
    case tipb::JsonMergePatchSig:
      if (type.args.size() < 2) return std::nullopt;
      return variadic<&patched>(EvalType::kJson, type);
    case tipb::JsonArraySig:
      return variadic<&array>(EvalType::kJson, type);
    case tipb::JsonObjectSig: {
      if (type.args.size() % 2 != 0) return std::nullopt;
      std::vector<EvalType> args(type.args.size(), EvalType::kJson);
      for (size_t i = 0; i < args.size(); i += 2) args[i] = EvalType::kBytes;
      return variadic<&object>(std::move(args));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_json(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::JsonTypeSig:
      return rowwise<&type_of>();
    case tipb::JsonExtractSig:
      return of_paths<&extract>(type, 1, 1);
    case tipb::JsonUnquoteSig:
      return rowwise<&unquote>();
    case tipb::JsonQuoteSig:
      return rowwise<&quoted>();
    case tipb::JsonContainsSig:
      return of_paths<&contains>(type, 2, 0);
    case tipb::JsonContainsPathSig:
      return of_paths<&contains_path>(type, 1, 2);
    case tipb::JsonLengthSig:
      return of_paths<&length>(type, 1, 0);
    case tipb::JsonKeysSig:
    case tipb::JsonKeys2ArgsSig:
      return of_paths<&keys>(type, 1, 0);
    case tipb::JsonDepthSig:
      return rowwise<&depth>();
    case tipb::JsonMemberOfSig:
      return rowwise<&member_of>();
    case tipb::JsonPrettySig:
      return rowwise<&pretty>();
    case tipb::JsonStorageSizeSig:
      return rowwise<&storage_size>();
    case tipb::JsonStorageFreeSig:
      return rowwise<&storage_free>();
    case tipb::JsonValidJsonSig:
      return rowwise<&valid_json>();
    case tipb::JsonValidStringSig:
      return rowwise<&valid_string>();
    case tipb::JsonValidOthersSig: {
      if (type.args.size() != 1) return std::nullopt;
      EvalType eval_type = EvalType::kInt;
      (void)eval_type_of(type.args[0], eval_type);
      return variadic<&valid_other>({eval_type});
    }
    default:
      return find_change(signature, type);
  }
}

}  // namespace cairn::coprocessor
