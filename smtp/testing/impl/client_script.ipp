#ifndef GATEPOST_SMTP_TESTING_IMPL_CLIENT_SCRIPT_IPP
#define GATEPOST_SMTP_TESTING_IMPL_CLIENT_SCRIPT_IPP

#include <algorithm>
#include <utility>

#include "smtp/testing/client_script.hpp"

namespace gatepost::smtp::testing {
namespace detail {

// A line end in a message for people.
inline std::string visible(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r')
      out.append("\\r");
    else if (c == '\n')
      out.append("\\n");
    else
      out.push_back(c);
  }
  return out;
}

inline std::string_view name_of(client_action_kind k) {
  switch (k) {
    case client_action_kind::write: return "write";
    case client_action_kind::read: return "read";
    case client_action_kind::start_tls: return "start_tls";
    case client_action_kind::want_body: return "want_body";
    case client_action_kind::idle: return "idle";
    case client_action_kind::done: return "done";
    case client_action_kind::failed: return "failed";
  }
  return "?";
}

class transcript_keeper final : public client_tap {
 public:
  explicit transcript_keeper(std::vector<std::string>& lines) : lines_(lines) {}
  void on_line(side who, std::string_view line) override {
    lines_.push_back((who == side::client ? "C: " : "S: ") + std::string(line));
  }

 private:
  std::vector<std::string>& lines_;
};

}  // namespace detail

// One run of a script.
class client_script::player {
 public:
  player(const client_script& script, const variation& v)
      : script_(script), v_(v), keeper_(run_.transcript), session_(script.options_, &keeper_) {}

  client_run play() {
    while (going_ && run_.problem.empty()) turn(session_.next());
    note_outcome();
    run_.failure = session_.failure();
    run_.features = session_.features();
    run_.logged_in = session_.logged_in();
    return std::move(run_);
  }

 private:
  const step* current() const {
    return at_ < script_.steps_.size() ? &script_.steps_[at_] : nullptr;
  }
  bool is(kind k) const { return current() != nullptr && current()->what == k; }

  void turn(const client_action& a) {
    const bool over = a.kind == client_action_kind::failed || a.kind == client_action_kind::done;
    if (a.kind == client_action_kind::write && a.step == client_step::final_dot)
      run_.end_sent = true;
    // Text is given first, so that the loss is in the write.
    const bool lost_here = at_ == v_.lost_step && heard_ == v_.lost_at;
    if (lost_here && !over && a.kind != client_action_kind::want_body) {
      session_.lost(v_.lost_why);
      const client_action after = session_.next();
      if (after.kind != client_action_kind::failed && after.kind != client_action_kind::done)
        problem(after, "a session that ends with its connection");
      going_ = false;
      return;
    }
    if (is(kind::server_too_early)) return hear_too_early();
    switch (a.kind) {
      case client_action_kind::write: return write(a);
      case client_action_kind::read: return read(a);
      case client_action_kind::start_tls: return start_tls(a);
      case client_action_kind::want_body: return give_text();
      case client_action_kind::idle: return idle(a);
      case client_action_kind::done: return end(a, current() == nullptr);
      case client_action_kind::failed:
        return end(a, is(kind::fails) && session_.failure().error == current()->error);
    }
  }

  void write(const client_action& a) {
    if (!is(kind::client)) return problem(a, "");
    if (a.text != current()->text) return problem(a, detail::visible(current()->text));
    session_.written();
    ++at_;
  }

  void read(const client_action& a) {
    if (!is(kind::server)) return problem(a, "");
    const std::string_view rest = std::string_view(current()->text).substr(heard_);
    std::size_t n = v_.piece == 0 ? rest.size() : std::min(v_.piece, rest.size());
    if (at_ == v_.cut_step && heard_ < v_.cut_at) n = v_.cut_at - heard_;
    if (at_ == v_.lost_step && heard_ < v_.lost_at) n = v_.lost_at - heard_;
    heard_ += n;
    const bool all = heard_ == current()->text.size();
    session_.received(rest.substr(0, n));
    if (all) next_step();
  }

  void hear_too_early() {
    session_.received(current()->text);
    next_step();
  }

  void start_tls(const client_action& a) {
    if (is(kind::starts_tls)) {
      session_.tls_started();
      session_.tls_verified();
    } else if (is(kind::tls_fails)) {
      session_.lost(errc::tls_failed, "no common cipher");
    } else {
      return problem(a, "");
    }
    next_step();
  }

  void give_text() {
    const bool breaks_off = message_->what == kind::breaks_off;
    if (breaks_off && given_ == message_->text.size()) return session_.abandon();
    const std::string_view rest = std::string_view(message_->text).substr(given_);
    const std::size_t n =
        message_->piece == 0 ? rest.size() : std::min(message_->piece, rest.size());
    given_ += n;
    const bool last = !breaks_off && given_ == message_->text.size();
    session_.body(rest.substr(0, n), last ? body_part::last : body_part::more_follows);
  }

  void idle(const client_action& a) {
    note_outcome();
    if (current() == nullptr) {
      going_ = false;
      return;
    }
    switch (current()->what) {
      case kind::sends:
      case kind::breaks_off:
        message_ = current();
        given_ = 0;
        session_.begin(message_->message);
        break;
      case kind::quits: session_.quit(); break;
      case kind::server_while_idle: session_.received(current()->text); break;
      default: return problem(a, "");
    }
    next_step();
  }

  void end(const client_action& a, bool expected) {
    going_ = false;
    // What a server says after the octets that ended the session is not read.
    const bool cut = is(kind::server) && heard_ > 0;
    if (cut) next_step();
    if (cut && is(kind::fails) && session_.failure().error == current()->error) return;
    if (!expected) problem(a, "");
  }

  void note_outcome() {
    if (message_ == nullptr) return;
    run_.outcomes.push_back(session_.outcome());
    message_ = nullptr;
  }

  void next_step() {
    ++at_;
    heard_ = 0;
  }

  void problem(const client_action& a, std::string_view expected) {
    std::string& p = run_.problem;
    p = "step " + std::to_string(at_) + ": the session says ";
    p.append(detail::name_of(a.kind));
    if (a.kind == client_action_kind::write) p.append(" \"" + detail::visible(a.text) + "\"");
    if (a.kind == client_action_kind::failed) p.append(" (" + session_.failure().text() + ")");
    p.append("; the script has ");
    p.append(current() == nullptr ? "its end" : "\"" + detail::visible(current()->text) + "\"");
    if (!expected.empty()) p.append("; expected ").append(expected);
  }

  const client_script& script_;
  const variation& v_;
  client_run run_;
  detail::transcript_keeper keeper_;
  client_session session_;
  const step* message_ = nullptr;
  std::size_t at_ = 0;
  std::size_t heard_ = 0;  // of the current server text
  std::size_t given_ = 0;  // of the message
  bool going_ = true;
};

// --- The conversation ----------------------------------------------------------------------------

GATEPOST_DECL client_script& client_script::add(step s) {
  steps_.push_back(std::move(s));
  return *this;
}

GATEPOST_DECL client_script& client_script::server(std::string_view text) {
  return add({.what = kind::server, .text = std::string(text)});
}

GATEPOST_DECL client_script& client_script::client(std::string_view text) {
  return add({.what = kind::client, .text = std::string(text)});
}

GATEPOST_DECL client_script& client_script::starts_tls() { return add({.what = kind::starts_tls}); }

GATEPOST_DECL client_script& client_script::tls_fails() { return add({.what = kind::tls_fails}); }

GATEPOST_DECL client_script& client_script::sends(transaction t, std::string_view text,
                                                  std::size_t piece) {
  return add({kind::sends, std::string(text), std::move(t), piece, {}});
}

GATEPOST_DECL client_script& client_script::breaks_off(transaction t, std::string_view text) {
  return add({kind::breaks_off, std::string(text), std::move(t), 0, {}});
}

GATEPOST_DECL client_script& client_script::quits() { return add({.what = kind::quits}); }

GATEPOST_DECL client_script& client_script::server_while_idle(std::string_view text) {
  return add({.what = kind::server_while_idle, .text = std::string(text)});
}

GATEPOST_DECL client_script& client_script::server_too_early(std::string_view text) {
  return add({.what = kind::server_too_early, .text = std::string(text)});
}

GATEPOST_DECL client_script& client_script::fails(std::error_code why) {
  return add({.what = kind::fails, .error = why});
}

// --- Playing it ----------------------------------------------------------------------------------

inline client_run client_script::run(const variation& v) const { return player(*this, v).play(); }

GATEPOST_DECL client_run client_script::play() const { return run({}); }

GATEPOST_DECL client_run client_script::play_octets() const { return run({.piece = 1}); }

GATEPOST_DECL client_run client_script::play_lost(std::size_t step, std::error_code why,
                                                  std::size_t heard) const {
  return run({.lost_step = step, .lost_at = heard, .lost_why = why});
}

GATEPOST_DECL std::string client_script::check() const {
  const client_run whole = play();
  if (!whole.problem.empty()) return whole.problem;
  const client_run octets = play_octets();
  if (!octets.problem.empty()) return "octet by octet: " + octets.problem;
  const std::string cuts = check_cuts();
  return cuts.empty() ? check_losses(whole) : cuts;
}

inline std::string client_script::check_cuts() const {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].what != kind::server) continue;
    for (std::size_t at = 1; at < steps_[i].text.size(); ++at) {
      const client_run r = run({.cut_step = i, .cut_at = at});
      if (!r.problem.empty())
        return "step " + std::to_string(i) + " cut at " + std::to_string(at) + ": " + r.problem;
    }
  }
  return {};
}

inline std::string client_script::check_losses(const client_run& whole) const {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].what == kind::fails) continue;
    const std::size_t size = steps_[i].what == kind::server ? steps_[i].text.size() : 0;
    for (const smtp::errc why : {errc::connection_lost, errc::timed_out}) {
      for (const std::size_t heard :
           {std::size_t{0}, size / 3, size / 2, size - (size > 1 ? 1 : 0)}) {
        const std::string wrong = fault_of_loss(play_lost(i, why, heard), whole);
        if (!wrong.empty())
          return std::string(why == errc::timed_out ? "timed out" : "lost") + " before step " +
                 std::to_string(i) + ", " + std::to_string(heard) + " octets heard: " + wrong;
        if (size < 2) break;
      }
    }
  }
  return {};
}

inline std::string client_script::fault_of_loss(const client_run& r, const client_run& whole) {
  using state = recipient_state;
  if (!r.problem.empty()) return r.problem;
  for (std::size_t t = 0; t < r.outcomes.size(); ++t) {
    for (std::size_t k = 0; k < r.outcomes[t].recipients.size(); ++k) {
      const recipient_outcome& now = r.outcomes[t].recipients[k];
      const recipient_outcome& then = whole.outcomes[t].recipients[k];
      const std::string who = "recipient " + std::to_string(k);
      if (now.state == state::delivered && then.state != state::delivered)
        return who + " is delivered only with the loss";
      if (now.state == state::untried && then.state != state::untried)
        return who + " is not settled";
      if (now.in_doubt && (now.state != state::deferred || !r.end_sent))
        return who + " is in doubt without reason";
      if (!now.in_doubt && now.state == state::deferred && r.end_sent &&
          now.step == client_step::final_dot && !now.from_server)
        return who + " is not in doubt";
    }
  }
  return {};
}

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_IMPL_CLIENT_SCRIPT_IPP
