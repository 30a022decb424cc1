#ifndef GATEPOST_SMTP_TESTING_IMPL_SCRIPT_PLAYER_IPP
#define GATEPOST_SMTP_TESTING_IMPL_SCRIPT_PLAYER_IPP

#include <algorithm>
#include <utility>

#include "smtp/testing/script.hpp"

namespace gatepost::smtp::testing {
namespace detail {

// For people: one line, however long or strange the text.
inline std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 300)) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '\r')
      out += "\\r";
    else if (c == '\n')
      out += "\\n";
    else if (u < 32 || u > 126)
      out += "\\x" + std::string{"0123456789abcdef"[u >> 4], "0123456789abcdef"[u & 15]};
    else
      out.push_back(c);
  }
  return out + (text.size() > 300 ? "\"..." : "\"");
}

// Octets of the first reply in `heard`, with all its lines; 0: there is no whole one.
inline std::size_t reply_size(std::string_view heard) {
  for (std::size_t at = 0; at < heard.size();) {
    const std::size_t end = heard.find("\r\n", at);
    if (end == heard.npos) return 0;
    const bool last = end - at < 4 || heard[at + 3] != '-';
    at = end + 2;
    if (last) return at;
  }
  return 0;
}

}  // namespace detail

// One run of a script.
class script::player : private transcript_tap {
 public:
  player(const script& s, const variation& v)
      : script_(s),
        v_(v),
        settings_(s.settings_),
        facts_(s.facts_),
        engine_(settings_, facts_, pool_, s.can_) {
    engine_.set_tap(this);
  }

  script_run play() {
    begin_turn(0);
    // No script makes an engine do this much; one that does not end is a fault.
    for (int actions = 0; going_ && run_.problem.empty(); ++actions) {
      if (actions == 1000000) return fail("the engine does not end"), finish();
      turn(engine_.next());
    }
    return finish();
  }

  // What is wrong with a run in which something happened.
  std::string fault_of(const script_run& r) const {
    const std::string_view said =
        std::string_view(r.wire).substr(std::min(struck_wire_, r.wire.size()));
    const bool one_421 = said.starts_with("421 ") && detail::reply_size(said) == said.size();
    const auto ends_by = [&](session_end e) { return r.ended_by == e; };
    const std::string heard = "the server says " + detail::shown(said) + " and ends by " +
                              std::string(to_string(r.ended_by));
    switch (struck_ ? v_.trouble : mishap::none) {
      case mishap::none: return {};
      case mishap::client_leaves:
        return said.empty() && ends_by(session_end::client_left) ? "" : heard;
      case mishap::silence: return one_421 && ends_by(session_end::timeout) ? "" : heard;
      case mishap::end_now: return one_421 && ends_by(session_end::shutdown) ? "" : heard;
      case mishap::stop: {
        const bool at_once = one_421 && ends_by(session_end::shutdown);
        return at_once || was_active_ ? "" : heard;
      }
      case mishap::policy_throws: {
        const bool told = said.find("451 ") != said.npos || said.find("421 ") != said.npos;
        return told ? "" : heard;
      }
    }
    return {};
  }

 private:
  using steps = std::vector<const step*>;

  script_run finish() {
    run_.ended_by = engine_.ended_by();
    run_.facts = facts_;
    return std::move(run_);
  }

  void fail(const std::string& what) {
    if (run_.problem.empty()) run_.problem = "step " + std::to_string(move_) + ": " + what;
  }

  // --- Turns: a move, and what follows it until the next one
  // ------------------------------------------

  void begin_turn(std::size_t from) {
    expected_.clear();
    words_.clear();
    for (at_ = from; at_ < script_.steps_.size() && !is_move(script_.steps_[at_].what); ++at_) {
      const step& s = script_.steps_[at_];
      (s.what == kind::server ? words_ : expected_).push_back(&s);
    }
  }

  void end_turn() {
    if (struck_) return;
    for (const step* s : words_)
      if (!hears(s->words))
        return fail("expected " + detail::shown(s->words) + ", heard " + detail::shown(heard_));
    if (!heard_.empty()) fail("heard also " + detail::shown(heard_));
  }

  void expect_nothing() {
    if (!struck_ && !expected_.empty()) fail("the script expects " + name_of(*expected_.front()));
  }

  bool hears(std::string_view words) {
    std::size_t size = words.size();
    if (!std::string_view(heard_).starts_with(words)) return false;
    if (!words.ends_with("\r\n")) size = detail::reply_size(heard_);
    heard_.erase(0, size);
    return size != 0;
  }

  // The next expectation, if it is of this kind.
  const step* take(kind k) {
    if (struck_ || expected_.empty() || expected_.front()->what != k) return nullptr;
    const step* s = expected_.front();
    expected_.erase(expected_.begin());
    return s;
  }

  // --- Actions
  // ---------------------------------------------------------------------------------------

  void turn(const action& a) {
    switch (a.kind) {
      case action_kind::flush: return hear();
      case action_kind::read: return hear(), read();
      case action_kind::pause: return pause(a);
      case action_kind::ask: return ask(a.stage);
      case action_kind::auth_step: return auth_step(a.text);
      case action_kind::etrn: return etrn(a.text);
      case action_kind::body: return body(a.text);
      case action_kind::reset: return reset(a);
      case action_kind::start_tls: return start_tls();
      case action_kind::close: return hear(), close();
    }
  }

  void hear() {
    const std::string_view said = engine_.output();
    run_.wire += said;
    heard_ += said;
    // Not all at once, as a socket may have it.
    const std::size_t all = said.size();
    if (all > 1) engine_.sent(1);
    engine_.sent(all > 1 ? all - 1 : all);
  }

  void read() {
    if (strikes_in_text()) return strike();
    if (move_sent_ < move_text_.size()) return send();
    if (struck_ && v_.trouble != mishap::stop && v_.trouble != mishap::policy_throws)
      return fail("the engine reads on");
    end_turn();
    expect_nothing();
    if (at_ == script_.steps_.size()) {
      going_ = false;  // the script is at its end, and the session is not
      return;
    }
    if (!struck_ && v_.trouble_step == at_ && v_.trouble_at == nowhere) return strike();
    move(script_.steps_[at_]);
  }

  void move(const step& s) {
    move_ = at_;
    move_text_ = s.what == kind::client ? std::string_view(s.words) : std::string_view();
    move_sent_ = 0;
    switch (s.what) {
      case kind::leaves: engine_.lost(); break;
      case kind::stays_silent: engine_.timed_out(); break;
      case kind::stops: engine_.stop(); break;
      case kind::switches: engine_.switch_channel(*s.settings); break;
      default: break;
    }
    begin_turn(at_ + 1);
  }

  void send() {
    std::string_view rest = move_text_.substr(move_sent_);
    if (v_.piece != 0) rest = rest.substr(0, v_.piece);
    for (const std::size_t cut :
         {v_.cut_step == move_ ? v_.cut_at : 0, v_.trouble_step == move_ ? v_.trouble_at : 0})
      if (cut != nowhere && cut > move_sent_) rest = rest.substr(0, cut - move_sent_);
    const std::span<char> room = engine_.prepare();
    if (room.empty()) return fail("no room to read into");
    rest = rest.substr(0, room.size());
    rest.copy(room.data(), rest.size());
    engine_.received(rest.size());
    move_sent_ += rest.size();
  }

  void pause(const action& a) {
    if (const step* s = take(kind::pauses); s != nullptr && s->wait != a.wait)
      fail("pauses for " + std::to_string(a.wait.count()) + " ms");
  }

  void ask(smtp::stage s) {
    run_.questions.emplace_back(to_string(s));
    if (s == smtp::stage::data) text_.clear();
    if (s == smtp::stage::message) settle_text();
    if (strikes_at_question()) return strike_question();
    if (s == smtp::stage::message) {
      run_.messages.push_back(text_);
      if (const step* m = take(kind::asks_message)) return engine_.answer_message(m->said, m->each);
    }
    const bool mine = !expected_.empty() && expected_.front()->stage == s;
    const step* scripted = mine ? take(kind::asks) : nullptr;
    engine_.answer(scripted != nullptr ? scripted->answer : verdict::pass());
  }

  void auth_step(std::string_view text) {
    run_.questions.emplace_back("auth_step");
    if (strikes_at_question()) return strike_question();
    const step* s = take(kind::auth_step);
    if (s == nullptr) {
      if (!struck_) fail("an auth_step that the script does not expect");
      return engine_.answer_auth(auth_answer::failure());
    }
    if (s->has_response != engine_.has_auth_response() || s->words != text)
      fail("the authenticator gets " + detail::shown(text));
    engine_.answer_auth(*s->auth);
  }

  void etrn(std::string_view node) {
    run_.questions.emplace_back("etrn");
    if (strikes_at_question()) return strike_question();
    const step* s = take(kind::etrn);
    if (s != nullptr && s->words != node) fail("ETRN for " + detail::shown(node));
    engine_.answer_etrn(s != nullptr ? s->said : reply(250, {2, 0, 0}, "OK"));
  }

  void body(std::string_view text) {
    if (text.empty()) fail("no text");
    text_ += text;
    if (const step* s = take(kind::objects)) engine_.refuse_message(s->said);
  }

  void reset(const action& a) {
    if (!engine_.envelope().active()) fail("a reset without a transaction");
    settle_text();
    ++run_.resets;
    take(kind::resets);
    if (a.said != nullptr) run_.refusals.push_back(a.said->to_string());
  }

  void settle_text() {
    if (const step* s = take(kind::text); s != nullptr && s->words != text_)
      fail("the text is " + detail::shown(text_));
  }

  void start_tls() {
    hear();
    run_.questions.emplace_back("start_tls");
    if (strikes_at_question() && v_.trouble != mishap::policy_throws) return strike();
    if (take(kind::tls_fails) != nullptr || (struck_ && v_.trouble != mishap::stop))
      return engine_.lost();
    if (take(kind::starts_tls) == nullptr && !struck_) fail("TLS begins");
    facts_.tls.emplace();
    facts_.tls->version = "TLSv1.3";
    engine_.tls_started();
  }

  void close() {
    going_ = false;
    if (engine_.envelope().active()) fail("closed in a transaction without a reset");
    if (struck_) return;
    end_turn();
    const step* s = take(kind::closed);
    expect_nothing();
    if (s == nullptr) return fail("closed (" + std::string(to_string(engine_.ended_by())) + ")");
    if (s->why != engine_.ended_by())
      fail("closed because of " + std::string(to_string(engine_.ended_by())));
    if (at_ != script_.steps_.size()) fail("closed before the script's end");
  }

  // --- Mishaps
  // ---------------------------------------------------------------------------------------

  bool strikes_in_text() const {
    return !struck_ && v_.trouble_step == move_ && v_.trouble_at == move_sent_ &&
           v_.trouble != mishap::none;
  }

  void note_strike() {
    struck_ = true;
    struck_wire_ = run_.wire.size();
    was_active_ = engine_.envelope().active();
    heard_.clear();
  }

  void strike() {
    note_strike();
    switch (v_.trouble) {
      case mishap::client_leaves: return engine_.lost();
      case mishap::silence: return engine_.timed_out();
      case mishap::end_now: return engine_.end(replies::shutting_down, session_end::shutdown);
      default: return engine_.stop();
    }
  }

  bool strikes_at_question() {
    return !struck_ && v_.trouble != mishap::none && v_.trouble_question == questions_++;
  }

  void strike_question() {
    hear();
    if (v_.trouble != mishap::policy_throws) return strike();
    note_strike();
    const std::string_view question = run_.questions.back();
    if (question == "auth_step")
      engine_.answer_auth(auth_answer::failure(replies::local_error));
    else if (question == "etrn")
      engine_.answer_etrn(replies::local_error);
    else
      engine_.answer(verdict::defer(replies::local_error));
  }

  // --- Words
  // -----------------------------------------------------------------------------------------

  void on_line(bool from_client, std::string_view line) override {
    run_.transcript.push_back((from_client ? "C: " : "S: ") + std::string(line));
  }

  static std::string name_of(const step& s) {
    switch (s.what) {
      case kind::asks: return "a question of stage " + std::string(to_string(s.stage));
      case kind::asks_message: return "a question of stage message";
      case kind::text: return "text";
      case kind::objects: return "text to object to";
      case kind::auth_step: return "an auth_step";
      case kind::etrn: return "ETRN";
      case kind::starts_tls:
      case kind::tls_fails: return "TLS";
      case kind::resets: return "a reset";
      case kind::pauses: return "a pause";
      default: return "the end";
    }
  }

  const script& script_;
  const variation& v_;
  channel settings_;
  session_facts facts_;
  buffer_pool pool_;
  session engine_;
  script_run run_;

  std::size_t at_ = 0;    // the next move
  std::size_t move_ = 0;  // the last one
  std::string_view move_text_;
  std::size_t move_sent_ = 0;
  steps expected_;
  steps words_;
  std::string heard_;
  std::string text_;
  std::size_t questions_ = 0;
  std::size_t struck_wire_ = 0;
  bool struck_ = false;
  bool was_active_ = false;
  bool going_ = true;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_IMPL_SCRIPT_PLAYER_IPP
