// Result<T, E>: a value or a typed error; a subset of C++23's std::expected. Our code throws nothing: what the world
// may do wrong comes back as an E, and [[nodiscard]] makes ignoring it a compile error.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace cairn {

// Wraps an error for the constructor of Result: `return Err(NotLeader{...})`.
template <class E>
struct Err {
  E error;
  explicit Err(E e) : error(std::move(e)) {}
};

struct Unit {
  friend bool operator==(Unit, Unit) { return true; }
};

template <class T, class E>
class [[nodiscard]] Result {
  using Value = std::conditional_t<std::is_void_v<T>, Unit, T>;

 public:
  using value_type = T;
  using error_type = E;

  Result()
    requires(std::is_void_v<T>)
      : state_(std::in_place_index<0>) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point.
  template <class U = Value>
    requires(!std::is_void_v<T> && std::is_constructible_v<Value, U &&> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  template <class F>
    requires std::is_constructible_v<E, F&&>
  Result(Err<F> err) : state_(std::in_place_index<1>, std::move(err.error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of each accessor: ok(), or !ok() for error(). Checked.
  Value& value() & { return get_value(); }
  const Value& value() const& { return const_cast<Result*>(this)->get_value(); }
  Value&& value() && { return std::move(get_value()); }
  Value& operator*() & { return get_value(); }
  const Value& operator*() const& { return const_cast<Result*>(this)->get_value(); }
  Value&& operator*() && { return std::move(get_value()); }
  Value* operator->() { return &get_value(); }
  const Value* operator->() const { return &const_cast<Result*>(this)->get_value(); }
  E& error() & { return get_error(); }
  const E& error() const& { return const_cast<Result*>(this)->get_error(); }
  E&& error() && { return std::move(get_error()); }

  template <class U>
  Value value_or(U&& otherwise) const& {
    return ok() ? std::get<0>(state_) : static_cast<Value>(std::forward<U>(otherwise));
  }

 private:
  Value& get_value() {
    CHECK(ok(), "value() of a Result that holds an error");
    return *std::get_if<0>(&state_);
  }
  E& get_error() {
    CHECK(!ok(), "error() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }

  std::variant<Value, E> state_;
};

}  // namespace cairn

#define CAIRN_CONCAT_(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_(a, b)

// TRY(expression): on an error, returns it from this function; the value is dropped.
#define TRY(...)                                                                \
  do {                                                                          \
    auto try_result_ = (__VA_ARGS__);                                           \
    if (!try_result_.ok()) return ::cairn::Err(std::move(try_result_).error()); \
  } while (false)

// TRY_ASSIGN(auto x, expression): likewise, and the value goes into `x`.
#define TRY_ASSIGN(target, ...) TRY_ASSIGN_(CAIRN_CONCAT(try_assign_, __COUNTER__), target, __VA_ARGS__)
#define TRY_ASSIGN_(name, target, ...)                          \
  auto name = (__VA_ARGS__);                                    \
  if (!name.ok()) return ::cairn::Err(std::move(name).error()); \
  target = std::move(name).value()

// The same inside a coroutine.
#define CO_TRY(...)                                                                \
  do {                                                                             \
    auto try_result_ = (__VA_ARGS__);                                              \
    if (!try_result_.ok()) co_return ::cairn::Err(std::move(try_result_).error()); \
  } while (false)
#define CO_TRY_ASSIGN(target, ...) CO_TRY_ASSIGN_(CAIRN_CONCAT(try_assign_, __COUNTER__), target, __VA_ARGS__)
#define CO_TRY_ASSIGN_(name, target, ...)                          \
  auto name = (__VA_ARGS__);                                       \
  if (!name.ok()) co_return ::cairn::Err(std::move(name).error()); \
  target = std::move(name).value()
