// The settings and the beginnings that the tests of sessions share.
#ifndef GATEPOST_TESTS_SUPPORT_SESSIONS_HPP
#define GATEPOST_TESTS_SUPPORT_SESSIONS_HPP

#include <string>
#include <string_view>

#include "smtp/channel.hpp"
#include "smtp/testing/script.hpp"

namespace gatepost::tests {

inline smtp::channel mx() {
  smtp::channel c;
  c.hostname = "mx.example.test";
  return c;
}

// The same with one setting changed: mx_with([](auto& c) { c.lmtp = true; }).
template <class Change>
smtp::channel mx_with(Change change) {
  smtp::channel c = mx();
  change(c);
  return c;
}

inline smtp::channel with_extension(smtp::extension e) {
  return mx_with([e](smtp::channel& c) { c.extensions.add(e); });
}

inline smtp::channel without_extension(smtp::extension e) {
  return mx_with([e](smtp::channel& c) { c.extensions.remove(e); });
}

inline smtp::channel lmtp() {
  return mx_with([](smtp::channel& c) { c.lmtp = true; });
}

// A session that was greeted and has said EHLO (or LHLO).
inline smtp::testing::script greeted(smtp::channel settings = mx()) {
  const bool lmtp = settings.lmtp;
  smtp::testing::script s(std::move(settings));
  s.server("220 ")
      .client(lmtp ? "LHLO client.example\r\n" : "EHLO client.example\r\n")
      .server("250-");
  return s;
}

// The same with a sender and one recipient.
inline smtp::testing::script addressed(smtp::channel settings = mx()) {
  smtp::testing::script s = greeted(std::move(settings));
  s.client("MAIL FROM:<a@client.example>\r\n")
      .server("250 2.1.0 ")
      .client("RCPT TO:<b@example.test>\r\n")
      .server("250 2.1.5 ");
  return s;
}

// The session's end, as it should be.
inline smtp::testing::script& leave(smtp::testing::script& s) {
  return s.client("QUIT\r\n").server("221 2.0.0 Bye\r\n").closed();
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_SESSIONS_HPP
