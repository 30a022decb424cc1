// What the text of a message needs of a next hop, whatever MAIL said of it when it came in.
//
// Without 8BITMIME no octet above 127 may be sent (RFC 6152 §3); without SMTPUTF8 no header that
// has one, "at any level within its MIME structure" (RFC 6531 §3.2). A message that was announced
// with BODY=8BITMIME or SMTPUTF8 may be without (§3.6): then it goes as any other, and to announce
// it so again would be wrong (§3.4).
//
// The parts of a message are not read. Where it has some, an octet above 127 anywhere may stand in
// a part's header, and counts as if it did; so it does where the header cannot be told from the
// body. What is needed is never overlooked. Sans-I/O; one thread at a time.
#ifndef GATEPOST_ROUTING_DETAIL_TEXT_NEEDS_HPP
#define GATEPOST_ROUTING_DETAIL_TEXT_NEEDS_HPP

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "smtp/header_collector.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::routing::detail {

class text_needs {
 public:
  text_needs() { header_.begin(smtp::header_options().header_octets); }

  // The text in order, and its end.
  void add(std::string_view text) {
    header_.add(text);
    eight_bit_ = eight_bit_ || !smtp::is_ascii(text);
  }
  void finish() { header_.finish(); }

  // All below: after finish().
  bool eight_bit() const { return eight_bit_; }
  bool smtputf8() const {
    if (!eight_bit_) return false;
    const bool known = header_.where() == smtp::header_collector::state::complete;
    if (!known || header_.breaks_off()) return true;
    return !smtp::is_ascii(header_.header()) || has_parts(header_.header());
  }

 private:
  // Whether there may be headers in the body, of parts or of messages.
  static bool has_parts(std::string_view header) {
    const auto read = smtp::read_header(header);
    if (!read) return true;
    const auto types = smtp::all_fields(read->fields, "Content-Type");
    return !std::all_of(types.begin(), types.end(),
                        [](const smtp::field_view* type) { return is_discrete(type->value); });
  }

  // RFC 2046 §3: what has no parts. A type that is none of these may be anything.
  static bool is_discrete(std::string_view type) {
    constexpr std::array<std::string_view, 5> discrete = {"text/", "image/", "audio/", "video/",
                                                          "application/"};
    std::string storage;
    const std::string_view name = smtp::unfolded(type, storage);
    return std::any_of(discrete.begin(), discrete.end(), [name](std::string_view begins) {
      return smtp::equal_ignoring_case(name.substr(0, begins.size()), begins);
    });
  }

  smtp::header_collector header_;
  bool eight_bit_ = false;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_TEXT_NEEDS_HPP
