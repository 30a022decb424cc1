#ifndef GATEPOST_CHECKS_ARC_IMPL_SEAL_IPP
#define GATEPOST_CHECKS_ARC_IMPL_SEAL_IPP

#include <algorithm>
#include <optional>
#include <utility>

#include "checks/arc/chain.hpp"
#include "checks/arc/seal.hpp"
#include "checks/auth_results.hpp"
#include "checks/detail/auth_scanner.hpp"
#include "smtp/base64.hpp"
#include "smtp/domain.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::arc {
namespace detail {

inline std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// Without the semicolons that some write behind the last result.
inline std::string_view without_end(std::string_view results) {
  const std::size_t last = results.find_last_not_of("; \t\r\n");
  return results.substr(0, last == results.npos ? 0 : last + 1);
}

// What stands behind the quoted string with which the text begins; empty where it has no end.
inline std::string_view behind_quotes(std::string_view text) {
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return text.substr(std::min(at + 1, text.size()));
}

// A blank in the place of each comment and quoted string (RFC 5322 §3.2.2, §3.2.4).
inline std::string without_comments_and_quotes(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find_first_of("(\""), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    out += ' ';
    text = text.front() == '(' ? behind_comment(text) : behind_quotes(text);
  }
  return out;
}

// The chain's state by one result, "arc = pass smtp.remote-ip=..." without comments (RFC 8601
// §2.2); none: it is not about ARC.
inline std::optional<chain_status> status_by(std::string_view result) {
  const std::size_t equals = std::min(result.find('='), result.size());
  const std::string_view method = trim(result.substr(0, equals));
  // A version may follow the method.
  if (!smtp::equal_ignoring_case(trim(method.substr(0, method.find('/'))), "arc"))
    return std::nullopt;
  const std::string_view rest = trim(result.substr(std::min(equals + 1, result.size())));
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n"));
  for (const auto status : {chain_status::none, chain_status::pass}) {
    if (smtp::equal_ignoring_case(word, to_string(status))) return status;
  }
  return chain_status::fail;
}

// A field as the others see it: name and value of one written line or several.
inline void append_relaxed(std::string& out, std::string_view field) {
  const std::size_t colon = field.find(':');
  dkim::append_canonical_field(out, dkim::canonicalization::relaxed, field, field.substr(0, colon),
                               field.substr(colon + 1));
}

// What a set's signatures have in common.
struct set_writer {
  const dkim::signing_key& key;
  std::string instance;
  std::string time;

  std::string algorithm() const {
    const bool rsa = key.key.type() == dkim::key_type::rsa;
    const auto a = rsa ? dkim::algorithm::rsa_sha256 : dkim::algorithm::ed25519_sha256;
    return "a=" + std::string(dkim::to_string(a)) + "; ";
  }
  std::string tail() const { return "i=" + instance + "; s=" + key.selector + "; t=" + time; }
  std::string results(const found_results& found) const {
    std::string field;
    smtp::write_field(field, "ARC-Authentication-Results",
                      "i=" + instance + "; " + found.authserv_id + "; " +
                          (found.results.empty() ? "none" : found.results));
    return field;
  }
};

// The results in an Authentication-Results value by that host (RFC 8601 §2.2); none: by another, or
// of a version that is not known.
inline std::optional<std::string_view> results_by(std::string_view value,
                                                  std::string_view authserv_id) {
  namespace auth = checks::detail::auth;
  auth::scanner in(value);
  const std::string id = auth::take_any_id(in);
  if (!same_authserv_id(id, authserv_id) || auth::has_other_version(value)) return std::nullopt;
  in.skip_blanks();
  in.take_while([](char c) { return c >= '0' && c <= '9'; });
  in.skip_blanks();
  if (!in.take(';')) return std::nullopt;
  return trim(in.rest());
}

}  // namespace detail

GATEPOST_DECL std::vector<std::string> default_signed_fields() {
  return {"from",
          "sender",
          "reply-to",
          "subject",
          "date",
          "message-id",
          "to",
          "cc",
          "in-reply-to",
          "references",
          "mime-version",
          "content-type",
          "content-transfer-encoding",
          "dkim-signature"};
}

GATEPOST_DECL sealing::sealing(seal_options options) : options_(std::move(options)) {
  hashes_.want(dkim::canonicalization::relaxed, std::nullopt);
}

GATEPOST_DECL std::vector<std::string> sealing::names(const dkim::header_text& header) const {
  std::vector<std::string> out;
  for (const std::string& name : options_.fields) {
    // RFC 8617 §4.1.2: DKIM's signatures that are already present; others may be added later.
    const std::size_t least = smtp::equal_ignoring_case(name, "DKIM-Signature") ? 0 : 1;
    std::size_t count = std::max(smtp::count_fields(header.fields, name), least);
    for (; count > 0 && out.size() < dkim::max_signed_fields; --count)
      out.push_back(smtp::to_lower_ascii(name));
  }
  return out;
}

// The new ARC-Message-Signature; empty where the key does not sign.
GATEPOST_DECL std::string sealing::message_signature(const dkim::header_text& header,
                                                     const detail::set_writer& writer) {
  constexpr auto relaxed = dkim::canonicalization::relaxed;
  hashes_.finish();
  const dkim::digest& hash = hashes_.hash(0);
  const std::string_view octets(reinterpret_cast<const char*>(hash.data()), hash.size());
  const std::vector<std::string> signed_names = names(header);
  std::string list;
  // Where lines are to be short, the list has to have blanks.
  const std::string_view colon = options_.layout == dkim::b_layout::folded ? " : " : ":";
  for (const std::string& name : signed_names) list.append(list.empty() ? "" : colon).append(name);
  std::string before;
  for (const smtp::field_view* f : dkim::pick_fields(header.fields, signed_names, nullptr))
    dkim::append_canonical_field(before, relaxed, header.field(*f), f->name, f->value);
  const dkim::detail::signed_tags tags{writer.algorithm(),
                                       "bh=" + smtp::base64_encode(octets) +
                                           "; c=relaxed/relaxed; d=" + writer.key.domain +
                                           "; h=" + list + "; " + writer.tail(),
                                       options_.layout};
  return dkim::detail::signed_field("ARC-Message-Signature", tags, before, relaxed, writer.key.key);
}

GATEPOST_DECL dkim::parsed<std::string> sealing::seal(const dkim::header_text& header,
                                                      const dkim::signing_key& key,
                                                      const found_results& found,
                                                      chain_status status, time_point now) {
  const unsigned instance = highest_instance(header) + 1;
  // RFC 8617 §5.1 step 1, §4.2.1
  if (instance > dkim::max_arc_instance)
    return dkim::problem{"the chain is too long for another set"};
  // Also where the rest is broken, or every handler from here on would add a set.
  if (smtp::equal_ignoring_case(newest_cv(header), "fail")) return dkim::problem{sealed_as_failed};
  const auto chain = read_chain(header);
  if (instance == 1) status = chain ? chain_status::none : chain_status::fail;
  // A set before this one that nobody validated is no ground for a pass.
  if (instance > 1 && (status == chain_status::none || !chain)) status = chain_status::fail;

  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const detail::set_writer writer{key, std::to_string(instance), std::to_string(seconds)};
  const std::string results = writer.results(found);
  const std::string message = message_signature(header, writer);
  std::string before;
  // RFC 8617 §5.1.2: the seal of a failed chain covers its own set alone.
  if (status == chain_status::pass) append_sets(before, header, *chain);
  detail::append_relaxed(before, results);
  detail::append_relaxed(before, message);
  const dkim::detail::signed_tags tags{
      writer.algorithm(),
      "cv=" + std::string(to_string(status)) + "; d=" + key.domain + "; " + writer.tail(),
      options_.layout};
  const std::string seal = dkim::detail::signed_field("ARC-Seal", tags, before,
                                                      dkim::canonicalization::relaxed, key.key);
  if (message.empty() || seal.empty()) return dkim::problem{"the key does not sign"};
  return seal + message + results;
}

GATEPOST_DECL std::string results_of(const dkim::header_text& header,
                                     std::string_view authserv_id) {
  std::string out;
  for (const smtp::field_view& f : header.fields) {
    if (!smtp::equal_ignoring_case(f.name, "Authentication-Results")) continue;
    const auto results = detail::results_by(f.value, authserv_id);
    const std::string_view one = detail::without_end(results.value_or(""));
    // RFC 8601 §2.2: "none" stands alone.
    if (one.empty() || smtp::equal_ignoring_case(one, "none")) continue;
    if (!out.empty()) out += "; ";
    std::string storage;
    out += smtp::unfolded(one, storage);
  }
  return out;
}

GATEPOST_DECL chain_status status_of(std::string_view results) {
  const std::string plain = detail::without_comments_and_quotes(results);
  std::optional<chain_status> found;
  for (std::size_t at = 0; at < plain.size();) {
    const std::size_t end = std::min(plain.find(';', at), plain.size());
    const auto one = detail::status_by(std::string_view(plain).substr(at, end - at));
    at = end + 1;
    if (one && found && *one != *found) return chain_status::fail;
    if (one) found = one;
  }
  return found.value_or(chain_status::none);
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_SEAL_IPP
