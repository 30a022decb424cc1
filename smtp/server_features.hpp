// What a server says of itself in its reply to EHLO or LHLO (RFC 5321 §4.1.1.1), as values.
//
// Lines that do not follow the grammar of ehlo-line are passed over, and so is whatever exceeds the
// limits below: a server can make us neither fail nor grow by what it offers. What is not here is
// not offered.
#ifndef GATEPOST_SMTP_SERVER_FEATURES_HPP
#define GATEPOST_SMTP_SERVER_FEATURES_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/extension.hpp"

namespace gatepost::smtp {

// Keyword lines that are looked at; the largest servers in use have about thirty.
inline constexpr std::size_t max_feature_lines = 128;
// Mechanisms and unknown keywords that are kept, each.
inline constexpr std::size_t max_feature_names = 32;
// Octets of a keyword that is kept; RFC 4422 §3.1 has 20 for a mechanism.
inline constexpr std::size_t max_feature_name = 64;

struct server_features {
  server_features() = default;

  bool esmtp = false;  // the reply was to EHLO or LHLO, not to HELO
  std::string name;    // what the server calls itself: not checked, not trusted
  extension_set extensions;

  // SIZE, RFC 1870 §4: the largest message; 0: none declared.
  std::uint64_t max_size = 0;
  // AUTH, RFC 4954 §3, in upper case.
  std::vector<std::string> mechanisms;
  // LIMITS, RFC 9422 §4; 0: none declared.
  std::size_t max_recipients = 0;         // RCPTMAX
  std::size_t max_messages = 0;           // MAILMAX
  std::size_t max_recipient_domains = 0;  // RCPTDOMAINMAX

  // Keywords that extension_table does not know, in upper case: for logs.
  std::vector<std::string> unknown;

  bool has(extension e) const { return extensions.has(e); }
};

// `text`: the lines of the reply without their codes, '\n' between them, as server_reply::text()
// has them. `ignored`: extensions not to be used even where they are offered.
GATEPOST_DECL server_features parse_features(std::string_view text, extension_set ignored = {});

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/server_features.ipp"
#endif

#endif  // GATEPOST_SMTP_SERVER_FEATURES_HPP
