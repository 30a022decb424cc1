// This header stands alone.
#include "smtp/command.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace gatepost::smtp {
namespace {

const extension_set everything = [] {
  extension_set all;
  for (const extension_row& row : extension_table) all.add(row.bit);
  return all;
}();
const parse_options all_offered{.offered = everything};

TEST(command, splits_verb_and_argument) {
  struct {
    std::string_view line;
    verb v;
    std::string_view word;
    std::string_view argument;
  } const cases[] = {
      {"NOOP", verb::noop, "NOOP", ""},
      {"nOoP", verb::noop, "nOoP", ""},
      {"NOOP ", verb::noop, "NOOP", ""},
      {"NOOP  a  b ", verb::noop, "NOOP", "a  b"},
      {"NOOP\ta\t", verb::noop, "NOOP", "a"},
      {"MAIL FROM:<>", verb::mail, "MAIL", "FROM:<>"},
      {"STARTTLS", verb::starttls, "STARTTLS", ""},
      {"xforward NAME=a", verb::xforward, "xforward", "NAME=a"},
      {"NOOPS", verb::unknown, "NOOPS", ""},
      {"NOO", verb::unknown, "NOO", ""},
      {"N00P", verb::unknown, "N00P", ""},
      {"HELO:", verb::unknown, "HELO:", ""},
      {"\x4E\x4F\x6F\x70", verb::noop, "NOop", ""},
      // One bit off a letter is no letter.
      {"\x0E"
       "OOP",
       verb::unknown, "", ""},
      {"DAT!", verb::unknown, "DAT!", ""},
      {"QUI\x54", verb::quit, "QUIT", ""},
      {"@ATA", verb::unknown, "@ATA", ""},
      {"D\xC1TA", verb::unknown, "D\xC1TA", ""},
  };
  for (const auto& c : cases) {
    const auto got = parse_command(c.line);
    if (c.word.empty()) {
      EXPECT_FALSE(got) << c.line;
      continue;
    }
    ASSERT_TRUE(got) << c.line;
    EXPECT_EQ(got->verb, c.v) << c.line;
    EXPECT_EQ(got->word, c.word);
    EXPECT_EQ(got->argument, c.argument);
  }
}

TEST(command, every_verb_is_found_by_its_name) {
  for (int i = 1; i <= static_cast<int>(verb::xforward); ++i) {
    const auto v = static_cast<verb>(i);
    std::string name(to_string(v));
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(parse_command(name)->verb, v);
    for (char& c : name) c = static_cast<char>(c | 0x20);
    EXPECT_EQ(parse_command(name)->verb, v);
  }
  EXPECT_EQ(to_string(verb::unknown), "");
}

TEST(command, what_is_no_command_line) {
  EXPECT_EQ(parse_command("").error(), errc::empty_command);
  EXPECT_EQ(parse_command(" NOOP").error(), errc::empty_command);
  EXPECT_EQ(parse_command("\t").error(), errc::empty_command);
  for (int c = 0; c < 256; ++c) {
    const std::string line = std::string("NOOP a") + static_cast<char>(c);
    const bool control = (c < 32 && c != '\t') || c == 127;
    const auto got = parse_command(line);
    EXPECT_EQ(got.has_value(), !control) << c;
    if (control)
      EXPECT_EQ(got.error(), errc::control_character);
    else
      EXPECT_EQ(got->ascii, c < 128) << c;
  }
}

TEST(command, mail_with_everything) {
  const auto m = parse_mail(
      "FROM:<@r.example:a@b.example> SIZE=12 BODY=BINARYMIME SMTPUTF8 REQUIRETLS PRDR RET=HDRS "
      "ENVID=a+2Bb AUTH=c+40d SOLICIT=x:y",
      all_offered);
  ASSERT_TRUE(m);
  const mail_parameters& p = m->parameters;
  EXPECT_EQ(m->reverse_path.box.text, "a@b.example");
  EXPECT_EQ(p.size, 12U);
  EXPECT_EQ(p.body, body_type::binary_mime);
  EXPECT_TRUE(p.smtputf8 && p.requiretls && p.prdr);
  EXPECT_EQ(p.ret, dsn_return::headers);
  EXPECT_EQ(p.envid, "a+2Bb");
  EXPECT_EQ(p.auth, "c+40d");
  EXPECT_EQ(p.solicit, "x:y");
  EXPECT_TRUE(p.given.has(extension::size) && p.given.has(extension::dsn) &&
              p.given.has(extension::auth));
  EXPECT_FALSE(p.given.has(extension::pipelining));
}

TEST(command, mail_without_parameters) {
  const auto m = parse_mail("from: <> ", all_offered);
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->reverse_path.is_null());
  EXPECT_FALSE(m->parameters.size);
  EXPECT_FALSE(m->parameters.auth);
  EXPECT_TRUE(m->parameters.given.empty());
}

TEST(command, errors_of_mail) {
  struct {
    std::string_view argument;
    errc error;
  } const cases[] = {
      {"", errc::bad_argument},
      {"FROM", errc::bad_argument},
      {"FROM<a@b.c>", errc::bad_argument},
      {"TO:<a@b.c>", errc::bad_argument},
      {"FROM:", errc::empty_address},
      {"FROM:a@b.c", errc::missing_angle_bracket},
      {"FROM:<a@b.c", errc::missing_angle_bracket},
      {"FROM:<a@b.c>x", errc::trailing_characters},
      {"FROM:<a@b.c> X=1", errc::unknown_parameter},
      {"FROM:<a@b.c> SIZE=1 size=1", errc::duplicate_parameter},
      {"FROM:<a@b.c> SIZE", errc::bad_parameter},
      {"FROM:<a@b.c> PRDR=", errc::bad_parameter},
      {"FROM:<a@b.c> SIZE==1", errc::bad_parameter},
      {"FROM:<a@b.c> SIZE=1=1", errc::bad_parameter},
      {"FROM:<a@b.c> -SIZE=1", errc::bad_parameter},
      {"FROM:<a@b.c> \xC3\xBC=1", errc::bad_parameter},
      {"FROM:<a@b.c> ENVID=\xC3\xBC", errc::bad_parameter},
      {"FROM:<\xC3\xBC@b.c>", errc::non_ascii_address},
  };
  for (const auto& c : cases) {
    const auto got = parse_mail(c.argument, all_offered);
    ASSERT_FALSE(got) << c.argument;
    EXPECT_EQ(got.error(), c.error) << c.argument << ": " << make_error_code(got.error()).message();
  }
}

// Each parameter belongs to an extension, and is unknown where that is not offered.
TEST(command, parameters_need_their_extension) {
  struct {
    std::string parameter;
    std::vector<extension> needs;
  } const cases[] = {
      {"SIZE=1", {extension::size}},
      {"BODY=7BIT", {extension::eightbitmime}},
      {"BODY=8BITMIME", {extension::eightbitmime}},
      {"BODY=BINARYMIME", {extension::eightbitmime, extension::binarymime}},
      {"SMTPUTF8", {extension::smtputf8}},
      {"REQUIRETLS", {extension::requiretls}},
      {"PRDR", {extension::prdr}},
      {"RET=FULL", {extension::dsn}},
      {"ENVID=a", {extension::dsn}},
      {"AUTH=<>", {extension::auth}},
      {"SOLICIT=a", {extension::no_soliciting}},
  };
  for (const auto& c : cases) {
    const std::string argument = "FROM:<a@b.c> " + c.parameter;
    parse_options few;
    for (const extension e : c.needs) few.offered.add(e);
    EXPECT_TRUE(parse_mail(argument, few)) << c.parameter;
    for (const extension e : c.needs) {
      parse_options fewer = all_offered;
      fewer.offered.remove(e);
      const auto got = parse_mail(argument, fewer);
      ASSERT_FALSE(got) << c.parameter;
      EXPECT_EQ(got.error(), errc::unknown_parameter) << c.parameter;
    }
  }
}

TEST(command, at_most_so_many_parameters) {
  parse_options two = all_offered;
  two.max_parameters = 2;
  EXPECT_TRUE(parse_mail("FROM:<> SIZE=1 PRDR", two));
  EXPECT_EQ(parse_mail("FROM:<> SIZE=1 PRDR SMTPUTF8", two).error(), errc::too_many_parameters);
  two.max_parameters = 1;
  EXPECT_EQ(parse_rcpt("TO:<a@b.c> NOTIFY=NEVER ORCPT=a;b", two, false).error(),
            errc::too_many_parameters);
}

TEST(command, rcpt) {
  const auto r = parse_rcpt("TO:<a@b.example> NOTIFY=success,DELAY ORCPT=rfc822;a@b.example",
                            all_offered, false);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->forward_path.box.text, "a@b.example");
  EXPECT_EQ(r->parameters.notify, notify_success | notify_delay);
  EXPECT_EQ(r->parameters.orcpt, "rfc822;a@b.example");
  EXPECT_EQ(parse_rcpt("TO:<a@b.c> NOTIFY=NEVER", all_offered, false)->parameters.notify,
            notify_never);
  EXPECT_EQ(parse_rcpt("TO:<a@b.c>", all_offered, false)->parameters.notify, notify_unspecified);
  EXPECT_TRUE(parse_rcpt("TO:<postmaster>", all_offered, false));
  EXPECT_EQ(parse_rcpt("TO:<\xC3\xBC@b.c>", all_offered, false).error(), errc::non_ascii_address);
  EXPECT_TRUE(parse_rcpt("TO:<\xC3\xBC@b.c>", all_offered, true));
  EXPECT_EQ(parse_rcpt("FROM:<a@b.c>", all_offered, false).error(), errc::bad_argument);
  EXPECT_EQ(parse_rcpt("TO:<a@b.c> NOTIFY=NEVER,DELAY", all_offered, false).error(),
            errc::bad_parameter);
  EXPECT_EQ(parse_rcpt("TO:<a@b.c> NOTIFY=NEVER", {}, false).error(), errc::unknown_parameter);
  const std::string orcpt(500 - 7, 'x');
  EXPECT_TRUE(parse_rcpt("TO:<a@b.c> ORCPT=rfc822;" + orcpt, all_offered, false));
  EXPECT_FALSE(parse_rcpt("TO:<a@b.c> ORCPT=rfc822;x" + orcpt, all_offered, false));
}

TEST(command, bdat) {
  EXPECT_EQ(parse_bdat("0")->size, 0U);
  EXPECT_FALSE(parse_bdat("17")->last);
  EXPECT_TRUE(parse_bdat("17 last")->last);
  EXPECT_TRUE(parse_bdat("17\t LAST")->last);
  EXPECT_EQ(parse_bdat("18446744073709551615")->size, ~std::uint64_t{0});
  EXPECT_EQ(parse_bdat("").error(), errc::missing_argument);
  for (const std::string_view wrong : {"18446744073709551616", "+1", "-1", "1.0", "0x1", "1LAST",
                                       "1 LAST LAST", "1 L", "LAST", "\xB2"})
    EXPECT_EQ(parse_bdat(wrong).error(), errc::bad_chunk) << wrong;
}

TEST(command, auth) {
  EXPECT_EQ(parse_auth("PLAIN")->mechanism, "PLAIN");
  EXPECT_FALSE(parse_auth("PLAIN")->initial_response);
  EXPECT_EQ(parse_auth("PLAIN  abc=")->initial_response, "abc=");
  EXPECT_EQ(parse_auth("SCRAM-SHA-1_2 =")->initial_response, "=");
  EXPECT_EQ(parse_auth("").error(), errc::missing_argument);
  EXPECT_EQ(parse_auth("PLA/IN").error(), errc::bad_argument);
  EXPECT_EQ(parse_auth(std::string(21, 'A')).error(), errc::bad_argument);
  EXPECT_TRUE(parse_auth(std::string(20, 'A')));
  EXPECT_EQ(parse_auth("PLAIN a b").error(), errc::trailing_characters);
}

TEST(command, attributes) {
  const auto list = parse_attributes("NAME=a+2Bb  ADDR= PROTO=x=y");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->count, 3U);
  EXPECT_EQ(list->items[0].value, "a+2Bb");
  EXPECT_EQ(list->items[1].value, "");
  EXPECT_EQ(list->items[2].value, "x=y");
  EXPECT_EQ(parse_attributes("").error(), errc::missing_argument);
  EXPECT_EQ(parse_attributes("NAME").error(), errc::bad_argument);
  EXPECT_EQ(parse_attributes("=x").error(), errc::bad_argument);
  std::string many;
  for (int i = 0; i < 17; ++i) many += " A=b";
  EXPECT_EQ(parse_attributes(std::string_view(many).substr(1)).error(), errc::too_many_parameters);
  EXPECT_TRUE(parse_attributes(std::string_view(many).substr(5)));
}

TEST(command, extensions_are_found_by_keyword) {
  for (const extension_row& row : extension_table) {
    EXPECT_EQ(find_extension(row.keyword), row.bit);
    std::string lower(row.keyword);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    EXPECT_EQ(find_extension(lower), row.bit);
  }
  EXPECT_FALSE(find_extension("SIZE "));
  EXPECT_FALSE(find_extension(""));
}

}  // namespace
}  // namespace gatepost::smtp
