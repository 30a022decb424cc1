// The client engine against a server that says anything: it ends, or waits; it never trusts or
// grows.
//
// The input's first octets choose options and how the octets behind them are cut; those are what
// the server says. Each action of the engine is carried out at once.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/client_session.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)

address parsed(std::string_view text) {
  const auto a = address::from_text(text);
  FUZZ_CHECK(a);
  return *a;
}

transaction make_transaction(std::uint8_t choice) {
  transaction t;
  t.reverse_path = parsed("s@a.example");
  const std::size_t count = 1 + choice % 7;
  for (std::size_t i = 0; i < count; ++i) {
    recipient r;
    r.forward_path = parsed("r" + std::to_string(i) + "@b.example");
    r.notify = choice & 15;
    r.orcpt = "rfc822;o@b.example";
    t.recipients.push_back(r);
  }
  if ((choice & 16) != 0) t.size = 100;
  if ((choice & 32) != 0) t.body = body_type::eight_bit_mime;
  if ((choice & 64) != 0) t.envid = "abc";
  return t;
}

client_options make_options(std::uint8_t choice, std::uint8_t more) {
  client_options o;
  if ((choice & 1) != 0) o.protocol = client_protocol::lmtp;
  if ((choice & 2) != 0) o.starttls = starttls_use::required;
  if ((choice & 4) != 0) o.chunking = chunking_use::when_offered;
  if ((choice & 8) != 0) o.prdr = true;
  if ((choice & 16) != 0) o.login = credentials("u", "secret");
  if ((choice & 32) != 0) o.auth_without_tls = true;
  if ((choice & 64) != 0) o.send_8bit_anyway = true;
  if ((choice & 128) != 0) o.tls_active = true;
  o.limits.outstanding = 1 + (more & 7);
  o.limits.body_block = 1 + (more >> 3);
  o.limits.reply = {200, 20, 2000};
  return o;
}

// What goes out is commands without stray line ends, or text between 354 and the lone dot.
class checker final : public client_tap {
 public:
  void on_line(side who, std::string_view line) override {
    FUZZ_CHECK(line.find_first_of(std::string_view("\r\n\0", 3)) == line.npos);
    FUZZ_CHECK(who == side::server || line.find("secret") == line.npos);
    ++lines;
  }
  std::size_t lines = 0;
};

class run {
 public:
  run(const std::uint8_t* head, std::string_view server)
      : server_(server),
        piece_(1 + head[2] % 32),
        message_(make_transaction(head[3])),
        options_(make_options(head[0], head[1])),
        session_(options_, &tap_) {}

  void play() {
    // Each action but read is bounded by what was read: no step goes on for ever.
    const std::size_t most = 200 + 40 * server_.size();
    for (std::size_t i = 0; i < most; ++i) {
      const client_action a = session_.next();
      FUZZ_CHECK(session_.next().kind == a.kind);
      if (!act(a)) return check_end();
    }
    FUZZ_CHECK(!"the session ends, or waits for the server");
  }

 private:
  bool act(const client_action& a) {
    switch (a.kind) {
      case client_action_kind::write: return write(a);
      case client_action_kind::read: return hear();
      case client_action_kind::start_tls: session_.tls_started(); return true;
      case client_action_kind::want_body: give(); return true;
      case client_action_kind::idle: return begin();
      case client_action_kind::done:
      case client_action_kind::failed: return false;
    }
    return false;
  }

  bool write(const client_action& a) {
    FUZZ_CHECK(!a.text.empty());
    FUZZ_CHECK(a.text.size() <= 3 * options_.limits.body_block + 4096);
    if (a.step == client_step::final_dot) end_sent_ = true;
    if (early_ > 0 && --early_ == 0 && !hear()) return false;
    session_.written();
    return true;
  }

  bool hear() {
    if (server_.empty()) {
      session_.lost(errc::connection_lost);
      return session_.next().kind != client_action_kind::failed;
    }
    session_.received(server_.substr(0, piece_));
    server_.remove_prefix(std::min(piece_, server_.size()));
    return true;
  }

  void give() {
    const std::string_view text = "Subject: x\r\n\r\n.\r\n..a\nb\r";
    const std::size_t n = std::min<std::size_t>(7, text.size() - given_);
    const std::string_view part = text.substr(given_, n);
    given_ += n;
    session_.body(part, given_ == text.size() ? body_part::last : body_part::more_follows);
  }

  bool begin() {
    if (begun_) check_outcome();
    if (begun_ && (server_.empty() || !session_.may_begin() || ++messages_ > 20)) {
      session_.quit();
      return true;
    }
    begun_ = true;
    given_ = 0;
    end_sent_ = false;
    session_.begin(message_);
    return true;
  }

  void check_outcome() const {
    const transaction_outcome& o = session_.outcome();
    FUZZ_CHECK(o.recipients.size() == message_.recipients.size());
    for (const recipient_outcome& r : o.recipients) {
      if (r.state == recipient_state::delivered)
        FUZZ_CHECK(end_sent_ && r.from_server && r.reply.code() / 100 == 2 && !r.in_doubt);
      if (r.in_doubt) FUZZ_CHECK(end_sent_ && r.state == recipient_state::deferred);
      if (r.state == recipient_state::failed) FUZZ_CHECK(r.reply.code() / 100 == 5);
      if (r.state == recipient_state::deferred)
        FUZZ_CHECK(r.reply.code() / 100 == 4 || r.reply.code() == 552);
    }
  }

  void check_end() const {
    if (begun_) check_outcome();
    // No certificate is verified here.
    if (session_.logged_in()) FUZZ_CHECK(options_.login.has_value() && options_.auth_without_tls);
    FUZZ_CHECK(session_.features().unknown.size() <= max_feature_names);
  }

  std::string_view server_;
  std::size_t piece_;
  std::size_t early_ = piece_ % 5;  // before this write is done, the server speaks
  transaction message_;
  client_options options_;
  checker tap_;
  client_session session_;
  std::size_t given_ = 0;
  int messages_ = 0;
  bool begun_ = false;
  bool end_sent_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t head = 4;
  if (size < head) return 0;
  run(data, {reinterpret_cast<const char*>(data) + head, size - head}).play();
  return 0;
}
