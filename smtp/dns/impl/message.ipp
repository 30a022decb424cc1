#ifndef GATEPOST_SMTP_DNS_IMPL_MESSAGE_IPP
#define GATEPOST_SMTP_DNS_IMPL_MESSAGE_IPP

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "smtp/dns/detail/wire_message.hpp"
#include "smtp/dns/detail/wire_name.hpp"
#include "smtp/dns/message.hpp"

namespace gatepost::smtp::dns {
namespace detail {

// A name that fills the rest of a record's data.
inline bool read_last_name(std::string_view m, std::size_t at, std::size_t end, wire_name& name) {
  const auto after = read_name(m, at, name);
  return after && *after == end;
}

// --- Data of the types ---------------------------------------------------------------------------

// false: malformed.
inline bool read_data(std::string_view m, const record& r, std::vector<ip_address>& out) {
  const std::string_view data = m.substr(r.data, r.size);
  if (r.type == static_cast<std::uint16_t>(record_type::a)) {
    ip_address::v4_octets octets;
    if (data.size() != octets.size()) return false;
    std::copy(data.begin(), data.end(), octets.begin());
    out.emplace_back(octets);
    return true;
  }
  ip_address::v6_octets octets;
  if (data.size() != octets.size()) return false;
  std::copy(data.begin(), data.end(), octets.begin());
  out.emplace_back(octets);
  return true;
}

inline bool read_data(std::string_view m, const record& r, std::vector<mx_record>& out) {
  wire_name exchange;
  if (r.size < 3 || !read_last_name(m, r.data + 2, r.data + r.size, exchange)) return false;
  out.push_back({read16(m, r.data), to_text(exchange)});
  return true;
}

inline bool read_data(std::string_view m, const record& r, std::vector<tlsa_record>& out) {
  if (r.size < 3) return false;
  const auto octet = [&](std::size_t i) {
    return static_cast<std::uint8_t>(octet_at(m, r.data + i));
  };
  out.push_back({octet(0), octet(1), octet(2), std::string(m.substr(r.data + 3, r.size - 3))});
  return true;
}

// RFC 1035 §3.3.14: one or more strings, here joined (RFC 7208 §3.3).
inline bool read_strings(std::string_view data, std::string& joined) {
  if (data.empty()) return false;
  joined.reserve(data.size() - 1);
  while (!data.empty()) {
    const std::size_t length = octet_at(data, 0);
    if (data.size() - 1 < length) return false;
    joined.append(data.substr(1, length));
    data.remove_prefix(1 + length);
  }
  return true;
}

inline bool read_data(std::string_view m, const record& r, std::vector<std::string>& out) {
  if (r.type == static_cast<std::uint16_t>(record_type::txt))
    return read_strings(m.substr(r.data, r.size), out.emplace_back());
  wire_name name;
  if (!read_last_name(m, r.data, r.data + r.size, name)) return false;
  out.push_back(to_text(name));
  return true;
}

// --- A response ----------------------------------------------------------------------------------

// Where the sections are, and what the message as a whole says.
class response_reader {
 public:
  response_reader(std::string_view message, const response_options& options)
      : message_(message), options_(options) {}

  // RFC 5452 §9.1. Also looks through all sections, so that their counts are true.
  failure open(const question& asked, std::uint16_t id) {
    const auto found = read_header(message_);
    if (!found) return failure::malformed;
    header_ = *found;
    if (header_.id != id || (header_.flags & flag_response) == 0) return failure::mismatched;
    if ((header_.flags & flag_opcode) != 0) return failure::mismatched;
    if (const failure f = read_question(asked); f != failure::none) return f;
    if (const failure f = rcode_failure(header_.flags & flag_rcode); f != failure::none) return f;
    if ((header_.flags & flag_truncated) != 0) return failure::truncated;
    return scan();
  }

  // Follows aliases and gives the records of the last name.
  template <class Record>
  answer<Record> take() {
    const std::uint16_t wanted = static_cast<std::uint16_t>(type_);
    std::vector<Record> records;
    for (;; ++aliases_) {
      if (const failure f = collect(wanted, records); f != failure::none)
        return answer<Record>::temporary_failure(f);
      if (!records.empty() || !alias_) break;
      if (aliases_ == options_.aliases)
        return answer<Record>::temporary_failure(failure::cname_chain);
      if (!follow()) return answer<Record>::temporary_failure(failure::malformed);
    }
    return conclude(std::move(records));
  }

  // After take().
  std::optional<open_alias> open_end() const {
    if (!open_) return std::nullopt;
    return open_alias{to_text(name_), aliases_, std::chrono::seconds(ttl_), is_authentic()};
  }

 private:
  // RFC 1035 §4.1.2
  failure read_question(const question& asked) {
    type_ = asked.type;
    const auto expected = from_text(asked.name);
    if (!expected || header_.counts[0] != 1) return failure::mismatched;
    const auto end = read_name(message_, header_size, name_);
    if (!end || message_.size() - *end < 4) return failure::malformed;
    answers_ = *end + 4;
    const bool same = name_ == *expected && read16(message_, *end + 2) == class_in &&
                      read16(message_, *end) == static_cast<std::uint16_t>(asked.type);
    return same ? failure::none : failure::mismatched;
  }

  static failure rcode_failure(unsigned rcode) {
    switch (rcode) {
      case 0:
      case rcode_nxdomain: return failure::none;
      case 1: return failure::format_error;
      case 2: return failure::server_failure;
      case 4: return failure::not_implemented;
      case 5: return failure::refused;
      default: return failure::other_rcode;
    }
  }

  failure scan() {
    std::size_t at = answers_;
    record r;
    for (std::size_t section = 1; section < header_.counts.size(); ++section) {
      if (section == 2) authority_ = at;
      for (std::size_t i = 0; i < header_.counts[section]; ++i) {
        const auto next = read_record(message_, at, r);
        if (!next) return failure::malformed;
        // RFC 6891 §6.1.3: the upper bits of the code.
        if (section == 3 && r.type == type_opt && r.ttl >> 24 != 0) return failure::other_rcode;
        at = *next;
      }
    }
    return at == message_.size() ? failure::none : failure::malformed;
  }

  // The records of name_ with the type wanted; notes the first alias that it has.
  template <class Record>
  failure collect(std::uint16_t wanted, std::vector<Record>& records) {
    alias_.reset();
    record r;
    std::size_t at = answers_;
    for (std::size_t i = 0; i < header_.counts[1]; ++i) {
      at = *read_record(message_, at, r);
      if (r.klass != class_in || !(r.owner == name_)) continue;
      if (r.type == wanted) {
        if (records.size() == options_.records) return failure::too_many_records;
        if (!read_data(message_, r, records)) return failure::malformed;
        ttl_ = std::min(ttl_, sane_ttl(r.ttl));
      } else if (r.type == static_cast<std::uint16_t>(record_type::cname) && !alias_) {
        alias_ = r;
      }
    }
    return failure::none;
  }

  bool follow() {
    ttl_ = std::min(ttl_, sane_ttl(alias_->ttl));
    return read_last_name(message_, alias_->data, alias_->data + alias_->size, name_);
  }

  template <class Record>
  answer<Record> conclude(std::vector<Record> records) {
    // RFC 6604 §3: the code tells of the last name of the chain.
    const bool absent = (header_.flags & flag_rcode) == rcode_nxdomain;
    if (absent && !records.empty()) return answer<Record>::temporary_failure(failure::malformed);
    if (!records.empty())
      return marked(answer<Record>::found(std::move(records), std::chrono::seconds(ttl_)));
    const auto ttl = negative_ttl();
    // The root has no records that anybody asks for.
    open_ = ttl && aliases_ > 0 && !absent && !has_soa_ && !name_.is_root();
    if (open_) return answer<Record>::temporary_failure(failure::referral);
    if (!ttl) return answer<Record>::temporary_failure(negative_failure_);
    const std::chrono::seconds keep(std::min(ttl_, *ttl));
    return marked(absent ? answer<Record>::no_such_name(keep) : answer<Record>::no_data(keep));
  }

  // RFC 2308 §5: the lesser of the SOA's TTL and its MINIMUM; 0 without a SOA of a zone that the
  // name is in. Nothing for a referral (§2.2) and for a SOA that does not parse.
  std::optional<std::uint32_t> negative_ttl() {
    record r;
    bool has_ns = false;
    std::size_t at = authority_;
    for (std::size_t i = 0; i < header_.counts[2]; ++i) {
      at = *read_record(message_, at, r);
      if (r.klass != class_in) continue;
      has_ns = has_ns || r.type == type_ns;
      if (r.type != type_soa || !is_within(name_, r.owner)) continue;
      has_soa_ = true;
      const auto minimum = soa_minimum(r);
      negative_failure_ = failure::malformed;
      if (!minimum) return std::nullopt;
      return std::min(sane_ttl(r.ttl), sane_ttl(*minimum));
    }
    const bool definite =
        (header_.flags & (flag_authoritative | flag_recursion_available | flag_rcode)) != 0;
    negative_failure_ = failure::referral;
    if (has_ns && !definite) return std::nullopt;
    return 0;
  }

  // RFC 1035 §3.3.13: two names, then five numbers of which MINIMUM is the last.
  std::optional<std::uint32_t> soa_minimum(const record& r) const {
    wire_name ignored;
    const auto mname = read_name(message_, r.data, ignored);
    const auto rname = mname ? read_name(message_, *mname, ignored) : std::nullopt;
    if (!rname || *rname + 20 != r.data + r.size) return std::nullopt;
    return read32(message_, *rname + 16);
  }

  template <class Record>
  answer<Record> marked(answer<Record> a) const {
    a.set_authenticated(is_authentic());
    return a;
  }

  bool is_authentic() const {
    return (header_.flags & flag_authentic) != 0 && options_.ad == ad_bit::trusted;
  }

  std::string_view message_;
  const response_options& options_;
  header header_{};
  record_type type_ = record_type::a;
  wire_name name_;  // whose records are looked for
  std::optional<record> alias_;
  std::uint32_t ttl_ = 0x7fffffff;
  std::size_t answers_ = 0;
  std::size_t authority_ = 0;
  std::size_t aliases_ = 0;
  failure negative_failure_ = failure::none;
  bool has_soa_ = false;
  bool open_ = false;
};

// Calls f with a null pointer to the record of that type.
template <class F>
any_answer by_type(record_type type, F f) {
  switch (type) {
    case record_type::a:
    case record_type::aaaa: return f(static_cast<ip_address*>(nullptr));
    case record_type::mx: return f(static_cast<mx_record*>(nullptr));
    case record_type::tlsa: return f(static_cast<tlsa_record*>(nullptr));
    case record_type::cname:
    case record_type::ptr:
    case record_type::txt: break;
  }
  return f(static_cast<std::string*>(nullptr));
}

}  // namespace detail

GATEPOST_DECL result<std::string> encode_query(const question& asked,
                                               const query_options& options) {
  const auto name = detail::from_text(asked.name);
  if (!name) return errc::bad_domain;
  const bool edns = options.payload != 0;
  const bool authentic = options.security != dnssec::off;
  std::string out;
  out.reserve(detail::header_size + name->octets().size() + 4 + 11);
  detail::add16(out, options.id);
  detail::add16(out, detail::flag_recursion_desired | (authentic ? detail::flag_authentic : 0));
  for (const std::uint16_t count : {1, 0, 0, edns ? 1 : 0}) detail::add16(out, count);
  out += name->octets();
  detail::add16(out, static_cast<std::uint16_t>(asked.type));
  detail::add16(out, detail::class_in);
  if (!edns) return out;
  // RFC 6891 §6.1.2
  out += '\0';
  detail::add16(out, detail::type_opt);
  detail::add16(out, options.payload);
  detail::add16(out, 0);  // extended RCODE and version
  detail::add16(out, options.security == dnssec::dnssec_ok ? detail::flag_dnssec_ok : 0);
  detail::add16(out, 0);
  return out;
}

GATEPOST_DECL bool is_name(std::string_view text) { return detail::from_text(text).has_value(); }

GATEPOST_DECL result<query> read_query(std::string_view message) {
  const auto header = detail::read_header(message);
  detail::wire_name name;
  if (!header || (header->flags & (detail::flag_response | detail::flag_opcode)) != 0 ||
      header->counts[0] != 1 || header->counts[1] != 0 || header->counts[2] != 0 ||
      header->counts[3] > 1)
    return errc::bad_argument;
  const auto end = detail::read_name(message, detail::header_size, name);
  if (!end || name.is_root() || message.size() - *end < 4) return errc::bad_argument;
  query q;
  q.asked = {detail::to_text(name), static_cast<record_type>(detail::read16(message, *end))};
  const bool authentic = (header->flags & detail::flag_authentic) != 0;
  q.options = {header->id, 0, authentic ? dnssec::ad : dnssec::off};
  if (detail::read16(message, *end + 2) != detail::class_in) return errc::bad_argument;
  if (header->counts[3] == 0) return *end + 4 == message.size() ? result(q) : errc::bad_argument;
  detail::record opt;
  const auto last = detail::read_record(message, *end + 4, opt);
  if (!last || *last != message.size() || opt.type != detail::type_opt) return errc::bad_argument;
  q.options.payload = opt.klass;
  if ((opt.ttl & detail::flag_dnssec_ok) != 0) q.options.security = dnssec::dnssec_ok;
  return q;
}

GATEPOST_DECL any_answer failed(record_type type, failure why) {
  return detail::by_type(type, [why]<class Record>(Record*) {
    return any_answer(answer<Record>::temporary_failure(why));
  });
}

GATEPOST_DECL any_answer no_such_name(record_type type) {
  return detail::by_type(type, []<class Record>(Record*) {
    return any_answer(answer<Record>::no_such_name(std::chrono::seconds(0)));
  });
}

GATEPOST_DECL response read_step(std::string_view message, const question& asked, std::uint16_t id,
                                 const response_options& options) {
  detail::response_reader reader(message, options);
  if (const failure f = reader.open(asked, id); f != failure::none) return {failed(asked.type, f)};
  response out{detail::by_type(asked.type, [&reader]<class Record>(Record*) {
    return any_answer(reader.template take<Record>());
  })};
  out.open = reader.open_end();
  return out;
}

GATEPOST_DECL any_answer read_response(std::string_view message, const question& asked,
                                       std::uint16_t id, const response_options& options) {
  return read_step(message, asked, id, options).said;
}

}  // namespace gatepost::smtp::dns

#endif  // GATEPOST_SMTP_DNS_IMPL_MESSAGE_IPP
