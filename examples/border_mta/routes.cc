#include "examples/border_mta/routes.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "routing/route.hpp"

namespace border_mta {

namespace routing = gatepost::routing;

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// ":3: what is wrong"
route_problem problem_of(std::string_view error) {
  route_problem p;
  error.remove_prefix(1);
  const auto [end, _] = std::from_chars(error.data(), error.data() + error.size(), p.line);
  error.remove_prefix(static_cast<std::size_t>(end - error.data()));
  p.what = error.substr(std::min<std::size_t>(error.size(), 2));
  return p;
}

// Why mail by the route in a line would never be delivered, and what to write; empty: it would.
std::string why_of_no_use(std::string_view line, delivery_mode mode) {
  const auto route =
      routing::parse_route(line.substr(std::min(line.size(), line.find_first_of(" \t"))));
  if (!route) return {};
  // Such mail would wait until it expires.
  if (std::any_of(route->hops().begin(), route->hops().end(),
                  [](const auto& hop) { return hop.lookup == routing::hop_lookup::mx; }))
    return "MX records are not looked up: write a host, smtp:[HOST]";
  const bool replies = route->kind() == routing::route_kind::next_hops ||
                       route->kind() == routing::route_kind::refuse;
  if (mode == delivery_mode::cut_through && !replies)
    return "relay.mode is \"cut_through\", and only a next hop can take mail then: write "
           "smtp:[HOST] or lmtp:[HOST]";
  return {};
}

}  // namespace

std::string routes_text(const routes_section& r, std::string_view file) {
  constexpr std::string_view mark = "maildir:";
  std::string all(file);
  if (!all.empty() && !all.ends_with('\n')) all += '\n';
  for (const std::string& rule : r.rules) all.append(rule) += '\n';
  for (std::size_t at = all.find(mark); at != all.npos; at = all.find(mark, at)) {
    const bool word = at != 0 && is_blank(all[at - 1]);
    at += mark.size();
    const bool relative =
        at < all.size() && all[at] != '/' && all[at] != '\n' && !is_blank(all[at]);
    if (word && relative) all.insert(at, r.maildirs + '/');
  }
  return all;
}

std::vector<route_problem> read_routes(std::string_view text, delivery_mode mode,
                                       routing::route_map& into) {
  std::vector<route_problem> problems;
  routing::parsed_routes parsed = routing::parse_routes(text, "");
  for (const std::string& error : parsed.errors) problems.push_back(problem_of(error));
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string why = why_of_no_use(text.substr(0, end), mode);
    if (!why.empty()) problems.push_back({line, why});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (problems.empty()) into = std::move(parsed.routes);
  return problems;
}

}  // namespace border_mta
