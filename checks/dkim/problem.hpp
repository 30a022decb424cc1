// A value, or what is wrong with the text that it was to be read from.
//
// What the parsers of DKIM and ARC return. A problem is a constant sentence for people, without
// anything of the text itself, so it may go into a header field or a log as it is.
//
//     const auto signature = parse_signature(value, signature_kind::dkim);
//     if (!signature) return permerror(signature.problem());
#ifndef GATEPOST_CHECKS_DKIM_PROBLEM_HPP
#define GATEPOST_CHECKS_DKIM_PROBLEM_HPP

#include <cassert>
#include <optional>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

// `what` is a string literal: it lives for ever.
struct problem {
  std::string_view what;
};

template <class T>
class [[nodiscard]] parsed {
 public:
  parsed(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  parsed(dkim::problem why) : problem_(why.what) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const noexcept { return value_.has_value(); }
  bool has_value() const noexcept { return value_.has_value(); }

  // Only where has_value() is true.
  const T& operator*() const& {
    assert(value_);
    return *value_;
  }
  T&& operator*() && {
    assert(value_);
    return *std::move(value_);
  }
  const T* operator->() const {
    assert(value_);
    return &*value_;
  }

  // Empty where has_value() is true.
  std::string_view problem() const noexcept { return problem_; }

 private:
  std::optional<T> value_;
  std::string_view problem_;
};

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_PROBLEM_HPP
