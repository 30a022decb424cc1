// Which stages a check has something to say at: those whose function it has overridden.
#ifndef GATEPOST_CHECKS_DETAIL_STAGES_HPP
#define GATEPOST_CHECKS_DETAIL_STAGES_HPP

#include <concepts>
#include <cstdint>

#include "checks/check.hpp"
#include "smtp/stage.hpp"

namespace gatepost::checks::detail {

// A bit per stage.
using stage_set = std::uint16_t;

constexpr stage_set bit(smtp::stage s) {
  return static_cast<stage_set>(1u << static_cast<unsigned>(s));
}

inline constexpr stage_set all_stages = (1u << smtp::stage_count) - 1;

// The type of a pointer to a member function names the class that defines the function.
template <auto Function, auto Base>
inline constexpr bool same = std::same_as<decltype(Function), decltype(Base)>;

// The stages of C, which is the class of the object and no base of it. Where a function cannot be
// named, because it is private, there is one.
template <std::derived_from<check> C>
constexpr stage_set stages_of() {
  using smtp::stage;
  stage_set set = all_stages;
  const auto skip = [&set](stage s, bool skipped) {
    if (skipped) set = static_cast<stage_set>(set & ~bit(s));
  };
  // clang-format off
  skip(stage::connect, requires { requires same<&C::on_connect, &check::on_connect>; });
  skip(stage::helo, requires { requires same<&C::on_helo, &check::on_helo>; });
  skip(stage::tls, requires { requires same<&C::on_tls, &check::on_tls>; });
  skip(stage::auth, requires { requires same<&C::on_auth, &check::on_auth>; });
  skip(stage::mail, requires { requires same<&C::on_mail, &check::on_mail>; });
  skip(stage::rcpt, requires { requires same<&C::on_rcpt, &check::on_rcpt>; });
  skip(stage::data, requires { requires same<&C::on_data, &check::on_data>; });
  skip(stage::header_end, requires { requires same<&C::on_header_end, &check::on_header_end>; });
  skip(stage::body, requires { requires same<&C::on_body, &check::on_body>; });
  skip(stage::message, requires { requires same<&C::on_message, &check::on_message>; });
  // clang-format on
  return set;
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_STAGES_HPP
