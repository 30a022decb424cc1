// This header stands alone.
#include "routing/route_map.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatepost::routing {
namespace {

using by = route_match::by;

smtp::address address_of(std::string_view text) {
  const auto a = smtp::address::from_text(
      text, {.utf8 = smtp::utf8_policy::smtputf8, .tags = smtp::literal_tags::any});
  EXPECT_TRUE(a) << text;
  return a ? *a : smtp::address();
}

route_map parsed(std::string_view text) {
  parsed_routes p = parse_routes(text, "routes");
  for (const std::string& error : p.errors) ADD_FAILURE() << error;
  return std::move(p.routes);
}

// What find() says, as one string.
std::string found(const route_map& map, std::string_view address) {
  const route_match match = map.find(address_of(address));
  if (match.user_unknown) return "unknown user";
  if (match.where == nullptr) return "nothing";
  return to_string(*match.where);
}

TEST(route_map, the_more_exact_key_wins) {
  const route_map map = parsed(
      "* smtp:[any.example]\n"
      ".test smtp:[dot-test.example]\n"
      ".example.test smtp:[dot-example.example]\n"
      "example.test smtp:[domain.example]\n"
      "user@example.test smtp:[address.example]\n");
  struct lookup {
    const char* address;
    const char* expected;
    by key;
  };
  const lookup cases[] = {
      {"user@example.test", "smtp:[address.example]", by::address},
      {"USER@EXAMPLE.TEST", "smtp:[address.example]", by::address},
      {"\"user\"@example.test", "smtp:[address.example]", by::address},
      {"other@example.test", "smtp:[domain.example]", by::domain},
      {"user@a.example.test", "smtp:[dot-example.example]", by::parent},
      {"user@b.a.example.test", "smtp:[dot-example.example]", by::parent},
      {"user@other.test", "smtp:[dot-test.example]", by::parent},
      {"user@test", "smtp:[any.example]", by::any},
      {"user@badexample.test", "smtp:[dot-test.example]", by::parent},
      {"user@example.org", "smtp:[any.example]", by::any},
      {"user@[192.0.2.1]", "smtp:[any.example]", by::any},
  };
  for (const lookup& c : cases) {
    EXPECT_EQ(found(map, c.address), c.expected) << c.address;
    EXPECT_EQ(map.find(address_of(c.address)).key, c.key) << c.address;
  }
}

TEST(route_map, unknown_domains_have_no_route) {
  const route_map map = parsed("example.test discard\n.example.org discard\n");
  for (const char* address :
       {"a@other.test", "a@test", "a@sub.example.test", "a@example.org", "a@[192.0.2.1]"}) {
    EXPECT_EQ(found(map, address), "nothing") << address;
    EXPECT_EQ(map.find(address_of(address)).key, by::nothing);
  }
  EXPECT_EQ(found(route_map(), "a@example.test"), "nothing");
}

TEST(route_map, literals_and_u_labels_are_domains) {
  const route_map map = parsed(
      "[192.0.2.1] discard\n"
      "[ipv6:2001:DB8:0::1] discard\n"
      "b\xc3\xbc"
      "cher.example discard\n");
  EXPECT_EQ(found(map, "a@[192.0.2.1]"), "discard");
  EXPECT_EQ(found(map, "a@[IPv6:2001:db8::1]"), "discard");
  EXPECT_EQ(found(map, "a@xn--bcher-kva.example"), "discard");
  EXPECT_EQ(found(map,
                  "a@B\xc3\x9c"
                  "CHER.example"),
            "discard");
}

TEST(route_map, a_domain_may_name_its_users) {
  const route_map map = parsed(
      "example.test discard\n"
      "example.test users: alice, Bob\n"
      "example.test users: carol dave,\n"
      "list@example.test smtp:[lists.example]\n"
      ".example.test discard\n"
      ".example.test users: root\n"
      "* smtp:[any.example]\n");
  for (const char* user : {"alice", "ALICE", "bob", "carol", "dave", "\"dave\"", "postmaster"}) {
    EXPECT_EQ(found(map, user + std::string("@example.test")), "discard") << user;
  }
  EXPECT_EQ(found(map, "list@example.test"), "smtp:[lists.example]");
  EXPECT_EQ(found(map, "root@a.example.test"), "discard");
  for (const char* address :
       {"eve@example.test", "alic@example.test", "\"\"@example.test", "alice@a.example.test"}) {
    EXPECT_EQ(found(map, address), "unknown user") << address;
  }
}

TEST(route_map, postmaster_without_domain) {
  EXPECT_EQ(found(parsed("Postmaster smtp:[pm.example]\n* discard\n"), "postmaster"),
            "smtp:[pm.example]");
  EXPECT_EQ(
      found(parsed(".x.test discard\na.test smtp:[a.example]\nb.test discard\n"), "postmaster"),
      "smtp:[a.example]");
  EXPECT_EQ(found(parsed("a.test discard\npostmaster@a.test smtp:[pm.example]\n"), "Postmaster"),
            "smtp:[pm.example]");
  EXPECT_EQ(found(parsed("a.test discard\na.test users: alice\n"), "postmaster"), "discard");
  EXPECT_EQ(found(parsed("* discard\n"), "postmaster"), "discard");
}

TEST(route_map, the_most_specific_key_with_a_class_counts) {
  const route_map map = parsed(
      "* discard\n"
      "* class: any\n"
      "example.test discard\n"
      "Example.TEST class: strict\n"
      "list@example.test  class:  lists\n"
      ".example.test class: below\n"
      ".b.example.test class: deeper\n"
      "[192.0.2.1] class: literal\n"
      "gone.test refuse 550 5.1.1 Gone\n"
      "postmaster class: pm\n");
  const std::pair<const char*, const char*> cases[] = {{"a@example.test", "strict"},
                                                       {"LIST@Example.Test", "lists"},
                                                       {"a@x.example.test", "below"},
                                                       {"a@x.b.example.test", "deeper"},
                                                       {"a@b.example.test", "below"},
                                                       {"a@other.test", "any"},
                                                       {"a@[192.0.2.1]", "literal"},
                                                       {"a@[192.0.2.2]", "any"},
                                                       {"Postmaster", "pm"},
                                                       {"postmaster@example.test", "strict"},
                                                       {"list@sub.example.test", "below"}};
  for (const auto& [address, name] : cases)
    EXPECT_EQ(map.find(address_of(address)).policy_class, name) << address;
  EXPECT_EQ(map.size(), 3u);
}

TEST(route_map, who_has_no_route_has_no_class) {
  const route_map map = parsed(
      "example.test discard\n"
      "example.test users: alice\n"
      "example.test class: strict\n"
      "other.test class: strict\n");
  EXPECT_EQ(map.find(address_of("alice@example.test")).policy_class, "strict");
  EXPECT_EQ(map.find(address_of("postmaster")).policy_class, "strict");
  EXPECT_EQ(map.find(address_of("eve@example.test")).policy_class, "");
  EXPECT_EQ(map.find(address_of("a@other.test")).key, by::nothing);
  EXPECT_EQ(map.find(address_of("a@other.test")).policy_class, "");
  EXPECT_EQ(parsed("example.test discard\n").find(address_of("a@example.test")).policy_class, "");
}

TEST(route_map, in_code_a_mistake_throws) {
  route_map map;
  map.add("example.test", next_hop("127.0.0.1", 2526));
  EXPECT_THROW(map.add("EXAMPLE.test", route::discard()), std::invalid_argument);
  EXPECT_THROW(map.add("no domain", route::discard()), std::invalid_argument);
  EXPECT_THROW(map.add("", route::discard()), std::invalid_argument);
  EXPECT_THROW(map.add("a@", route::discard()), std::invalid_argument);
  EXPECT_THROW(map.add_users("example.test", {"a@b"}), std::invalid_argument);
  EXPECT_THROW(map.add_users("*", {"a"}), std::invalid_argument);
  map.add_class("example.test", "strict");
  EXPECT_THROW(map.add_class("EXAMPLE.test", "lax"), std::invalid_argument);
  EXPECT_THROW(map.add_class("example.org", "two words"), std::invalid_argument);
  EXPECT_THROW(map.add_class("example.org", ""), std::invalid_argument);
  EXPECT_EQ(map.find(address_of("a@example.test")).policy_class, "strict");
  EXPECT_EQ(found(map, "a@example.test"), "smtp:[127.0.0.1]:2526");
}

// --- Text ----------------------------------------------------------------------------------------

TEST(parse_routes, comments_blanks_and_line_ends) {
  const route_map map = parsed(
      "# a comment\r\n"
      "\r\n"
      "   \t\n"
      "  example.test \t discard  \r\n"
      "  # another\n"
      "example.org refuse 550 5.7.1 Number # is no comment\n"
      "last.example discard");
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(found(map, "a@example.test"), "discard");
  EXPECT_EQ(found(map, "a@example.org"), "refuse 550 5.7.1 Number # is no comment");
  EXPECT_EQ(found(map, "a@last.example"), "discard");
}

TEST(parse_routes, errors_name_file_and_line) {
  const parsed_routes p = parse_routes(
      "example.test discard\n"           // 1
      "\n"                               // 2
      "example.test smtp:[a.example]\n"  // 3: twice
      "bad..domain discard\n"            // 4
      "other.test\n"                     // 5: no route
      "third.test smtp:[a.example]:x\n"  // 6
      "* discard\n"                      // 7
      "* discard\n"                      // 8
      "a@example.test discard\n"         // 9
      "A@example.test discard\n"         // 10: twice
      "* users: alice\n"                 // 11
      "example.test users: alice@x\n"    // 12
      "* class: x\n"                     // 13
      "* class: y\n"                     // 14: twice
      "example.test class:\n"            // 15
      "example.test class: a, b\n"       // 16
      "bad..domain class: x\n"           // 17
      "example.test users: \"a b\"\n",   // 18
      "/etc/routes");
  const std::pair<const char*, const char*> expected[] = {
      {"/etc/routes:3: ", "\"example.test\" has a route already"},
      {"/etc/routes:4: ", "\"bad..domain\" is no address"},
      {"/etc/routes:5: ", "a destination is missing"},
      {"/etc/routes:6: ", "a port from 1 to 65535"},
      {"/etc/routes:8: ", "\"*\" has a route already"},
      {"/etc/routes:10: ", "\"A@example.test\" has a route already"},
      {"/etc/routes:11: ", "users belong to a domain"},
      {"/etc/routes:12: ", "a user is named without domain: \"alice@x\""},
      {"/etc/routes:14: ", "\"*\" has a class already"},
      {"/etc/routes:15: ", "a class is named by one word, which this is not: \"\""},
      {"/etc/routes:16: ", "a class is named by one word, which this is not: \"a, b\""},
      {"/etc/routes:17: ", "\"bad..domain\" is no address"},
      {"/etc/routes:18: ", "a user is named by the plain local part, without quotes"},
  };
  ASSERT_EQ(p.errors.size(), std::size(expected));
  for (std::size_t i = 0; i < p.errors.size(); ++i) {
    EXPECT_TRUE(p.errors[i].starts_with(expected[i].first)) << p.errors[i];
    EXPECT_NE(p.errors[i].find(expected[i].second), std::string::npos) << p.errors[i];
  }
}

TEST(parse_routes, users_of_a_domain_without_route_are_an_error) {
  const parsed_routes p = parse_routes("* discard\n\nExample.test users: alice\n", "f");
  ASSERT_EQ(p.errors.size(), 1u);
  EXPECT_EQ(p.errors[0], "f:3: users are named for example.test, but it has no route");
}

TEST(parse_routes, many_errors_are_cut) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "nonsense\n";
  EXPECT_EQ(parse_routes(text, "f").errors.size(), parsed_routes::max_errors);
}

TEST(parse_routes, survives_anything) {
  const std::string odd[] = {std::string(1, '\0'),
                             "\xff\xfe",
                             std::string(100000, 'a'),
                             "@",
                             "@ @",
                             ". discard",
                             "a@b@c discard",
                             "users: x",
                             " users: "};
  for (const std::string& text : odd) EXPECT_FALSE(parse_routes(text, "f").errors.empty()) << text;
}

}  // namespace
}  // namespace gatepost::routing
