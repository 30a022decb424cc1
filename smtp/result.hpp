// A value, or the reason why there is none.
//
// `result<T>` is what every parser of gatepost returns: no exception, no allocation, no
// out-parameter.
//
//     const auto path = parse_path("<a@example.test>");
//     if (!path) return path.error();
//     use(path->domain);
#ifndef GATEPOST_SMTP_RESULT_HPP
#define GATEPOST_SMTP_RESULT_HPP

#include <cassert>
#include <optional>
#include <utility>

#include "smtp/errc.hpp"

namespace gatepost::smtp {

template <class T>
class [[nodiscard]] result {
 public:
  constexpr result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  constexpr result(errc error) : error_(error) {}          // NOLINT(google-explicit-constructor)
  // A value by default, made where it stays.
  constexpr explicit result(std::in_place_t) : value_(std::in_place) {}

  constexpr explicit operator bool() const noexcept { return value_.has_value(); }
  constexpr bool has_value() const noexcept { return value_.has_value(); }

  // Only where has_value() is true.
  constexpr const T& operator*() const& {
    assert(value_);
    return *value_;
  }
  constexpr T& operator*() & {
    assert(value_);
    return *value_;
  }
  constexpr T&& operator*() && {
    assert(value_);
    return *std::move(value_);
  }
  constexpr const T* operator->() const {
    assert(value_);
    return &*value_;
  }
  constexpr T* operator->() {
    assert(value_);
    return &*value_;
  }

  // Only where has_value() is false.
  constexpr errc error() const noexcept {
    assert(!value_);
    return error_;
  }

 private:
  std::optional<T> value_;
  errc error_{};
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_RESULT_HPP
