#ifndef GATEPOST_CHECKS_ARC_IMPL_CHAIN_IPP
#define GATEPOST_CHECKS_ARC_IMPL_CHAIN_IPP

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "checks/arc/chain.hpp"
#include "checks/dkim/canonical.hpp"
#include "checks/dkim/tag_list.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::arc {
namespace detail {

enum class part : std::uint8_t { none, results, message, seal };

inline part part_of(std::string_view name) {
  if (smtp::equal_ignoring_case(name, "ARC-Authentication-Results")) return part::results;
  if (smtp::equal_ignoring_case(name, "ARC-Message-Signature")) return part::message;
  if (smtp::equal_ignoring_case(name, "ARC-Seal")) return part::seal;
  return part::none;
}

// RFC 5322 §3.2.2; empty where a comment has no end.
inline std::string_view without_cfws_before(std::string_view text) {
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.starts_with('(')) return text;
    text = behind_comment(text);
  }
}

// "i = 7", with CFWS wherever it may be (RFC 8617 §4.2.1).
struct leading_instance {
  unsigned number = 0;  // 0 to 999
  std::size_t digits = 0;
  std::string_view rest;  // begins neither with blanks nor with a comment
};
inline std::optional<leading_instance> read_instance(std::string_view value) {
  std::string_view rest = without_cfws_before(value);
  for (const char c : {'i', '='}) {
    if (!rest.starts_with(c)) return std::nullopt;
    rest = without_cfws_before(rest.substr(1));
  }
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto number = dkim::parse_number(rest.substr(0, digits), 3);
  if (!number) return std::nullopt;
  return leading_instance{static_cast<unsigned>(*number), digits,
                          without_cfws_before(rest.substr(digits))};
}

// i= of the list; 0 where it has none.
inline unsigned instance_of(const dkim::tag_list& tags) {
  const dkim::tag* i = tags.find("i");
  const auto number = i == nullptr ? std::nullopt : dkim::parse_number(i->value, 3);
  return number ? static_cast<unsigned>(*number) : 0;
}

// Each instance that an ARC field names, as generously as it can be read.
template <class F>
void each_instance(const dkim::header_text& header, F f) {
  for (const smtp::field_view& field : header.fields) {
    const part what = part_of(field.name);
    if (what == part::none) continue;
    const auto leading = read_instance(field.value);
    if (leading && what == part::results) f(leading->number);
    if (const auto tags = dkim::tag_list::parse(field.value)) f(instance_of(*tags));
  }
}

inline void append_field(std::string& out, const dkim::header_text& header,
                         const smtp::field_view& f) {
  dkim::append_canonical_field(out, dkim::canonicalization::relaxed, header.field(f), f.name,
                               f.value);
}

// Adds sets to a list as their fields come, in any order.
class chain_builder {
 public:
  // Empty, or what is wrong with the field.
  std::string_view add(const smtp::field_view& f) {
    switch (part_of(f.name)) {
      case part::results: return add_results(f);
      case part::message: return add_signature(f, dkim::signature_kind::arc_message);
      case part::seal: return add_signature(f, dkim::signature_kind::arc_seal);
      case part::none: break;
    }
    return {};
  }

  dkim::parsed<std::vector<chain_link>> take() {
    std::vector<chain_link> chain;
    for (chain_link& link : std::span(links_).first(highest_)) {
      if (link.results == nullptr || link.message == nullptr || link.seal == nullptr)
        return dkim::problem{"an ARC set is missing, or lacks a field"};
      chain.push_back(std::move(link));
    }
    return chain;
  }

 private:
  chain_link& link(unsigned instance) {
    highest_ = std::max<std::size_t>(highest_, instance);
    return links_[instance - 1];
  }

  std::string_view add_results(const smtp::field_view& f) {
    const auto parsed = parse_results(f.value);
    if (!parsed) return "ARC-Authentication-Results does not begin with its instance";
    chain_link& l = link(parsed->instance);
    if (l.results != nullptr) return "an ARC set has ARC-Authentication-Results twice";
    l.results = &f;
    l.payload = parsed->payload;
    return {};
  }

  std::string_view add_signature(const smtp::field_view& f, dkim::signature_kind kind) {
    auto s = dkim::parse_signature(f.value, kind);
    if (!s) return s.problem();
    chain_link& l = link(s->instance);
    const bool seal = kind == dkim::signature_kind::arc_seal;
    const smtp::field_view*& field = seal ? l.seal : l.message;
    if (field != nullptr) return "an ARC set has a signature twice";
    field = &f;
    (seal ? l.seal_signature : l.message_signature) = *std::move(s);
    return {};
  }

  std::vector<chain_link> links_ = std::vector<chain_link>(dkim::max_arc_instance);
  std::size_t highest_ = 0;
};

}  // namespace detail

GATEPOST_DECL std::string_view behind_comment(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '(')
      ++depth;
    else if (text[at] == ')' && --depth == 0)
      return text.substr(at + 1);
  }
  return {};
}

GATEPOST_DECL std::optional<results_instance> parse_results(std::string_view value) {
  const auto i = detail::read_instance(value);
  if (!i || i->number == 0 || i->number > dkim::max_arc_instance) return std::nullopt;
  if (i->digits > 2 || !i->rest.starts_with(';')) return std::nullopt;
  return results_instance{i->number, i->rest.substr(1)};
}

GATEPOST_DECL bool has_arc(const dkim::header_text& header) {
  return std::any_of(header.fields.begin(), header.fields.end(), [](const smtp::field_view& f) {
    return detail::part_of(f.name) != detail::part::none;
  });
}

GATEPOST_DECL unsigned highest_instance(const dkim::header_text& header) {
  unsigned highest = 0;
  detail::each_instance(header, [&highest](unsigned i) { highest = std::max(highest, i); });
  return highest;
}

GATEPOST_DECL unsigned count_instances(const dkim::header_text& header) {
  std::bitset<dkim::max_arc_instance + 1> seen;
  detail::each_instance(header, [&seen](unsigned i) {
    if (i > 0 && i < seen.size()) seen.set(i);
  });
  return static_cast<unsigned>(seen.count());
}

GATEPOST_DECL std::string_view newest_cv(const dkim::header_text& header) {
  unsigned newest = 0;
  std::string_view value;
  for (const smtp::field_view& f : header.fields) {
    if (detail::part_of(f.name) != detail::part::seal) continue;
    const auto tags = dkim::tag_list::parse(f.value);
    const dkim::tag* cv = tags ? tags->find("cv") : nullptr;
    if (cv == nullptr || detail::instance_of(*tags) <= newest) continue;
    newest = detail::instance_of(*tags);
    value = cv->value;  // a view of the field, not of the list
  }
  return value;
}

GATEPOST_DECL dkim::parsed<std::vector<chain_link>> read_chain(const dkim::header_text& header) {
  if (!has_arc(header)) return std::vector<chain_link>();
  detail::chain_builder builder;
  for (const smtp::field_view& f : header.fields) {
    const std::string_view wrong = builder.add(f);
    if (!wrong.empty()) return dkim::problem{wrong};
  }
  auto chain = builder.take();
  if (!chain) return chain;
  // RFC 8617 §5.2 step 2: who sealed a chain as failed has ended it.
  if (chain->back().seal_signature.cv == "fail") return dkim::problem{sealed_as_failed};
  for (const chain_link& l : *chain) {
    const std::string_view wanted = l.seal_signature.instance == 1 ? "none" : "pass";
    if (l.seal_signature.cv != wanted) return dkim::problem{"a seal's cv= does not fit its place"};
  }
  return chain;
}

GATEPOST_DECL void append_sets(std::string& out, const dkim::header_text& header,
                               const std::vector<chain_link>& chain) {
  for (const chain_link& l : chain) {
    for (const smtp::field_view* f : {l.results, l.message, l.seal})
      detail::append_field(out, header, *f);
  }
}

GATEPOST_DECL std::vector<dkim::digest> seal_hashes(const dkim::header_text& header,
                                                    const std::vector<chain_link>& chain) {
  std::vector<dkim::digest> digests;
  dkim::sha256 before;  // of all that is sealed so far
  for (const chain_link& l : chain) {
    std::string text;
    for (const smtp::field_view* f : {l.results, l.message}) detail::append_field(text, header, *f);
    before.update(text);
    dkim::sha256 own = before;
    text.clear();
    dkim::append_own_field(text, dkim::canonicalization::relaxed, header.field(*l.seal),
                           l.seal->name, l.seal->value, l.seal_signature.b_octets);
    own.update(text);
    digests.push_back(own.finish());
    text.clear();
    detail::append_field(text, header, *l.seal);
    before.update(text);
  }
  return digests;
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_CHAIN_IPP
