// The server engine against a client that says anything, and a policy that answers anything: it
// ends or waits, holds a bound of memory, answers each command once, and never takes text for a
// command.
//
// The input's first 16 octets choose settings, how the rest is cut, and the answers; the rest is
// what the client says. tests/fuzz/session_model.hpp is the judge.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/session.hpp"
#include "smtp/testing/script.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/session_model.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)
using gatepost::tests::modelled_session;
using gatepost::tests::session_model;

constexpr std::size_t head_octets = 16;

channel make_channel(const std::uint8_t* head) {
  channel c;
  for (const extension_row& row : extension_table) c.extensions.add(row.bit);
  const auto bit = [head](int i) { return (head[i / 8] >> (i % 8) & 1) != 0; };
  c.lmtp = bit(0);
  c.line_ends = bit(1) ? line_ends::normalise : line_ends::strict;
  c.require_tls = bit(2);
  c.auth_without_tls = !bit(3);
  c.auth_mechanisms = {"PLAIN", "LOGIN"};
  c.xclient_from = {ip_network()};
  if (bit(4)) c.limits.message = 40;
  if (bit(5)) c.limits.drain = 30;
  if (bit(6)) c.limits.command_line = 60;
  if (bit(7)) c.limits.text_line = 12;
  if (bit(8)) c.extensions.remove(extension::chunking);
  if (bit(9)) c.extensions.remove(extension::prdr);
  if (bit(10)) c.limits.recipients = 2;
  if (bit(11)) c.limits.bad_commands = 3;
  if (bit(12)) c.limits.idle_commands = 3;
  if (bit(13)) c.require_auth = true;
  if (bit(14)) c.limits.pending_output = 50;
  if (bit(15)) c.limits.read_buffer = c.limits.command_buffer = 7;
  return c;
}

// Sees what the engine took for what.
class watcher final : public transcript_tap {
 public:
  void on_line(bool, std::string_view line) override {
    FUZZ_CHECK(line.find("\r\n") == line.npos);
    ++lines;
  }
  std::size_t lines = 0;
};

class run {
 public:
  run(const std::uint8_t* head, std::string_view client, std::size_t piece)
      : head_(head),
        client_(client),
        piece_(piece),
        settings_(make_channel(head)),
        engine_(settings_, facts_, pool_, {.tls = true, .auth = true}) {
    facts_.id = "ID";
    engine_.set_tap(&tap_);
  }

  void play() {
    // Each command and each octet costs a few actions.
    std::size_t left = 200 + client_.size() * 8;
    while (going_) {
      FUZZ_CHECK(left-- > 0);
      FUZZ_CHECK(engine_.output().size() < settings_.limits.pending_output + 200000);
      step(engine_.next());
    }
    judge();
  }

  const std::string& wire() const { return wire_; }
  // The client did not wait where it has to: what comes of that depends on the packets.
  bool depends_on_packets() const { return depends_; }

 private:
  void step(const action& a) {
    switch (a.kind) {
      case action_kind::read: return read();
      case action_kind::flush: return hear();
      case action_kind::pause: return;
      case action_kind::ask: return ask(a.stage);
      case action_kind::auth_step: return auth();
      case action_kind::etrn: return engine_.answer_etrn(reply(250, {2, 0, 0}, "OK"));
      case action_kind::body: return body(a.text);
      case action_kind::reset: FUZZ_CHECK(engine_.envelope().active()); return;
      case action_kind::start_tls:
        depends_ = true;
        facts_.tls.emplace();
        return engine_.tls_started();
      case action_kind::close:
        FUZZ_CHECK(!engine_.envelope().active());
        // As by what stands in one segment with a DATA that is refused.
        if (engine_.ended_by() == session_end::protocol) depends_ = true;
        hear();
        closed_ = true;
        going_ = false;
        return;
    }
  }

  void hear() {
    wire_ += engine_.output();
    engine_.sent(engine_.output().size());
  }

  void read() {
    hear();
    engine_.idle();
    if (sent_ == client_.size()) {
      going_ = false;
      return;
    }
    const std::span<char> room = engine_.prepare();
    FUZZ_CHECK(!room.empty());
    const std::size_t n =
        client_.substr(sent_, std::min(piece_, room.size())).copy(room.data(), room.size());
    engine_.received(n);
    sent_ += n;
  }

  // The next answer: the same whatever the pieces are.
  std::uint8_t choice() { return head_[4 + answers_++ % (head_octets - 4)]; }

  void ask(stage s) {
    const std::uint8_t c = choice();
    if (s == stage::data) text_.clear();
    if (s == stage::data && c % 16 >= 12) depends_ = true;
    const bool message = s == stage::message;
    if (message || s == stage::data) FUZZ_CHECK(!engine_.envelope().recipients().empty());
    if (message && c % 16 == 11) {
      const std::vector<reply> each(2, reply(452, {4, 2, 2}, "full"));
      const bool nobody =
          facts_.protocol == protocol::lmtp && engine_.envelope().recipients().size() <= 2;
      if (!nobody) keep();
      return engine_.answer_message(replies::ok, each);
    }
    switch (c % 16) {
      case 15: return engine_.answer(verdict::refuse({550, {5, 7, 1}, "refused"}));
      case 14: return engine_.answer(verdict::defer({450, {4, 7, 1}, "deferred\nuntil later"}));
      case 13: return engine_.answer(verdict::drop("dropped"));
      case 12: return engine_.end(replies::shutting_down, session_end::shutdown);
      case 10: engine_.stop(); break;
      default: break;
    }
    if (message) keep();
    engine_.answer(verdict::pass());
  }

  void keep() { kept_.push_back(text_); }

  void auth() {
    switch (choice() % 4) {
      case 0: return engine_.answer_auth(auth_answer::success("user"));
      case 1: return engine_.answer_auth(auth_answer::failure());
      default: return engine_.answer_auth(auth_answer::challenge("more"));
    }
  }

  void body(std::string_view text) {
    FUZZ_CHECK(!text.empty());
    text_ += text;
    if (head_[3] % 8 != 7) return;
    engine_.refuse_message({554, {5, 6, 0}, "no such text"});
    depends_ = true;  // the limit may be passed before this, or after it
  }

  void judge() {
    FUZZ_CHECK(testing::reply_fault(wire_).empty());
    session_model model(
        {settings_.line_ends, settings_.limits.command_line, settings_.limits.auth_line},
        client_.substr(0, sent_), wire_, closed_);
    FUZZ_CHECK(model.check() == kept_);
    FUZZ_CHECK(facts_.messages <= kept_.size());
  }

  const std::uint8_t* head_;
  std::string_view client_;
  std::size_t piece_;
  channel settings_;
  session_facts facts_;
  buffer_pool pool_;
  watcher tap_;
  session engine_;
  std::string wire_;
  std::string text_;
  std::vector<std::string> kept_;
  std::size_t sent_ = 0;
  std::size_t answers_ = 0;
  bool going_ = true;
  bool closed_ = false;
  bool depends_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < head_octets) return 0;
  const std::string_view client(reinterpret_cast<const char*>(data) + head_octets,
                                size - head_octets);
  run whole(data, client, client.size() + 1);
  whole.play();
  run cut(data, client, 1 + data[2] % 32);
  cut.play();
  if (!whole.depends_on_packets() && !cut.depends_on_packets())
    FUZZ_CHECK(whole.wire() == cut.wire());
  return 0;
}
