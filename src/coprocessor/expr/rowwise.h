// Kernels out of functions of one row: `rowwise<F>()` makes a loop with F inlined, its types taken from F's.
//
//   R f([Frame&,] A...)    A: int64_t, double, const Decimal&, ByteView, Time, Duration, Json, Vector: NULL if an
//                          argument is NULL, without a call of f
//                          std::optional<T>, or const Decimal*: f looks at NULLs itself
//   R: one of these, bool, or std::optional of them: nothing is NULL, or the evaluation failed (the context knows)
//
// `variadic<F>(type, n)` likewise for `R f(Frame&, size_t row)`, which gets its arguments from the frame.
#pragma once

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "coprocessor/expr/function.h"

namespace cairn::coprocessor {
namespace rowwise_detail {

template <class P>
struct Param {
  using Value = std::remove_cvref_t<P>;
  static constexpr bool kIsNullable = false;
  static decltype(auto) get(const Operand& from, size_t row) {
    return ValueOf<Value>::get(*from.column, from.index(row));
  }
};
template <class T>
struct Param<std::optional<T>> {
  using Value = T;
  static constexpr bool kIsNullable = true;
  static std::optional<T> get(const Operand& from, size_t row) {
    if (from.is_null(row)) return std::nullopt;
    return ValueOf<T>::get(*from.column, from.index(row));
  }
};
template <>
struct Param<const Decimal*> {
  using Value = Decimal;
  static constexpr bool kIsNullable = true;
  static const Decimal* get(const Operand& from, size_t row) {
    return from.is_null(row) ? nullptr : &from.column->decimals[from.index(row)];
  }
};

template <class R>
struct Returned {
  using Value = std::conditional_t<std::is_same_v<R, bool>, int64_t, R>;
  static constexpr bool kMayBeNull = false;
};
template <class R>
struct Returned<std::optional<R>> {
  using Value = std::conditional_t<std::is_same_v<R, bool>, int64_t, R>;
  static constexpr bool kMayBeNull = true;
};

// Values that any bits are one of: computed for rows that are NULL too, so that the loop has no branch.
template <class T>
inline constexpr bool kIsPlain =
    std::is_same_v<T, int64_t> || std::is_same_v<T, double> || std::is_same_v<T, Time> || std::is_same_v<T, Duration>;

// After a row's value is written: ends a batch whose bytes grow too large, before the next row makes more.
template <class T>
bool is_over_budget(Frame& f) {
  if constexpr (std::is_same_v<T, ByteView> || std::is_same_v<T, Json> || std::is_same_v<T, Vector>) {
    return f.is_over_budget();
  }
  return false;
}

template <auto F, bool kTakesFrame, class R, class... P>
struct RowKernel {
  using Result = typename Returned<R>::Value;
  static constexpr bool kIsDense = !kTakesFrame && !Returned<R>::kMayBeNull && sizeof...(P) > 0 &&
                                   (... && (kIsPlain<typename Param<P>::Value> && !Param<P>::kIsNullable));

  static void run(Frame& f) { run_over(f, std::index_sequence_for<P...>()); }

 private:
  template <size_t... I>
  static void run_over(Frame& f, std::index_sequence<I...> indexes) {
    f.out.reset(ValueOf<Result>::kType, f.rows);
    bool all_null = false;
    const auto merge = [&](size_t arg, bool is_nullable) {
      if (is_nullable) return;
      if (!f.args[arg].is_constant) {
        f.out.nulls.merge(f.args[arg].column->nulls);
      } else if (f.args[arg].column->nulls[0]) {
        all_null = true;
      }
    };
    (merge(I, Param<P>::kIsNullable), ...);
    if (all_null) return f.out.nulls.set_all();
    if constexpr (kIsDense && sizeof...(P) <= 2) {
      run_dense(f, indexes);
    } else {
      const bool any_null = f.out.nulls.any();
      for (size_t row = 0; row < f.rows; ++row) {
        if (any_null && f.out.nulls[row]) continue;
        if constexpr (Returned<R>::kMayBeNull) {
          const auto value = call(f, row, indexes);
          if (value) {
            ValueOf<Result>::put(f.out, row, static_cast<Result>(*value));
          } else {
            f.out.nulls.set(row);
            if (f.context.failed()) return;
          }
        } else {
          ValueOf<Result>::put(f.out, row, call(f, row, indexes));
        }
        if (is_over_budget<Result>(f)) return;
      }
    }
  }

  template <size_t... I>
  static R call(Frame& f, size_t row, std::index_sequence<I...>) {
    if constexpr (kTakesFrame) {
      return F(f, Param<P>::get(f.args[I], row)...);
    } else {
      return F(Param<P>::get(f.args[I], row)...);
    }
  }

  // With the constants out of the loop.
  template <size_t... I>
  static void run_dense(Frame& f, std::index_sequence<I...> indexes) {
    if constexpr (sizeof...(P) == 2) {
      using First = typename Param<std::tuple_element_t<0, std::tuple<P...>>>::Value;
      using Second = typename Param<std::tuple_element_t<1, std::tuple<P...>>>::Value;
      const Column &a = *f.args[0].column, &b = *f.args[1].column;
      if (f.args[1].is_constant && !f.args[0].is_constant) {
        const Second y = ValueOf<Second>::get(b, 0);
        for (size_t row = 0; row < f.rows; ++row) {
          ValueOf<Result>::put(f.out, row, static_cast<Result>(F(ValueOf<First>::get(a, row), y)));
        }
        return;
      }
      if (!f.args[0].is_constant && !f.args[1].is_constant) {
        for (size_t row = 0; row < f.rows; ++row) {
          ValueOf<Result>::put(f.out, row,
                               static_cast<Result>(F(ValueOf<First>::get(a, row), ValueOf<Second>::get(b, row))));
        }
        return;
      }
    }
    for (size_t row = 0; row < f.rows; ++row) {
      ValueOf<Result>::put(f.out, row, static_cast<Result>(call(f, row, indexes)));
    }
  }
};

template <auto F, class Signature>
struct Bound;
template <auto F, class R, class... P>
struct Bound<F, R (*)(P...)> {
  static Function make() {
    Function function;
    function.run = &RowKernel<F, false, R, P...>::run;
    function.result = ValueOf<typename Returned<R>::Value>::kType;
    function.args = {ValueOf<typename Param<P>::Value>::kType...};
    return function;
  }
};
template <auto F, class R, class... P>
struct Bound<F, R (*)(Frame&, P...)> {
  static Function make() {
    Function function;
    function.run = &RowKernel<F, true, R, P...>::run;
    function.result = ValueOf<typename Returned<R>::Value>::kType;
    function.args = {ValueOf<typename Param<P>::Value>::kType...};
    return function;
  }
};

template <auto F, class R>
void run_variadic(Frame& f) {
  using Result = typename Returned<R>::Value;
  f.out.reset(ValueOf<Result>::kType, f.rows);
  for (size_t row = 0; row < f.rows; ++row) {
    if constexpr (Returned<R>::kMayBeNull) {
      const auto value = F(f, row);
      if (value) {
        ValueOf<Result>::put(f.out, row, static_cast<Result>(*value));
      } else {
        f.out.nulls.set(row);
        if (f.context.failed()) return;
      }
    } else {
      ValueOf<Result>::put(f.out, row, static_cast<Result>(F(f, row)));
    }
    if (is_over_budget<Result>(f)) return;
  }
}

template <auto F, class R>
Function make_variadic(R (*)(Frame&, size_t), std::vector<EvalType> args) {
  Function function;
  function.run = &run_variadic<F, R>;
  function.result = ValueOf<typename Returned<R>::Value>::kType;
  function.args = std::move(args);
  return function;
}

}  // namespace rowwise_detail

template <auto F>
Function rowwise() {
  return rowwise_detail::Bound<F, decltype(+F)>::make();
}

template <auto F>
Function variadic(std::vector<EvalType> args) {
  return rowwise_detail::make_variadic<F>(+F, std::move(args));
}
template <auto F>
Function variadic(EvalType all, const CallType& call) {
  return variadic<F>(std::vector<EvalType>(call.args.size(), all));
}

}  // namespace cairn::coprocessor
