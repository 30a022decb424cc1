// This header stands alone.
#include "smtp/session.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "tests/support/sessions.hpp"

// Every allocation of this program is counted.
namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace gatepost::smtp {
namespace {

// The engine with somebody who answers everything with yes.
class served {
 public:
  explicit served(channel c = tests::mx(), session_abilities can = {.tls = true, .auth = true})
      : settings(std::move(c)), engine(settings, facts, pool, can) {
    facts.id = "0123456789ABCDEF";
    facts.peer.address = facts.client.address;
    says("");
  }

  // Gives the client's octets, and how much the server said in return.
  std::size_t says(std::string_view octets) {
    std::size_t said = 0;
    while (true) {
      const action a = engine.next();
      said += engine.output().size();
      switch (a.kind) {
        case action_kind::read: {
          engine.sent(engine.output().size());
          if (octets.empty()) return said;
          engine.idle();
          const std::span<char> room = engine.prepare();
          const std::size_t n = octets.copy(room.data(), room.size());
          engine.received(n);
          octets.remove_prefix(n);
          break;
        }
        case action_kind::flush: engine.sent(engine.output().size()); break;
        case action_kind::ask: engine.answer(verdict::pass()); break;
        case action_kind::close: return said;
        default: break;
      }
    }
  }

  channel settings;
  session_facts facts;
  buffer_pool pool;
  session engine;
};

const std::string long_name = "a.rather.long.local.part.of.a.mailbox@mail.department.example.test";

std::string message_commands() {
  return "MAIL FROM:<" + long_name +
         "> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=QQ314159QQ314159QQ314159\r\nRCPT TO:<" +
         long_name + "> NOTIFY=FAILURE ORCPT=rfc822;" + long_name + "\r\nRCPT TO:<second." +
         long_name + ">\r\nDATA\r\n";
}

std::string text() {
  std::string all = "Subject: x\r\n\r\n";
  for (int i = 0; i < 60; ++i)
    all += "..a line of a message that has some sixty-odd octets in it, or so\r\n";
  return all + ".\r\n";
}

// What a session does again and again costs no allocation.
TEST(session, allocates_nothing_once_it_runs) {
  const std::string envelope = message_commands();
  const std::string message = text();
  const std::string chunk = "BDAT 10 LAST\r\n0123456789";
  const struct {
    std::string_view name;
    std::string_view before;
    std::string_view counted;
    std::string_view after;
  } cases[] = {
      {"NOOP", "MAIL FROM:<>\r\nRSET\r\n", "NOOP\r\n", ""},
      {"RSET", "MAIL FROM:<>\r\n", "RSET\r\n", ""},
      {"EHLO", "MAIL FROM:<>\r\nRSET\r\n", "EHLO client.of.some.length.example\r\n", ""},
      {"MAIL", "",
       "MAIL FROM:<a.rather.long.local.part@mail.department.example.test> SIZE=1000\r\n",
       "RSET\r\n"},
      {"RCPT", "MAIL FROM:<>\r\n",
       "RCPT TO:<a.rather.long.local.part@mail.department.example.test>\r\n", "RSET\r\n"},
      {"envelope", "", envelope, message},
      {"text", envelope, message, ""},
      {"chunk", "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n", chunk, ""},
  };
  served s(tests::mx_with([](channel& c) { c.limits.transactions = 0; }));
  s.says("EHLO client.of.some.length.example\r\n");
  for (const auto& c : cases) {
    for (int round = 0; round < 5; ++round) {
      s.says(c.before);
      const std::size_t before = allocations;
      EXPECT_GT(s.says(c.counted), 0U);
      const std::size_t cost = allocations - before;
      s.says(c.after);
      EXPECT_EQ(round > 1 ? cost : 0, 0U) << c.name;
    }
  }
  EXPECT_FALSE(s.engine.closed());
  EXPECT_GT(s.facts.messages, 10U);
  EXPECT_GT(allocations, 0U);
}

// An idle session holds no buffer.
TEST(session, an_idle_session_gives_its_buffer_back) {
  buffer_pool pool;
  const channel settings = tests::mx();
  session_facts facts;
  session engine(settings, facts, pool);
  EXPECT_EQ(engine.next().kind, action_kind::ask);
  engine.answer(verdict::pass());
  EXPECT_EQ(engine.next().kind, action_kind::read);
  char* const memory = engine.prepare().data();
  engine.idle();
  EXPECT_EQ(pool.take(settings.limits.command_buffer).memory.get(), memory);
}

// --- What its driver may do
// ---------------------------------------------------------------------------------

TEST(session, an_answer_that_nobody_waits_for_is_nothing) {
  served s;
  s.engine.answer(verdict::refuse(replies::no_such_user));
  EXPECT_EQ(s.engine.output(), "");
  EXPECT_EQ(s.engine.phase(), phase::start);
}

TEST(session, ends_while_a_question_is_out) {
  const channel settings = tests::mx();
  session_facts facts;
  buffer_pool pool;
  for (const bool left : {false, true}) {
    session engine(settings, facts, pool);
    ASSERT_EQ(engine.next().kind, action_kind::ask);
    if (left)
      engine.lost();
    else
      engine.end(replies::shutting_down, session_end::shutdown);
    engine.answer(verdict::pass());  // comes too late
    EXPECT_EQ(engine.next().kind, action_kind::close);
    EXPECT_EQ(engine.output(),
              left ? "" : "421 4.3.2 Server is shutting down, try again later\r\n");
    EXPECT_EQ(engine.ended_by(), left ? session_end::client_left : session_end::shutdown);
  }
}

TEST(session, the_first_end_counts) {
  served s;
  s.engine.end(replies::shutting_down, session_end::shutdown);
  s.engine.end(replies::too_slow, session_end::timeout);
  s.engine.lost();
  EXPECT_EQ(s.engine.ended_by(), session_end::shutdown);
  EXPECT_EQ(s.engine.output(), "");  // who is lost is told nothing
}

// Views of an action stay good until the next prepare() or next(), also when the session is ended
// meanwhile.
TEST(session, text_stays_until_its_reader_is_done) {
  served s;
  s.says("EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n");
  const std::string text = "some text\r\n";
  text.copy(s.engine.prepare().data(), text.size());
  s.engine.received(text.size());
  const action a = s.engine.next();
  ASSERT_EQ(a.kind, action_kind::body);
  s.engine.end(replies::shutting_down, session_end::shutdown);
  buffer_pool::block other = s.pool.take(s.settings.limits.read_buffer);
  std::fill_n(other.memory.get(), other.size, 'X');
  EXPECT_EQ(a.text, text);
  EXPECT_EQ(s.engine.next().kind, action_kind::reset);
  EXPECT_EQ(s.engine.next().kind, action_kind::close);
}

TEST(session, the_envelope_is_there_when_the_transaction_is_over) {
  served s;
  s.says("EHLO a.example\r\nMAIL FROM:<a@b.example>\r\n");
  const std::string_view rset = "RSET\r\n";
  rset.copy(s.engine.prepare().data(), rset.size());
  s.engine.received(rset.size());
  EXPECT_EQ(s.engine.next().kind, action_kind::reset);
  EXPECT_EQ(s.engine.envelope().reverse_path().text(), "a@b.example");
  EXPECT_EQ(s.engine.next().kind, action_kind::read);
  EXPECT_FALSE(s.engine.envelope().active());
}

TEST(session, names_of_ends) {
  EXPECT_EQ(to_string(session_end::open), "open");
  EXPECT_EQ(to_string(session_end::quit), "quit");
  EXPECT_EQ(to_string(session_end::client_left), "client left");
  EXPECT_EQ(to_string(session_end::timeout), "timeout");
  EXPECT_EQ(to_string(session_end::limit), "limit");
  EXPECT_EQ(to_string(session_end::policy), "policy");
  EXPECT_EQ(to_string(session_end::protocol), "protocol");
  EXPECT_EQ(to_string(session_end::shutdown), "shutdown");
}

}  // namespace
}  // namespace gatepost::smtp
