// This header stands alone.
#include "routing/route.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::routing {
namespace {

next_hop with_tls(next_hop hop, hop_tls tls) {
  hop.tls = tls;
  return hop;
}

struct text_case {
  const char* text;
  route expected;
  const char* written;  // nullptr: as `text`
};

TEST(route, text_forms) {
  const text_case cases[] = {
      {"smtp:[mx.example.test]", next_hop("mx.example.test"), nullptr},
      {"smtp:[mx.example.test]:2526", next_hop("mx.example.test", 2526), nullptr},
      {"smtp:[192.0.2.1]:25", next_hop("192.0.2.1"), "smtp:[192.0.2.1]"},
      {"smtp:192.0.2.1", next_hop("192.0.2.1"), "smtp:[192.0.2.1]"},
      {"smtp:[2001:db8::1]:26", next_hop("2001:db8::1", 26), nullptr},
      {"smtp:example.test", next_hop::mx_of("example.test"), nullptr},
      {"smtp:{domain}", next_hop::mx_of("{domain}"), nullptr},
      {"lmtp:[::1]:24", next_hop::lmtp("::1"), "lmtp:[::1]"},
      {"lmtp:mail.example.test:2424", next_hop::lmtp("mail.example.test", 2424),
       "lmtp:[mail.example.test]:2424"},
      {"lmtp:unix:/run/dovecot/lmtp", next_hop::lmtp_socket("/run/dovecot/lmtp"), nullptr},
      {"smtp:[a.example] tls=none", with_tls(next_hop("a.example"), hop_tls::none), nullptr},
      {"smtp:[a.example]  tls=verify", with_tls(next_hop("a.example"), hop_tls::verify),
       "smtp:[a.example] tls=verify"},
      {"smtp:[a.example] tls=required , smtp:[b.example]:26",
       route(std::vector{with_tls(next_hop("a.example"), hop_tls::required),
                         next_hop("b.example", 26)}),
       "smtp:[a.example] tls=required, smtp:[b.example]:26"},
      {"maildir:/var/mail/{domain}/{local}", route::maildir("/var/mail/{domain}/{local}"), nullptr},
      {"maildir:/with blank", route::maildir("/with blank"), nullptr},
      {"discard", route::discard(), nullptr},
      {"refuse 550 5.1.1 No such user here", route::refuse(), nullptr},
      {"refuse 550 5.1.6 Moved, to Mars",
       route::refuse(smtp::reply(550, {5, 1, 6}, "Moved, to Mars")), nullptr},
      {"refuse 451 Later", route::refuse(smtp::reply(451, {4, 0, 0}, "Later")),
       "refuse 451 4.0.0 Later"},
      {"refuse 550 5.1.1", route::refuse(), "refuse 550 5.1.1 No such user here"},
      {"  discard\t", route::discard(), "discard"},
  };
  for (const text_case& c : cases) {
    std::string problem;
    const auto r = parse_route(c.text, &problem);
    ASSERT_TRUE(r) << c.text << ": " << problem;
    EXPECT_TRUE(*r == c.expected) << c.text << " became " << to_string(*r);
    EXPECT_EQ(to_string(*r), c.written != nullptr ? c.written : c.text);
    const auto again = parse_route(to_string(*r));
    ASSERT_TRUE(again) << to_string(*r);
    EXPECT_TRUE(*again == *r) << c.text;
  }
}

TEST(route, bad_texts_are_explained) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "missing"},
      {"   ", "missing"},
      {"nonsense", "begins with"},
      {"http:[a.example]", "begins with"},
      {"discard now", "nothing behind it: \"now\""},
      {"smtp:", "no host name"},
      {"smtp:[]", "no host name"},
      {"smtp:[a.example", "not closed"},
      {"smtp:[a b]", "not closed"},
      {"smtp:a_b.example", "no host name"},
      {"smtp:[{local}]", "no host name"},
      {"smtp:[1.2.3.999]", "no host name"},
      {"lmtp:127.0.0", "no host name"},
      {"smtp:[a.example]x", "a port"},
      {"smtp:[a.example]:", "a port"},
      {"smtp:[a.example]:0", "a port"},
      {"smtp:[a.example]:65536", "a port"},
      {"smtp:[a.example]:+25", "a port"},
      {"smtp:2001:db8::1", "a port"},
      {"smtp:[a.example] tls=maybe", "an option is"},
      {"smtp:[a.example] fast", "an option is"},
      {"smtp:[a.example],", "begins with"},
      {"smtp:[a.example],,smtp:[b.example]", "begins with"},
      {"lmtp:unix:relative", "begins with a slash"},
      {"maildir:relative", "slash"},
      {"maildir:/a/../b", ". or .."},
      {"maildir:/a/./b", ". or .."},
      {"maildir:/{user}", "no other braces"},
      {"maildir:/{local", "no other braces"},
      {"refuse", "refuse CODE"},
      {"refuse 250 OK", "refuse CODE"},
      {"refuse five", "refuse CODE"},
      {"refuse 550 4.1.1 mixed", "another digit"},
      {"refuse 550 5.1.1 h\xC3\xA9", "printable ASCII"},
  };
  for (const auto& [text, expected] : cases) {
    std::string problem;
    const auto r = parse_route(text, &problem);
    ASSERT_FALSE(r) << text;
    EXPECT_EQ(r.error(), smtp::errc::bad_config);
    EXPECT_NE(problem.find(expected), std::string::npos) << text << ": " << problem;
  }
}

TEST(route, a_problem_is_one_short_line) {
  std::string problem;
  EXPECT_FALSE(parse_route("maildir:" + std::string(5000, '\n'), &problem));
  EXPECT_LT(problem.size(), 200u);
  EXPECT_EQ(problem.find('\n'), std::string::npos);
}

TEST(route, too_many_hops_are_refused) {
  std::string text = "smtp:[a.example]";
  for (std::size_t i = 1; i < route::max_hops; ++i) text += ", smtp:[a.example]";
  EXPECT_TRUE(parse_route(text));
  EXPECT_FALSE(parse_route(text + ", smtp:[a.example]"));
}

TEST(route, a_refusal_refuses) {
  EXPECT_EQ(route::refuse(smtp::replies::ok).refusal().code(), 550);
  EXPECT_EQ(route::refuse(smtp::reply(451, {4, 3, 0}, "later")).refusal().code(), 451);
}

// --- {local} and {domain} ------------------------------------------------------------------------

smtp::address address_of(const std::string& text) {
  const auto a = smtp::address::from_text(
      text, {.utf8 = smtp::utf8_policy::smtputf8, .tags = smtp::literal_tags::any});
  EXPECT_TRUE(a) << text;
  return a ? *a : smtp::address();
}

TEST(route, expands_marks) {
  const auto path_for = [](const char* path, const char* address) {
    const auto r = expand(route::maildir(path), address_of(address));
    return r ? r->maildir_path() : std::string("refused");
  };
  EXPECT_EQ(path_for("/m/{domain}/{local}", "Alice@Example.TEST"), "/m/example.test/alice");
  EXPECT_EQ(path_for("/m/{local}@{domain}", "a@b.example"), "/m/a@b.example");
  EXPECT_EQ(path_for("/m/.{local}", "a@b.example"), "/m/.a");
  EXPECT_EQ(path_for("/m/{local}", "\"a b\"@b.example"), "/m/a b");
  EXPECT_EQ(path_for("/m/{local}", "a+b=c@b.example"), "/m/a+b=c");
  EXPECT_EQ(path_for("/m/{local}", "jos\xc3\xa9@b.example"), "/m/jos\xc3\xa9");
  EXPECT_EQ(path_for("/m/{domain}",
                     "a@b\xc3\xbc"
                     "cher.example"),
            "/m/xn--bcher-kva.example");
  // A mark in an address is only text.
  EXPECT_EQ(path_for("/m/{local}/{domain}", "{domain}@b.example"), "/m/{domain}/b.example");
  EXPECT_EQ(path_for("/plain", "a@b.example"), "/plain");
}

TEST(route, no_address_leaves_its_place_in_a_path) {
  const char* hostile[] = {
      "\"..\"@b.example",
      "\".\"@b.example",
      "\"\"@b.example",
      "\"../../etc\"@b.example",
      "\"/etc/passwd\"@b.example",
      "a/b@b.example",
      "/@b.example",
      "../x@b.example",
      "\"a\\/b\"@b.example",
      "\".hidden\"@b.example",
      "-rf@b.example",
  };
  for (const char* text : hostile) {
    const auto parsed = smtp::address::from_text(text);
    if (!parsed) continue;  // not even an address
    for (const char* path :
         {"/m/{local}", "/m/.{local}", "/m/{domain}/{local}/x", "/m/{local}{domain}"}) {
      EXPECT_FALSE(expand(route::maildir(path), *parsed)) << text << " in " << path;
    }
    // Where it does not stand in a path it does no harm.
    EXPECT_TRUE(expand(route::maildir("/m"), *parsed));
    EXPECT_TRUE(expand(next_hop("mx.example"), *parsed));
  }
}

TEST(route, a_name_the_system_has_no_room_for_is_refused) {
  const std::string domain =
      std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".example";
  const smtp::address long_one = address_of(std::string(62, 'x') + "@" + domain);
  EXPECT_TRUE(expand(route::maildir("/{domain}/{local}"), long_one));
  EXPECT_FALSE(expand(route::maildir("/{local}@{domain}{domain}"), long_one));
}

TEST(route, postmaster_without_domain_has_none_to_put_in) {
  const auto who = smtp::address::from_text("Postmaster");
  ASSERT_TRUE(who);
  EXPECT_FALSE(expand(route::maildir("/{domain}/{local}"), *who));
}

TEST(route, expands_the_domain_of_hops) {
  const auto r = expand(next_hop::mx_of("{domain}"), address_of("a@Example.TEST"));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->hops()[0].host, "example.test");
  EXPECT_EQ(r->hops()[0].lookup, hop_lookup::mx);
  EXPECT_FALSE(expand(next_hop::mx_of("{domain}"), address_of("a@[192.0.2.1]")));
}

}  // namespace
}  // namespace gatepost::routing
