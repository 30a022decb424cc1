// The commands of SMTP: verbs, and the typed form of what follows them.
//
// `parse_verb` splits one command line (without CRLF) into its verb and the text behind it; the
// `parse_*` functions turn that text into a value, by RFC 5321 §4.1.1 and the extensions in force.
// The values are views into the line and live as long as it does. No allocation.
#ifndef GATEPOST_SMTP_COMMAND_HPP
#define GATEPOST_SMTP_COMMAND_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "smtp/address.hpp"
#include "smtp/config.hpp"
#include "smtp/extension.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

enum class verb : std::uint8_t {
  unknown,
  helo,
  ehlo,
  lhlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,
  etrn,
  xclient,
  xforward,
};

// "MAIL" for verb::mail; "" for unknown.
GATEPOST_DECL std::string_view to_string(verb v);

struct command_line {
  smtp::verb verb = verb::unknown;
  std::string_view word;      // the verb as written
  std::string_view argument;  // what follows it, without the blanks around it
  bool ascii = true;          // no octet above 127 in the line
};

// Errors: errc::empty_command, errc::control_character. An unknown word is not an error here.
GATEPOST_DECL result<command_line> parse_command(std::string_view line);

// What the extensions in force allow in a line.
struct parse_options {
  extension_set offered;
  std::size_t max_parameters = 16;
};

enum class body_type : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };
enum class dsn_return : std::uint8_t { unspecified, full, headers };

// MAIL's parameters. `given` tells which extensions the client used.
struct mail_parameters {
  extension_set given;
  std::optional<std::uint64_t> size;         // SIZE=, RFC 1870
  body_type body = body_type::seven_bit;     // BODY=, RFC 6152 and 3030
  bool smtputf8 = false;                     // RFC 6531
  bool requiretls = false;                   // RFC 8689
  bool prdr = false;                         // PRDR
  dsn_return ret = dsn_return::unspecified;  // RET=, RFC 3461 §4.3
  std::string_view envid;                    // ENVID=, RFC 3461 §4.4, xtext as written
  std::optional<std::string_view> auth;      // AUTH=, RFC 4954 §5, xtext as written
  std::string_view solicit;                  // SOLICIT=, RFC 3865
};

struct mail_command {
  constexpr mail_command() noexcept {}  // an aggregate would be cleared first, and then filled

  path reverse_path;
  mail_parameters parameters;
};

// NOTIFY=, RFC 3461 §4.1, as a bit set; 0 when it was not given.
enum notify : std::uint8_t {
  notify_unspecified = 0,
  notify_never = 1,
  notify_success = 2,
  notify_failure = 4,
  notify_delay = 8,
};

struct rcpt_parameters {
  extension_set given;
  std::uint8_t notify = notify_unspecified;
  std::string_view orcpt;  // ORCPT=, RFC 3461 §4.2, "addr-type;xtext" as written
};

struct rcpt_command {
  constexpr rcpt_command() noexcept {}  // as above

  path forward_path;
  rcpt_parameters parameters;
};

struct bdat_command {
  std::uint64_t size = 0;
  bool last = false;
};

struct auth_command {
  std::string_view mechanism;
  std::optional<std::string_view> initial_response;  // base64 as written; "=" is the empty response
};

// One attribute of XCLIENT or XFORWARD; the value is xtext as written.
struct attribute {
  std::string_view name;
  std::string_view value;
};

struct attribute_list {
  std::array<attribute, 16> items;
  std::size_t count = 0;
  const attribute* begin() const { return items.data(); }
  const attribute* end() const { return items.data() + count; }
};

// RFC 5321 §4.1.1.2. `argument` begins with "FROM:". Errors: those of the path, bad_argument,
// bad_parameter, unknown_parameter, duplicate_parameter, too_many_parameters.
GATEPOST_DECL result<mail_command> parse_mail(std::string_view argument,
                                              const parse_options& options);

// RFC 5321 §4.1.1.3. `argument` begins with "TO:". `smtputf8`: the transaction asked for it.
GATEPOST_DECL result<rcpt_command> parse_rcpt(std::string_view argument,
                                              const parse_options& options, bool smtputf8);

// RFC 3030 §2. "n" or "n LAST".
GATEPOST_DECL result<bdat_command> parse_bdat(std::string_view argument);

// RFC 4954 §4.
GATEPOST_DECL result<auth_command> parse_auth(std::string_view argument);

// RFC 3865 §2.2: whether `word` names a class of solicitations, as "net.example:ADV" does.
GATEPOST_DECL bool is_solicitation_keyword(std::string_view word) noexcept;

// Postfix XCLIENT_README, XFORWARD_README: name=value pairs.
GATEPOST_DECL result<attribute_list> parse_attributes(std::string_view argument);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/command.ipp"
#endif

#endif  // GATEPOST_SMTP_COMMAND_HPP
