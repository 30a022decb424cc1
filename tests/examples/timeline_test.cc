// This header stands alone.
#include "examples/probe/timeline.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace probe {
namespace {

using step = gatepost::smtp::client_step;

// Lines as the tap of a session shows them; "<" is a reply.
struct event {
  std::string_view line;
  step expected;
};

using conversation = std::vector<event>;

void check(const conversation& events) {
  reply_matcher m;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const step s = events[i].line == "<" ? m.heard() : m.said(events[i].line);
    EXPECT_EQ(step_name(s), step_name(events[i].expected)) << i << ": " << events[i].line;
  }
}

TEST(ReplyMatcher, OneByOne) {
  check({{"<", step::greeting},
         {"EHLO a.example", step::hello},
         {"<", step::hello},
         {"STARTTLS", step::starttls},
         {"<", step::starttls},
         {"EHLO a.example", step::hello},
         {"<", step::hello},
         {"QUIT", step::quit},
         {"<", step::quit}});
}

TEST(ReplyMatcher, AuthWithMaskedResponses) {
  check({{"<", step::greeting},
         {"AUTH LOGIN", step::auth},
         {"<", step::auth},
         {"****", step::auth},
         {"<", step::auth},
         {"*", step::auth},
         {"<", step::auth}});
}

TEST(ReplyMatcher, PipelinedGroup) {
  check({{"<", step::greeting},
         {"RSET", step::rset},
         {"MAIL FROM:<a@a.example>", step::mail},
         {"RCPT TO:<b@b.example>", step::rcpt},
         {"RCPT TO:<c@b.example>", step::rcpt},
         {"DATA", step::data},
         {"<", step::rset},
         {"<", step::mail},
         {"<", step::rcpt},
         {"<", step::rcpt},
         {"<", step::data},
         {"(12 octets of message text)", step::body},
         {".", step::final_dot},
         {"<", step::final_dot}});
}

TEST(ReplyMatcher, ChunksWhoseRepliesComeLate) {
  check({{"<", step::greeting},
         {"BDAT 65536", step::body},
         {"BDAT 65536", step::body},
         {"<", step::body},
         {"BDAT 7 LAST", step::final_dot},
         {"(131079 octets of message text)", step::body},
         {"<", step::body},
         {"<", step::final_dot},
         {"QUIT", step::quit},
         {"<", step::quit}});
}

// LMTP and PRDR: a reply for each recipient.
TEST(ReplyMatcher, ManyRepliesToTheEndOfAMessage) {
  check({{"<", step::greeting},
         {".", step::final_dot},
         {"<", step::final_dot},
         {"<", step::final_dot},
         {"<", step::final_dot},
         {"MAIL FROM:<a@a.example>", step::mail},
         {"<", step::mail},
         {"<", step::idle}});
}

TEST(Timeline, AddsUp) {
  timeline t;
  t.add(step::rcpt, microseconds(5));
  t.add(step::rcpt, microseconds(7));
  t.add(step::rcpt, microseconds(1));
  EXPECT_EQ(t.of(step::rcpt).count, 3u);
  EXPECT_EQ(t.of(step::rcpt).total, microseconds(13));
  EXPECT_EQ(t.of(step::rcpt).longest, microseconds(7));
  EXPECT_EQ(t.of(step::mail).count, 0u);
}

}  // namespace
}  // namespace probe
