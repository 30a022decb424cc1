#ifndef GATEPOST_ROUTING_IMPL_ROUTE_MAP_IPP
#define GATEPOST_ROUTING_IMPL_ROUTE_MAP_IPP

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "routing/detail/route_text.hpp"
#include "routing/route_map.hpp"
#include "smtp/domain.hpp"

namespace gatepost::routing {
namespace detail {

inline constexpr std::string_view postmaster_key = "postmaster";
inline constexpr std::string_view any_key = "*";

inline std::string user_key(const smtp::address& who) {
  return smtp::to_lower_ascii(who.unquoted_local_part());
}

// "example.test", or ".example.test": in canonical spelling, or empty where it is no such key.
inline std::string domain_key(std::string_view key) {
  const bool parent = key.starts_with('.');
  if (parent) key.remove_prefix(1);
  const auto kind = smtp::parse_domain(key, map_domains);
  if (!kind || (parent && *kind != smtp::domain_kind::name)) return {};
  return (parent ? "." : "") + smtp::canonical_domain(key);
}

inline std::string address_key(std::string_view user, std::string_view domain) {
  return std::string(user).append("@").append(domain);
}

// Where the next parent of a domain begins, with its dot. An address literal has none, and begins
// with a bracket.
inline std::size_t next_parent(std::string_view domain, std::size_t from) {
  return domain.starts_with('[') ? domain.npos : domain.find('.', from);
}

// Of any kind; empty where it is no key.
inline std::string canonical_key(std::string_view key) {
  if (key == any_key) return std::string(key);
  if (smtp::equal_ignoring_case(key, postmaster_key)) return std::string(postmaster_key);
  if (key.find('@') == key.npos) return domain_key(key);
  const auto box = smtp::parse_mailbox(key, map_addresses);
  if (!box) return {};
  const smtp::address who(*box);
  return address_key(user_key(who), who.canonical_domain());
}

inline std::string bad_key(std::string_view key) {
  return quoted(key) + " is no address, no domain, no .DOMAIN, not * and not postmaster";
}

}  // namespace detail

GATEPOST_DECL std::string route_map::try_add(std::string_view key, route where) {
  const auto twice = [&] { return detail::quoted(key) + " has a route already"; };
  if (key == detail::any_key) {
    if (any_) return twice();
    any_ = std::move(where);
    return {};
  }
  if (smtp::equal_ignoring_case(key, detail::postmaster_key)) {
    const auto [_, added] =
        addresses_.try_emplace(std::string(detail::postmaster_key), std::move(where));
    return added ? std::string() : twice();
  }
  if (key.find('@') != key.npos) {
    const auto box = smtp::parse_mailbox(key, detail::map_addresses);
    if (!box) return detail::bad_key(key);
    const smtp::address who(*box);
    const std::string domain = who.canonical_domain();
    if (first_domain_.empty()) first_domain_ = domain;
    const auto [_, added] =
        addresses_.try_emplace(detail::user_key(who) + "@" + domain, std::move(where));
    return added ? std::string() : twice();
  }
  const std::string domain = detail::domain_key(key);
  if (domain.empty()) return detail::bad_key(key);
  std::optional<routing::route>& entry = domains_[domain].where;
  if (entry) return twice();
  entry = std::move(where);
  if (first_domain_.empty() && !domain.starts_with('.')) first_domain_ = domain;
  return {};
}

GATEPOST_DECL std::string route_map::try_add_users(std::string_view key,
                                                   const std::vector<std::string>& users) {
  const std::string domain = detail::domain_key(key);
  if (domain.empty())
    return "users belong to a domain or .DOMAIN, which this is not: " + detail::quoted(key);
  for (const std::string& user : users) {
    if (user.empty() || user.find('@') != user.npos) {
      return "a user is named without domain: " + detail::quoted(user);
    }
    if (user.find('"') != user.npos)
      return "a user is named by the plain local part, without quotes: " + detail::quoted(user);
  }
  domain_entry& entry = domains_[domain];
  entry.has_users = true;
  for (const std::string& user : users) entry.users.insert(smtp::to_lower_ascii(user));
  return {};
}

GATEPOST_DECL std::string route_map::try_add_class(std::string_view key, std::string_view name) {
  std::string canonical = detail::canonical_key(key);
  if (canonical.empty()) return detail::bad_key(key);
  const bool one_word = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '\x7f' && c != ',';
  });
  if (!one_word) return "a class is named by one word, which this is not: " + detail::quoted(name);
  const auto [_, added] = classes_.try_emplace(std::move(canonical), name);
  return added ? std::string() : detail::quoted(key) + " has a class already";
}

GATEPOST_DECL void route_map::add(std::string_view key, route where) {
  const std::string problem = try_add(key, std::move(where));
  if (!problem.empty()) throw std::invalid_argument(problem);
}

GATEPOST_DECL void route_map::add_users(std::string_view key,
                                        const std::vector<std::string>& users) {
  const std::string problem = try_add_users(key, users);
  if (!problem.empty()) throw std::invalid_argument(problem);
}

GATEPOST_DECL void route_map::add_class(std::string_view key, std::string_view name) {
  const std::string problem = try_add_class(key, name);
  if (!problem.empty()) throw std::invalid_argument(problem);
}

GATEPOST_DECL route_match route_map::find(const smtp::address& recipient) const {
  const std::string user = detail::user_key(recipient);
  const std::string domain = recipient.canonical_domain();
  route_match match = find_route(user, domain, recipient.is_postmaster());
  if (match.where != nullptr && !classes_.empty()) match.policy_class = find_class(user, domain);
  return match;
}

GATEPOST_DECL route_match route_map::find_route(std::string_view user, std::string_view domain,
                                                bool postmaster) const {
  using by = route_match::by;
  if (domain.empty()) {
    const auto own = addresses_.find(detail::postmaster_key);
    if (own != addresses_.end()) return {by::address, &own->second, false};
    domain = first_domain_;
  }
  const auto address = addresses_.find(detail::address_key(user, domain));
  if (address != addresses_.end()) return {by::address, &address->second, false};
  by key = by::nothing;
  if (const domain_entry* entry = find_domain(domain, key)) {
    const bool known = !entry->has_users || postmaster || entry->users.contains(user);
    if (!known) return {key, nullptr, true};
    return {key, &*entry->where, false};
  }
  if (any_) return {by::any, &*any_, false};
  return {};
}

// The keys of a recipient, in the order in which they are asked.
GATEPOST_DECL std::string_view route_map::find_class(std::string_view user,
                                                     std::string_view domain) const {
  const auto class_of = [this](std::string_view key) {
    const auto found = classes_.find(key);
    return found != classes_.end() ? std::string_view(found->second) : std::string_view();
  };
  std::string_view name;
  if (domain.empty()) {
    name = class_of(detail::postmaster_key);
    domain = first_domain_;
  }
  if (name.empty()) name = class_of(detail::address_key(user, domain));
  if (name.empty()) name = class_of(domain);
  for (std::size_t dot = detail::next_parent(domain, 0); name.empty() && dot != domain.npos;
       dot = detail::next_parent(domain, dot + 1))
    name = class_of(domain.substr(dot));
  return name.empty() ? class_of(detail::any_key) : name;
}

GATEPOST_DECL const route_map::domain_entry* route_map::find_domain(std::string_view domain,
                                                                    route_match::by& key) const {
  key = route_match::by::domain;
  if (const domain_entry* entry = entry_with_route(domain)) return entry;
  key = route_match::by::parent;
  for (std::size_t dot = detail::next_parent(domain, 0); dot != domain.npos;
       dot = detail::next_parent(domain, dot + 1)) {
    if (const domain_entry* entry = entry_with_route(domain.substr(dot))) return entry;
  }
  return nullptr;
}

GATEPOST_DECL const route_map::domain_entry* route_map::entry_with_route(
    std::string_view key) const {
  const auto found = domains_.find(key);
  return found != domains_.end() && found->second.where ? &found->second : nullptr;
}

GATEPOST_DECL std::vector<std::string> route_map::domains_without_route() const {
  std::vector<std::string> found;
  for (const auto& [domain, entry] : domains_) {
    if (!entry.where && entry.has_users) found.push_back(domain);
  }
  std::sort(found.begin(), found.end());
  return found;
}

namespace detail {

class routes_parser {
 public:
  explicit routes_parser(std::string_view file_name) : file_name_(file_name) {}

  parsed_routes parse(std::string_view text) {
    while (!text.empty()) {
      ++line_;
      std::string_view line = take_until(text, '\n');
      if (line.ends_with('\r')) line.remove_suffix(1);
      line = trim(line);
      if (!line.empty() && line.front() != '#') parse_line(line);
    }
    if (out_.errors.empty()) {
      for (const std::string& domain : out_.routes.domains_without_route()) {
        line_ = users_lines_[domain];
        complain("users are named for " + domain + ", but it has no route");
      }
    }
    return std::move(out_);
  }

 private:
  void parse_line(std::string_view line) {
    std::string_view rest = line;
    const std::string_view key = take_word(rest);
    std::string problem;
    constexpr std::string_view users = "users:";
    constexpr std::string_view in_class = "class:";
    if (rest.starts_with(users)) {
      problem = out_.routes.try_add_users(key, names_in(rest.substr(users.size())));
      users_lines_.try_emplace(domain_key(key), line_);
    } else if (rest.starts_with(in_class)) {
      problem = out_.routes.try_add_class(key, trim(rest.substr(in_class.size())));
    } else {
      smtp::result<route> where = parse_route(rest, &problem);
      if (where) problem = out_.routes.try_add(key, *std::move(where));
    }
    if (!problem.empty()) complain(problem);
  }

  // Names between commas or blanks.
  static std::vector<std::string> names_in(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
      std::string_view words = take_until(text, ',');
      while (!words.empty()) {
        const std::string_view name = take_word(words);
        if (!name.empty()) names.emplace_back(name);
      }
    }
    return names;
  }

  void complain(std::string_view what) {
    if (out_.errors.size() == parsed_routes::max_errors) return;
    out_.errors.push_back(std::string(file_name_) + ":" + std::to_string(line_) + ": " +
                          std::string(what));
  }

  std::string_view file_name_;
  std::size_t line_ = 0;
  std::unordered_map<std::string, std::size_t> users_lines_;
  parsed_routes out_;
};

}  // namespace detail

GATEPOST_DECL parsed_routes parse_routes(std::string_view text, std::string_view file_name) {
  return detail::routes_parser(file_name).parse(text);
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_ROUTE_MAP_IPP
